//! What stands between commands and a worker's machine; the same options for `worker` and `up`.

use std::path::PathBuf;

use outwork_worker::{Backend, Containment, Kernel, OciRuntime};

use crate::failure::{Failure, FailureExt, HintExt};
use crate::system;
use crate::work::size;

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ContainmentArgs {
    /// How commands are isolated: namespaces, or oci:RUNTIME such as oci:runsc or oci:crun [default: namespaces]
    #[arg(long, value_name = "BACKEND", env = "OUTWORK_SANDBOX")]
    sandbox: Option<String>,
    #[command(flatten)]
    oci: OciArgs,
    /// Memory of an attempt whose environment does not say, such as 4G [default: 4G]
    #[arg(long, value_name = "SIZE", env = "OUTWORK_MEMORY", value_parser = size)]
    memory: Option<u64>,
    /// Processors of an attempt whose environment does not say, such as 1.5 [default: all]
    #[arg(long, value_name = "N", env = "OUTWORK_CPUS", value_parser = cpus)]
    cpus: Option<u64>,
    /// Processes and threads of an attempt whose environment does not say [default: 512]
    #[arg(long, value_name = "N", env = "OUTWORK_PROCESSES", value_parser = clap::value_parser!(u64).range(16..))]
    processes: Option<u64>,
    /// What an attempt whose environment does not say may write to the disk, such as 10G [default: 10G]
    #[arg(long, value_name = "SIZE", env = "OUTWORK_DISK", value_parser = size)]
    disk: Option<u64>,
    /// Files and folders that an attempt may make [default: 1000000]
    #[arg(long, value_name = "N", env = "OUTWORK_DISK_FILES", value_parser = clap::value_parser!(u64).range(1000..))]
    disk_files: Option<u64>,
}

/// How an OCI runtime is called, where its name does not say.
#[derive(clap::Args, Clone, Debug, Default)]
struct OciArgs {
    /// The program of the OCI runtime, if it is not where programs usually are
    #[arg(
        long,
        value_name = "FILE",
        env = "OUTWORK_OCI_RUNTIME",
        requires = "sandbox"
    )]
    oci_runtime: Option<PathBuf>,
    /// An argument of an OCI runtime other than crun, runc and runsc, before `run`; can be given several times
    #[arg(
        long,
        value_name = "ARGUMENT",
        requires = "oci_runtime",
        allow_hyphen_values = true
    )]
    oci_argument: Vec<String>,
    /// A device that such a runtime needs, such as /dev/kvm; can be given several times
    #[arg(long, value_name = "DEVICE", requires = "oci_runtime")]
    oci_device: Vec<PathBuf>,
    /// Whose kernel its commands talk to [default: shared]
    #[arg(long, value_name = "KERNEL", requires = "oci_runtime")]
    oci_kernel: Option<OciKernel>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum OciKernel {
    /// The machine's
    Shared,
    /// A program's, as gVisor's
    UserSpace,
    /// Its own, in a virtual machine, as Kata's
    Own,
}

impl From<OciKernel> for Kernel {
    fn from(kernel: OciKernel) -> Self {
        match kernel {
            OciKernel::Shared => Self::Shared,
            OciKernel::UserSpace => Self::UserSpace,
            OciKernel::Own => Self::Own,
        }
    }
}

impl ContainmentArgs {
    /// For commands that take none of them and look at what a worker here would do.
    pub(crate) fn of_variables() -> Self {
        Self {
            sandbox: system::variable("OUTWORK_SANDBOX"),
            oci: OciArgs {
                oci_runtime: system::variable("OUTWORK_OCI_RUNTIME").map(PathBuf::from),
                ..OciArgs::default()
            },
            ..Self::default()
        }
    }

    pub(crate) fn parsed(self) -> Result<Containment, Failure> {
        let Self {
            sandbox,
            oci,
            memory,
            cpus,
            processes,
            disk,
            disk_files,
        } = self;
        let mut containment = Containment::default();
        if let Some(name) = sandbox {
            containment.backend = oci.backend(&name)?;
        }
        let own = &mut containment.resources;
        own.memory_bytes = memory.or(own.memory_bytes);
        own.cpu_millis = cpus.or(own.cpu_millis);
        own.processes = processes.or(own.processes);
        own.disk_bytes = disk.or(own.disk_bytes);
        containment.disk_files = disk_files.unwrap_or(containment.disk_files);
        Ok(containment)
    }
}

impl OciArgs {
    fn backend(self, name: &str) -> Result<Backend, Failure> {
        let Self {
            oci_runtime,
            oci_argument,
            oci_device,
            oci_kernel,
        } = self;
        let Some(program) = oci_runtime else {
            let backend = name.parse::<Backend>();
            return backend
                .failure(format!("`{name}` is not a way to isolate commands"))
                .hint("Use --sandbox namespaces, or oci: and a runtime such as oci:runsc.");
        };
        let Some(runtime) = name.strip_prefix("oci:").filter(|name| !name.is_empty()) else {
            return Err(Failure::new(format!(
                "`{name}` does not use an OCI runtime, and one is named"
            ))
            .with_hint("Use --sandbox oci:NAME with --oci-runtime, or leave --oci-runtime out."));
        };
        let program = std::fs::canonicalize(&program)
            .failure(format!("{} cannot be found", program.display()))
            .hint("Name the program of the runtime with --oci-runtime.")?;
        // What a known one needs to be told stays, wherever it is installed.
        let known = OciRuntime::find(&program.display().to_string()).ok();
        let (arguments, kernel) = known.map_or((Vec::new(), Kernel::Shared), |known| {
            (known.arguments, known.kernel)
        });
        Ok(Backend::Oci(OciRuntime {
            name: runtime.to_owned(),
            program,
            arguments: match oci_argument.is_empty() {
                true => arguments,
                false => oci_argument,
            },
            devices: oci_device,
            kernel: oci_kernel.map_or(kernel, Kernel::from),
        }))
    }
}

/// In thousandths.
fn cpus(text: &str) -> Result<u64, String> {
    const WRONG: &str = "must be a number of processors such as 0.5 or 2, at least 0.1";
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 {
        return Err(WRONG.into());
    }
    let whole: u64 = whole.parse().map_err(|_| WRONG)?;
    let part: u64 = format!("{part:0<3}").parse().map_err(|_| WRONG)?;
    let millis = whole
        .checked_mul(1000)
        .and_then(|millis| millis.checked_add(part));
    millis.filter(|millis| *millis >= 100).ok_or(WRONG.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_in_thousandths() {
        assert_eq!(cpus("2"), Ok(2000));
        assert_eq!(cpus("0.5"), Ok(500));
        assert_eq!(cpus("1.125"), Ok(1125));
        for wrong in ["", "x", "0", "0.05", "-1", "1.2345", "1.x", "1e3"] {
            assert!(cpus(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_runtime_is_named_for_an_oci_sandbox_only() {
        let args = |program: &str| OciArgs {
            oci_runtime: Some(program.into()),
            ..OciArgs::default()
        };
        for name in ["namespaces", "oci:", "crun"] {
            assert!(args("/bin/true").backend(name).is_err(), "{name}");
        }
        let backend = args("/bin/true")
            .backend("oci:kata")
            .expect("by configuration");
        assert_eq!(backend.isolation(), "oci:kata");
        assert_eq!(
            backend.kernel(),
            Kernel::Shared,
            "nothing better is claimed"
        );
        assert!(args("/nonexistent").backend("oci:kata").is_err());
    }
}
