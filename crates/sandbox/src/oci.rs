//! Running the command under an OCI runtime: `crun`, `runc`, gVisor's `runsc`, or another by configuration.
//!
//! ```text
//! launcher ── first process ── runtime ── first process in the container ── command
//!             (namespaces, root,          (ours again: ids, limits, filter,
//!              listeners, handles)         signals, exit status)
//! ```
//!
//! Everything around the command stays as it is without a runtime: the sandbox's namespaces and id maps, the layers, the
//! empty network with its listeners, the handles, the end of everything with the first process. Only the last step
//! differs: the root is built at [`ROOT`], a `config.json` is written beside it, and the runtime, as root of the sandbox's
//! user namespace, makes a container of the two. So a runtime needs no right on the host, and what escapes from a
//! container is in a sandbox.
//!
//! The first process in the container is this program again (see `launcher::program` for how it gets there), because
//! runtimes differ in what they can do and how they say what happened: it sets limits, installs the same filter of system
//! calls, reaps, passes signals to the command's group and tells how the command ended.

mod config;
mod plan;
mod runtime;

pub(crate) use config::{Contents, config};
pub use plan::PlannedRuntime;
pub(crate) use plan::{CommandLine, contained};
pub use runtime::{OciRuntime, UnknownRuntime};

/// The bundle, in the root that the runtime runs in.
pub(crate) const BUNDLE: &str = "/bundle";
/// What the command sees as `/`.
pub(crate) const ROOT: &str = "/bundle/rootfs";
/// The command's `/tmp`, once more.
pub(crate) const TMP: &str = "/bundle/tmp";
/// The command's `/dev/shm`: ours, so that what lies in it counts as the sandbox's memory.
pub(crate) const SHARED_MEMORY: &str = "/bundle/shm";
/// Our own program and its libraries, and where they are in the container: in the container's own `/dev`, so that
/// nothing has to be made in the command's root.
pub(crate) const PROGRAM_OUTSIDE: &str = "/bundle/program";
pub(crate) const PROGRAM_INSIDE: &str = "/dev/.sandbox";
/// See `launcher::exchange`.
pub(crate) const EXCHANGE_OUTSIDE: &str = "/run/exchange";
pub(crate) const EXCHANGE_INSIDE: &str = "/dev/.exchange";
/// What a runtime keeps and writes, in memory that goes with the sandbox.
pub(crate) const STATE: &str = "/run/oci";
pub(crate) const LOG: &str = "/run/oci.log";
