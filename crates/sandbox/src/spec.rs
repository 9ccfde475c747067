//! What to isolate: pure data, no decision about how.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Everything a command may see and use. What is not named here does not exist inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Name of the machine inside, at most 64 bytes.
    pub hostname: String,
    /// Who the command is.
    pub user: User,
    /// First of 65536 ids on the host that nothing else uses. A worker that is root gives these to the sandbox, so that
    /// no id inside is an id of the host; an ordinary user cannot, and the field is ignored. At least 65536.
    pub uid_base: u32,
    /// What is shown of the host's own system.
    pub system: SystemRoot,
    /// What is mounted on top, in this order.
    pub mounts: Vec<Mount>,
    pub network: Network,
    pub limits: Limits,
    /// The whole environment: nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// Where the command starts; absolute, inside.
    pub working_directory: PathBuf,
    /// The program and its arguments. A program without `/` is looked up in `environment["PATH"]`, inside.
    pub command: Vec<String>,
    pub stdin: Stdin,
}

impl Spec {
    /// A sandbox with the host's system read-only, `/proc`, `/dev`, a `/tmp` of 1 GiB, no network and the default limits.
    pub fn new<I, S>(command: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self {
            hostname: "sandbox".to_owned(),
            user: User::default(),
            uid_base: 200_000,
            system: SystemRoot::HostReadOnly,
            mounts: vec![
                Mount::Proc,
                Mount::Dev,
                Mount::Tmpfs {
                    target: PathBuf::from("/tmp"),
                    size_bytes: 1 << 30,
                    mode: 0o1777,
                },
            ],
            network: Network::None,
            limits: Limits::default(),
            environment: BTreeMap::from([(
                "PATH".to_owned(),
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            )]),
            working_directory: PathBuf::from("/"),
            command: command.into_iter().map(Into::into).collect(),
            stdin: Stdin::Null,
        }
    }
}

/// Who the command is, inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Below 65536.
    pub uid: u32,
    /// Below 65536.
    pub gid: u32,
    /// Written to the sandbox's `/etc/passwd`.
    pub name: String,
    /// Written to the sandbox's `/etc/passwd`; it exists only if a mount makes it.
    pub home: PathBuf,
}

impl Default for User {
    fn default() -> Self {
        Self {
            uid: 1000,
            gid: 1000,
            name: "agent".to_owned(),
            home: PathBuf::from("/home/agent"),
        }
    }
}

/// What is shown of the host's own system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemRoot {
    /// `/usr`, `/bin`, `/sbin`, `/lib*` and `/opt`, read-only; of `/etc` only what programs need to run (libraries,
    /// certificates, time zone, alternatives), with users, hosts and resolver written anew. Not `/root`, `/home`, `/run`,
    /// `/var`, `/srv`, `/mnt`.
    HostReadOnly,
    /// Nothing: the mounts bring a system.
    Empty,
}

/// One thing in the file system. Targets are absolute, inside; missing directories above a target are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Mount {
    /// A file or directory of the host that nobody inside can write.
    ReadOnlyBind { source: PathBuf, target: PathBuf },
    /// A file or directory of the worker that appears as owned by [`User`]; what the command writes is the worker's on
    /// the host. The worker must keep it below a directory that only the worker can enter: the command may set the
    /// set-uid bit on a file of its own, which is then a file of the worker.
    Bind { source: PathBuf, target: PathBuf },
    /// Memory that the command can write; it counts as memory of the sandbox.
    Tmpfs {
        target: PathBuf,
        size_bytes: u64,
        mode: u32,
    },
    /// A fresh `/proc` with the host's switches read-only or hidden.
    Proc,
    /// A `/dev` with null, zero, full, random, urandom, tty, pts and shm.
    Dev,
    /// A symbolic link at `target` that reads `points_to`.
    Symlink { points_to: PathBuf, target: PathBuf },
    /// A text file. It belongs to [`User`] where the command can write beside it, else to root.
    File {
        target: PathBuf,
        contents: String,
        mode: u32,
    },
}

impl Mount {
    /// Where it is, inside.
    pub fn target(&self) -> &Path {
        match self {
            Self::ReadOnlyBind { target, source: _ }
            | Self::Bind { target, source: _ }
            | Self::Tmpfs {
                target,
                size_bytes: _,
                mode: _,
            }
            | Self::Symlink {
                target,
                points_to: _,
            }
            | Self::File {
                target,
                contents: _,
                mode: _,
            } => target,
            Self::Proc => Path::new("/proc"),
            Self::Dev => Path::new("/dev"),
        }
    }
}

/// A network of its own with no interface but loopback: no packet can leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing listens.
    None,
    /// These ports of 127.0.0.1 lead out, to unix sockets of the host.
    Forwards(Vec<Forward>),
}

/// Connections to `127.0.0.1:listen_port` inside are carried to `unix_socket` on the host. The worker dials: the socket
/// itself is not visible inside, and the worker's permissions apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    pub listen_port: u16,
    pub unix_socket: PathBuf,
}

/// Limits of each process, and of all together. A limit above what the worker itself has is lowered to that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub open_files: u64,
    /// Processes and threads of the sandbox.
    pub processes: u64,
    /// The largest file a process may write.
    pub file_size_bytes: Option<u64>,
    /// Memory of all processes together; refused by [`crate::plan`] where the machine cannot hold it.
    pub memory_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_files: 4096,
            processes: 512,
            file_size_bytes: None,
            memory_bytes: None,
        }
    }
}

/// What the command reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdin {
    /// `/dev/null`.
    Null,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// A pipe, see [`crate::Running::stdin`].
    Piped,
}
