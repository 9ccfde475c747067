//! A tar archive whose parts are read where they lie.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{LocalError, Part};
use crate::unpack::{Entries, Kind, LayerPath, UnpackError};

/// Files in an archive of one image: layers and documents.
const ENTRIES: u64 = 100_000;
const LINKS: usize = 8;

#[derive(Debug)]
pub(super) struct Archive {
    file: Arc<File>,
    places: HashMap<LayerPath, Place>,
}

#[derive(Debug)]
enum Place {
    Data {
        offset: u64,
        size: u64,
    },
    /// `docker save` has written links for layers that occur twice.
    Link(LayerPath),
}

impl Archive {
    /// Reads the headers only.
    pub(super) fn open(file: File, path: &Path) -> Result<Self, LocalError> {
        let fault = |why: UnpackError| LocalError::Archive {
            path: path.to_owned(),
            why: Box::new(why),
        };
        let mut start = [0; 4];
        if file.read_at(&mut start, 0).is_ok()
            && matches!(start, [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd])
        {
            return Err(LocalError::NotAnImage {
                path: path.to_owned(),
                why: "the archive is compressed; decompress it first, its layers can stay compressed",
            });
        }
        let mut entries = Entries::seeking(&file, ENTRIES);
        let mut places = HashMap::new();
        while let Some(entry) = entries.next().map_err(fault)? {
            let Ok(name) = LayerPath::parse(&entry.path) else {
                continue;
            };
            let place = match entry.kind {
                Kind::File { size, pieces: None } => {
                    let offset = entries.stream_mut().stream_position();
                    let offset = offset.map_err(|error| fault(UnpackError::Source(error)))?;
                    Place::Data { offset, size }
                }
                Kind::HardLink { target } => match LayerPath::parse(&target) {
                    Ok(target) => Place::Link(target),
                    Err(_) => continue,
                },
                Kind::Symlink { target } => match follow(&name, &target) {
                    Some(target) => Place::Link(target),
                    None => continue,
                },
                Kind::File { .. } | Kind::Directory | Kind::Fifo | Kind::Device => continue,
            };
            places.insert(name, place);
        }
        let file = Arc::new(file);
        Ok(Self { file, places })
    }

    pub(super) fn open_part(&self, name: &str) -> io::Result<Part> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let name = LayerPath::parse(name.as_bytes()).map_err(|_| missing())?;
        let mut place = self.places.get(&name);
        for _ in 0..LINKS {
            match place {
                Some(Place::Link(target)) => place = self.places.get(target),
                Some(Place::Data { offset, size }) => {
                    let part = Slice {
                        file: Arc::clone(&self.file),
                        at: *offset,
                        left: *size,
                    };
                    return Ok((Box::new(part), *size));
                }
                None => break,
            }
        }
        Err(missing())
    }
}

/// Where a symbolic link leads; nowhere if out of the archive.
fn follow(name: &LayerPath, target: &[u8]) -> Option<LayerPath> {
    let (folder, _) = name.split()?;
    let mut parts: Vec<&[u8]> = folder.parts().collect();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    LayerPath::parse(&parts.join(&b'/')).ok()
}

/// A part of a file, which several read at once.
struct Slice {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let length = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}
