//! Exit statuses, and the help topic about them.

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It worked. A task that was waited for succeeded.
    Ok,
    /// It did not work: the task failed, the diff does not apply, the server refused.
    Failed,
    /// The command line is wrong.
    Usage,
    /// No server is configured, there is no token, or the server does not take it.
    SignedOut,
    /// The server cannot be reached.
    Unreachable,
    /// The time to wait is over; the task goes on.
    TimedOut,
    /// Interrupted from the keyboard; the task goes on.
    Interrupted,
}

impl ExitStatus {
    /// The number that the process returns.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::SignedOut => 4,
            Self::Unreachable => 5,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
        }
    }

    /// The name in errors as JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::SignedOut => "signed_out",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        status.code().into()
    }
}

/// `outwork help exit-codes`.
pub const HELP: &str = "\
Exit codes of all commands:

    0   it worked; with --wait: the task succeeded
    1   it failed: the task failed or was cancelled, the diff does not apply,
        there is no such thing, the server refused the request
    2   the command line is wrong
    4   not signed in, or the server does not take the token
    5   the server cannot be reached
  124   --timeout is over; the task goes on (that of `run` is cancelled)
  130   interrupted (Ctrl-C); with --wait the task goes on (that of `run` is cancelled)

A reader that closes the pipe early (`outwork list | head -1`) is no error.";
