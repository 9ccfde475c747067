//! What a command that does not talk to a server says when it fails.

use std::error::Error;
use std::fmt;

use outwork_cli::ExitStatus;
use outwork_cli::error::{CliError, Kind};
use outwork_cli::phrase::after_colon;

/// A message, what to do about it, and the cause.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    exit: ExitStatus,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            exit: ExitStatus::Failed,
            source: None,
        }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, for who has no good token.
    #[must_use]
    pub(crate) fn signed_out(mut self) -> Self {
        self.exit = ExitStatus::SignedOut;
        self
    }

    /// The same, for a command that was wrongly called.
    #[must_use]
    pub(crate) fn usage(mut self) -> Self {
        self.exit = ExitStatus::Usage;
        self
    }

    /// How the process ends.
    pub(crate) fn exit_status(&self) -> ExitStatus {
        self.exit
    }

    /// `error: …`, the causes, `hint: …`: as the other commands print it.
    pub(crate) fn report(&self) -> String {
        let mut text = format!("error: {}", self.message);
        let mut cause = self.source();
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            text += &format!("\nhint: {}", after_colon(hint));
        }
        text
    }
}

/// As a command that talks to a server tells it.
impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        let Failure {
            message,
            hint,
            exit,
            source,
        } = failure;
        let kind = match exit {
            ExitStatus::Usage => Kind::Usage,
            ExitStatus::SignedOut => Kind::SignedOut,
            ExitStatus::Unreachable => Kind::Unreachable,
            ExitStatus::TimedOut => Kind::TimedOut,
            ExitStatus::Ok | ExitStatus::Failed | ExitStatus::Interrupted => Kind::Failed,
        };
        let mut error = Self::new(kind, message);
        if let Some(hint) = hint {
            error = error.hint(after_colon(&hint));
        }
        match source {
            Some(source) => error.source(source),
            None => error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Turns the error of a result into a [`Failure`].
pub(crate) trait FailureExt<T> {
    fn failure(self, message: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> FailureExt<T> for Result<T, E> {
    fn failure(self, message: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            message: message.into(),
            hint: None,
            exit: ExitStatus::Failed,
            source: Some(error.into()),
        })
    }
}

/// Adds advice to a result that has failed.
pub(crate) trait HintExt {
    #[must_use]
    fn hint(self, hint: &str) -> Self;
}

impl<T> HintExt for Result<T, Failure> {
    fn hint(self, hint: &str) -> Self {
        self.map_err(|failure| failure.with_hint(hint))
    }
}
