//! An error for people: what kind, what happened, what to do.

use std::error::Error;

use outwork_api::client::ClientError;
use outwork_api::problem::{Code, Problem};
use serde_json::{Value, json};

use crate::exit::ExitStatus;
use crate::phrase;

const BETWEEN: &str = "check the address, and what stands between you and the server";
const OTHER_VERSION: &str = "check the address; or server and client are of versions that do not go together: \
    compare `outwork --version` on both machines";

/// Why a command did not work.
#[derive(Debug)]
pub struct CliError {
    /// Decides the exit status.
    pub kind: Kind,
    /// Stable, for programs: the problem's code, or the kind's name.
    pub code: String,
    /// What happened, in one sentence.
    pub message: String,
    /// The parts of it, one a line: wrong fields (pointer and fault), files in conflict.
    pub details: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Refused, not found, does not fit.
    Failed,
    /// Wrongly called.
    Usage,
    /// No or no good token.
    SignedOut,
    /// No answer.
    Unreachable,
    /// The caller's time is over.
    TimedOut,
    /// Whoever read our output has gone. Says nothing, and is no failure.
    BrokenPipe,
}

impl Kind {
    /// How the process ends.
    pub const fn exit_status(self) -> ExitStatus {
        match self {
            Self::Failed => ExitStatus::Failed,
            Self::Usage => ExitStatus::Usage,
            Self::SignedOut => ExitStatus::SignedOut,
            Self::Unreachable => ExitStatus::Unreachable,
            Self::TimedOut => ExitStatus::TimedOut,
            Self::BrokenPipe => ExitStatus::Ok,
        }
    }
}

impl CliError {
    /// An error of that kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: kind.exit_status().as_str().to_owned(),
            message: message.into(),
            details: Vec::new(),
            hint: None,
            source: None,
        }
    }

    /// Wrongly called.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a name for programs.
    #[must_use]
    pub fn code(mut self, code: &str) -> Self {
        code.clone_into(&mut self.code);
        self
    }

    /// The same with its parts.
    #[must_use]
    pub fn details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    /// The same with its cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What lies at the bottom of it, if that is known.
    pub fn root_cause(&self) -> Option<String> {
        let mut cause: &(dyn Error + 'static) = self.source.as_deref()?;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Some(cause.to_string())
    }

    /// For `--json`: `{"error":{…}}`.
    pub fn to_json(&self) -> Value {
        let Self {
            kind,
            code,
            message,
            details,
            hint,
            source: _,
        } = self;
        let status = kind.exit_status();
        json!({"error": {
            "kind": status.as_str(),
            "exit_code": status.code(),
            "code": code,
            "message": message,
            "details": details,
            "hint": hint,
            "cause": self.root_cause(),
        }})
    }
}

impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Kind::BrokenPipe, "the output was closed");
        }
        Self::failed("the output cannot be written").source(error)
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => refused(*problem),
            ClientError::Unreachable { ref url, .. } => {
                let message = format!("the server at {url} cannot be reached");
                let is_https = url.starts_with("https://");
                let cause = deepest(error);
                let hint = match is_https && cause.contains("InvalidContentType") {
                    true => {
                        "what answers there does not speak https; write the address with http://"
                    }
                    false => {
                        "start it with `outwork up`, or name another with --url or OUTWORK_URL"
                    }
                };
                Self::new(Kind::Unreachable, message)
                    .hint(hint)
                    .source(cause)
            }
            ClientError::Protocol {
                status, ref source, ..
            } => {
                let cause = source.as_ref().map(ToString::to_string);
                let (kind, hint) = match status {
                    401 => (
                        Kind::SignedOut,
                        "what stands before the server asks for a sign-in of its own; check the address",
                    ),
                    429 => (Kind::Failed, "wait a while, then run the command again"),
                    502..=504 => (Kind::Unreachable, BETWEEN),
                    // It was read as JSON and is something else than expected.
                    200..=299 if cause.is_some() => (Kind::Failed, OTHER_VERSION),
                    _ => (Kind::Failed, BETWEEN),
                };
                let message = error.to_string();
                let error = Self::new(kind, message).code("protocol").hint(hint);
                match cause {
                    Some(cause) => error.source(cause),
                    None => error,
                }
            }
            ClientError::Setup(source) => Self::usage("the server cannot be used")
                .source(source)
                .hint("correct --url or OUTWORK_URL"),
        }
    }
}

/// The cause at the bottom as text: the layers between say nothing to people.
fn deepest(error: ClientError) -> String {
    let mut cause: &(dyn Error + 'static) = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn refused(problem: Problem) -> CliError {
    let codes = [Code::Unauthorized, Code::TokenRevoked, Code::Forbidden];
    let is_token = codes.into_iter().any(|code| problem.is(code));
    let kind = if is_token {
        Kind::SignedOut
    } else {
        Kind::Failed
    };
    let details = problem
        .errors
        .iter()
        .map(|field| format!("{}: {}", field.pointer, field.detail));
    let hint = match &problem.hint {
        Some(hint) => Some(phrase::after_colon(hint)),
        None if is_token => Some("sign in with `outwork login --url URL`".to_owned()),
        None => correction(&problem),
    };
    CliError::new(kind, phrase::as_typed(&problem.detail))
        .code(&problem.code)
        .details(details)
        .maybe_hint(hint)
}

/// What to type differently.
fn correction(problem: &Problem) -> Option<String> {
    let mut typed: Vec<&str> = Vec::new();
    for field in &problem.errors {
        let name = phrase::typed(&field.pointer)?;
        if !typed.contains(&name) {
            typed.push(name);
        }
    }
    match typed.as_slice() {
        [] => None,
        names => Some(format!(
            "correct {}, and run the command again",
            names.join(" and ")
        )),
    }
}

impl CliError {
    fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}
