//! How asking a registry can fail.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;

use crate::digest::Digest;

/// Why a registry did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No host in the reference, and none configured.
    #[error(
        "`{name}` has no registry; write its host, as in `registry.example/{name}`, or start the worker with `--default-registry`"
    )]
    NoDefault {
        /// As written.
        name: String,
    },
    /// Nobody there.
    #[error(
        "the registry {registry} cannot be reached; check its name, and that the worker's machine may connect to it"
    )]
    Unreachable {
        /// `host:port`.
        registry: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// Somebody else, perhaps.
    #[error(
        "there is no secure connection to {registry}; check its certificate. Without TLS, registries are used only on the worker's own machine and where its operator allows it (`--allow-http-registry`)"
    )]
    Tls {
        /// `host:port`.
        registry: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// No answer, or none to the end.
    #[error("the registry {registry} stopped answering")]
    Silent {
        /// `host:port`.
        registry: String,
    },
    /// The connection ended in an answer.
    #[error("the connection to the registry {registry} broke")]
    Broken {
        /// `host:port`.
        registry: String,
        /// What went wrong.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// 404.
    #[error("the registry {registry} has no image `{image}`; check its name and its tag")]
    NoImage {
        /// `host:port`.
        registry: String,
        /// `name:tag`.
        image: String,
    },
    /// 404 of a layer.
    #[error(
        "the registry {registry} has lost a part of the image `{image}`: {digest}; push it again"
    )]
    NoBlob {
        /// `host:port`.
        registry: String,
        /// `name:tag`.
        image: String,
        /// Of the part.
        digest: Digest,
    },
    /// 401 to nobody in particular.
    #[error(
        "the registry {registry} has no image `{image}` for everybody: it needs a login, or it does not exist; give the environment a credential for {registry}"
    )]
    LoginNeeded {
        /// `host:port`.
        registry: String,
        /// `name:tag`.
        image: String,
    },
    /// 401 to somebody.
    #[error(
        "the registry {registry} does not take the login of `{username}`; check the credential of the environment"
    )]
    LoginRefused {
        /// `host:port`.
        registry: String,
        /// Who tried.
        username: String,
    },
    /// 403.
    #[error("the registry {registry} does not give the image `{image}`: {said}")]
    Denied {
        /// `host:port`.
        registry: String,
        /// `name:tag`.
        image: String,
        /// Its reason.
        said: String,
    },
    /// 429.
    #[error(
        "the registry {registry} has had too many requests from this worker; try again later, or give the environment a credential for it"
    )]
    TooManyRequests {
        /// `host:port`.
        registry: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// Any other status.
    #[error("the registry {registry} answered {status}: {said}")]
    Answered {
        /// `host:port`.
        registry: String,
        /// The status.
        status: StatusCode,
        /// Its reason.
        said: String,
    },
    /// An answer that is none.
    #[error("{registry} does not speak as a registry does: {why}")]
    Protocol {
        /// `host:port`.
        registry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// To a place without TLS, or in a circle.
    #[error("the registry {registry} sends the worker to `{to}`, where it does not go: {why}")]
    Elsewhere {
        /// `host:port`.
        registry: String,
        /// The place.
        to: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A manifest or a configuration.
    #[error("a document of the image is larger than {limit_bytes} bytes")]
    DocumentTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// Not what was asked for.
    #[error("the registry {registry} gave something else for {digest}")]
    Damaged {
        /// `host:port`.
        registry: String,
        /// Of what was asked for.
        digest: Digest,
    },
}

impl RegistryError {
    pub(super) fn of(registry: &str, error: reqwest::Error) -> Self {
        // The address may hold a signature.
        let source = error.without_url();
        let registry = registry.to_owned();
        if find_cause::<rustls::Error>(&source) {
            Self::Tls { registry, source }
        } else if source.is_connect() {
            Self::Unreachable { registry, source }
        } else if source.is_timeout() {
            Self::Silent { registry }
        } else {
            let source = Some(source);
            Self::Broken { registry, source }
        }
    }

    /// Whether asking again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Broken { .. }
            | Self::TooManyRequests { .. } => true,
            Self::Answered { status, .. } => {
                status.is_server_error() || *status == StatusCode::REQUEST_TIMEOUT
            }
            Self::NoDefault { .. }
            | Self::Tls { .. }
            | Self::NoImage { .. }
            | Self::NoBlob { .. }
            | Self::LoginNeeded { .. }
            | Self::LoginRefused { .. }
            | Self::Denied { .. }
            | Self::Protocol { .. }
            | Self::Elsewhere { .. }
            | Self::DocumentTooLarge { .. }
            | Self::Damaged { .. } => false,
        }
    }
}

fn find_cause<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // The error inside an io::Error is not its source.
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if error.is::<E>() || inside.is_some_and(|inside| find_cause::<E>(inside)) {
            return true;
        }
        next = error.source();
    }
    false
}
