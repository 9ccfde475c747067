//! The lowest layer of the worker's own system: what programs need of `/etc`, a `/var`, mount points, and directories for
//! what setup adds to `/usr/local` and `/opt`.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use outwork_sandbox::{Capabilities, EtcEntry, SystemEntry};
use outwork_snapshot::remove_tree;

use super::{StoredIds, Volume};

/// Directories of the host's `/usr/local` and `/opt` below which setup can add files: enough for what package managers
/// install, and a bound for a host that keeps whole trees there.
const DEPTH: usize = 6;
const DIRECTORIES: usize = 10_000;
/// What is copied of `/etc`: certificates are some hundred files.
const ETC_ENTRIES: usize = 50_000;

/// Empty directories of the root: path and mode.
const DIRECTORY_MODES: [(&str, u32); 22] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("outwork", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("run/lock", 0o1777),
    ("srv", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/local", 0o755),
    ("var/log", 0o755),
    ("var/opt", 0o755),
    ("var/spool", 0o755),
    ("workspace", 0o755),
];

/// What programs install into, also where the host has no such directory.
const USR_LOCAL: [&str; 7] = ["bin", "etc", "include", "lib", "libexec", "sbin", "share"];

const LINKS: [(&str, &str); 4] = [
    ("/proc/self/mounts", "etc/mtab"),
    ("/run", "var/run"),
    ("/run/lock", "var/lock"),
    ("/tmp", "var/tmp"),
];

/// The sandbox names hosts, and users that are missing here.
const FILES: [(&str, &str); 3] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nagent:x:1000:1000:agent:/home/agent:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
    ),
];

/// Makes the skeleton at `path`, whole or not at all.
pub(super) fn make(path: &Path, capabilities: &Capabilities, ids: StoredIds) -> io::Result<()> {
    let fresh = path.with_extension("new");
    remove_tree(&fresh)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&fresh)?;
    let maker = Maker { ids };
    maker.root(&fresh.join(Volume::Root.directory()), capabilities)?;
    for volume in [Volume::UsrLocal, Volume::Opt] {
        let mut left = DIRECTORIES;
        let to = fresh.join(volume.directory());
        maker.directories(Path::new(volume.target()), &to, DEPTH, &mut left)?;
    }
    for name in USR_LOCAL {
        let path = fresh.join(Volume::UsrLocal.directory()).join(name);
        if !path.exists() {
            maker.directory(&path, 0o755)?;
        }
    }
    fs::rename(fresh, path)
}

/// Removes all but the skeleton `name`.
pub(super) fn sweep(directory: &Path, name: &str) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() != name {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

struct Maker {
    ids: StoredIds,
}

impl Maker {
    fn root(&self, root: &Path, capabilities: &Capabilities) -> io::Result<()> {
        self.directory(root, 0o755)?;
        for (path, mode) in DIRECTORY_MODES {
            self.directory(&root.join(path), mode)?;
        }
        for (points_to, path) in LINKS {
            self.link(Path::new(points_to), &root.join(path))?;
        }
        let below = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
        for entry in &capabilities.system {
            match entry {
                SystemEntry::Directory { path } => {
                    let path = below(path);
                    if !path.exists() {
                        self.directory(&path, 0o755)?;
                    }
                }
                // A volume is mounted there.
                SystemEntry::Symlink { path, points_to: _ } if path == Path::new("/opt") => {}
                SystemEntry::Symlink { path, points_to } => self.link(points_to, &below(path))?,
            }
        }
        let mut left = ETC_ENTRIES;
        for EtcEntry { path } in &capabilities.etc {
            let to = below(path);
            for parent in parents(&to, root) {
                if !parent.exists() {
                    self.directory(&parent, 0o755)?;
                }
            }
            self.copy_entry(path, &to, &mut left)?;
        }
        for (path, content) in FILES {
            let path = root.join(path);
            fs::write(&path, content)?;
            self.own(&path, Some(0o644))?;
        }
        Ok(())
    }

    /// An allowed entry of `/etc`. One that is a link to somewhere that is not shown is followed here, once.
    fn copy_entry(&self, from: &Path, to: &Path, left: &mut usize) -> io::Result<()> {
        let metadata = fs::symlink_metadata(from)?;
        if metadata.is_symlink() {
            let points_to = fs::read_link(from)?;
            let leads = from.parent().unwrap_or(from).join(&points_to);
            // `..` may stand in it; it is only about the beginning of what the kernel would resolve.
            let shown = fs::canonicalize(&leads).is_ok_and(|leads| leads.starts_with("/usr"));
            if shown {
                return self.link(&points_to, to);
            }
        }
        let real = fs::canonicalize(from)?;
        self.copy(&real, to, left)
    }

    fn copy(&self, from: &Path, to: &Path, left: &mut usize) -> io::Result<()> {
        let Some(less) = left.checked_sub(1) else {
            return Ok(());
        };
        *left = less;
        let metadata = fs::symlink_metadata(from)?;
        let mode = metadata.permissions().mode() & 0o777;
        if metadata.is_symlink() {
            return self.link(&fs::read_link(from)?, to);
        }
        if metadata.is_file() {
            return match fs::copy(from, to) {
                Ok(_) => self.own(to, Some(mode)),
                // The host keeps it to itself.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                Err(error) => Err(error),
            };
        }
        if !metadata.is_dir() {
            return Ok(());
        }
        let entries = match fs::read_dir(from) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            Err(error) => return Err(error),
        };
        // Closed ones would be of no use to anybody inside.
        self.directory(to, mode | 0o755)?;
        for entry in entries {
            let name = entry?.file_name();
            self.copy(&from.join(&name), &to.join(&name), left)?;
        }
        Ok(())
    }

    /// The directories below `from`, empty and owned by the root inside: what is in them on the host stays the host's.
    fn directories(
        &self,
        from: &Path,
        to: &Path,
        depth: usize,
        left: &mut usize,
    ) -> io::Result<()> {
        self.directory(to, 0o755)?;
        let (Some(depth), Ok(entries)) = (depth.checked_sub(1), fs::read_dir(from)) else {
            return Ok(());
        };
        for entry in entries {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                continue;
            }
            // The host may keep it to itself; then it stays so.
            let open = entry
                .metadata()
                .is_ok_and(|metadata| metadata.permissions().mode() & 0o005 == 0o005);
            if !open {
                continue;
            }
            let Some(less) = left.checked_sub(1) else {
                return Ok(());
            };
            *left = less;
            let name = entry.file_name();
            self.directories(&from.join(&name), &to.join(&name), depth, left)?;
        }
        Ok(())
    }

    fn directory(&self, path: &Path, mode: u32) -> io::Result<()> {
        fs::create_dir(path)?;
        self.own(path, Some(mode))
    }

    fn link(&self, points_to: &Path, path: &Path) -> io::Result<()> {
        symlink(points_to, path)?;
        self.own(path, None)
    }

    fn own(&self, path: &Path, mode: Option<u32>) -> io::Result<()> {
        give(path, self.ids, self.ids.root)?;
        // After the owner: giving away takes set-id and sticky bits.
        match mode {
            Some(mode) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
            None => Ok(()),
        }
    }
}

/// Gives one file of ours (not what a link points to) to `owner`, where ids are changed at all.
pub(crate) fn give(path: &Path, ids: StoredIds, owner: (u32, u32)) -> io::Result<()> {
    if !ids.is_changed {
        return Ok(());
    }
    std::os::unix::fs::lchown(path, Some(owner.0), Some(owner.1))
}

/// Directories between `root` and `path`, outermost first.
fn parents(path: &Path, root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = path
        .ancestors()
        .skip(1)
        .take_while(|parent| *parent != root)
        .map(Path::to_path_buf)
        .collect();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn it_is_whole_owned_by_the_root_inside_and_made_once() {
        let data = tempfile::tempdir().unwrap();
        let capabilities = outwork_sandbox::probe();
        let ids = StoredIds::new(&capabilities, 0x7ffe_0000);
        let directory = data.path().join("base");
        let base = super::super::HostBase::prepare(&directory, &capabilities, ids).unwrap();
        let root = base.skeleton.join("root");
        for path in ["etc/passwd", "tmp", "var/lib", "usr", "workspace"] {
            let metadata = root.join(path).symlink_metadata().unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), ids.root, "{path}");
        }
        let mode = |path: &str| root.join(path).symlink_metadata().unwrap().mode() & 0o7777;
        assert_eq!(
            (mode("tmp"), mode("root"), mode("etc/passwd")),
            (0o1777, 0o700, 0o644)
        );
        assert_eq!(
            fs::read_link(root.join("var/tmp")).unwrap(),
            Path::new("/tmp")
        );
        assert!(base.skeleton.join("usr-local/bin").is_dir());
        assert!(!root.join("etc/shadow").exists());

        fs::create_dir(directory.join("of an earlier system")).unwrap();
        let made_at = root.metadata().unwrap().mtime_nsec();
        let again = super::super::HostBase::prepare(&directory, &capabilities, ids).unwrap();
        assert_eq!(again.fingerprint, base.fingerprint);
        assert_eq!(root.metadata().unwrap().mtime_nsec(), made_at);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }
}
