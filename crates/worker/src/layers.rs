//! Directories that overlays write to.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use outwork_sandbox::{LayerIds, Lower, Overlay};
use outwork_snapshot::remove_tree;

use crate::base::{Base, StoredIds, Volume, give};
use crate::sandbox_layout::{HOME, WORKSPACE};

/// One directory with an upper and a work directory for each volume. It is for one sandbox at a time, and can be a layer of
/// later ones.
#[derive(Clone, Debug)]
pub(crate) struct UpperDir {
    path: PathBuf,
    ids: StoredIds,
}

impl UpperDir {
    /// Makes the directories of `base`'s volumes in `path`, which may exist; what is in it already stays.
    pub(crate) fn create(path: PathBuf, base: &Base, ids: StoredIds) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)?;
        let upper = Self { path, ids };
        for volume in base.volumes() {
            upper.directory(&upper.volume(*volume), ids.root, 0o755)?;
            upper.directory(&upper.work(*volume), ids.root, 0o700)?;
        }
        Ok(upper)
    }

    /// The home, for `owner`, and the directory of the checkouts. Before anything ran in here: no link is in the way.
    pub(crate) fn create_home(&self, owner: (u32, u32)) -> io::Result<()> {
        let home = self.inside(HOME);
        let above = home.parent().expect("the home is below a directory");
        self.directory(above, self.ids.root, 0o755)?;
        self.directory(&home, owner, 0o755)?;
        self.directory(&self.inside(WORKSPACE), self.ids.agent, 0o755)
    }

    /// The directory of a volume.
    pub(crate) fn volume(&self, volume: Volume) -> PathBuf {
        self.path.join(volume.directory())
    }

    fn work(&self, volume: Volume) -> PathBuf {
        self.path.join(format!("{}.work", volume.directory()))
    }

    /// Where `path`, absolute inside, is in the root's volume.
    pub(crate) fn inside(&self, path: &str) -> PathBuf {
        self.volume(Volume::Root).join(path.trim_start_matches('/'))
    }

    /// Where the directory `path`, absolute inside, is in the root's volume, if there is one. A script may have put a link in
    /// its place, or in that of one above it, that leads anywhere on the host: that is none.
    pub(crate) fn directory_inside(&self, path: &str) -> Option<PathBuf> {
        let mut at = self.volume(Volume::Root);
        for part in path.split('/').filter(|part| !part.is_empty()) {
            at.push(part);
            if !fs::symlink_metadata(&at).is_ok_and(|found| found.is_dir()) {
                return None;
            }
        }
        Some(at)
    }

    /// An overlay that writes here, above `layers` (directories of volumes, uppermost first) and the base.
    pub(crate) fn overlay(&self, volume: Volume, layers: &[PathBuf], base: &Base) -> Overlay {
        let stored = layers.iter().map(|layer| Lower {
            path: layer.join(volume.directory()),
            ids: LayerIds::Stored,
        });
        Overlay {
            lowers: stored.chain(base.lowers(volume)).collect(),
            upper: self.volume(volume),
            work: self.work(volume),
        }
    }

    /// Removes what only the kernel needed, so that the rest can be kept. No sandbox may use it any more.
    pub(crate) fn remove_work(&self, base: &Base) -> io::Result<()> {
        for volume in base.volumes() {
            remove_tree(&self.work(*volume))?;
        }
        Ok(())
    }

    /// Removes what scripts left in `/tmp`, which is on the disk for them and memory for the agent.
    pub(crate) fn empty_tmp(&self) -> io::Result<()> {
        let tmp = self.inside("/tmp");
        remove_tree(&tmp)?;
        self.directory(&tmp, self.ids.root, 0o1777)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn directory(&self, path: &Path, owner: (u32, u32), mode: u32) -> io::Result<()> {
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(error),
        }
        give(path, self.ids, owner)?;
        // After the owner, and whatever the worker's umask is.
        fs::set_permissions(path, Permissions::from_mode(mode))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_that_a_script_left_leads_out_of_the_layer() {
        let host = tempfile::tempdir().unwrap();
        let elsewhere = host.path().join("elsewhere");
        fs::create_dir_all(elsewhere.join("agent")).unwrap();
        let of = |name: &str| UpperDir {
            path: host.path().join(name),
            ids: StoredIds {
                root: (0, 0),
                agent: (0, 0),
                is_changed: false,
            },
        };
        let (honest, above, itself, file) = (of("honest"), of("above"), of("itself"), of("file"));
        for upper in [&honest, &above, &itself, &file] {
            fs::create_dir_all(upper.inside("/")).unwrap();
        }
        fs::create_dir_all(honest.inside(HOME)).unwrap();
        symlink(&elsewhere, above.inside("/home")).unwrap();
        fs::create_dir(itself.inside("/home")).unwrap();
        symlink(elsewhere.join("agent"), itself.inside(HOME)).unwrap();
        fs::write(file.inside("/home"), "").unwrap();

        assert_eq!(honest.directory_inside(HOME), Some(honest.inside(HOME)));
        for upper in [above, itself, file] {
            assert_eq!(upper.directory_inside(HOME), None, "{upper:?}");
        }
    }
}
