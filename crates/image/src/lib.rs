//! # outwork-image
mod config;
mod digest;
mod document;
mod error;
mod limits;
mod local;
mod platform;
mod reference;
mod registry;
mod remove;
mod source;
mod store;
mod text;
mod unpack;

pub use config::{HttpConfig, ImageStoreConfig, LayerOwner, Patience, RegistryAuth};
pub use digest::{Digest, InvalidDigest};
pub use document::{DocumentError, ImageConfig};
pub use error::{ErrorKind, ImageError, OpenError};
pub use limits::Limits;
pub use local::LocalError;
pub use platform::Platform;
pub use reference::{ImageRef, InvalidReference, RegistryRef};
pub use registry::{HttpConfigError, RegistryError};
pub use store::{Image, ImageStore, Progress, StoredImage};
pub use unpack::{Refusal, UnpackError};
