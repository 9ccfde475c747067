//! What speaks for an attempt and against it: what the environment's verify command said of it, which files it changed, how long it took.
//!
//! A worker finds it, the store keeps it, [`ranking`](crate::ranking) puts the attempts of a turn in order by it.

pub mod test_counts;
pub mod test_files;

use std::time::Duration;

pub use test_counts::TestCounts;

/// What came of a run of the verify command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerificationState {
    /// It ended with exit code 0, also with the base's tests where the attempt changed them.
    Passed,
    /// It ended otherwise.
    Failed,
    /// It did not end in time.
    TimedOut,
    /// It did not run, or not to its end: there was nothing to verify, somebody stopped the attempt, or it could not be started.
    NotRun,
}

impl VerificationState {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Passed, Self::Failed, Self::TimedOut, Self::NotRun];

    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::NotRun => "not_run",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// What the verify command said of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// What came of it.
    pub state: VerificationState,
    /// The command, Bash.
    pub command: String,
    /// How it ended; `None` when it did not end by itself.
    pub exit_code: Option<i32>,
    /// How long it ran, both times together.
    pub duration: Duration,
    /// The tests that its output counts.
    pub tests: Option<TestCounts>,
    /// The end of its output.
    pub tail: String,
    /// The run with the base's tests, where the attempt changed them.
    pub with_original_tests: Option<WithOriginalTests>,
}

impl Verification {
    /// Whether it passes with its own tests and not with those that it found.
    pub fn passes_only_with_own_tests(&self) -> bool {
        self.state != VerificationState::Passed
            && self.exit_code == Some(0)
            && self
                .with_original_tests
                .as_ref()
                .is_some_and(|run| run.state != VerificationState::NotRun)
    }
}

/// A further run of the verify command, with the test files of the base put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithOriginalTests {
    /// What came of it.
    pub state: VerificationState,
    /// How it ended.
    pub exit_code: Option<i32>,
    /// The files that were put back.
    pub changed: Vec<String>,
}

/// All that is known of what an attempt did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What the verify command said; `None` where the environment has none.
    pub verification: Option<Verification>,
    /// How long the agent ran.
    pub agent_time: Option<Duration>,
    /// The files that it changed; some, where they are very many.
    pub paths: Vec<String>,
    /// Of these the test files that the base has.
    pub changed_tests: Vec<String>,
}
