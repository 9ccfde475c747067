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
mod tests;
