//! Why a layer cannot be unpacked.

use std::io;

use super::path::Refusal;
use crate::digest::Digest;
use crate::limits::Limits;

/// Why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It does not come: the network, or a file.
    #[error("the layer cannot be read")]
    Source(#[source] io::Error),
    /// It is not what the manifest names.
    #[error("the layer is damaged: its digest should be {expected} and is {found}")]
    Digest {
        /// Of the manifest.
        expected: Digest,
        /// Of what came.
        found: Digest,
    },
    /// It is not what the manifest names.
    #[error("the layer is damaged: it should have {expected} bytes and has {found}")]
    Size {
        /// Of the manifest.
        expected: u64,
        /// Of what came.
        found: u64,
    },
    /// The image contradicts itself.
    #[error(
        "the image is wrong: the content of a layer should have the digest {expected} and has {found}"
    )]
    DiffId {
        /// Of the configuration.
        expected: Digest,
        /// Of what came.
        found: Digest,
    },
    /// It is not compressed as it seems to be.
    #[error("the layer cannot be decompressed")]
    Decompress(#[source] io::Error),
    /// It is compressed with something else.
    #[error(
        "the layer is compressed with {0}, which is not usual; build the image with gzip or zstd"
    )]
    Compression(&'static str),
    /// It is no tar archive.
    #[error("it is no right tar archive: {0}")]
    Archive(&'static str),
    /// It holds what no layer should.
    #[error("the layer holds `{path}`, {why}")]
    Refused {
        /// Of the entry.
        path: String,
        /// What is wrong with it.
        why: Refusal,
    },
    /// More than the limit.
    #[error(
        "the image is too large: its layers may have {limit_bytes} bytes when they are unpacked"
    )]
    Unpacked {
        /// The limit.
        limit_bytes: u64,
    },
    /// More than the limit.
    #[error("the layer is too large: it may have {limit} entries")]
    Entries {
        /// The limit.
        limit: u64,
    },
    /// More than the limit.
    #[error(
        "a name in the layer is too long: {} bytes are possible",
        Limits::EXTENDED_HEADER_BYTES
    )]
    ExtendedHeader,
    /// More than the limit.
    #[error(
        "the layer has too many directories: their paths may have {} bytes",
        Limits::DIRECTORIES_BYTES
    )]
    Directories,
    /// The disk.
    #[error("`{path}` cannot be written")]
    Write {
        /// Inside the layer.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl UnpackError {
    /// Of reading the archive.
    pub(super) fn reading(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(TooMuch { limit_bytes }) => Self::Unpacked {
                limit_bytes: *limit_bytes,
            },
            None => Self::Decompress(error),
        }
    }

    /// Whether a damaged blob can be the cause.
    pub(super) fn may_be_damage(&self) -> bool {
        match self {
            Self::Decompress(_)
            | Self::Compression(_)
            | Self::Archive(_)
            | Self::Refused { .. }
            | Self::ExtendedHeader => true,
            Self::Source(_)
            | Self::Digest { .. }
            | Self::Size { .. }
            | Self::DiffId { .. }
            | Self::Unpacked { .. }
            | Self::Entries { .. }
            | Self::Directories
            | Self::Write { .. } => false,
        }
    }
}

/// The limit of an image, on its way through decoders that know errors of reading only.
#[derive(Debug, thiserror::Error)]
#[error("the limit of {limit_bytes} bytes is reached")]
pub(super) struct TooMuch {
    pub(super) limit_bytes: u64,
}
