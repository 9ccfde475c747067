//! A job: something to be done once for somebody outside: a delivery that came in, or one that is to go out. Pure: who may move it on, and when.

use std::time::Duration;

use crate::attempt::Epoch;
use crate::id::{JobId, WorkspaceId};
use crate::time::Timestamp;

/// How long a server has a job before another may take it; it renews this while an act takes longer.
pub const LEASE: Duration = Duration::from_secs(60);
/// How long jobs that have ended are kept, for people to look at.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// The most bytes that a job holds.
pub const BODY_BYTES: usize = 1024 * 1024;

/// What kind of job it is, and by that who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// What somebody outside said to an integration.
    Inbound,
    /// What a conversation is to be told.
    Post,
    /// What a webhook is to be told.
    Webhook,
}

/// Something to be done, and how far that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// Who does it.
    pub queue: Queue,
    /// Whose it is: the printed id of an integration or a webhook.
    pub owner: String,
    /// Names it among those of its queue and owner: the same again is not done again.
    pub key: String,
    /// Those of one lane are done one at a time, in the order in which they came.
    pub lane: Option<String>,
    /// What it is about, for who does it.
    pub kind: String,
    /// The same, as JSON.
    pub body: String,
    /// What was noted before and after acts that cannot be undone, for who goes on.
    pub memo: Option<String>,
    /// When it came.
    pub created_at: Timestamp,
    /// It has failed if it is not done by then.
    pub deadline_at: Timestamp,
    /// How often a server took it; each time a new claim.
    pub epoch: Epoch,
    /// How often it was put off after trouble.
    pub tries: u32,
    /// How far it has come.
    pub state: State,
}

/// How far a job has come. What is not final has an owner and a time at which somebody has to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for a server.
    Waiting {
        /// Not taken before.
        due_at: Timestamp,
        /// What went wrong before.
        trouble: Option<String>,
    },
    /// A server works on it.
    Working {
        /// Another may take it from then on.
        until: Timestamp,
    },
    /// Done.
    Done {
        /// What came of it, for people.
        note: Option<String>,
        /// When.
        ended_at: Timestamp,
    },
    /// Given up.
    Failed {
        /// Why, for people.
        message: String,
        /// When.
        ended_at: Timestamp,
    },
}

/// What happens to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A server takes it.
    Claim,
    /// Its server still works on it.
    Renew {
        /// The claim.
        epoch: Epoch,
    },
    /// Its server notes something.
    Note {
        /// The claim.
        epoch: Epoch,
        /// Replaces what was noted before.
        memo: String,
    },
    /// Something is wrong that may pass.
    PutOff {
        /// The claim.
        epoch: Epoch,
        /// What is wrong; `None`: the server stops, and this was no try.
        trouble: Option<String>,
        /// When to try again.
        at: Timestamp,
    },
    /// It is done.
    Finish {
        /// The claim.
        epoch: Epoch,
        /// What came of it.
        note: Option<String>,
    },
    /// It cannot be done.
    Fail {
        /// The claim.
        epoch: Epoch,
        /// Why.
        message: String,
    },
    /// Somebody wants an ended one done once more.
    Replay {
        /// How long it has.
        within: Duration,
    },
}

/// Why a command is not obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody else has it, or it waits for a later time.
    #[error("the job is not due")]
    NotDue,
    /// Another server took it meanwhile.
    #[error("another server has the job")]
    Stale,
    /// It was done or given up.
    #[error("the job has ended")]
    Ended,
    /// It is under way.
    #[error("the job has not ended")]
    UnderWay,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Inbound, Self::Post, Self::Webhook];

    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Post => "post",
            Self::Webhook => "webhook",
        }
    }

    /// The queue of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.as_str() == name)
    }
}

impl State {
    /// The name in the API and the database.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Working { .. } => "working",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether nothing will happen to it by itself.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. })
    }
}

impl Job {
    /// When somebody has to look at it next; `None` once it has ended.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Waiting { due_at, .. } => Some(due_at),
            State::Working { until } => Some(until),
            State::Done { .. } | State::Failed { .. } => None,
        }
    }

    /// Obeys a command. A claim after the deadline makes it fail instead.
    pub fn apply(mut self, command: Command, now: Timestamp) -> Result<Self, Refused> {
        if let Command::Replay { within } = command {
            return self.replayed(within, now);
        }
        let due_at = self.due_at().ok_or(Refused::Ended)?;
        match command {
            Command::Claim if now < due_at => return Err(Refused::NotDue),
            Command::Claim if now >= self.deadline_at => self.state = self.overdue(now),
            Command::Claim => {
                self.epoch = Epoch::new(self.epoch.get() + 1);
                self.state = State::Working { until: now + LEASE };
            }
            Command::Renew { epoch } => {
                self.held(epoch)?;
                self.state = State::Working { until: now + LEASE };
            }
            Command::Note { epoch, memo } => {
                self.held(epoch)?;
                self.memo = Some(memo);
                self.state = State::Working { until: now + LEASE };
            }
            Command::PutOff { epoch, trouble, at } => {
                self.held(epoch)?;
                self.tries += u32::from(trouble.is_some());
                // What is put off beyond its time fails now, so that nobody waits for it.
                self.state = match trouble {
                    Some(trouble) if at >= self.deadline_at => State::Failed {
                        message: format!("Given up after {} tries. {trouble}", self.tries),
                        ended_at: now,
                    },
                    trouble => State::Waiting {
                        due_at: at,
                        trouble,
                    },
                };
            }
            Command::Finish { epoch, note } => {
                self.held(epoch)?;
                self.state = State::Done {
                    note,
                    ended_at: now,
                };
            }
            Command::Fail { epoch, message } => {
                self.held(epoch)?;
                self.state = State::Failed {
                    message,
                    ended_at: now,
                };
            }
            Command::Replay { .. } => return Err(Refused::UnderWay),
        }
        Ok(self)
    }

    /// A server's word counts as long as nobody else took it, also when its lease has run out.
    fn held(&self, epoch: Epoch) -> Result<(), Refused> {
        let is_held = matches!(self.state, State::Working { .. });
        match is_held && self.epoch == epoch {
            true => Ok(()),
            false => Err(Refused::Stale),
        }
    }

    fn replayed(mut self, within: Duration, now: Timestamp) -> Result<Self, Refused> {
        if !self.state.is_final() {
            return Err(Refused::UnderWay);
        }
        self.tries = 0;
        self.deadline_at = now + within;
        self.state = State::Waiting {
            due_at: now,
            trouble: None,
        };
        Ok(self)
    }

    fn overdue(&self, now: Timestamp) -> State {
        let seen = match &self.state {
            State::Waiting {
                trouble: Some(trouble),
                ..
            } => format!(" {trouble}"),
            State::Waiting { trouble: None, .. }
            | State::Working { .. }
            | State::Done { .. }
            | State::Failed { .. } => String::new(),
        };
        State::Failed {
            message: format!("It was not done in time.{seen}"),
            ended_at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn job() -> Job {
        Job {
            id: JobId::from_uuid(Uuid::nil()),
            workspace_id: WorkspaceId::from_uuid(Uuid::nil()),
            queue: Queue::Post,
            owner: "int_1".to_owned(),
            key: "k".to_owned(),
            lane: None,
            kind: "result".to_owned(),
            body: "{}".to_owned(),
            memo: None,
            created_at: at(0),
            deadline_at: at(1_000_000),
            epoch: Epoch::ZERO,
            tries: 0,
            state: State::Waiting {
                due_at: at(10),
                trouble: None,
            },
        }
    }

    #[test]
    fn a_claim_is_held_until_somebody_else_takes_it() {
        assert_eq!(job().apply(Command::Claim, at(9)), Err(Refused::NotDue));
        let first = job().apply(Command::Claim, at(10)).expect("due");
        let early = first.clone().apply(Command::Claim, at(11));
        assert_eq!(early, Err(Refused::NotDue));
        let second = first.clone().apply(Command::Claim, at(10) + LEASE);
        let second = second.expect("the first one is gone");
        assert_eq!(second.epoch, Epoch::new(2));
        let finish = |epoch| Command::Finish {
            epoch: Epoch::new(epoch),
            note: None,
        };
        assert_eq!(second.clone().apply(finish(1), at(20)), Err(Refused::Stale));
        let done = second.apply(finish(2), at(20)).expect("it has it");
        assert_eq!(done.clone().apply(finish(2), at(21)), Err(Refused::Ended));
        // Late, but nobody took it.
        first.apply(finish(1), at(900_000)).expect("still held");
    }

    #[test]
    fn trouble_is_tried_again_until_the_deadline() {
        let mut job = job();
        let mut now = at(10);
        loop {
            job = job.apply(Command::Claim, now).expect("due");
            let trouble = Some("503".to_owned());
            let (epoch, at) = (job.epoch, now + Duration::from_secs(300));
            let put_off = Command::PutOff { epoch, trouble, at };
            job = job.apply(put_off, now).expect("held");
            if job.state.is_final() {
                break;
            }
            now = at;
        }
        assert_eq!(job.tries, 4);
        let State::Failed { message, .. } = &job.state else {
            panic!("{job:?}");
        };
        assert_eq!(message, "Given up after 4 tries. 503");
        let within = Duration::from_secs(5);
        let again = job.apply(Command::Replay { within }, now).expect("ended");
        assert_eq!(again.due_at(), Some(now));
        let under_way = again.clone().apply(Command::Replay { within }, now);
        assert_eq!(under_way, Err(Refused::UnderWay));
        let late = again.apply(Command::Claim, now + within).expect("due");
        assert!(matches!(late.state, State::Failed { .. }), "{late:?}");
    }

    #[test]
    fn a_server_that_stops_gives_back_without_a_try() {
        let job = job().apply(Command::Claim, at(10)).expect("due");
        let (epoch, at_once) = (job.epoch, at(20));
        let back = Command::PutOff {
            epoch,
            trouble: None,
            at: at_once,
        };
        let job = job.apply(back, at_once).expect("held");
        assert_eq!((job.tries, job.due_at()), (0, Some(at_once)));
    }
}
