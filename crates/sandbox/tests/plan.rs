//! Whole plans, for a root worker and for an ordinary user, on a machine that is written down here.
#![allow(clippy::unwrap_used)] // Tests.

use std::collections::BTreeMap;

use outwork_sandbox::{
    Capabilities, Cgroup, EtcEntry, Forward, IdRange, KernelVersion, LayerIds, Lower, Mount,
    Network, Overlay, OverlaySupport, Owner, Plan, PlanError, PlannedMount, Privilege, Privileges,
    RootStep, Spec, SysFile, SystemEntry, SystemRoot, User, UserNamespaces, plan, stored_owner,
};

fn machine(privilege: Privilege) -> Capabilities {
    Capabilities {
        kernel: KernelVersion { major: 6, minor: 1 },
        privilege,
        user_namespaces: UserNamespaces::Available,
        idmapped_mounts: matches!(privilege, Privilege::Root { .. }),
        overlay: OverlaySupport::Available,
        cgroup: Cgroup::None,
        landlock: Some(4),
        id_ranges: vec![IdRange {
            first: 0,
            count: u32::MAX,
        }],
        system: vec![
            SystemEntry::Symlink {
                path: "/bin".into(),
                points_to: "usr/bin".into(),
            },
            SystemEntry::Directory {
                path: "/usr".into(),
            },
        ],
        etc: vec![EtcEntry {
            path: "/etc/ssl/certs".into(),
        }],
        sys: vec![SysFile {
            path: "/sys/devices/system/cpu/present".into(),
            contents: "0-1\n".to_owned(),
        }],
    }
}

fn spec() -> Spec {
    let mut spec = Spec::new(["agent", "--json"]);
    spec.hostname = "task".to_owned();
    spec.uid_base = 327_680;
    spec.environment = BTreeMap::from([("HOME".to_owned(), "/home/agent".to_owned())]);
    spec.mounts.extend([
        Mount::Bind {
            source: "/var/lib/outwork/task/work".into(),
            target: "/workspace".into(),
        },
        Mount::ReadOnlyBind {
            source: "/var/lib/outwork/agents/codex".into(),
            target: "/agent".into(),
        },
        Mount::Tmpfs {
            target: "/home/agent".into(),
            size_bytes: 1 << 20,
            mode: 0o700,
        },
        Mount::File {
            target: "/home/agent/.config/a.toml".into(),
            contents: "a = 1\n".into(),
            mode: 0o600,
        },
    ]);
    spec.working_directory = "/workspace".into();
    spec.network = Network::Forwards(vec![Forward {
        listen_port: 8080,
        unix_socket: "/var/lib/outwork/task/gateway.sock".into(),
    }]);
    spec
}

#[test]
fn a_root_worker_maps_ids_and_mounts() {
    insta::assert_json_snapshot!(
        plan(&spec(), &machine(Privilege::Root { uid: 0, gid: 0 })).unwrap()
    );
}

#[test]
fn an_ordinary_user_maps_itself() {
    let capabilities = machine(Privilege::User { uid: 501, gid: 20 });
    let Plan {
        identity,
        opener,
        root,
        ..
    } = plan(&spec(), &capabilities).unwrap();
    let binds: Vec<_> = root
        .iter()
        .filter(|step| format!("{step:?}").contains("/workspace"))
        .collect();
    insta::assert_json_snapshot!((identity, opener, binds));
}

/// The root and one more; setup, by root inside.
fn layered() -> Spec {
    let mut spec = Spec::new(["/outwork/setup.sh"]);
    let at = |path: &str, ids| Lower {
        path: format!("/var/lib/outwork/{path}").into(),
        ids,
    };
    let overlay = |name: &str, lowers| Overlay {
        lowers,
        upper: format!("/var/lib/outwork/task/{name}.upper").into(),
        work: format!("/var/lib/outwork/task/{name}.work").into(),
    };
    let root = vec![
        at("snapshot/root", LayerIds::Stored),
        at("skeleton", LayerIds::Stored),
    ];
    let host = Lower {
        path: "/usr/local".into(),
        ids: LayerIds::Host,
    };
    spec.system = SystemRoot::Overlay(overlay("root", root));
    spec.mounts = vec![
        Mount::Tmpfs {
            target: "/tmp".into(),
            size_bytes: 1 << 20,
            mode: 0o1777,
        },
        Mount::ReadOnlyBind {
            source: "/usr".into(),
            target: "/usr".into(),
        },
        Mount::Overlay {
            overlay: overlay("usr-local", vec![host]),
            target: "/usr/local".into(),
        },
        Mount::File {
            target: "/outwork/setup.sh".into(),
            contents: "#!/bin/sh\n".into(),
            mode: 0o755,
        },
    ];
    spec.user = User {
        uid: 0,
        gid: 0,
        name: "root".to_owned(),
        home: "/root".into(),
    };
    spec.further_users = vec![User::default()];
    spec.privileges = Privileges::OwnFiles;
    spec.handles = vec!["/workspace".into()];
    spec
}

#[test]
fn a_root_worker_maps_the_ids_of_stored_layers_and_no_others() {
    let plan = plan(&layered(), &machine(Privilege::Root { uid: 0, gid: 0 })).unwrap();
    insta::assert_json_snapshot!(plan);
}

#[test]
fn an_ordinary_user_has_layers_as_they_are() {
    let capabilities = machine(Privilege::User { uid: 501, gid: 20 });
    let Plan {
        identity,
        opener,
        base,
        root,
        ..
    } = plan(&layered(), &capabilities).unwrap();
    let overlays: Vec<_> = root
        .iter()
        .filter(|step| format!("{step:?}").contains("Overlay"))
        .collect();
    insta::assert_json_snapshot!((identity, opener, base, overlays));
}

#[test]
fn layers_that_cannot_be_put_together_are_refused_with_what_to_do() {
    let root = machine(Privilege::Root { uid: 0, gid: 0 });
    let refusal = |change: &dyn Fn(&mut Spec, &mut Overlay, &mut Capabilities)| {
        let (mut spec, mut capabilities) = (layered(), root.clone());
        let SystemRoot::Overlay(mut overlay) = spec.system.clone() else {
            unreachable!("it is one")
        };
        change(&mut spec, &mut overlay, &mut capabilities);
        spec.system = SystemRoot::Overlay(overlay);
        plan(&spec, &capabilities).unwrap_err().to_string()
    };
    insta::assert_snapshot!(
        [
            refusal(&|_, overlay, _| overlay.lowers.clear()),
            refusal(&|_, overlay, _| overlay.lowers = vec![overlay.lowers[0].clone(); 501]),
            refusal(&|_, overlay, _| overlay.work = "/elsewhere/work".into()),
            refusal(&|_, overlay, _| overlay.work = overlay.upper.clone()),
            refusal(&|_, overlay, _| overlay.upper = "/var/lib/outwork/task/a,b".into()),
            refusal(&|_, overlay, _| overlay.lowers[0].path = "relative".into()),
            refusal(&|spec, _, _| spec.store_uid_base = 1000),
            refusal(&|spec, _, _| spec.store_uid_base = spec.uid_base + 65_535),
            refusal(&|spec, _, capabilities| capabilities.id_ranges[0].count = spec.store_uid_base),
            refusal(&|spec, _, _| spec.user.uid = 1000),
            refusal(&|spec, _, _| spec.handles = vec!["../etc".into()]),
            refusal(&|_, _, capabilities| capabilities.overlay = OverlaySupport::WithoutIdMaps),
            refusal(
                &|_, _, capabilities| capabilities.overlay = OverlaySupport::Refused { errno: 1 }
            ),
        ]
        .join("\n")
    );
    let mut ordinary = machine(Privilege::User { uid: 501, gid: 20 });
    ordinary.overlay = OverlaySupport::WithoutIdMaps;
    let mut spec = layered();
    spec.store_uid_base = 0;
    assert!(plan(&spec, &ordinary).is_ok(), "it needs neither");
}

#[test]
fn on_disk_an_id_is_counted_from_the_base_of_the_store() {
    let root = machine(Privilege::Root { uid: 0, gid: 0 });
    let ordinary = machine(Privilege::User { uid: 501, gid: 20 });
    assert_eq!(
        stored_owner(&root, 1 << 20, 1000, 33),
        ((1 << 20) + 1000, (1 << 20) + 33)
    );
    assert_eq!(stored_owner(&ordinary, 1 << 20, 1000, 33), (501, 20));
}

#[test]
fn root_without_the_range_of_ids_is_refused_not_mapped_to_itself() {
    let mut capabilities = machine(Privilege::Root { uid: 0, gid: 0 });
    capabilities.id_ranges = vec![IdRange {
        first: 0,
        count: 65_536,
    }];
    let error = plan(&spec(), &capabilities).unwrap_err();
    assert_eq!(
        error,
        PlanError::IdsMissing {
            first: 327_680,
            count: 65_536
        }
    );
    capabilities.id_ranges = vec![
        IdRange { first: 0, count: 1 },
        IdRange {
            first: 327_680,
            count: 65_536,
        },
    ];
    assert!(plan(&spec(), &capabilities).is_ok());
    capabilities.id_ranges = vec![IdRange {
        first: 327_680,
        count: 65_535,
    }];
    assert!(plan(&spec(), &capabilities).is_err());
}

#[test]
fn a_plan_survives_the_way_to_the_launcher() {
    let plan = plan(&spec(), &machine(Privilege::Root { uid: 0, gid: 0 })).unwrap();
    let json = serde_json::to_vec(&plan).unwrap();
    assert_eq!(serde_json::from_slice::<Plan>(&json).unwrap(), plan);
}

/// Every limit that there is.
fn limited() -> Spec {
    let mut spec = Spec::new(["npm", "test"]);
    spec.limits.memory_bytes = Some(2 << 30);
    spec.limits.cpu_millis = Some(1500);
    spec.limits.disk_bytes = Some(10 << 30);
    spec.limits.disk_files = Some(200_000);
    spec
}

#[test]
fn limits_are_held_by_groups_where_they_can_be_made_and_else_by_watching() {
    let mut capabilities = machine(Privilege::Root { uid: 0, gid: 0 });
    let own = |hierarchy: &str| Some(format!("/sys/fs/cgroup/{hierarchy}/outwork").into());
    let groups = [
        Cgroup::None,
        Cgroup::V1 {
            memory: own("memory"),
            processes: own("pids"),
            cpu: own("cpu,cpuacct"),
        },
        // In one hierarchy, and without the means for processor time.
        Cgroup::V1 {
            memory: own("all"),
            processes: own("all"),
            cpu: None,
        },
        Cgroup::V2 {
            parent: "/sys/fs/cgroup/system.slice/outwork.service".into(),
            memory: true,
            processes: true,
            cpu: true,
        },
    ];
    let holds = groups.map(|cgroup| {
        capabilities.cgroup = cgroup;
        plan(&limited(), &capabilities).unwrap().holds
    });
    let lines: Vec<String> = holds.iter().map(|holds| holds.lines().join("; ")).collect();
    insta::assert_snapshot!(lines.join("\n"));
    insta::assert_json_snapshot!(holds.map(|holds| holds.group));
}

#[test]
fn memory_file_systems_leave_room_in_the_limit_of_memory() {
    let mut spec = limited();
    spec.limits.memory_bytes = Some(256 << 20);
    let plan = plan(&spec, &machine(Privilege::User { uid: 501, gid: 20 })).unwrap();
    let sizes: Vec<u64> = plan
        .root
        .iter()
        .filter_map(|step| match step {
            RootStep::Attach {
                mount:
                    PlannedMount::Tmpfs {
                        size_bytes,
                        owner: Owner::Command,
                        ..
                    },
                ..
            } => Some(*size_bytes),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [128 << 20, 128 << 20], "/dev/shm, /tmp");
}

#[test]
fn limits_that_nothing_can_run_with_are_refused() {
    let refusal = |change: &dyn Fn(&mut Spec)| {
        let mut spec = limited();
        change(&mut spec);
        plan(&spec, &machine(Privilege::User { uid: 501, gid: 20 }))
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(
        [
            refusal(&|spec| spec.limits.open_files = 0),
            refusal(&|spec| spec.limits.processes = 0),
            refusal(&|spec| spec.limits.memory_bytes = Some(4096)),
            refusal(&|spec| spec.limits.cpu_millis = Some(0)),
            refusal(&|spec| spec.limits.disk_bytes = Some(0)),
            refusal(&|spec| spec.limits.disk_files = Some(0)),
        ]
        .join("\n")
    );
}
