//! Why there is no image.

use std::error::Error;
use std::fmt;
use std::io;

use crate::document::DocumentError;
use crate::local::LocalError;
use crate::registry::RegistryError;
use crate::unpack::UnpackError;

/// Why an image cannot be used. The text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Its registry does not give it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file does not hold it.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// It is none, or not for this machine.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// One of its layers is wrong.
    #[error(transparent)]
    Layer(LayerError),
    /// The disk of the worker.
    #[error("the images on the worker's disk cannot be changed: {doing}")]
    Disk {
        /// What failed.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A fault of this crate, or the program ends.
    #[error("unpacking the image was not finished")]
    Panicked,
}

/// A layer that cannot be used. What is wrong with it is part of the message, since it is what people need; the cause of that is
/// the source.
#[derive(Debug)]
pub struct LayerError {
    /// The lowest is 1.
    pub layer: usize,
    /// How many the image has.
    pub layers: usize,
    /// What is wrong.
    pub why: UnpackError,
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, layers, why } = self;
        write!(f, "layer {layer} of {layers}: {why}")
    }
}

impl Error for LayerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

/// Who can do something about an [`ImageError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Whoever wrote the reference: there is no such image, or it is not for this worker.
    Reference,
    /// Whoever gives the environment its credentials.
    Credential,
    /// Whoever built the image: it is damaged, too large, or means no good.
    Image,
    /// Nobody, perhaps: trying again may help.
    Transient,
    /// The worker's operator.
    Worker,
}

impl ImageError {
    /// Who can do something about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Registry(error) if error.is_transient() => ErrorKind::Transient,
            Self::Registry(error) => match error {
                RegistryError::LoginNeeded { .. }
                | RegistryError::LoginRefused { .. }
                | RegistryError::Denied { .. } => ErrorKind::Credential,
                RegistryError::DocumentTooLarge { .. } => ErrorKind::Image,
                RegistryError::NoDefault { .. }
                | RegistryError::Unreachable { .. }
                | RegistryError::Tls { .. }
                | RegistryError::Silent { .. }
                | RegistryError::Broken { .. }
                | RegistryError::NoImage { .. }
                | RegistryError::NoBlob { .. }
                | RegistryError::TooManyRequests { .. }
                | RegistryError::Answered { .. }
                | RegistryError::Protocol { .. }
                | RegistryError::Elsewhere { .. }
                | RegistryError::Damaged { .. } => ErrorKind::Reference,
            },
            Self::Local(LocalError::Read { .. }) => ErrorKind::Worker,
            Self::Local(_) | Self::Document(_) => ErrorKind::Reference,
            Self::Layer(LayerError { why, .. }) => match why {
                UnpackError::Source(_) | UnpackError::Write { .. } => ErrorKind::Worker,
                UnpackError::Digest { .. }
                | UnpackError::Size { .. }
                | UnpackError::DiffId { .. }
                | UnpackError::Decompress(_)
                | UnpackError::Compression(_)
                | UnpackError::Archive(_)
                | UnpackError::Refused { .. }
                | UnpackError::Unpacked { .. }
                | UnpackError::Entries { .. }
                | UnpackError::ExtendedHeader
                | UnpackError::Directories => ErrorKind::Image,
            },
            Self::Disk { .. } | Self::Panicked => ErrorKind::Worker,
        }
    }

    /// Of one of several layers, counted from 0.
    pub(crate) fn layer(at: usize, layers: usize, why: UnpackError) -> Self {
        Self::Layer(LayerError {
            layer: at + 1,
            layers,
            why,
        })
    }

    pub(crate) fn disk(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { doing, source }
    }
}

/// Why a directory cannot hold images.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another worker uses the images in {}; stop it, or give this one a directory of its own", path.display())]
    InUse {
        /// The directory.
        path: std::path::PathBuf,
    },
    /// It cannot be made, read or written.
    #[error("the directory of images {} cannot be used; check that it is writable", path.display())]
    Io {
        /// The directory.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It lacks what overlays need.
    #[error(
        "the file system of {} cannot hold the layers of images: it needs extended attributes and device nodes, as ext4, xfs and btrfs have them",
        path.display()
    )]
    FileSystem {
        /// The directory.
        path: std::path::PathBuf,
        /// What was tried.
        #[source]
        source: UnpackError,
    },
    /// The settings for registries.
    #[error(transparent)]
    Http(#[from] crate::registry::HttpConfigError),
}
