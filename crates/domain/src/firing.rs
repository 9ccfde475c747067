//! Schedules, and what becomes of each time of theirs: a firing. Pure: which times are made, and who may move a firing on.
//!
//! A firing is made once, together with the time that comes next; it has a claim with an epoch, as attempts have, and its id is the name
//! under which its task is submitted. So a time gives one task, however many servers run and whenever they die.

use std::time::Duration;

use crate::attempt::Epoch;
use crate::id::{EnvironmentId, FiringId, PrincipalId, ScheduleId, TaskId, WorkspaceId};
use crate::priority::Priority;
use crate::task::TaskKind;
use crate::time::Timestamp;
use crate::timetable::Timetable;

/// A time that passed longer ago than this, and nobody was there, was missed.
pub const LATE: Duration = Duration::from_secs(10 * 60);
/// How long a server has a firing before another may take it.
pub const LEASE: Duration = Duration::from_secs(60);
/// How long it is tried to submit the task.
pub const DEADLINE: Duration = Duration::from_secs(3600);
/// The same where it may wait for the task before it, or was missed and is made up for.
pub const LONG_DEADLINE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long the end of a task is waited for, to open its pull request.
pub const FOLLOWED: Duration = Duration::from_secs(30 * 24 * 3600);
/// The most times that are counted as passed.
pub const MOST_FOLDED: u32 = 999;

/// A schedule: a task that is submitted again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSchedule {
    /// Its id.
    pub id: ScheduleId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// Who made it, and whose tasks they are.
    pub created_by: PrincipalId,
    /// When.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// At which times.
    pub timetable: Timetable,
    /// What is submitted.
    pub asked: Asked,
    /// What becomes of times at which no server ran.
    pub missed: Missed,
    /// What becomes of a time at which the task before still runs.
    pub overlap: Overlap,
    /// Whether the result is published when the task has ended well.
    pub pull_request: bool,
    /// Whether it goes on.
    pub activity: Activity,
}

/// The task that a schedule submits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where.
    pub environment_id: EnvironmentId,
    /// What is to be done.
    pub prompt: String,
    /// Starts from this branch instead of the environment's.
    pub branch: Option<String>,
    /// How many attempts.
    pub attempts: u32,
    /// How urgent.
    pub priority: Priority,
    /// What for.
    pub kind: TaskKind,
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$of])* $variant),+
        }

        impl $name {
            /// The name in the API and the database.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }

            /// The one of that name.
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

named!(
    /// What becomes of times at which no server ran.
    Missed {
        /// Nothing.
        Skip => "skip",
        /// The last of them is made up for, once.
        Once => "once",
    }
);
named!(
    /// What becomes of a time at which the task before still runs.
    Overlap {
        /// Nothing.
        Skip => "skip",
        /// It waits for the other's end; one at a time does.
        Queue => "queue",
        /// Both run.
        Allow => "allow",
    }
);
named!(
    /// Why a time gave no task although nothing was wrong with it.
    SkipReason {
        /// No server ran.
        Missed => "missed",
        /// The task before still ran.
        Overlap => "overlap",
        /// The schedule was paused in between.
        Paused => "paused",
    }
);

/// Whether a schedule goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It does.
    Active {
        /// The next time.
        next_at: Timestamp,
    },
    /// It does not, until somebody resumes it.
    Paused {
        /// Since when.
        since: Timestamp,
        /// Why, if the server paused it: a sentence.
        why: Option<String>,
    },
}

/// A time that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The time.
    pub planned_at: Timestamp,
    /// How many times before it came to nothing, because nobody was there.
    pub folded: u32,
    /// It is too long ago.
    pub is_missed: bool,
}

impl TaskSchedule {
    /// The time that has come by now, and the schedule as it goes on. `None`: none has. Of several that passed only the last counts.
    pub fn pass(&self, now: Timestamp) -> Option<(Self, Due)> {
        let Activity::Active { next_at } = self.activity else {
            return None;
        };
        if next_at > now {
            return None;
        }
        let last = self.timetable.last_until(next_at, now);
        let most = MOST_FOLDED + 1;
        let due = Due {
            planned_at: last,
            folded: self.timetable.count(next_at, last, most) - 1,
            is_missed: now.since(last) > LATE && self.missed == Missed::Skip,
        };
        let after = Self {
            activity: self.activity_from(now),
            ..self.clone()
        };
        Some((after, due))
    }

    /// Going on from that time.
    pub fn activity_from(&self, now: Timestamp) -> Activity {
        match self.timetable.next_after(now) {
            Some(next_at) => Activity::Active { next_at },
            None => Activity::Paused {
                since: now,
                why: Some("The timetable has no further time.".to_owned()),
            },
        }
    }

    /// Whether it is paused.
    pub const fn is_paused(&self) -> bool {
        matches!(self.activity, Activity::Paused { .. })
    }

    /// By when the task of a time that is made now has to be submitted.
    pub fn deadline(&self, now: Timestamp) -> Timestamp {
        match (self.missed, self.overlap) {
            (Missed::Once, _) | (_, Overlap::Queue) => now + LONG_DEADLINE,
            (Missed::Skip, Overlap::Skip | Overlap::Allow) => now + DEADLINE,
        }
    }
}

/// Who wanted a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The timetable.
    Time,
    /// Somebody, by hand: it waits for nothing and ignores pauses.
    Person(PrincipalId),
}

/// A time of a schedule, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Its id, which is also the name of the request that submits its task.
    pub id: FiringId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// Of which schedule.
    pub schedule_id: ScheduleId,
    /// Who wanted it.
    pub cause: Cause,
    /// The time.
    pub planned_at: Timestamp,
    /// How many times before it came to nothing, because nobody was there; 999 stands for more, too.
    pub folded: u32,
    /// When it was made.
    pub made_at: Timestamp,
    /// It has come to nothing if its task is not submitted by then; once it is, when its end is no longer waited for.
    pub deadline_at: Timestamp,
    /// How often a server took it; each time a new claim.
    pub epoch: Epoch,
    /// How often it was put off because of trouble.
    pub tries: u32,
    /// What went wrong last.
    pub trouble: Option<String>,
    /// The task, once it is submitted.
    pub task_id: Option<TaskId>,
    /// How far it has come.
    pub state: State,
}

/// How far a firing has come. What is not final has an owner and a time at which somebody has to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Its task is to be submitted.
    Waiting {
        /// Not before.
        due_at: Timestamp,
    },
    /// Its task runs, and is to be published when it has ended.
    Following {
        /// Looked at again then.
        due_at: Timestamp,
    },
    /// A server works on it.
    Working {
        /// Another may take it from then on.
        until: Timestamp,
    },
    /// It gave a task.
    Started {
        /// What came of the pull request, if one was wanted: a sentence.
        note: Option<String>,
        /// When.
        ended_at: Timestamp,
    },
    /// It gave none, as it should.
    Skipped {
        /// Why.
        reason: SkipReason,
        /// The same for people.
        message: String,
        /// When.
        ended_at: Timestamp,
    },
    /// It gave none, since the task was refused.
    Refused {
        /// Why. Texts are sentences, for people.
        refusal: Refusal,
        /// When.
        ended_at: Timestamp,
    },
}

/// Why a task was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, for programs.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What happens to a firing. All but the first is said by the server that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A server takes it.
    Claim,
    /// It is not time yet, or something is wrong that may pass.
    PutOff {
        /// What is wrong.
        trouble: Option<String>,
        /// How long to wait.
        wait: Duration,
    },
    /// The task is submitted.
    Start {
        /// The task.
        task_id: TaskId,
        /// Whether its end is waited for.
        follow: bool,
    },
    /// Nothing more is to be done for the task.
    Finish {
        /// What came of the pull request.
        note: Option<String>,
    },
    /// There is no task.
    Skip {
        /// Why.
        reason: SkipReason,
        /// The same for people.
        message: String,
    },
    /// There is no task.
    Refuse(Refusal),
}

/// Why a command is not obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotObeyed {
    /// Somebody else has it, or it waits for a later time.
    #[error("the firing is not due")]
    NotDue,
    /// Another server took it meanwhile.
    #[error("another server has the firing")]
    Stale,
    /// It has ended.
    #[error("the firing has ended")]
    Ended,
}

impl State {
    /// The name in the API and the database.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Following { .. } => "following",
            Self::Working { .. } => "working",
            Self::Started { .. } => "started",
            Self::Skipped { .. } => "skipped",
            Self::Refused { .. } => "refused",
        }
    }
}

impl Firing {
    /// When somebody has to look at it next; `None` once it has ended.
    pub const fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Waiting { due_at } | State::Following { due_at } => Some(due_at),
            State::Working { until } => Some(until),
            State::Started { .. } | State::Skipped { .. } | State::Refused { .. } => None,
        }
    }

    /// Whether its time is over.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        now >= self.deadline_at
    }

    /// Obeys a command; `epoch` is the claim of the server that gives it.
    pub fn apply(
        mut self,
        command: Command,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<Self, NotObeyed> {
        let due_at = self.due_at().ok_or(NotObeyed::Ended)?;
        if command == Command::Claim {
            if now < due_at {
                return Err(NotObeyed::NotDue);
            }
            self.epoch = Epoch::new(self.epoch.get() + 1);
            self.state = State::Working { until: now + LEASE };
            return Ok(self);
        }
        if !matches!(self.state, State::Working { .. }) || self.epoch != epoch {
            return Err(NotObeyed::Stale);
        }
        self.state = match command {
            Command::Claim => return Err(NotObeyed::NotDue),
            Command::PutOff { trouble, wait } => {
                self.tries += u32::from(trouble.is_some());
                self.trouble = trouble;
                let due_at = (now + wait).min(self.deadline_at);
                match self.task_id {
                    None => State::Waiting { due_at },
                    Some(_) => State::Following { due_at },
                }
            }
            Command::Start { task_id, follow } => {
                self.task_id = Some(task_id);
                (self.tries, self.trouble) = (0, None);
                match follow {
                    false => State::Started {
                        note: None,
                        ended_at: now,
                    },
                    true => {
                        self.deadline_at = now + FOLLOWED;
                        State::Following { due_at: now }
                    }
                }
            }
            Command::Finish { note } => State::Started {
                note,
                ended_at: now,
            },
            Command::Skip { reason, message } => State::Skipped {
                reason,
                message,
                ended_at: now,
            },
            Command::Refuse(refusal) => State::Refused {
                refusal,
                ended_at: now,
            },
        };
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
