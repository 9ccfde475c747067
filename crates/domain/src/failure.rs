//! Why an attempt ended without success: a code that scripts can match, a message for the person,
//! and what to do about it.

/// The class of a failure. The names are stable: they stand in the API and the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// The repository could not be read.
    RepositoryUnavailable,
    /// The commit is not in the repository.
    CommitNotFound,
    /// The changes sent along, or those of the previous turn, do not apply.
    StartingDiffConflict,
    /// The worker cannot isolate, so it refuses to run.
    SandboxUnavailable,
    /// The image cannot be had.
    BaseImageUnavailable,
    /// The base has no such version of a runtime.
    RuntimeUnavailable,
    /// The setup script failed.
    SetupFailed,
    /// The maintenance script failed.
    MaintenanceFailed,
    /// The agent is not installed on the worker.
    AgentNotInstalled,
    /// No model is configured, or its key is missing.
    ModelNotConfigured,
    /// The model refused the key.
    ModelUnauthorized,
    /// The model could not be reached or answered with errors.
    ModelUnavailable,
    /// The model's quota or rate limit is used up.
    ModelQuota,
    /// The conversation no longer fits the model.
    ContextTooLong,
    /// The agent ended with an error of its own.
    AgentFailed,
    /// The agent ended without finishing its turn.
    AgentCrashed,
    /// A step took longer than its limit.
    TimedOut,
    /// The diff could not be computed exactly, so none is handed in as if it were.
    DiffFailed,
    /// The result is larger than the limits allow.
    ResultTooLarge,
    /// The worker's disk is full.
    DiskFull,
    /// The sandbox used more memory than it may.
    OutOfMemory,
    /// The sandbox wrote more than it may.
    DiskLimit,
    /// The sandbox made more processes than it may.
    ProcessLimit,
    /// The attempt used more tokens than it may.
    OverBudget,
    /// The proxy that the agent reaches the network through is gone.
    NetworkUnavailable,
    /// The worker disappeared, as often as it may.
    Lost,
    /// No worker took the attempt in time.
    NoWorker,
    /// Nobody answered the agent's question in time.
    NoAnswer,
    /// The agent's last message is not what the turn's schema asks for.
    OutputMismatch,
    /// A fault of Outwork's own.
    Internal,
}

impl FailureCode {
    /// Every code.
    pub const ALL: [Self; 30] = [
        Self::RepositoryUnavailable,
        Self::CommitNotFound,
        Self::StartingDiffConflict,
        Self::SandboxUnavailable,
        Self::BaseImageUnavailable,
        Self::RuntimeUnavailable,
        Self::SetupFailed,
        Self::MaintenanceFailed,
        Self::AgentNotInstalled,
        Self::ModelNotConfigured,
        Self::ModelUnauthorized,
        Self::ModelUnavailable,
        Self::ModelQuota,
        Self::ContextTooLong,
        Self::AgentFailed,
        Self::AgentCrashed,
        Self::TimedOut,
        Self::DiffFailed,
        Self::ResultTooLarge,
        Self::DiskFull,
        Self::OutOfMemory,
        Self::DiskLimit,
        Self::ProcessLimit,
        Self::OverBudget,
        Self::NetworkUnavailable,
        Self::Lost,
        Self::NoWorker,
        Self::NoAnswer,
        Self::OutputMismatch,
        Self::Internal,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RepositoryUnavailable => "repository_unavailable",
            Self::CommitNotFound => "commit_not_found",
            Self::StartingDiffConflict => "starting_diff_conflict",
            Self::SandboxUnavailable => "sandbox_unavailable",
            Self::BaseImageUnavailable => "base_image_unavailable",
            Self::RuntimeUnavailable => "runtime_unavailable",
            Self::SetupFailed => "setup_failed",
            Self::MaintenanceFailed => "maintenance_failed",
            Self::AgentNotInstalled => "agent_not_installed",
            Self::ModelNotConfigured => "model_not_configured",
            Self::ModelUnauthorized => "model_unauthorized",
            Self::ModelUnavailable => "model_unavailable",
            Self::ModelQuota => "model_quota",
            Self::ContextTooLong => "context_too_long",
            Self::AgentFailed => "agent_failed",
            Self::AgentCrashed => "agent_crashed",
            Self::TimedOut => "timed_out",
            Self::DiffFailed => "diff_failed",
            Self::ResultTooLarge => "result_too_large",
            Self::DiskFull => "disk_full",
            Self::OutOfMemory => "out_of_memory",
            Self::DiskLimit => "disk_limit",
            Self::ProcessLimit => "process_limit",
            Self::OverBudget => "over_budget",
            Self::NetworkUnavailable => "network_unavailable",
            Self::Lost => "lost",
            Self::NoWorker => "no_worker",
            Self::NoAnswer => "no_answer",
            Self::OutputMismatch => "output_mismatch",
            Self::Internal => "internal",
        }
    }

    /// The code of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }
}

/// A failure as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What scripts match.
    pub code: FailureCode,
    /// What happened, in one or two sentences, without secrets.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// The same failure with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for code in FailureCode::ALL {
            assert_eq!(FailureCode::parse(code.as_str()), Some(code));
        }
        assert_eq!(FailureCode::parse("nonsense"), None);
    }
}
