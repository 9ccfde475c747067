//! Every error of the API: what the client may see, and, apart from it, what the log needs.

use std::error::Error;
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use outwork_api::Problem;
use outwork_api::problem::Code;
use outwork_api::worker::WorkerError;
use outwork_domain::attempt::Refused;
use outwork_domain::principal::{NotAllowed, WrongKind};
use outwork_store::StoreError;

/// A request that was not done.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    problem: Box<Problem>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            problem: Box::new(Problem::new(code, detail)),
            cause: None,
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_field(
        mut self,
        pointer: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        *self.problem = self.problem.with_field(pointer, detail);
        self
    }

    /// The same, said about one of several repositories.
    pub(crate) fn about(mut self, repository: &str) -> Self {
        self.problem.detail = format!("Repository `{repository}`: {}", self.problem.detail);
        self
    }

    /// The same with what goes to the log and not to the client.
    pub(crate) fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// One wrong field of a request that could be read. `detail` goes on after the field's name: `is …`, `must …`.
    pub(crate) fn field(pointer: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let goes_on = ["is ", "has ", "must ", "contains ", "holds ", "cannot "]
            .iter()
            .any(|verb| detail.starts_with(verb));
        let name = pointer.trim_start_matches('/').replace('/', ".");
        let text = if goes_on {
            format!("`{name}` {detail}.")
        } else {
            sentence(&detail)
        };
        Self::new(Code::Unprocessable, text).with_field(pointer, detail)
    }

    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        Self::new(
            Code::NotFound,
            format!("There is no {what} `{name}` in this workspace."),
        )
    }

    pub(crate) fn disk_full() -> Self {
        Self::new(Code::InsufficientStorage, "The server's disk is full; nothing was stored.")
            .with_hint("Free some space where the server keeps its data, then try again. Reading and cancelling still work.")
    }

    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }

    pub(crate) fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// As a worker sees it; in process nobody else would log the cause.
    pub(crate) fn into_worker_error(self) -> WorkerError {
        self.log(None);
        WorkerError::Problem(*self.problem)
    }

    /// Writes the cause to the log, if there is one.
    pub(crate) fn log(&self, request_id: Option<&str>) {
        let Some(cause) = self.cause() else { return };
        tracing::error!(code = self.problem.code, request_id, cause = %chain(cause), "{}", self.problem.detail);
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += ": ";
        text += &error.to_string();
        source = error.source();
    }
    text
}

/// The body is written by `http::envelope`, which knows the request.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<WorkerError> for Refusal {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Problem(problem) => Self {
                problem: Box::new(problem),
                cause: None,
            },
            WorkerError::Unreachable(cause) => Self {
                cause: Some(Arc::from(cause)),
                ..Self::new(Code::Unavailable, "The server cannot take this now.")
            },
        }
    }
}

impl From<WrongKind> for Refusal {
    fn from(wrong: WrongKind) -> Self {
        Self::new(Code::Forbidden, sentence(&wrong.to_string())).with_hint(
            "Workers use the token of kind `worker`; people and scripts use a token of their own.",
        )
    }
}

impl From<NotAllowed> for Refusal {
    fn from(fault: NotAllowed) -> Self {
        match fault {
            NotAllowed::WrongKind(wrong) => wrong.into(),
            NotAllowed::Role { .. } => Self::new(Code::Forbidden, sentence(&fault.to_string()))
                .with_hint("An admin of the workspace gives roles, with `outwork member set`; `outwork member list` shows who that is."),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::StaleLease { .. } => Code::StaleLease,
            Refused::Ended { .. } => Code::AttemptEnded,
            Refused::WrongState { .. } | Refused::NotDue => Code::Conflict,
        };
        Self::new(code, sentence(&refused.to_string()))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::DiskFull => return Self::disk_full(),
            StoreError::Refused(refused) => return refused.clone().into(),
            StoreError::LabelTaken
            | StoreError::NameTaken
            | StoreError::LastAdmin
            | StoreError::CommentSent { .. }
            | StoreError::CommentChanged
            | StoreError::InUse { .. }
            | StoreError::TooMany { .. }
            | StoreError::TurnNotEnded
            | StoreError::PublicationUnderWay { .. }
            | StoreError::Publication(_)
            | StoreError::Job(_)
            | StoreError::Firing(_)
            | StoreError::UnknownEnvironment => Code::Conflict,
            StoreError::RevisionMismatch => Code::PreconditionFailed,
            StoreError::IdempotencyMismatch => Code::IdempotencyMismatch,
            StoreError::NotFound => Code::NotFound,
            StoreError::Gap { .. } => Code::OutOfOrder,
            StoreError::BadCursor => Code::InvalidRequest,
            StoreError::Unavailable(_) => {
                return Self::new(
                    Code::Unavailable,
                    "The server's database does not answer; it is not known whether this was done.",
                )
                .with_hint("Try again; with an `Idempotency-Key` nothing is done twice.")
                .because(error);
            }
            StoreError::ObjectsUnavailable(_) => {
                return Self::new(
                    Code::Unavailable,
                    "The server's object store does not answer; it is not known whether this was done.",
                )
                .with_hint("Try again; with an `Idempotency-Key` nothing is done twice.")
                .because(error);
            }
            StoreError::Corrupt { .. } | StoreError::Database(_) | StoreError::Object(_) => {
                return Self::new(
                    Code::Internal,
                    "The server could not read or write its data.",
                )
                .with_hint("Look for the request's number in the server's log.")
                .because(error);
            }
        };
        Self::new(code, sentence(&error.to_string()))
    }
}

/// A message as a sentence: the store's and the domain's begin small and end without a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(chars)
        .chain(['.'])
        .collect()
}

/// A JSON pointer (RFC 6901) to a field inside others.
pub(crate) fn pointer(parts: &[&str]) -> String {
    parts
        .iter()
        .map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")))
        .collect()
}

/// A name as it is typed in a shell, for commands in hints.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    if text.bytes().all(plain) && !text.starts_with('-') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_can_be_pasted_into_a_shell() {
        assert_eq!(shell_word("app-1"), "app-1");
        assert_eq!(shell_word("my app"), "'my app'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word("-x"), "'-x'");
        assert_eq!(shell_word("$(id)"), "'$(id)'");
    }
}
