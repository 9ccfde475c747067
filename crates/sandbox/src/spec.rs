//! What to isolate: pure data, no decision about how.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// systemd keeps this range free for the same purpose ("foreign" ids): trees on disk that are only ever seen through a
/// map.
const STORE_UID_BASE: u32 = 0x7ffe_0000;

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
    /// First of 65536 ids on the host that nothing else uses, not even a sandbox: the owners of what is stored, see
    /// [`LayerIds::Stored`] and [`crate::stored_owner`]. One range for a whole worker, so that what one sandbox made
    /// can be a layer of another, whatever the [`Spec::uid_base`] of each. Ignored where `uid_base` is. At least 65536.
    pub store_uid_base: u32,
    /// What the command may do beyond what its user may.
    pub privileges: Privileges,
    /// Whether programs may make namespaces of their own in here, as sandboxes within (bubblewrap, Chromium) do: mounts,
    /// `unshare`, `setns`, `chroot`. What they get over these is nothing over the sandbox. But they reach more of the
    /// kernel, and files are fenced once instead of twice. Where a limit of memory is held by watching there are no
    /// mounts within: memory could lie in them unseen.
    pub nested_namespaces: bool,
    /// Others that `/etc/passwd` and `/etc/group` are to name.
    pub further_users: Vec<User>,
    /// What the root is made of.
    pub system: SystemRoot,
    /// What is mounted on top, in this order.
    pub mounts: Vec<Mount>,
    /// Directories, absolute, inside, of which the caller wants a handle, see [`crate::Running::take_handles`].
    pub handles: Vec<PathBuf>,
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
    /// A sandbox with the host's system read-only, `/proc`, `/sys`, `/dev`, a `/tmp` of 1 GiB, no network and the default
    /// limits.
    pub fn new<I, S>(command: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self {
            hostname: "sandbox".to_owned(),
            user: User::default(),
            uid_base: 200_000,
            store_uid_base: STORE_UID_BASE,
            privileges: Privileges::None,
            nested_namespaces: false,
            further_users: Vec::new(),
            system: SystemRoot::HostReadOnly,
            mounts: vec![
                Mount::Proc,
                Mount::Sys,
                Mount::Dev,
                Mount::Tmpfs {
                    target: PathBuf::from("/tmp"),
                    size_bytes: 1 << 30,
                    mode: 0o1777,
                },
            ],
            handles: Vec::new(),
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

impl User {
    /// With its end.
    pub(crate) fn passwd_line(&self) -> String {
        let Self {
            uid,
            gid,
            name,
            home,
        } = self;
        format!("{name}:x:{uid}:{gid}:{name}:{}:/bin/sh\n", home.display())
    }

    /// With its end.
    pub(crate) fn group_line(&self) -> String {
        format!("{}:x:{}:\n", self.name, self.gid)
    }
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

/// What a command may do beyond what its user may. Nothing outside of the sandbox in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privileges {
    /// No capability, also for uid 0.
    None,
    /// Like root with files and processes, but only with those whose ids are the sandbox's own: give files to any id,
    /// read and write all, become any id, signal all. What package managers need. Only for uid 0; no mounts, no
    /// namespaces, no devices, no network.
    OwnFiles,
}

/// What the root is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemRoot {
    /// `/usr`, `/bin`, `/sbin`, `/lib*` and `/opt`, read-only; of `/etc` only what programs need to run (libraries,
    /// certificates, time zone, alternatives), with users, hosts and resolver written anew. Not `/root`, `/home`,
    /// `/run`, `/var`, `/srv`, `/mnt`.
    HostReadOnly,
    /// Nothing: the mounts bring a system.
    Empty,
    /// A system in layers, for example an unpacked image, that can be written: `/etc/hosts`, `hostname` and
    /// `resolv.conf` are written anew, and users are added to its own.
    Overlay(Overlay),
}

/// Trees one above the other, shown as one. Whatever is written goes to `upper`; nothing below changes.
///
/// `upper` and `work` are directories of the same file system in the same directory, with names of letters, digits,
/// `.`, `_` and `-`. Both belong to [`crate::stored_owner`] of id 0 inside; `upper` is empty or what an earlier overlay
/// left there, `work` is the overlay's own. An upper and a work directory are for one sandbox at a time. What is
/// written may still be in memory when the sandbox has ended: call `syncfs` before relying on it across a loss of
/// power.
///
/// Names of directories in a layer must not be changed while it is in use, nor must there be mounts in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// Uppermost first, at least one, at most 500; each costs time at every look for a file that is not there.
    pub lowers: Vec<Lower>,
    pub upper: PathBuf,
    pub work: PathBuf,
}

/// A layer that is only read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lower {
    /// A directory of the host.
    pub path: PathBuf,
    pub ids: LayerIds,
}

/// Whose the files of a layer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerIds {
    /// On disk they have [`crate::stored_owner`]'s ids; inside they have those of the sandbox.
    Stored,
    /// They are the host's own and stay so: inside they are nobody's, and even root can do with them only what
    /// everybody can. A directory of which there is also a stored one above is that one's.
    Host,
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
    /// A tree in layers that can be written.
    Overlay { overlay: Overlay, target: PathBuf },
    /// Memory that the command can write; it counts as memory of the sandbox.
    Tmpfs {
        target: PathBuf,
        size_bytes: u64,
        mode: u32,
    },
    /// Memory with nothing in it but what later mounts put below; nobody inside can write it.
    ReadOnlyTmpfs { target: PathBuf, size_bytes: u64 },
    /// A fresh `/proc` with the host's switches read-only or hidden.
    Proc,
    /// A `/sys` with what runtimes ask it for: how many processors there are, and how memory is paged. Nothing of the
    /// host is mounted: these are copies.
    Sys,
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
            | Self::Overlay { target, overlay: _ }
            | Self::Tmpfs {
                target,
                size_bytes: _,
                mode: _,
            }
            | Self::ReadOnlyTmpfs {
                target,
                size_bytes: _,
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
            Self::Sys => Path::new("/sys"),
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
    /// Memory of all processes together, and of what lies in memory file systems. At least 8 MiB.
    pub memory_bytes: Option<u64>,
    /// Processor time of all processes together, in thousandths of one processor.
    pub cpu_millis: Option<u32>,
    /// What the command may add to the writable directories and upper layers of this sandbox.
    pub disk_bytes: Option<u64>,
    /// How many files and directories it may add there.
    pub disk_files: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_files: 4096,
            processes: 512,
            file_size_bytes: None,
            memory_bytes: None,
            cpu_millis: None,
            disk_bytes: None,
            disk_files: None,
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
