//! Errors on the wire: `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The content type of [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong, for people (`title`, `detail`, `hint`) and for programs (`status`, `code`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable address that names the kind of problem: `/problems/CODE` of the documentation.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The kind of problem in a few words; the same for each problem of a code.
    pub title: String,
    /// The HTTP status, 400 to 599.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The kind of problem for programs; stable.
    pub code: String,
    /// The request as it stands in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The single fields that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// One wrong field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// The field as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// The kinds of problems, with their HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request cannot be read: not JSON, a missing or unknown field, a bad parameter.
    InvalidRequest,
    /// No token, or one this server did not issue.
    Unauthorized,
    /// The token was valid, and was taken back. A worker ends for good.
    TokenRevoked,
    /// The token is not allowed to do this.
    Forbidden,
    /// There is no such thing, or it belongs to another workspace.
    NotFound,
    /// The address does not take this method.
    MethodNotAllowed,
    /// It is not in a state in which this can be done.
    Conflict,
    /// The result has not the approvals that it needs, or was rejected.
    ApprovalMissing,
    /// Parts of diffs that cannot be taken together.
    PartsConflict,
    /// The worker no longer holds the lease; it must stop.
    StaleLease,
    /// The attempt has ended; the worker has nothing more to do.
    AttemptEnded,
    /// An append that would leave a gap, or a result without its objects.
    OutOfOrder,
    /// The thing was edited since it was read.
    PreconditionFailed,
    /// The body is larger than the limit.
    TooLarge,
    /// The body is not of the type that the address takes.
    UnsupportedMediaType,
    /// The content is readable but wrong.
    Unprocessable,
    /// The repository cannot be read, or has no such branch.
    Repository,
    /// The key was used for another request.
    IdempotencyMismatch,
    /// The first request with this key is still running.
    IdempotencyInFlight,
    /// A fault of the server's own.
    Internal,
    /// The server cannot take work now; try again.
    Unavailable,
    /// The disk of the server is full.
    InsufficientStorage,
}

impl Code {
    /// Every kind.
    pub const ALL: [Self; 22] = [
        Self::InvalidRequest,
        Self::Unauthorized,
        Self::TokenRevoked,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::ApprovalMissing,
        Self::PartsConflict,
        Self::StaleLease,
        Self::AttemptEnded,
        Self::OutOfOrder,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Unprocessable,
        Self::Repository,
        Self::IdempotencyMismatch,
        Self::IdempotencyInFlight,
        Self::Internal,
        Self::Unavailable,
        Self::InsufficientStorage,
    ];

    /// The stable name, the title and the HTTP status.
    pub const fn describe(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::InvalidRequest => ("invalid_request", "The request cannot be read", 400),
            Self::Unauthorized => ("unauthorized", "Not signed in", 401),
            Self::TokenRevoked => ("token_revoked", "The token was revoked", 401),
            Self::Forbidden => ("forbidden", "Not allowed", 403),
            Self::NotFound => ("not_found", "Not found", 404),
            Self::MethodNotAllowed => ("method_not_allowed", "The method is not taken here", 405),
            Self::Conflict => ("conflict", "Not possible in this state", 409),
            Self::ApprovalMissing => ("approval_missing", "Not approved", 409),
            Self::PartsConflict => ("parts_conflict", "Parts contradict each other", 409),
            Self::StaleLease => ("stale_lease", "The lease is stale", 409),
            Self::AttemptEnded => ("attempt_ended", "The attempt has ended", 409),
            Self::OutOfOrder => ("out_of_order", "Something before it is missing", 409),
            Self::PreconditionFailed => ("precondition_failed", "Edited meanwhile", 412),
            Self::TooLarge => ("too_large", "Too large", 413),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                "The content type is not taken here",
                415,
            ),
            Self::Unprocessable => ("unprocessable", "Not acceptable", 422),
            Self::Repository => ("repository", "The repository cannot be used", 422),
            Self::IdempotencyMismatch => (
                "idempotency_mismatch",
                "The key was used for another request",
                422,
            ),
            Self::IdempotencyInFlight => (
                "idempotency_in_flight",
                "The same request is still running",
                409,
            ),
            Self::Internal => ("internal", "A fault of the server", 500),
            Self::Unavailable => ("unavailable", "Try again", 503),
            Self::InsufficientStorage => ("insufficient_storage", "The disk is full", 507),
        }
    }
}

impl Problem {
    /// A problem of that kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (name, title, status) = code.describe();
        Self {
            type_uri: format!("/problems/{name}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            hint: None,
            code: name.to_owned(),
            request_id: None,
            errors: Vec::new(),
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with one wrong field more.
    #[must_use]
    pub fn with_field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldProblem {
            pointer: pointer.into(),
            detail: detail.into(),
        });
        self
    }

    /// Whether it is of that kind.
    pub fn is(&self, code: Code) -> bool {
        self.code == code.describe().0
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}
