//! The changes themselves: one function for each command, and what each failure says.

use std::time::Duration;

use super::{Attempt, AttemptEvent, Command, Desired, Epoch, Lease, Outcome, Refused, State, Step};
use crate::failure::{Failure, FailureCode};
use crate::id::WorkerId;
use crate::limits::AttemptLimits;
use crate::time::Timestamp;

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
            Command::Evict { at_once } => self.evict(at_once, now),
            Command::Finish { epoch, outcome } => self.finish(epoch, outcome, now),
            Command::Cancel => self.cancel(now),
            Command::Answer { text } => self.answer(text, now),
            Command::Steer { number, text } => self.steer(number, text),
            Command::Interrupt => self.interrupt(),
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
        lease.until = now + self.limits.lease;
        // Not later: the worker says again what the server knows, after a lost answer or when the
        // next worker delivers what a killed one left.
        if to <= step {
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

    fn evict(mut self, at_once: bool, now: Timestamp) -> Applied {
        let State::Held { lease, .. } = self.state else {
            return self.wrong_state("taken from its worker");
        };
        if let Desired::Cancel { since: _ } = self.desired {
            return Ok(self.enter(State::Cancelled { ended_at: now }));
        }
        self.tries = self.tries.saturating_sub(1);
        let state = State::Queued {
            visible_at: if at_once { now } else { now.max(lease.until) },
            deadline_at: now + self.limits.queued,
        };
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

    fn answer(mut self, text: String, now: Timestamp) -> Applied {
        match self.state {
            State::AwaitingInput { .. } => {
                self.tries = 0;
                let state = Self::queued(now, &self.limits);
                let (attempt, mut events) = self.enter(state);
                events.insert(0, AttemptEvent::Answered { text });
                Ok((attempt, events))
            }
            State::Queued { .. }
            | State::Held { .. }
            | State::Succeeded { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => self.wrong_state("answered"),
        }
    }

    fn steer(self, number: u32, text: String) -> Applied {
        match (&self.state, self.desired) {
            (State::Queued { .. } | State::Held { .. }, Desired::Run) => {
                Ok((self, vec![AttemptEvent::Steered { number, text }]))
            }
            (
                State::Queued { .. }
                | State::Held { .. }
                | State::AwaitingInput { .. }
                | State::Succeeded { .. }
                | State::Failed { .. }
                | State::Cancelled { .. },
                Desired::Run | Desired::Cancel { .. },
            ) => self.wrong_state("steered"),
        }
    }

    fn interrupt(self) -> Applied {
        match (&self.state, self.desired) {
            (State::Held { .. }, Desired::Run) => {
                Ok((self, vec![AttemptEvent::InterruptRequested]))
            }
            (
                State::Queued { .. }
                | State::Held { .. }
                | State::AwaitingInput { .. }
                | State::Succeeded { .. }
                | State::Failed { .. }
                | State::Cancelled { .. },
                Desired::Run | Desired::Cancel { .. },
            ) => self.wrong_state("interrupted"),
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
            if expired || deadline_at <= now || since + self.limits.cancelling <= now {
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
        let (lease, failure, question) = match &state {
            State::Held { lease, .. } => (Some(*lease), None, None),
            State::Failed { failure, .. } => (None, Some(failure.clone()), None),
            State::AwaitingInput { question, .. } => (None, None, Some(question.clone())),
            State::Queued { .. } | State::Succeeded { .. } | State::Cancelled { .. } => {
                (None, None, None)
            }
        };
        let event = AttemptEvent::StateChanged {
            state: state.as_str(),
            lease,
            failure,
            question,
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
        "Start a worker that has the environment's agent and all labels that it asks for (`outwork env show`; \
         `outwork worker --label NAME=VALUE`), then try again.",
    )
}

fn no_answer() -> Failure {
    Failure::new(
        FailureCode::NoAnswer,
        "Nobody answered the agent's question in time.",
    )
    .with_hint("Follow up on the task with the answer: its diff and the agent's memory are kept.")
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
