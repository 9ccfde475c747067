//! Ways to carry a [`Spec`] out that differ in what stands between a command and the machine.
//!
//! A backend is a way to plan: it turns a [`Spec`] into a [`Plan`], and [`crate::Sandbox::spawn`] carries any plan out.
//! What callers hold afterwards ([`crate::Running`]: streams, handles, signals, the end of everything) is the same.
//!
//! Two more are thought of and not here. A *virtual machine* of its own fits as another way to plan: the same root and
//! listeners, and a monitor in the place of the OCI runtime that boots a kernel over the root (`krun` is one that is also
//! an OCI runtime, see [`OciRuntime::devices`]). A *pod* of a cluster does not: it is started by asking, not by starting a
//! process here. It would be a variant whose plan is the pod's description, with a `Running` that is a connection to it.

mod probe;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::capabilities::Capabilities;
use crate::oci::{self, OciRuntime, UnknownRuntime};
use crate::plan::{Plan, PlanError, plan};
use crate::spec::Spec;

pub use probe::Unusable;

/// How commands are isolated on a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// By our own launcher, with the kernel's namespaces.
    Namespaces,
    /// In a sandbox of that kind, by a container runtime.
    Oci(OciRuntime),
}

/// Whose kernel answers a command's system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// The machine's.
    Shared,
    /// A program's, which makes few and filtered calls to the machine's.
    UserSpace,
    /// Its own, in a virtual machine.
    Own,
}

impl Kernel {
    /// What it means for those who trust it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Shared => {
                "Commands share the machine's kernel, behind namespaces and a filter of system calls: a fault in the kernel is a way out."
            }
            Self::UserSpace => {
                "Commands talk to a kernel in user space; a way out needs a fault in it and another in the machine's kernel."
            }
            Self::Own => {
                "Commands have a kernel of their own in a virtual machine; a way out needs a fault in the virtual machine's monitor."
            }
        }
    }
}

impl Backend {
    /// Decide how to carry out `spec` on a machine with `capabilities`. Pure, as [`crate::plan`].
    ///
    /// # Errors
    /// What is wrong with the wish, or what the machine lacks. There is never a plan for less isolation.
    pub fn plan(&self, spec: &Spec, capabilities: &Capabilities) -> Result<Plan, PlanError> {
        match self {
            Self::Namespaces => plan(spec, capabilities),
            Self::Oci(runtime) => oci::contained(spec, capabilities, runtime),
        }
    }

    /// `namespaces`, `oci:crun`, `oci:runsc`, …
    pub fn isolation(&self) -> String {
        self.to_string()
    }

    pub fn kernel(&self) -> Kernel {
        match self {
            Self::Namespaces => Kernel::Shared,
            Self::Oci(runtime) => runtime.kernel,
        }
    }

    /// Whether it works on this machine for this user: a command is run and looked at. `launcher` is as for
    /// [`crate::Sandbox::spawn`], `uid_base` as [`Spec::uid_base`].
    ///
    /// # Errors
    /// Why not, and what to do.
    pub async fn probe(
        &self,
        capabilities: &Capabilities,
        launcher: &Path,
        uid_base: u32,
    ) -> Result<(), Unusable> {
        probe::works(self, capabilities, launcher, uid_base).await
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespaces => f.write_str("namespaces"),
            Self::Oci(runtime) => write!(f, "oci:{}", runtime.name),
        }
    }
}

/// `namespaces`, or `oci:` and the name or path of a runtime that is known, see [`OciRuntime::find`].
impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "namespaces" => Ok(Self::Namespaces),
            Some(("oci", runtime)) => Ok(Self::Oci(OciRuntime::find(runtime)?)),
            Some(_) | None => Err(UnknownBackend::Name(text.to_owned())),
        }
    }
}

/// What is no backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownBackend {
    #[error("{0:?} is not a way to isolate: say namespaces, oci:crun, oci:runc or oci:runsc")]
    Name(String),
    #[error(transparent)]
    Runtime(#[from] UnknownRuntime),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_read_as_it_is_printed() {
        for text in ["namespaces", "oci:crun", "oci:runc", "oci:runsc"] {
            assert_eq!(text.parse::<Backend>().unwrap().isolation(), text);
        }
        for text in ["", "oci", "crun", "namespaces:crun"] {
            let error = UnknownBackend::Name(text.to_owned());
            assert_eq!(text.parse::<Backend>(), Err(error));
        }
    }
}
