//! Whether a backend works on this machine for this user: tried, not guessed.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use tokio::io::AsyncReadExt;

use super::{Backend, Kernel};
use crate::capabilities::Capabilities;
use crate::error::{SandboxError, Step};
use crate::running::{ExitStatus, Sandbox};
use crate::spec::Spec;

/// Why a backend cannot be used here, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{backend} does not work here: {reason}")]
pub struct Unusable {
    /// As [`Backend::isolation`].
    pub backend: String,
    pub reason: String,
    pub remedy: String,
}

/// Written inside, read outside: a runtime that writes to a copy of its own would lose what commands do. And a kernel that
/// is older than the machine's programs shows in the most usual one.
const SCRIPT: &str = "ls -d /tmp > /dev/null && printf seen > /tmp/seen && exit 3";
const STATUS: ExitStatus = ExitStatus::Code(3);
const WRITE_THROUGH: &str = "have the runtime write to the root that it is given, and not to a copy; for runsc that is the \
                             argument --overlay2=none";

const NEWER: &str = "install a newer gVisor, from its own packages or your system's backports: the system calls of this one are \
                     older than this machine's programs";

pub(super) async fn works(
    backend: &Backend,
    capabilities: &Capabilities,
    launcher: &Path,
    uid_base: u32,
) -> Result<(), Unusable> {
    let unusable = |reason: String, remedy: String| Unusable {
        backend: backend.isolation(),
        reason,
        remedy,
    };
    let failed = |error: SandboxError| {
        let remedy = match (&error.hint, error.step) {
            (None, Step::StartRuntime) => remedy(backend),
            (Some(hint), _) => hint.clone(),
            (None, _) => "see docs/sandbox.md, \"What is needed\"".to_owned(),
        };
        unusable(error.to_string(), remedy)
    };
    let mut spec = Spec::new(["/bin/sh", "-c", SCRIPT]);
    spec.uid_base = uid_base;
    spec.handles = vec!["/tmp".into()];
    let plan = backend
        .plan(&spec, capabilities)
        .map_err(|error| unusable(error.to_string(), remedy(backend)))?;
    let mut running = Sandbox::spawn(plan, launcher).await.map_err(failed)?;
    let mut said = String::new();
    let stderr = running.stderr.take();
    let read = async {
        if let Some(mut stderr) = stderr {
            // For a message only.
            let _ = stderr.read_to_string(&mut said).await;
        }
    };
    let (status, ()) = tokio::join!(running.wait(), read);
    let status = status.map_err(failed)?;
    if status != STATUS {
        let reason = format!(
            "a command ended with {status:?} instead of {STATUS:?}: {}",
            said.trim_end()
        );
        let remedy = match backend.kernel() {
            Kernel::UserSpace => NEWER.to_owned(),
            Kernel::Shared | Kernel::Own => remedy(backend),
        };
        return Err(unusable(reason, remedy));
    }
    if running.take_handles().iter().any(was_written) {
        Ok(())
    } else {
        let reason = "what a command writes does not arrive in the files of the sandbox";
        Err(unusable(reason.to_owned(), WRITE_THROUGH.to_owned()))
    }
}

fn was_written(directory: &OwnedFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(directory, "seen", flags, Mode::empty()) else {
        return false;
    };
    let mut text = String::new();
    std::fs::File::from(file).read_to_string(&mut text).is_ok() && text == "seen"
}

fn remedy(backend: &Backend) -> String {
    match backend {
        Backend::Namespaces => "see docs/sandbox.md, \"What is needed\"".to_owned(),
        Backend::Oci(runtime) => {
            let program = runtime.program.display();
            format!(
                "check that {program} is an OCI runtime for this machine (`{program} --version`) and takes the arguments {:?}; \
                 else choose another runtime, or the backend namespaces",
                runtime.arguments
            )
        }
    }
}
