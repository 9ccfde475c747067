//! The OCI layout: `index.json`, and everything else by its digest.

use super::{Files, LocalError, Top};
use crate::document::{Descriptor, Document};
use crate::text::shown;

/// The annotations by which images in a layout have names.
const NAMES: [&str; 2] = [
    "org.opencontainers.image.ref.name",
    "io.containerd.image.name",
];

pub(super) fn top(files: &Files, tag: Option<&str>, limit_bytes: u64) -> Result<Top, LocalError> {
    let index = match files.read("index.json", limit_bytes) {
        Ok(bytes) => Document::parse(&bytes)?,
        Err(LocalError::Incomplete { .. }) => {
            return Err(files.not_an_image("it has no `index.json`; it is no OCI layout"));
        }
        Err(error) => return Err(error),
    };
    let Document::Index(entries) = index else {
        return Err(files.not_an_image("its `index.json` is no index"));
    };
    let path = || files.path.clone();
    let tags = || entries.iter().filter_map(name).map(shown).collect();
    let mut chosen = entries.iter().filter(|entry| match (tag, name(entry)) {
        (None, _) => true,
        (Some(tag), Some(name)) => {
            name == tag || name.rsplit_once(':').is_some_and(|(_, end)| end == tag)
        }
        (Some(_), None) => false,
    });
    match (chosen.next(), chosen.next(), tag) {
        (Some(entry), None, _) | (Some(entry), Some(_), Some(_)) => Ok(Top::Oci(entry.clone())),
        (Some(_), Some(_), None) => Err(LocalError::Several {
            path: path(),
            tags: tags(),
        }),
        (None, _, Some(tag)) => Err(LocalError::NoTag {
            path: path(),
            tag: tag.to_owned(),
            tags: tags(),
        }),
        (None, _, None) => Err(files.not_an_image("it is empty")),
    }
}

fn name(entry: &Descriptor) -> Option<&str> {
    let annotations = entry.annotations.as_ref()?;
    NAMES
        .iter()
        .find_map(|name| annotations.get(*name))
        .map(String::as_str)
}
