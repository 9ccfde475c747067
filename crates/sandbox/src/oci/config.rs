//! `config.json`, as the OCI runtime specification 1.0 has it: no more than every runtime understands.

use serde_json::{Value, json};

use super::{
    EXCHANGE_INSIDE, EXCHANGE_OUTSIDE, PROGRAM_INSIDE, PROGRAM_OUTSIDE, PlannedRuntime, ROOT,
    SHARED_MEMORY, TMP,
};
use crate::backend::Kernel;
use crate::plan::root::{PROC_MASKED, PROC_READ_ONLY};
use crate::plan::{Plan, RootBase};
use crate::spec::Privileges;

/// What the first process in the container needs to become the command's user with no more than the command may have.
const CAPABILITIES: [&str; 5] = [
    "CAP_CHOWN",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
];
/// What a command with [`Privileges::OwnFiles`] has besides.
const OWN_FILES: [&str; 3] = ["CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID"];
/// Without it the kernel lets nobody map root's id to another, which is all that an ordinary user's sandbox has.
const MAP_ROOT: &str = "CAP_SETFCAP";
/// To close what not all runtimes do; see `launcher::inside`.
const CHANGE_MOUNTS: &str = "CAP_SYS_ADMIN";

/// What was found when the root was built.
pub(crate) struct Contents {
    /// Starts the first process.
    pub command: Vec<String>,
    /// Whether there is something at [`TMP`].
    pub has_tmp: bool,
}

/// For a root that is complete but for `/proc` and `/dev`.
pub(crate) fn config(plan: &Plan, runtime: &PlannedRuntime, contents: &Contents) -> Value {
    let Contents { command, has_tmp } = contents;
    let mut capabilities = CAPABILITIES.to_vec();
    match plan.privileges {
        Privileges::None => {}
        Privileges::OwnFiles => capabilities.extend(OWN_FILES),
    }
    if !runtime.command.uid_map.is_empty() {
        capabilities.push(MAP_ROOT);
    }
    let mut namespaces = vec!["pid", "uts", "mount"];
    match runtime.kernel {
        Kernel::Shared | Kernel::UserSpace => capabilities.push(CHANGE_MOUNTS),
        Kernel::Own => {}
    }
    match runtime.kernel {
        Kernel::Shared => {}
        // Not the machine's, so that nothing in it is counted there.
        Kernel::UserSpace | Kernel::Own => namespaces.push("ipc"),
    }
    let namespaces: Vec<Value> = namespaces
        .iter()
        .map(|kind| json!({ "type": kind }))
        .collect();
    json!({
        "ociVersion": "1.0.0",
        "root": { "path": ROOT, "readonly": is_read_only(plan, runtime.kernel) },
        "hostname": plan.hostname,
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": command,
            // The command's own is in the plan.
            "env": [],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
            },
            "noNewPrivileges": true,
        },
        "mounts": mounts(runtime.kernel, *has_tmp),
        "linux": {
            // No network: the one of the sandbox, where its ports listen. No user namespace: the sandbox's. Nor, where it is
            // the machine's, what processes share memory by: the launcher watches the sandbox's.
            "namespaces": namespaces,
            "maskedPaths": below_proc(&PROC_MASKED),
            "readonlyPaths": below_proc(&PROC_READ_ONLY),
        },
    })
}

fn below_proc(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("/proc/{name}")).collect()
}

/// A root in memory is read-only already, but crun undoes what it is not told. For gVisor the word counts for all that is
/// mounted below as well, and it cannot undo anything: it has no mounts.
fn is_read_only(plan: &Plan, kernel: Kernel) -> bool {
    match kernel {
        Kernel::Shared => plan.base == RootBase::Memory,
        Kernel::UserSpace | Kernel::Own => false,
    }
}

fn mounts(kernel: Kernel, has_tmp: bool) -> Vec<Value> {
    let mount = |kind: &str, target: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": kind, "options": options });
    let bind = |source: &str, target: &str, options: &[&str]| json!({ "destination": target, "type": "bind", "source": source, "options": options });
    let dev_access = match kernel {
        Kernel::Shared => "ro",
        // Others do not open devices for writing in a file system that is read-only. It holds 64 KiB.
        Kernel::UserSpace | Kernel::Own => "rw",
    };
    let mut mounts = vec![
        mount("proc", "/proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "tmpfs",
            "/dev",
            &["nosuid", "noexec", dev_access, "mode=755", "size=64k"],
        ),
        mount(
            "devpts",
            "/dev/pts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
            ],
        ),
        bind(
            SHARED_MEMORY,
            "/dev/shm",
            &["bind", "rw", "nosuid", "nodev"],
        ),
        bind(
            PROGRAM_OUTSIDE,
            PROGRAM_INSIDE,
            &["rbind", "ro", "nosuid", "nodev"],
        ),
        bind(
            EXCHANGE_OUTSIDE,
            EXCHANGE_INSIDE,
            &["bind", "rw", "nosuid", "nodev", "noexec"],
        ),
    ];
    if has_tmp {
        mounts.push(bind(TMP, "/tmp", &["rbind", "rw", "nosuid", "nodev"]));
    }
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::OciRuntime;
    use crate::spec::Spec;

    fn of(kernel: Kernel, spec: &Spec, has_tmp: bool) -> Value {
        let runtime = OciRuntime {
            name: "runtime".to_owned(),
            program: "/usr/bin/runtime".into(),
            arguments: Vec::new(),
            devices: Vec::new(),
            kernel,
        };
        let capabilities = crate::capabilities::probe();
        let plan = crate::oci::contained(spec, &capabilities, &runtime).unwrap();
        let contents = Contents {
            command: vec!["/dev/.sandbox/init".to_owned()],
            has_tmp,
        };
        config(&plan, plan.runtime.as_ref().unwrap(), &contents)
    }

    #[test]
    fn nothing_of_the_command_is_in_it() {
        let mut spec = Spec::new(["secret-program"]);
        let secret = ("NAME".to_owned(), "secret-value".to_owned());
        spec.environment.extend([secret]);
        let config = of(Kernel::Shared, &spec, true);
        assert!(!config.to_string().contains("secret"));
        assert_eq!(config["process"]["args"], json!(["/dev/.sandbox/init"]));
        assert_eq!(config["process"]["noNewPrivileges"], true);
    }

    #[test]
    fn neither_a_network_nor_a_user_namespace_is_made() {
        for (kernel, made) in [
            (Kernel::Shared, &["pid", "uts", "mount"][..]),
            (Kernel::UserSpace, &["pid", "uts", "mount", "ipc"]),
        ] {
            let config = of(kernel, &Spec::new(["true"]), true);
            let namespaces = config["linux"]["namespaces"].as_array().unwrap();
            let kinds: Vec<&str> = namespaces
                .iter()
                .filter_map(|namespace| namespace["type"].as_str())
                .collect();
            assert_eq!(kinds, made);
        }
    }

    #[test]
    fn what_differs_between_kernels_is_said() {
        for (kernel, read_only, dev) in [
            (Kernel::Shared, true, "ro"),
            (Kernel::UserSpace, false, "rw"),
        ] {
            let config = of(kernel, &Spec::new(["true"]), false);
            assert_eq!(config["root"]["readonly"], read_only);
            let mounts = config["mounts"].as_array().unwrap();
            let at = |target: &str| mounts.iter().find(|mount| mount["destination"] == target);
            let options = at("/dev").unwrap()["options"].as_array().unwrap();
            assert!(options.contains(&json!(dev)), "{kernel:?}");
            assert_eq!(at("/tmp"), None, "there is none in this root");
        }
    }
}
