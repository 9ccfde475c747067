//! What a file has beside its name and its content.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid};

use crate::config::LayerOwner;

const NOBODY: u32 = 65_534;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Permissions and the three bits above them.
    pub(crate) mode: u32,
    pub(crate) uid: i64,
    pub(crate) gid: i64,
    /// Seconds and nanoseconds.
    pub(crate) mtime: (i64, u32),
}

/// What a directory gets that the archive does not mention, as everybody has it.
pub(crate) const IMPLIED: Attributes = Attributes {
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: (0, 0),
};

impl Attributes {
    /// Of a directory in a layer.
    pub(crate) fn of(stat: &Stat, owner: LayerOwner) -> Self {
        let inside = |id: u32| match owner {
            LayerOwner::Root { store_uid_base } => i64::from(id) - i64::from(store_uid_base),
            LayerOwner::User => 0,
        };
        Self {
            mode: stat.st_mode & 0o7777,
            uid: inside(stat.st_uid),
            gid: inside(stat.st_gid),
            mtime: (
                stat.st_mtime,
                u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ),
        }
    }

    /// Whether anybody can tell them apart, but for the times.
    pub(crate) fn look_like(&self, other: &Self) -> bool {
        (self.mode, self.uid, self.gid) == (other.mode, other.uid, other.gid)
    }

    /// On the disk. Ids that are none inside become those of nobody.
    fn ids(&self, owner: LayerOwner) -> Option<(Uid, Gid)> {
        match owner {
            LayerOwner::Root { store_uid_base } => {
                let on_disk =
                    |id: i64| store_uid_base + u16::try_from(id).map_or(NOBODY, u32::from);
                Some((
                    Uid::from_raw(on_disk(self.uid)),
                    Gid::from_raw(on_disk(self.gid)),
                ))
            }
            LayerOwner::User => None,
        }
    }

    fn times(&self) -> Timestamps {
        let (seconds, nanoseconds) = self.mtime;
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds.into(),
        };
        Timestamps {
            last_access: time,
            last_modification: time,
        }
    }

    /// Of an open file or directory. Changing the owner takes set-user-id bits away, so it comes first; the mask keeps
    /// them off anyway.
    pub(super) fn set(
        &self,
        entry: impl AsFd,
        owner: LayerOwner,
        mode_mask: u32,
    ) -> rustix::io::Result<()> {
        if let Some((uid, gid)) = self.ids(owner) {
            rustix::fs::fchown(&entry, Some(uid), Some(gid))?;
        }
        rustix::fs::fchmod(&entry, Mode::from_raw_mode(self.mode & mode_mask))?;
        rustix::fs::futimens(&entry, &self.times())
    }

    /// Owner and times of what cannot be opened. A link is not followed.
    pub(super) fn set_at(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        owner: LayerOwner,
    ) -> rustix::io::Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if let Some((uid, gid)) = self.ids(owner) {
            rustix::fs::chownat(parent, name, Some(uid), Some(gid), flags)?;
        }
        rustix::fs::utimensat(parent, name, &self.times(), flags)
    }
}
