//! Why objects cannot be used, and what an error of theirs means.

use std::error::Error;
use std::io;

use object_store::client::HttpError;

use crate::error::StoreError;

/// Why a place for objects cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// It does not name a bucket.
    #[error(
        "`{0}` is not the address of a bucket; it looks like s3://BUCKET or s3://BUCKET/PREFIX"
    )]
    Address(String),
    /// It is no address of a store.
    #[error(
        "`{0}` is not the address of an object store; it looks like https://HOST or https://HOST:PORT"
    )]
    Endpoint(String),
    /// It has no TLS.
    #[error("{0} is not encrypted: who can read along there reads all diffs and sessions")]
    Http(String),
    /// The certificates to trust are none.
    #[error("the certificates to trust are not readable as PEM")]
    Certificates(#[source] Box<dyn Error + Send + Sync>),
    /// The client cannot be made.
    #[error("the object store's client cannot be set up")]
    Client(#[source] Box<dyn Error + Send + Sync>),
    /// There is no such bucket.
    #[error("the bucket does not exist")]
    NoBucket(#[source] Box<dyn Error + Send + Sync>),
    /// The credentials are wrong, or may not do that.
    #[error(
        "a probe object could not be {during}: the object store refused the credentials, or they may not do that"
    )]
    Refused {
        /// What was done to it: `written`, `read`, `deleted`, `missed`.
        during: &'static str,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It does not answer, or something went wrong there.
    #[error("a probe object could not be {during}")]
    Failed {
        /// What was done to it: `written`, `read`, `deleted`, `missed`.
        during: &'static str,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It does not keep what it is given.
    #[error("a probe object was not there as it was written, or not gone when it was deleted")]
    Differs,
}

impl ObjectsError {
    pub(super) fn certificates(error: object_store::Error) -> Self {
        Self::Certificates(Box::new(error))
    }

    pub(super) fn client(error: object_store::Error) -> Self {
        Self::Client(Box::new(error))
    }

    pub(super) fn during(during: &'static str, error: object_store::Error) -> Self {
        let refused = matches!(
            error,
            object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. }
        );
        let no_bucket = names_no_bucket(&error);
        let source = Box::new(error);
        if no_bucket {
            Self::NoBucket(source)
        } else if refused {
            Self::Refused { during, source }
        } else {
            Self::Failed { during, source }
        }
    }
}

/// Whether the object is not there, while its place is.
pub(super) fn is_missing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) && !names_no_bucket(error)
}

/// A bucket that is not there is told like an object that is not: only the text of the answer says
/// which. An answer to HEAD has none.
fn names_no_bucket(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
        && error.to_string().contains("NoSuchBucket")
}

pub(super) fn failed(error: object_store::Error) -> StoreError {
    match kind(&error) {
        Kind::Full => StoreError::DiskFull,
        Kind::Unavailable => StoreError::ObjectsUnavailable(Box::new(error)),
        Kind::Other => StoreError::Object(Box::new(error)),
    }
}

enum Kind {
    Full,
    Unavailable,
    Other,
}

fn kind(error: &object_store::Error) -> Kind {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if let Some(error) = this.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => return Kind::Full,
                _ => {}
            }
        }
        // No answer, or one that broke off.
        if this.is::<HttpError>() {
            return Kind::Unavailable;
        }
        cause = this.source();
    }
    // The client keeps the status of an answer to itself but for its text.
    let text = error.to_string();
    let status = text.split("status code: ").nth(1).unwrap_or("");
    if status.starts_with("507") {
        Kind::Full
    } else if status.starts_with('5') || status.starts_with("429") {
        Kind::Unavailable
    } else {
        Kind::Other
    }
}
