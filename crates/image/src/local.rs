//! Images in files of the worker's machine: no registry, no network.

mod allowed;
mod archive;
mod docker;
mod layout;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

use crate::digest::Digest;
use crate::document::{Descriptor, DocumentError};
use crate::reference::ImageRef;
use crate::unpack::UnpackError;
use allowed::Opened;
use archive::Archive;
use docker::DockerImage;

/// Why an image cannot be had from a file.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Not below a directory that the operator named, or not there.
    #[error(
        "there is no image `{}` that may be used: images can be files only in the directories that the worker's operator allows (`--allow-local-image`)",
        path.display()
    )]
    NotAllowed {
        /// As written.
        path: PathBuf,
    },
    /// Not there.
    #[error("there is no image `{}` on the worker's machine", path.display())]
    Missing {
        /// As written.
        path: PathBuf,
    },
    /// Something else.
    #[error("`{}` is no image: {why}", path.display())]
    NotAnImage {
        /// As written.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Several, and none is chosen.
    #[error("`{}` holds several images; choose one by its tag: {}", path.display(), tags.join(", "))]
    Several {
        /// As written.
        path: PathBuf,
        /// What can be chosen.
        tags: Vec<String>,
    },
    /// None of that tag.
    #[error("`{}` holds no image `{tag}`; there is: {}", path.display(), tags.join(", "))]
    NoTag {
        /// As written.
        path: PathBuf,
        /// What was asked for.
        tag: String,
        /// What there is.
        tags: Vec<String>,
    },
    /// A part is not there.
    #[error("`{}` is not complete: `{part}` is missing", path.display())]
    Incomplete {
        /// As written.
        path: PathBuf,
        /// The part.
        part: String,
    },
    /// A part is not what it should be.
    #[error("`{}` is damaged: `{part}` is not what its name says", path.display())]
    Damaged {
        /// As written.
        path: PathBuf,
        /// The part.
        part: String,
    },
    /// A manifest or a configuration.
    #[error("`{part}` in `{}` is larger than {limit_bytes} bytes", path.display())]
    TooLarge {
        /// As written.
        path: PathBuf,
        /// The part.
        part: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// A wrong document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A wrong archive.
    #[error("`{}` is no image: {why}", path.display())]
    Archive {
        /// As written.
        path: PathBuf,
        /// What is wrong with it.
        why: Box<UnpackError>,
    },
    /// What the system says.
    #[error("`{}` cannot be read", path.display())]
    Read {
        /// As written.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// An image in a file or a directory, which is held open.
#[derive(Debug)]
pub(crate) struct Local {
    files: Files,
    pub(crate) top: Top,
}

/// Where to begin.
#[derive(Debug)]
pub(crate) enum Top {
    /// An entry of `index.json`.
    Oci(Descriptor),
    /// Of `manifest.json`.
    Docker(DockerImage),
}

#[derive(Debug)]
struct Files {
    /// As written.
    path: PathBuf,
    contents: Contents,
}

#[derive(Debug)]
enum Contents {
    Directory(OwnedFd),
    Archive(Archive),
}

/// A part of an image and its size.
pub(crate) type Part = (Box<dyn Read + Send>, u64);

impl Local {
    /// Opens the files that the reference names, and chooses the image in it. Blocks.
    pub(crate) fn open(
        image: &ImageRef,
        allow: &[PathBuf],
        limit_bytes: u64,
    ) -> Result<Arc<Self>, LocalError> {
        let (path, tag) = match image {
            ImageRef::OciLayout { path, tag } | ImageRef::OciArchive { path, tag } => {
                (path, tag.as_deref())
            }
            ImageRef::DockerArchive { path } | ImageRef::Path { path } => (path, None),
            ImageRef::Registry(reference) => unreachable!("{reference} is not in a file"),
        };
        let not_an_image = |why| LocalError::NotAnImage {
            path: path.clone(),
            why,
        };
        let contents = match (allowed::open(path, allow)?, image) {
            (Opened::Directory(directory), ImageRef::OciLayout { .. } | ImageRef::Path { .. }) => {
                Contents::Directory(directory)
            }
            (Opened::File(_), ImageRef::OciLayout { .. }) => {
                return Err(not_an_image(
                    "it is a file; write `oci-archive:` for a tar archive",
                ));
            }
            (Opened::Directory(_), _) => {
                return Err(not_an_image(
                    "it is a directory; write `oci:` for an OCI layout",
                ));
            }
            (Opened::File(file), _) => Contents::Archive(Archive::open(file, path)?),
        };
        let path = path.clone();
        let files = Files { path, contents };
        let top = match image {
            ImageRef::DockerArchive { .. } => docker::top(&files, limit_bytes)?,
            ImageRef::Path { .. } if !files.has("index.json") => docker::top(&files, limit_bytes)?,
            _ => layout::top(&files, tag, limit_bytes)?,
        };
        Ok(Arc::new(Self { files, top }))
    }

    /// As the reference has it.
    pub(crate) fn path(&self) -> &Path {
        &self.files.path
    }

    /// A small part, which is what its digest says.
    pub(crate) fn document(&self, digest: Digest, limit_bytes: u64) -> Result<Vec<u8>, LocalError> {
        let part = blob_name(digest);
        let bytes = self.files.read(&part, limit_bytes)?;
        if Digest::of(&bytes) != digest {
            let path = self.files.path.clone();
            return Err(LocalError::Damaged { path, part });
        }
        Ok(bytes)
    }

    pub(crate) fn blob(&self, digest: Digest) -> Result<Part, LocalError> {
        self.files.open(&blob_name(digest))
    }

    pub(crate) fn part(&self, name: &str) -> Result<Part, LocalError> {
        self.files.open(name)
    }
}

impl Files {
    fn open(&self, part: &str) -> Result<Part, LocalError> {
        let opened = match &self.contents {
            Contents::Archive(archive) => archive.open_part(part),
            Contents::Directory(directory) => {
                open_beneath(directory, part).map_err(io::Error::from)
            }
        };
        opened.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => LocalError::Incomplete {
                path: self.path.clone(),
                part: crate::text::shown(part),
            },
            _ => LocalError::Read {
                path: self.path.clone(),
                source,
            },
        })
    }

    fn read(&self, part: &str, limit_bytes: u64) -> Result<Vec<u8>, LocalError> {
        let (from, size) = self.open(part)?;
        if size > limit_bytes {
            return Err(LocalError::TooLarge {
                path: self.path.clone(),
                part: part.to_owned(),
                limit_bytes,
            });
        }
        let mut bytes = Vec::new();
        let read = from.take(limit_bytes).read_to_end(&mut bytes);
        read.map(|_| bytes).map_err(|source| LocalError::Read {
            path: self.path.clone(),
            source,
        })
    }

    fn has(&self, part: &str) -> bool {
        self.open(part).is_ok()
    }

    fn not_an_image(&self, why: &'static str) -> LocalError {
        let path = self.path.clone();
        LocalError::NotAnImage { path, why }
    }
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A regular file, which no link can put outside.
fn open_beneath(directory: &OwnedFd, part: &str) -> rustix::io::Result<Part> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let ways = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = rustix::fs::openat2(directory, part, flags, Mode::empty(), ways)?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(rustix::io::Errno::INVAL);
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    Ok((Box::new(File::from(file)), size))
}
