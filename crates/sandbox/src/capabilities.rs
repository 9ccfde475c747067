//! What this machine can do, observed once when a worker starts.

mod sys;
mod trial;

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};

use crate::{cgroup, syscalls};

/// Facts about the machine and the worker's process that [`crate::plan`] decides by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    pub kernel: KernelVersion,
    pub privilege: Privilege,
    pub user_namespaces: UserNamespaces,
    /// Whether the ids of files can be mapped at a mount (some file systems still cannot; the launcher then changes owners).
    pub idmapped_mounts: bool,
    /// Whether layers can be mounted as one tree, see [`crate::Overlay`].
    pub overlay: OverlaySupport,
    pub cgroup: Cgroup,
    /// Version of the kernel's Landlock interface, if it has one: a second fence around files.
    pub landlock: Option<u32>,
    /// Ids that exist in the worker's own user namespace.
    pub id_ranges: Vec<IdRange>,
    /// The host's system directories at `/`.
    pub system: Vec<SystemEntry>,
    /// What exists of the parts of `/etc` that a sandbox may see.
    pub etc: Vec<EtcEntry>,
    /// What exists of the few files of `/sys` that a sandbox gets a copy of.
    pub sys: Vec<SysFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KernelVersion {
    pub major: u32,
    pub minor: u32,
}

/// Who the worker is on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    /// Root with the capabilities to map ids and mounts.
    Root { uid: u32, gid: u32 },
    /// Anybody else: can map only itself.
    User { uid: u32, gid: u32 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserNamespaces {
    Available,
    /// Creating one failed with this error number.
    Refused {
        errno: i32,
    },
    /// They can be made, but a fresh `/proc` in them is refused with this error number.
    WithoutProc {
        errno: i32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlaySupport {
    /// One was mounted as a sandbox does it.
    Available,
    /// A root worker needs layers with mapped ids, which this kernel cannot put together.
    WithoutIdMaps,
    /// Mounting one in a user namespace failed with this error number.
    Refused { errno: i32 },
}

/// Where the worker can make control groups, tried by making one; `None` for what it cannot limit by them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cgroup {
    None,
    /// Each controller has a hierarchy of its own, or shares one.
    V1 {
        memory: Option<PathBuf>,
        processes: Option<PathBuf>,
        cpu: Option<PathBuf>,
    },
    /// One hierarchy; children of `parent` can have these controllers.
    V2 {
        parent: PathBuf,
        memory: bool,
        processes: bool,
        cpu: bool,
    },
}

/// `count` ids from `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    pub first: u32,
    pub count: u32,
}

/// A directory of the host's system, or the link that stands for it (`/bin -> usr/bin`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemEntry {
    Directory { path: PathBuf },
    Symlink { path: PathBuf, points_to: PathBuf },
}

/// A file below `/sys`, as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysFile {
    pub path: PathBuf,
    pub contents: String,
}

/// A file or directory below `/etc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcEntry {
    pub path: PathBuf,
}

const SYSTEM_DIRECTORIES: [&str; 9] = [
    "bin", "lib", "lib32", "lib64", "libx32", "nix", "opt", "sbin", "usr",
];

/// What programs need of `/etc` to run. Names that end in `*` match a prefix. Absent on purpose: shadow, ssh, sudoers,
/// gitconfig, npmrc and pip.conf (may hold tokens), ssl/private, machine-id, fstab, cron, and whatever else is the host's.
const ETC_SHOWN: [&str; 34] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "java*",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "magic",
    "magic.mime",
    "maven",
    "mime.types",
    "os-release",
    "perl",
    "php",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "protocols",
    "python3*",
    "rpc",
    "ruby",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "xml",
];

/// Observe this machine. Takes some milliseconds: it makes namespaces, mounts memory in them, makes control groups, and
/// reads a few files. A process that is alone in a delegated group of version 2 is moved into a group below it, since
/// only then can others be made beside.
pub fn probe() -> Capabilities {
    let kernel = kernel_version();
    let privilege = privilege();
    let (user_namespaces, overlay) = trial::namespaces(kernel, privilege);
    let is_root = matches!(privilege, Privilege::Root { .. });
    Capabilities {
        kernel,
        privilege,
        user_namespaces,
        idmapped_mounts: is_root
            && kernel
                >= KernelVersion {
                    major: 5,
                    minor: 12,
                },
        overlay,
        cgroup: cgroup::find(),
        landlock: syscalls::landlock_version(),
        id_ranges: id_ranges(&fs::read_to_string("/proc/self/uid_map").unwrap_or_default()),
        system: SYSTEM_DIRECTORIES
            .iter()
            .filter_map(|name| system_entry(&Path::new("/").join(name)))
            .collect(),
        etc: etc_entries(Path::new("/etc")),
        sys: sys::files(Path::new("/sys")),
    }
}

fn kernel_version() -> KernelVersion {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut parts = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    KernelVersion {
        major: parts.next().unwrap_or(0),
        minor: parts.next().unwrap_or(0),
    }
}

fn privilege() -> Privilege {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let needed = CapabilitySet::SYS_ADMIN
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID
        | CapabilitySet::CHOWN
        | CapabilitySet::KILL
        | CapabilitySet::DAC_OVERRIDE;
    let held = rustix::thread::capabilities(None)
        .map(|sets| sets.effective)
        .unwrap_or(CapabilitySet::empty());
    if uid == 0 && held.contains(needed) {
        Privilege::Root { uid, gid }
    } else {
        Privilege::User { uid, gid }
    }
}

/// Lines of `first-inside first-outside count`.
fn id_ranges(map: &str) -> Vec<IdRange> {
    map.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            let (first, _, count) = (
                numbers.next()?.ok()?,
                numbers.next()?.ok()?,
                numbers.next()?.ok()?,
            );
            Some(IdRange { first, count })
        })
        .collect()
}

fn system_entry(path: &Path) -> Option<SystemEntry> {
    let kind = fs::symlink_metadata(path).ok()?.file_type();
    if kind.is_symlink() {
        Some(SystemEntry::Symlink {
            path: path.to_owned(),
            points_to: fs::read_link(path).ok()?,
        })
    } else {
        kind.is_dir().then(|| SystemEntry::Directory {
            path: path.to_owned(),
        })
    }
}

fn etc_entries(etc: &Path) -> Vec<EtcEntry> {
    let mut found = Vec::new();
    for pattern in ETC_SHOWN {
        if let Some(prefix) = pattern.strip_suffix('*') {
            let names = fs::read_dir(etc)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name());
            found.extend(
                names
                    .filter(|name| name.to_string_lossy().starts_with(prefix))
                    .map(|name| etc.join(name)),
            );
        } else {
            found.push(etc.join(pattern));
        }
    }
    found.retain(|path| fs::metadata(path).is_ok_and(|meta| !meta.file_type().is_socket()));
    found.sort();
    found.into_iter().map(|path| EtcEntry { path }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_map_is_read_as_ranges_of_the_inside() {
        assert_eq!(
            id_ranges("         0       1000          1\n         1     100000      65536\n"),
            [
                IdRange { first: 0, count: 1 },
                IdRange {
                    first: 1,
                    count: 65536
                }
            ]
        );
    }

    #[test]
    fn nothing_secret_of_etc_is_shown() {
        for secret in [
            "shadow",
            "gshadow",
            "ssh",
            "sudoers",
            "gitconfig",
            "npmrc",
            "pip.conf",
            "ssl/private",
            "ssl",
        ] {
            assert!(!ETC_SHOWN.contains(&secret), "{secret}");
        }
    }
}
