//! One run of a turn: its state, and the commands that change it.
//!
//! [`Attempt::apply`] is the only way from one state to another. The store calls it inside the
//! transaction that writes the result, so two writers cannot both win. `tests/state_machine.rs`
//! prints every state × command.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::failure::{Failure, FailureCode};
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
        /// Failed with [`FailureCode::NoWorker`] after this time.
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
        /// Failed with [`FailureCode::NoAnswer`] after this time.
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
    /// The worker that holds it goes to a later step.
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
    Answer,
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
    },
    /// Somebody wants it stopped and a worker has to be told.
    CancelRequested,
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

type Applied = Result<(Attempt, Vec<AttemptEvent>), Refused>;

impl Attempt {
    /// The state of a new attempt.
    pub fn queued(now: Timestamp, limits: &AttemptLimits) -> State {
        State::Queued {
            visible_at: now,
            deadline_at: now + limits.queued,
        }
    }

    /// When a reconciler has to look at it: the first of lease end, deadline and the time that a
    /// worker has for stopping. `None` once it has ended.
    pub fn due_at(&self) -> Option<Timestamp> {
        let due_at = self.state.due_at()?;
        match self.desired {
            Desired::Cancel { since } => Some(due_at.min(since + self.limits.cancelling)),
            Desired::Run => Some(due_at),
        }
    }

    /// Applies `command` at `now`: the attempt after it and what is to be logged, or why not.
    pub fn apply(self, command: Command, now: Timestamp) -> Applied {
        match command {
            Command::Claim { worker } => self.claim(worker, now),
            Command::Advance { epoch, step } => self.advance(epoch, step, now),
            Command::Renew { epoch } => self.renew(epoch, now),
            Command::Release { epoch } => self.release(epoch, now),
            Command::Finish { epoch, outcome } => self.finish(epoch, outcome, now),
            Command::Cancel => self.cancel(now),
            Command::Answer => self.answer(now),
            Command::Reap => self.reap(now),
        }
    }

    fn claim(mut self, worker: WorkerId, now: Timestamp) -> Applied {
        match self.state {
            State::Queued {
                visible_at,
                deadline_at: _,
            } if visible_at <= now => {
                self.epoch = self.epoch.next();
                self.tries += 1;
                let lease = Lease {
                    worker,
                    epoch: self.epoch,
                    until: now + self.limits.lease,
                };
                let state = State::Held {
                    lease,
                    step: Step::Leased,
                    deadline_at: now + Step::Leased.limit(&self.limits) + self.limits.grace,
                };
                Ok(self.enter(state))
            }
            State::Queued { .. }
            | State::Held { .. }
            | State::AwaitingInput { .. }
            | State::Succeeded { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => self.wrong_state("claimed"),
        }
    }

    fn advance(self, epoch: Epoch, to: Step, now: Timestamp) -> Applied {
        let (mut lease, step, deadline_at) = self.held(epoch)?;
        if to < step {
            return self.wrong_state("moved to an earlier step");
        }
        lease.until = now + self.limits.lease;
        if to == step {
            return Ok(self.stay(State::Held {
                lease,
                step,
                deadline_at,
            }));
        }
        let deadline_at = now + to.limit(&self.limits) + self.limits.grace;
        Ok(self.enter(State::Held {
            lease,
            step: to,
            deadline_at,
        }))
    }

    fn renew(self, epoch: Epoch, now: Timestamp) -> Applied {
        let (mut lease, step, deadline_at) = self.held(epoch)?;
        lease.until = now + self.limits.lease;
        Ok(self.stay(State::Held {
            lease,
            step,
            deadline_at,
        }))
    }

    fn release(mut self, epoch: Epoch, now: Timestamp) -> Applied {
        self.held(epoch)?;
        if let Desired::Cancel { since: _ } = self.desired {
            return Ok(self.enter(State::Cancelled { ended_at: now }));
        }
        self.tries = self.tries.saturating_sub(1);
        let state = Self::queued(now, &self.limits);
        Ok(self.enter(state))
    }

    fn finish(self, epoch: Epoch, outcome: Outcome, now: Timestamp) -> Applied {
        self.held(epoch)?;
        let state = match (self.desired, outcome) {
            // Stop always wins: what a person cancelled is never shown as done or as a question.
            (Desired::Cancel { .. }, _) | (Desired::Run, Outcome::Cancelled) => {
                State::Cancelled { ended_at: now }
            }
            (Desired::Run, Outcome::Succeeded) => State::Succeeded { ended_at: now },
            (Desired::Run, Outcome::Failed(failure)) => State::Failed {
                ended_at: now,
                failure,
            },
            (Desired::Run, Outcome::AwaitingInput { question }) => State::AwaitingInput {
                question,
                deadline_at: now + self.limits.awaiting_input,
            },
        };
        Ok(self.enter(state))
    }

    fn cancel(mut self, now: Timestamp) -> Applied {
        match (&self.state, self.desired) {
            (State::Queued { .. } | State::AwaitingInput { .. }, _) => {
                self.desired = Desired::Cancel { since: now };
                Ok(self.enter(State::Cancelled { ended_at: now }))
            }
            (State::Held { .. }, Desired::Run) => {
                self.desired = Desired::Cancel { since: now };
                Ok((self, vec![AttemptEvent::CancelRequested]))
            }
            (State::Held { .. }, Desired::Cancel { .. }) => Ok((self, Vec::new())),
            (State::Succeeded { .. } | State::Failed { .. } | State::Cancelled { .. }, _) => {
                self.wrong_state("cancelled")
            }
        }
    }

    fn answer(mut self, now: Timestamp) -> Applied {
        match self.state {
            State::AwaitingInput { .. } => {
                self.tries = 0;
                let state = Self::queued(now, &self.limits);
                Ok(self.enter(state))
            }
            State::Queued { .. }
            | State::Held { .. }
            | State::Succeeded { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => self.wrong_state("answered"),
        }
    }

    fn reap(self, now: Timestamp) -> Applied {
        match self.state {
            State::Queued { deadline_at, .. } if deadline_at <= now => {
                Ok(self.fail(now, no_worker()))
            }
            State::AwaitingInput { deadline_at, .. } if deadline_at <= now => {
                Ok(self.fail(now, no_answer()))
            }
            State::Held {
                lease,
                step,
                deadline_at,
            } => self.reap_held(lease, step, deadline_at, now),
            State::Queued { .. }
            | State::AwaitingInput { .. }
            | State::Succeeded { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => Err(Refused::NotDue),
        }
    }

    fn reap_held(
        self,
        lease: Lease,
        step: Step,
        deadline_at: Timestamp,
        now: Timestamp,
    ) -> Applied {
        let expired = lease.until <= now;
        if let Desired::Cancel { since } = self.desired {
            if expired || since + self.limits.cancelling <= now {
                return Ok(self.enter(State::Cancelled { ended_at: now }));
            }
            return Err(Refused::NotDue);
        }
        if deadline_at <= now {
            let failure = step_timed_out(step, &self.limits);
            return Ok(self.fail(now, failure));
        }
        if !expired {
            return Err(Refused::NotDue);
        }
        if self.tries >= self.limits.tries {
            let tries = self.tries;
            return Ok(self.fail(now, lost(tries)));
        }
        let tries = self.tries;
        let state = State::Queued {
            visible_at: now + back_off(tries),
            deadline_at: now + self.limits.queued,
        };
        let (attempt, mut events) = self.enter(state);
        events.insert(
            0,
            AttemptEvent::WorkerLost {
                worker: lease.worker,
                tries,
            },
        );
        Ok((attempt, events))
    }

    fn held(&self, epoch: Epoch) -> Result<(Lease, Step, Timestamp), Refused> {
        match self.state {
            State::Held {
                lease,
                step,
                deadline_at,
            } if lease.epoch == epoch && self.epoch == epoch => Ok((lease, step, deadline_at)),
            State::Succeeded { .. } | State::Failed { .. } | State::Cancelled { .. }
                if self.epoch == epoch =>
            {
                Err(Refused::Ended {
                    state: self.state.as_str(),
                })
            }
            State::Held { .. }
            | State::Queued { .. }
            | State::AwaitingInput { .. }
            | State::Succeeded { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => Err(Refused::StaleLease {
                spoke: epoch,
                current: self.epoch,
            }),
        }
    }

    fn wrong_state(&self, wanted: &'static str) -> Applied {
        Err(Refused::WrongState {
            state: self.state.as_str(),
            wanted,
        })
    }

    fn fail(self, now: Timestamp, failure: Failure) -> (Self, Vec<AttemptEvent>) {
        self.enter(State::Failed {
            ended_at: now,
            failure,
        })
    }

    fn stay(mut self, state: State) -> (Self, Vec<AttemptEvent>) {
        self.state = state;
        (self, Vec::new())
    }

    fn enter(mut self, state: State) -> (Self, Vec<AttemptEvent>) {
        let (lease, failure) = match &state {
            State::Held { lease, .. } => (Some(*lease), None),
            State::Failed { failure, .. } => (None, Some(failure.clone())),
            State::Queued { .. }
            | State::AwaitingInput { .. }
            | State::Succeeded { .. }
            | State::Cancelled { .. } => (None, None),
        };
        let event = AttemptEvent::StateChanged {
            state: state.as_str(),
            lease,
            failure,
        };
        self.state = state;
        (self, vec![event])
    }
}

/// How long an attempt waits after `tries` lost workers: 1 s, 2 s, 4 s … at most a minute.
fn back_off(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.saturating_sub(1).min(6)).min(Duration::from_secs(60))
}

fn no_worker() -> Failure {
    Failure::new(FailureCode::NoWorker, "No worker took the attempt in time.").with_hint(
        "Start a worker that has the environment's agent (`outwork worker`), then try again.",
    )
}

fn no_answer() -> Failure {
    Failure::new(
        FailureCode::NoAnswer,
        "Nobody answered the agent's question in time.",
    )
    .with_hint("Follow up on the task with the answer.")
}

fn lost(tries: u32) -> Failure {
    Failure::new(
        FailureCode::Lost,
        format!("The worker disappeared while it ran the attempt, {tries} times."),
    )
    .with_hint("Look at the worker's log; it may have run out of memory or disk.")
}

fn step_timed_out(step: Step, limits: &AttemptLimits) -> Failure {
    let seconds = step.limit(limits).as_secs();
    Failure::new(
        FailureCode::TimedOut,
        format!(
            "The worker did not finish `{}` within {seconds} seconds.",
            step.as_str()
        ),
    )
    .with_hint("Raise the environment's time limit, or look at the worker's log.")
}
