//! What can go wrong between client and server.

use crate::problem::Problem;

/// The cause of an error, whoever made it.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a request brought no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered that it will not.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// No answer came: no connection, a time limit, or the connection broke.
    #[error("cannot reach {url}")]
    Unreachable {
        /// Where the server should be.
        url: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// An answer came that is not of this API.
    #[error("{url} does not answer as an Outwork server does: {detail}")]
    Protocol {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What was wrong with it.
        detail: String,
        /// The fault in the body, if that was it.
        #[source]
        source: Option<Cause>,
    },
    /// The client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] Cause),
}

impl ClientError {
    /// The server's own words, if it answered.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Unreachable { .. } | Self::Protocol { .. } | Self::Setup(_) => None,
        }
    }

    /// Whether the same request may work later: no answer, or an answer that says so.
    pub fn is_transient(&self) -> bool {
        let status = match self {
            Self::Unreachable { .. } => return true,
            Self::Setup(_) => return false,
            Self::Problem(problem) => problem.status,
            Self::Protocol { status, .. } => *status,
        };
        matches!(status, 429 | 500 | 502 | 503 | 504)
    }
}

/// A text that is not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the address of a server: {reason}; it looks like `http://127.0.0.1:7420`")]
pub struct InvalidBaseUrl {
    pub(super) text: String,
    pub(super) reason: &'static str,
}

/// A text that cannot be a token. The text is not shown: it may be one, mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is one line of letters, digits and signs, without spaces")]
pub struct InvalidToken;
