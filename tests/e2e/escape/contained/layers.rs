//! What sandboxes share: the layers below what each may write. No attempt may change a file in them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::harness::Kept;

/// What changes when somebody changes a file: its kind and rights, owner, size, and the time of the last change of any of these.
type Look = (u32, u32, u64, i64, i64);

pub struct Layers(BTreeMap<PathBuf, Look>);

impl Layers {
    /// As they are now, of the system and of the snapshots.
    pub fn of(kept: &Kept) -> Self {
        let mut looks = BTreeMap::new();
        look(&kept.path("base"), &mut looks);
        for snapshot in kept.snapshots() {
            let parts = fs::read_dir(snapshot.join("data")).expect("its parts");
            let parts = parts.flatten().map(|entry| entry.path());
            // No sandbox sees the git directories; the worker's own git keeps its index in them.
            for part in parts.filter(|part| !part.ends_with("git")) {
                look(&part, &mut looks);
            }
        }
        assert!(looks.len() > 20, "no layers: {looks:?}");
        Self(looks)
    }

    /// There may be more by now; none of these is gone or changed.
    #[track_caller]
    pub fn assert_unchanged(&self, now: &Self) {
        let changed = self
            .0
            .iter()
            .filter(|(path, look)| now.0.get(*path) != Some(look));
        let changed: Vec<_> = changed.map(|(path, _)| path).collect();
        assert!(changed.is_empty(), "changed: {changed:#?}");
    }
}

fn look(path: &Path, looks: &mut BTreeMap<PathBuf, Look>) {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return;
    };
    let seen = (
        metadata.mode(),
        metadata.uid(),
        metadata.size(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    );
    looks.insert(path.to_owned(), seen);
    if metadata.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            look(&entry.path(), looks);
        }
    }
}
