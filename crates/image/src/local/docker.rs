//! What `docker save` writes: `manifest.json`, a configuration, and layers that are not compressed.

use serde::Deserialize;

use super::{Files, LocalError, Top};
use crate::digest::Digest;
use crate::document::DocumentError;

/// An image by the names of its parts.
#[derive(Debug)]
pub(crate) struct DockerImage {
    /// What such an image has for a digest: that of its configuration, which names the content of all layers.
    pub(crate) digest: Digest,
    pub(crate) config: Vec<u8>,
    /// The lowest first.
    pub(crate) layers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

pub(super) fn top(files: &Files, limit_bytes: u64) -> Result<Top, LocalError> {
    let bytes = match files.read("manifest.json", limit_bytes) {
        Ok(bytes) => bytes,
        Err(LocalError::Incomplete { .. }) => {
            return Err(files.not_an_image("it has neither `index.json` nor `manifest.json`"));
        }
        Err(error) => return Err(error),
    };
    let entries: Vec<Entry> =
        serde_json::from_slice(&bytes).map_err(|source| DocumentError::Json {
            what: "manifest",
            source,
        })?;
    let mut entries = entries.into_iter();
    let Some(entry) = entries.next() else {
        return Err(files.not_an_image("it is empty"));
    };
    if entries.next().is_some() {
        return Err(files.not_an_image("it holds several images; save one at a time"));
    }
    let config = files.read(&entry.config, limit_bytes)?;
    Ok(Top::Docker(DockerImage {
        digest: Digest::of(&config),
        config,
        layers: entry.layers.unwrap_or_default(),
    }))
}
