//! Whole plans, for a root worker and for an ordinary user, on a machine that is written down here.
#![allow(clippy::unwrap_used)] // Tests.

use std::collections::BTreeMap;

use outwork_sandbox::{
    Capabilities, Cgroup, EtcEntry, Forward, IdRange, KernelVersion, Mount, Network,
    OverlaySupport, Plan, PlanError, Privilege, Spec, SystemEntry, UserNamespaces, plan,
};

fn machine(privilege: Privilege) -> Capabilities {
    Capabilities {
        kernel: KernelVersion { major: 6, minor: 1 },
        privilege,
        user_namespaces: UserNamespaces::Available,
        idmapped_mounts: matches!(privilege, Privilege::Root { .. }),
        overlay: OverlaySupport::Available,
        cgroup: Cgroup::V2,
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
