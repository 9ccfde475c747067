//! A publication: an attempt's diff as a branch of its repository, and a pull request for it. Pure: who may move it on, and when.

use std::time::Duration;

use crate::attempt::Epoch;
use crate::id::{AttemptId, PrincipalId, PublicationId, TaskId, WorkspaceId};
use crate::time::Timestamp;

/// How long a publication may take, its waits included.
pub const DEADLINE: Duration = Duration::from_secs(15 * 60);
/// How long a server has it before another may take it; it renews this three times as often.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often it is begun anew after trouble that may pass.
pub const TRIES: u32 = 8;

/// What is to be published, and how far that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Its id.
    pub id: PublicationId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// The task.
    pub task_id: TaskId,
    /// Whose diff.
    pub attempt_id: AttemptId,
    /// In which repository of the environment.
    pub repository: String,
    /// What was asked for.
    pub asked: Asked,
    /// Who asked.
    pub created_by: PrincipalId,
    /// When.
    pub created_at: Timestamp,
    /// It has failed if it is not published by then.
    pub deadline_at: Timestamp,
    /// How often a server took it; each time a new claim.
    pub epoch: Epoch,
    /// How often it was begun anew after trouble.
    pub tries: u32,
    /// The commit that is, or is about to be, the branch's newest. Known before it is pushed, so that a server that goes on knows
    /// its own commit from somebody else's.
    pub commit: Option<String>,
    /// How far it has come.
    pub state: State,
}

/// What somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The branch to be made or continued, without `refs/heads/`.
    pub branch: String,
    /// The branch that the pull request is for; the one that the task started from, else the default one, when left out.
    pub base: Option<String>,
    /// The pull request's title; the task's when left out.
    pub title: Option<String>,
    /// The description; one made from the result when left out.
    pub body: Option<String>,
    /// Whether the pull request is a draft.
    pub draft: bool,
    /// The commit's author, `NAME <ADDRESS>`; Outwork when left out.
    pub author: Option<String>,
}

/// How far a publication has come. What is not final has an owner and a time at which somebody has to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for a server.
    Queued {
        /// Not taken before.
        visible_at: Timestamp,
        /// What went wrong before, if it waits for that to pass.
        trouble: Option<String>,
    },
    /// A server works on it.
    Publishing {
        /// Another may take it from then on.
        until: Timestamp,
    },
    /// Done.
    Published {
        /// The pull request; `None` where the repository's server has none, and the branch is all.
        pull_request: Option<PullRequest>,
        /// What else there is to say, for people.
        note: Option<String>,
        /// When.
        ended_at: Timestamp,
    },
    /// Given up.
    Failed {
        /// Why.
        failure: PublishFailure,
        /// When.
        ended_at: Timestamp,
    },
}

/// A pull request, as its server told it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// Where people look at it.
    pub url: String,
    /// Its number within the repository.
    pub number: u64,
    /// `open`, `draft`, `closed` or `merged`.
    pub state: String,
}

/// Why something could not be published. Texts are sentences, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishFailure {
    /// Stable, for programs: `protected_branch`, `not_permitted`, `branch_moved`, …
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What happens to a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A server takes it.
    Claim,
    /// Its server still works on it.
    Renew {
        /// The claim.
        epoch: Epoch,
    },
    /// Its server is about to push that commit.
    Plan {
        /// The claim.
        epoch: Epoch,
        /// The commit's full id.
        commit: String,
    },
    /// Its server gives it back: something is wrong that may pass, or the server stops (no trouble then).
    PutOff {
        /// The claim.
        epoch: Epoch,
        /// What is wrong.
        trouble: Option<String>,
        /// How long to wait.
        wait: Duration,
    },
    /// It is published.
    Finish {
        /// The claim.
        epoch: Epoch,
        /// The pull request.
        pull_request: Option<PullRequest>,
        /// What else there is to say.
        note: Option<String>,
    },
    /// It cannot be published.
    Fail {
        /// The claim.
        epoch: Epoch,
        /// Why.
        failure: PublishFailure,
    },
}

/// Why a command is not obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody else has it, or it waits for a later time.
    #[error("the publication is not due")]
    NotDue,
    /// Another server took it meanwhile.
    #[error("another server has the publication")]
    Stale,
    /// It is published or has failed.
    #[error("the publication has ended")]
    Ended,
}

impl State {
    /// The name in the API and the database.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Publishing { .. } => "publishing",
            Self::Published { .. } => "published",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether nothing will happen to it any more.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Published { .. } | Self::Failed { .. })
    }
}

impl Publication {
    /// When somebody has to look at it next; `None` once it has ended.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Queued { visible_at, .. } => Some(visible_at),
            State::Publishing { until } => Some(until),
            State::Published { .. } | State::Failed { .. } => None,
        }
    }

    /// Obeys a command. A claim after the deadline makes it fail instead.
    pub fn apply(mut self, command: Command, now: Timestamp) -> Result<Self, Refused> {
        let due_at = self.due_at().ok_or(Refused::Ended)?;
        match command {
            Command::Claim if now < due_at => return Err(Refused::NotDue),
            Command::Claim if now >= self.deadline_at => {
                self.state = self.overdue(now);
            }
            Command::Claim => {
                self.epoch = Epoch::new(self.epoch.get() + 1);
                self.state = State::Publishing { until: now + LEASE };
            }
            Command::Renew { epoch } => {
                self.held(epoch)?;
                self.state = State::Publishing { until: now + LEASE };
            }
            Command::Plan { epoch, commit } => {
                self.held(epoch)?;
                self.commit = Some(commit);
                self.state = State::Publishing { until: now + LEASE };
            }
            Command::PutOff {
                epoch,
                trouble,
                wait,
            } => {
                self.held(epoch)?;
                self.state = self.put_off(trouble, now + wait, now);
            }
            Command::Finish {
                epoch,
                pull_request,
                note,
            } => {
                self.held(epoch)?;
                self.state = State::Published {
                    pull_request,
                    note,
                    ended_at: now,
                };
            }
            Command::Fail { epoch, failure } => {
                self.held(epoch)?;
                self.state = State::Failed {
                    failure,
                    ended_at: now,
                };
            }
        }
        Ok(self)
    }

    /// A server's word counts as long as nobody else took it, also when its lease has run out.
    fn held(&self, epoch: Epoch) -> Result<(), Refused> {
        let is_held = matches!(self.state, State::Publishing { .. });
        match is_held && self.epoch == epoch {
            true => Ok(()),
            false => Err(Refused::Stale),
        }
    }

    fn put_off(&mut self, trouble: Option<String>, visible_at: Timestamp, now: Timestamp) -> State {
        let Some(trouble) = trouble else {
            return State::Queued {
                visible_at,
                trouble: None,
            };
        };
        self.tries += 1;
        if self.tries < TRIES && visible_at < self.deadline_at {
            return State::Queued {
                visible_at,
                trouble: Some(trouble),
            };
        }
        let failure = PublishFailure {
            code: "gave_up".to_owned(),
            message: format!("Given up after {} tries. {trouble}", self.tries),
            hint: Some(
                "Publish it once more when that is over; what was done so far is kept.".to_owned(),
            ),
        };
        State::Failed {
            failure,
            ended_at: now,
        }
    }

    fn overdue(&self, now: Timestamp) -> State {
        let seen = match &self.state {
            State::Queued {
                trouble: Some(trouble),
                ..
            } => format!(" {trouble}"),
            State::Queued { trouble: None, .. }
            | State::Publishing { .. }
            | State::Published { .. }
            | State::Failed { .. } => String::new(),
        };
        let minutes = DEADLINE.as_secs() / 60;
        let failure = PublishFailure {
            code: "timed_out".to_owned(),
            message: format!("It was not published within {minutes} minutes.{seen}"),
            hint: Some("Publish it once more; what was done so far is kept.".to_owned()),
        };
        State::Failed {
            failure,
            ended_at: now,
        }
    }
}

/// The branch for a task unless one is named: `outwork/`, the last digits of its id, and what its title says.
pub fn branch(task: TaskId, title: &str) -> String {
    const DIGITS: usize = 8;
    const CHARS: usize = 40;
    let id = task.to_string();
    let mut slug = String::new();
    for c in title.chars().flat_map(char::to_lowercase) {
        match c.is_ascii_alphanumeric() {
            true => slug.push(c),
            false if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            false => {}
        }
    }
    let mut short = slug.get(..CHARS).unwrap_or(&slug);
    if slug.len() > CHARS
        && let Some((whole, _)) = short.rsplit_once('-')
    {
        short = whole;
    }
    let short = short.trim_end_matches('-');
    let digits = &id[id.len() - DIGITS..];
    match short {
        "" => format!("outwork/{digits}"),
        slug => format!("outwork/{digits}-{slug}"),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn new() -> Publication {
        Publication {
            id: PublicationId::from_uuid(Uuid::from_u128(1)),
            workspace_id: WorkspaceId::from_uuid(Uuid::from_u128(2)),
            task_id: TaskId::from_uuid(Uuid::from_u128(3)),
            attempt_id: AttemptId::from_uuid(Uuid::from_u128(4)),
            repository: "app".to_owned(),
            asked: Asked {
                branch: "outwork/x".to_owned(),
                base: None,
                title: None,
                body: None,
                draft: false,
                author: None,
            },
            created_by: PrincipalId::from_uuid(Uuid::from_u128(5)),
            created_at: at(0),
            deadline_at: at(0) + DEADLINE,
            epoch: Epoch::ZERO,
            tries: 0,
            commit: None,
            state: State::Queued {
                visible_at: at(0),
                trouble: None,
            },
        }
    }

    fn trouble(epoch: i64) -> Command {
        Command::PutOff {
            epoch: Epoch::new(epoch),
            trouble: Some("It is down.".to_owned()),
            wait: Duration::from_secs(2),
        }
    }

    #[test]
    fn one_server_has_it_until_its_lease_runs_out() {
        let held = new().apply(Command::Claim, at(1)).expect("it waits");
        let early = held.clone().apply(Command::Claim, at(30));
        assert_eq!(early, Err(Refused::NotDue));
        let renew = Command::Renew {
            epoch: Epoch::new(1),
        };
        let renewed = held.clone().apply(renew.clone(), at(20)).expect("held");
        let early = renewed.apply(Command::Claim, at(49));
        assert_eq!(early, Err(Refused::NotDue));
        let other = held.apply(Command::Claim, at(31)).expect("it ran out");
        assert_eq!(other.epoch, Epoch::new(2));
        assert_eq!(other.clone().apply(renew, at(32)), Err(Refused::Stale));
        assert_eq!(other.apply(trouble(1), at(32)), Err(Refused::Stale));
    }

    #[test]
    fn trouble_is_tried_again_and_then_given_up() {
        let mut it = new();
        let mut now = 1;
        for tries in 1..TRIES {
            it = it.apply(Command::Claim, at(now)).expect("due");
            it = it.apply(trouble(i64::from(tries)), at(now)).expect("held");
            assert!(matches!(it.state, State::Queued { .. }), "{it:?}");
            now += 2;
        }
        it = it.apply(Command::Claim, at(now)).expect("due");
        it = it.apply(trouble(i64::from(TRIES)), at(now)).expect("held");
        let State::Failed { failure, .. } = &it.state else {
            panic!("{it:?}");
        };
        assert_eq!(failure.message, "Given up after 8 tries. It is down.");
        assert_eq!(it.apply(Command::Claim, at(now)), Err(Refused::Ended));
    }

    #[test]
    fn nothing_waits_for_ever() {
        let late = at(0) + DEADLINE;
        let failed = new().apply(Command::Claim, late).expect("due");
        assert!(matches!(failed.state, State::Failed { .. }), "{failed:?}");
        let held = new().apply(Command::Claim, at(1)).expect("it waits");
        let failed = held.apply(Command::Claim, late).expect("due");
        assert!(matches!(failed.state, State::Failed { .. }), "{failed:?}");
    }

    #[test]
    fn a_branch_is_named_after_the_task() {
        let task = TaskId::from_uuid(Uuid::from_u128(0x1234_5678));
        for (title, expected) in [
            ("Fix the bug!", "outwork/12345678-fix-the-bug"),
            ("", "outwork/12345678"),
            ("ÄÖ — …", "outwork/12345678"),
            ("../../x.lock", "outwork/12345678-x-lock"),
            (
                "one two three four five six seven eight nine ten",
                "outwork/12345678-one-two-three-four-five-six-seven-eight",
            ),
        ] {
            assert_eq!(branch(task, title), expected, "{title}");
        }
    }
}
