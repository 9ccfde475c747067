//! Which runtime, and how it is called.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backend::Kernel;

/// An OCI runtime: a program that understands `--root`, `--log` and `run --bundle`, as those for containers do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OciRuntime {
    /// What people call it: `crun`, `runsc`.
    pub name: String,
    /// On the host; absolute. Libraries must lie in the host's system directories.
    pub program: PathBuf,
    /// Before `run`. It must write to the root that it is given, not to a copy, and use the network that it is started in.
    pub arguments: Vec<String>,
    /// Devices of the host that the runtime itself needs, for example `/dev/kvm`; below `/dev`.
    pub devices: Vec<PathBuf>,
    /// Whose kernel answers the command's system calls.
    pub kernel: Kernel,
}

/// What is known of a runtime by its name.
struct Known {
    name: &'static str,
    arguments: &'static [&'static str],
    kernel: Kernel,
}

/// Control groups are the worker's business: what holds for the sandbox holds for the container in it.
const KNOWN: [Known; 3] = [
    Known {
        name: "crun",
        arguments: &["--cgroup-manager=disabled"],
        kernel: Kernel::Shared,
    },
    Known {
        name: "runc",
        arguments: &["--rootless=true"],
        kernel: Kernel::Shared,
    },
    Known {
        name: "runsc",
        arguments: &[
            "--ignore-cgroups",
            // The sandbox's, which is empty; gVisor's own would not reach the ports that lead out.
            "--network=host",
            // What is written is in the layers at once, not in memory that goes with the container.
            "--overlay2=none",
            "--file-access=shared",
        ],
        kernel: Kernel::UserSpace,
    },
];

/// Where programs of that kind are.
const DIRECTORIES: [&str; 6] = [
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/bin",
    "/sbin",
];

/// A runtime that cannot be called without being told how, or is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownRuntime {
    #[error(
        "{0} is not installed: looked in /usr/local/bin, /usr/local/sbin, /usr/bin, /usr/sbin, /bin and /sbin; install the package {0}, or name the program by its path"
    )]
    Missing(String),
    #[error("how {0:?} is called is not known: say its arguments, or use crun, runc or runsc")]
    Unknown(String),
}

impl OciRuntime {
    /// One that is known by name (`crun`, `runc`, `runsc`), or the path of a program of that name.
    ///
    /// # Errors
    /// It is not known, or not installed.
    pub fn find(name_or_path: &str) -> Result<Self, UnknownRuntime> {
        let path = Path::new(name_or_path);
        let name = path.file_name().and_then(|name| name.to_str());
        let known = KNOWN.iter().find(|known| Some(known.name) == name);
        let Some(Known {
            name,
            arguments,
            kernel,
        }) = known
        else {
            return Err(UnknownRuntime::Unknown(name_or_path.to_owned()));
        };
        let program = if path.is_absolute() {
            path.is_file().then(|| path.to_owned())
        } else {
            let places = DIRECTORIES
                .iter()
                .map(|directory| Path::new(directory).join(name));
            places.into_iter().find(|place| place.is_file())
        };
        Ok(Self {
            name: (*name).to_owned(),
            program: program.ok_or_else(|| UnknownRuntime::Missing(name_or_path.to_owned()))?,
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            devices: Vec::new(),
            kernel: *kernel,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_found_by_name_or_path_or_it_is_said_why_not() {
        let found = OciRuntime::find("crun").unwrap();
        assert_eq!(
            found,
            OciRuntime::find(found.program.to_str().unwrap()).unwrap()
        );
        assert_eq!(
            OciRuntime::find("/nonexistent/runsc"),
            Err(UnknownRuntime::Missing("/nonexistent/runsc".to_owned()))
        );
        assert_eq!(
            OciRuntime::find("docker"),
            Err(UnknownRuntime::Unknown("docker".to_owned()))
        );
    }
}
