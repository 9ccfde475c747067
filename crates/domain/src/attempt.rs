//! One run of a turn: its state, and the commands that change it.
//!
//! [`Attempt::apply`] is the only way from one state to another. The store calls it inside the
//! transaction that writes the result, so two writers cannot both win. `tests/state_machine.rs`
//! prints every state × command.

mod transitions;

use std::num::NonZeroU32;
use std::time::Duration;

use crate::agent::{AgentChoice, AgentName};
use crate::failure::Failure;
use crate::id::{AttemptId, TaskId, TurnId, WorkerId, WorkspaceId};
use crate::limits::AttemptLimits;
use crate::time::Timestamp;

/// Counts the claims of an attempt. It rises at each claim and is never reset, so a worker whose
/// lease was given to another can always be told from the one that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(i64);

impl Epoch {
    /// Before the first claim.
    pub const ZERO: Self = Self(0);

    /// From the number the store or the wire carries.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The right of one worker to one attempt until a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub worker: WorkerId,
    /// Which claim it is; equals the attempt's epoch while it holds.
    pub epoch: Epoch,
    /// Until when, by the server's clock.
    pub until: Timestamp,
}

/// What a worker that holds a lease is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// It has the lease and has not said anything yet.
    Leased,
    /// Mirror, checkout, starting diff.
    Preparing,
    /// The setup script.
    SettingUp,
    /// The agent.
    Running,
    /// The diff.
    Collecting,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 5] = [
        Self::Leased,
        Self::Preparing,
        Self::SettingUp,
        Self::Running,
        Self::Collecting,
    ];

    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::Preparing => "preparing",
            Self::SettingUp => "setting_up",
            Self::Running => "running",
            Self::Collecting => "collecting",
        }
    }

    /// The step of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == name)
    }

    fn limit(self, limits: &AttemptLimits) -> Duration {
        match self {
            Self::Leased => limits.lease,
            Self::Preparing => limits.preparing,
            Self::SettingUp => limits.setting_up,
            Self::Running => limits.running,
            Self::Collecting => limits.collecting,
        }
    }
}

/// Where an attempt stands. Every state that is not final has a deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for a worker.
    Queued {
        /// Not given out before this time (back-off after a lost worker).
        visible_at: Timestamp,
        /// Failed with [`NoWorker`](crate::FailureCode::NoWorker) after this time.
        deadline_at: Timestamp,
    },
    /// A worker holds it.
    Held {
        /// The worker's right to it.
        lease: Lease,
        /// What the worker does.
        step: Step,
        /// Ended by the server after this time, whatever the worker says.
        deadline_at: Timestamp,
    },
    /// The agent asked; no worker holds it.
    AwaitingInput {
        /// The question.
        question: String,
        /// Failed with [`NoAnswer`](crate::FailureCode::NoAnswer) after this time.
        deadline_at: Timestamp,
    },
    /// The agent finished its turn.
    Succeeded {
        /// When.
        ended_at: Timestamp,
    },
    /// It ended otherwise. The diff of what was done may exist all the same.
    Failed {
        /// When.
        ended_at: Timestamp,
        /// Why.
        failure: Failure,
    },
    /// Somebody stopped it.
    Cancelled {
        /// When.
        ended_at: Timestamp,
    },
}

impl State {
    /// The name in the API, the event log and on every screen.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Held { step, .. } => step.as_str(),
            Self::AwaitingInput { .. } => "awaiting_input",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Whether nothing changes it any more.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Queued { .. } | Self::Held { .. } | Self::AwaitingInput { .. } => false,
            Self::Succeeded { .. } | Self::Failed { .. } | Self::Cancelled { .. } => true,
        }
    }

    fn due_at(&self) -> Option<Timestamp> {
        match self {
            Self::Queued { deadline_at, .. } | Self::AwaitingInput { deadline_at, .. } => {
                Some(*deadline_at)
            }
            Self::Held {
                lease, deadline_at, ..
            } => Some(lease.until.min(*deadline_at)),
            Self::Succeeded { .. } | Self::Failed { .. } | Self::Cancelled { .. } => None,
        }
    }
}

/// What people want of an attempt, apart from where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desired {
    /// Go on.
    Run,
    /// Stop; wanted since that time.
    Cancel {
        /// When it was first wanted.
        since: Timestamp,
    },
}

/// How a worker says that it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The agent finished its turn.
    Succeeded,
    /// It ended otherwise.
    Failed(Failure),
    /// It stopped because it was told to.
    Cancelled,
    /// The agent asks; the worker gave its sandbox up.
    AwaitingInput {
        /// The question.
        question: String,
    },
}

/// A change somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A worker takes a queued attempt.
    Claim {
        /// Who.
        worker: WorkerId,
    },
    /// The worker that holds it goes to a later step; a step that it passed before only renews.
    Advance {
        /// Which claim speaks.
        epoch: Epoch,
        /// Where it is now.
        step: Step,
    },
    /// The worker that holds it is alive.
    Renew {
        /// Which claim speaks.
        epoch: Epoch,
    },
    /// The worker gives it back unfinished (drain): not counted as a try.
    Release {
        /// Which claim speaks.
        epoch: Epoch,
    },
    /// An operator takes it from its worker: not counted as a try.
    Evict {
        /// Whether another worker may begin now, because this one is gone; otherwise when its lease
        /// ends.
        at_once: bool,
    },
    /// The worker is done.
    Finish {
        /// Which claim speaks.
        epoch: Epoch,
        /// How it ended.
        outcome: Outcome,
    },
    /// Somebody wants it stopped.
    Cancel,
    /// Somebody answers the agent's question.
    Answer {
        /// What they say.
        text: String,
    },
    /// Somebody has a message for the agent while it works, or before it begins.
    Steer {
        /// Its number among the messages of the attempt.
        number: u32,
        /// What they say.
        text: String,
    },
    /// Somebody wants the agent's turn to end now and to say how it goes on.
    Interrupt,
    /// A reconciler looks whether a lease, a deadline or a grace has passed.
    Reap,
}

/// What happened; written to the attempt's log in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptEvent {
    /// It is in another state now.
    StateChanged {
        /// The state's name.
        state: &'static str,
        /// The claim, while a worker holds it.
        lease: Option<Lease>,
        /// Why, where it failed.
        failure: Option<Failure>,
        /// What the agent asks, where it waits for an answer.
        question: Option<String>,
    },
    /// Somebody wants it stopped and a worker has to be told.
    CancelRequested,
    /// Somebody answered the agent's question.
    Answered {
        /// What they said.
        text: String,
    },
    /// Somebody has a message for the agent.
    Steered {
        /// Its number among the messages of the attempt.
        number: u32,
        /// What they said.
        text: String,
    },
    /// Somebody wants the agent's turn to end, and a worker has to be told.
    InterruptRequested,
    /// The worker's lease ran out; the attempt waits for another worker.
    WorkerLost {
        /// Which worker.
        worker: WorkerId,
        /// How often it was claimed so far.
        tries: u32,
    },
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another claim holds it, or none. The worker must stop what it does for this attempt.
    #[error("the lease is stale: this claim is {spoke}, the attempt is at {current}", spoke = .spoke.get(), current = .current.get())]
    StaleLease {
        /// The claim that spoke.
        spoke: Epoch,
        /// The attempt's epoch.
        current: Epoch,
    },
    /// The attempt ended while this claim held it: the result stands, nothing is to be done.
    #[error("the attempt has ended: it is {state}")]
    Ended {
        /// Its state.
        state: &'static str,
    },
    /// It is not in a state where this can be done.
    #[error("an attempt that is {state} cannot be {wanted}")]
    WrongState {
        /// Its state.
        state: &'static str,
        /// What was wanted.
        wanted: &'static str,
    },
    /// Nothing is due.
    #[error("nothing is due yet")]
    NotDue,
}

/// One run of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// The task it belongs to.
    pub task_id: TaskId,
    /// The turn it runs.
    pub turn_id: TurnId,
    /// 1, 2, … within the turn.
    pub number: NonZeroU32,
    /// Its own agent; `None`: its environment's.
    pub agent: Option<AgentChoice>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How long it may stay in each state.
    pub limits: AttemptLimits,
    /// The newest claim.
    pub epoch: Epoch,
    /// How often it was claimed and not given back in order.
    pub tries: u32,
    /// What people want of it.
    pub desired: Desired,
    /// Where it stands.
    pub state: State,
}

impl Attempt {
    /// Whether it has a result already when it is made: what it is to be, which no agent changes.
    pub fn begins_with_result(&self) -> bool {
        let own = self.agent.as_ref().map(|own| own.agent.kind());
        own == Some(AgentName::None)
    }
}
