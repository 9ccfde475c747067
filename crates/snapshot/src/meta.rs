//! What is written down beside a snapshot's tree, and the quick look that tells whether both are still there.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::place::Place;
use crate::recipe::{Key, Recipe};

/// More than this is not read: the look takes a bounded time.
const META_BYTES: u64 = 4 << 20;
/// The largest payload, in bytes of JSON.
pub(crate) const PAYLOAD_BYTES: usize = 1 << 20;

/// `meta.json`. As long as it is there, the snapshot has its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) key: Key,
    pub(crate) recipe: Recipe,
    /// Milliseconds since the epoch, by the owner's clock.
    pub(crate) built_at: i64,
    /// Why, for people.
    pub(crate) reason: String,
    pub(crate) size_bytes: u64,
    /// The directories in `data/`.
    pub(crate) volumes: Vec<String>,
    /// The boot in which it was written. In a later one it counts only if `synced` is there too.
    pub(crate) boot_id: String,
    /// The builder's own.
    pub(crate) payload: Value,
}

impl Meta {
    /// Reads the description of the snapshot at `place`; the error says in words what is wrong.
    pub(crate) fn read(place: &Place) -> Result<Self, String> {
        let text = read_bounded(&place.meta()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "its description is gone".to_owned(),
            _ => format!("its description cannot be read: {error}"),
        })?;
        let meta: Self = serde_json::from_slice(&text)
            .map_err(|error| format!("its description is damaged: {error}"))?;
        if meta.recipe.key() != meta.key {
            return Err("its description belongs to another key".to_owned());
        }
        Ok(meta)
    }

    /// Whether the snapshot at `place` is still what this says, without a walk over the tree.
    pub(crate) fn check(&self, place: &Place) -> Result<(), String> {
        if Self::read(place)? != *self {
            return Err("its description was changed".to_owned());
        }
        for volume in &self.volumes {
            let metadata = std::fs::symlink_metadata(place.data().join(volume))
                .map_err(|error| format!("its directory {volume} cannot be read: {error}"))?;
            if !metadata.is_dir() {
                return Err(format!("{volume} is not a directory"));
            }
        }
        Ok(())
    }

    /// Whether the tree can be trusted to be on the disk.
    pub(crate) fn survived(&self, place: &Place, boot_id: &str) -> Result<(), String> {
        if self.boot_id == boot_id || place.synced().exists() {
            return Ok(());
        }
        Err("the machine stopped before it was on the disk".to_owned())
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(META_BYTES + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > META_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}
