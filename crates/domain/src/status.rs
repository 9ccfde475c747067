//! What people are shown of a task, computed from the attempts of its newest turn. The only place
//! that decides it, so that no two surfaces can disagree.

use crate::attempt::State;
use crate::failure::FailureCode;

/// The status of a task. A script that polls for `Completed` or `Failed` always ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// No worker has begun.
    Pending,
    /// At least one attempt is under way.
    Running,
    /// The agent asks, and nothing goes on until someone answers.
    NeedsInput,
    /// Ended; at least one attempt succeeded.
    Completed,
    /// Ended; none did.
    Failed,
}

impl TaskStatus {
    /// The name in the API and on every screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::NeedsInput => "needs_input",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether the newest turn has ended.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// How a task that has ended came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    /// An attempt succeeded.
    Succeeded,
    /// All attempts failed.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// A time limit ended it.
    TimedOut,
    /// It used more tokens than it may.
    OverBudget,
    /// Its workers disappeared.
    Lost,
}

impl TaskOutcome {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::OverBudget => "over_budget",
            Self::Lost => "lost",
        }
    }
}

/// The status of a task whose newest turn has attempts in `states`.
pub fn task_status<'a>(
    states: impl IntoIterator<Item = &'a State>,
) -> (TaskStatus, Option<TaskOutcome>) {
    let (mut queued, mut held, mut asking) = (0, 0, 0);
    let mut ended: Option<TaskOutcome> = None;
    for state in states {
        match state {
            State::Queued { .. } => queued += 1,
            State::Held { .. } => held += 1,
            State::AwaitingInput { .. } => asking += 1,
            State::Succeeded { .. } => ended = better(ended, TaskOutcome::Succeeded),
            State::Cancelled { .. } => ended = better(ended, TaskOutcome::Cancelled),
            State::Failed { failure, .. } => {
                ended = better(ended, outcome(failure.code));
            }
        }
    }
    match (queued, held, asking, ended) {
        (0, 0, 0, Some(TaskOutcome::Succeeded)) => {
            (TaskStatus::Completed, Some(TaskOutcome::Succeeded))
        }
        (0, 0, 0, Some(outcome)) => (TaskStatus::Failed, Some(outcome)),
        (0, 0, 0, None) => (TaskStatus::Pending, None),
        (0, 0, _, _) => (TaskStatus::NeedsInput, None),
        (_, 0, _, None) => (TaskStatus::Pending, None),
        (_, _, _, _) => (TaskStatus::Running, None),
    }
}

/// How a task comes out whose attempts failed like this.
const fn outcome(code: FailureCode) -> TaskOutcome {
    match code {
        FailureCode::TimedOut => TaskOutcome::TimedOut,
        FailureCode::OverBudget => TaskOutcome::OverBudget,
        FailureCode::Lost => TaskOutcome::Lost,
        FailureCode::RepositoryUnavailable
        | FailureCode::CommitNotFound
        | FailureCode::StartingDiffConflict
        | FailureCode::SandboxUnavailable
        | FailureCode::BaseImageUnavailable
        | FailureCode::RuntimeUnavailable
        | FailureCode::SetupFailed
        | FailureCode::MaintenanceFailed
        | FailureCode::AgentNotInstalled
        | FailureCode::ModelNotConfigured
        | FailureCode::ModelUnauthorized
        | FailureCode::ModelUnavailable
        | FailureCode::ModelQuota
        | FailureCode::ContextTooLong
        | FailureCode::AgentFailed
        | FailureCode::AgentCrashed
        | FailureCode::DiffFailed
        | FailureCode::ResultTooLarge
        | FailureCode::DiskFull
        | FailureCode::OutOfMemory
        | FailureCode::DiskLimit
        | FailureCode::ProcessLimit
        | FailureCode::NetworkUnavailable
        | FailureCode::NoWorker
        | FailureCode::NoAnswer
        | FailureCode::OutputMismatch
        | FailureCode::Internal => TaskOutcome::Failed,
    }
}

/// Of two outcomes the one that says more about the task as a whole.
fn better(one: Option<TaskOutcome>, other: TaskOutcome) -> Option<TaskOutcome> {
    const fn rank(outcome: TaskOutcome) -> u8 {
        match outcome {
            TaskOutcome::Succeeded => 5,
            TaskOutcome::TimedOut => 4,
            TaskOutcome::OverBudget => 3,
            TaskOutcome::Failed => 2,
            TaskOutcome::Lost => 1,
            TaskOutcome::Cancelled => 0,
        }
    }
    match one {
        Some(one) if rank(one) >= rank(other) => Some(one),
        Some(_) | None => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::id::WorkerId;
    use crate::{Epoch, Lease, Step, Timestamp};

    const AT: Timestamp = Timestamp::from_millis(0);

    fn states() -> Vec<State> {
        let lease = Lease {
            worker: WorkerId::from_uuid(uuid::Uuid::nil()),
            epoch: Epoch::new(1),
            until: AT,
        };
        vec![
            State::Queued {
                visible_at: AT,
                deadline_at: AT,
            },
            State::Held {
                lease,
                step: Step::Running,
                deadline_at: AT,
            },
            State::AwaitingInput {
                question: "?".into(),
                deadline_at: AT,
            },
            State::Succeeded { ended_at: AT },
            State::Failed {
                ended_at: AT,
                failure: Failure::new(FailureCode::AgentFailed, ""),
            },
            State::Failed {
                ended_at: AT,
                failure: Failure::new(FailureCode::TimedOut, ""),
            },
            State::Failed {
                ended_at: AT,
                failure: Failure::new(FailureCode::OverBudget, ""),
            },
            State::Failed {
                ended_at: AT,
                failure: Failure::new(FailureCode::Lost, ""),
            },
            State::Cancelled { ended_at: AT },
        ]
    }

    #[test]
    fn every_pair_of_states() {
        let mut table = String::new();
        for one in &states() {
            for other in &states() {
                let (status, outcome) = task_status([one, other]);
                assert_eq!(
                    (status, outcome),
                    task_status([other, one]),
                    "order must not matter"
                );
                assert_eq!(status.is_final(), one.is_final() && other.is_final());
                assert_eq!(status.is_final(), outcome.is_some());
                table += &format!(
                    "{:<14} {:<14} {:<11} {}\n",
                    one.as_str(),
                    other.as_str(),
                    status.as_str(),
                    outcome.map_or("-", TaskOutcome::as_str),
                );
            }
        }
        insta::assert_snapshot!(table);
    }
}
