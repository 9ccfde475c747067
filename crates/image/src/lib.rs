//! # outwork-image: OCI images as stacks of directories
//!
//! An [`ImageStore`] turns what a user names ([`ImageRef`]: `debian:12`, `oci:/images/tools`) into directories that an overlay
//! can stack ([`Image`]). No container engine takes part.
//!
//! ```text
//! ImageRef ─ resolve ─→ Digest ─ pull ─→ Image { layers, config }     held: its layers stay
//!                                  │
//!            registry ─┐           ├─ manifest, configuration: for this machine, within limits
//!            layout   ─┼─ bytes ─→ ┤
//!            archive  ─┘           └─ each layer that is missing: digest, decompress, unpack aside, sync, rename
//! ```
//!
//! * A layer is one directory, named by the digest of its archive, however many images have it. It is read-only by agreement.
//! * Whoever built an image is not trusted: no entry of an archive leaves its layer, follows a link, makes a device, carries a
//!   privilege, or takes more than the [`Limits`]. Whoever runs a registry is not trusted, either: everything has a digest.
//! * A name on the disk says that what it names is whole, also after a crash or a loss of power.
//! * Pulls of the same image are one; a layer is fetched once however many images want it; nobody gets an image from another's
//!   pull that the registry would not give.
//! * Images that nobody holds go when room is needed, those used least recently first.
//!
//! Tasks, environments and sandboxes are unknown here. Nothing here reads the clock or the environment, but for the TLS library,
//! which trusts the system's certificates or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. What people need to know is in
//! `docs/base-images.md`.

mod config;
mod digest;
mod document;
mod error;
mod limits;
mod local;
mod platform;
mod reference;
mod registry;
mod source;
mod store;
mod text;
mod unpack;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

pub use config::{HttpConfig, ImageStoreConfig, LayerOwner, Patience, RegistryAuth};
pub use digest::{Digest, InvalidDigest};
pub use document::{DocumentError, ImageConfig};
pub use error::{ErrorKind, ImageError, LayerError, OpenError};
pub use limits::Limits;
pub use local::LocalError;
pub use platform::Platform;
pub use reference::{ImageRef, InvalidReference, RegistryRef};
pub use registry::{HttpConfigError, RegistryError};
pub use store::{Image, ImageStore, Progress, StoredImage};
pub use unpack::{Refusal, UnpackError};
