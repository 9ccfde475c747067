//! Webhooks: addresses that are told what happens to tasks.
//!
//! What happens is kept in the transaction in which it does, as an [`OccurrenceId`] with a [`Kind`] and data; for each webhook that wants
//! it a delivery is made, which is tried until the receiver takes it or [`PAUSES`] is used up.

use std::time::Duration;

use crate::id::{PrincipalId, WebhookId, WorkspaceId};
use crate::time::Timestamp;

/// The pauses between the tries of one delivery: eight tries within 28 hours.
pub const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(10 * 3600),
];
/// A webhook of which every delivery fails for so long is told nothing more.
pub const FAILING_FOR: Duration = Duration::from_secs(5 * 24 * 3600);
/// How long a delivery may take. It may wait behind an earlier one of the same task, and that for as long as [`PAUSES`].
pub const DELIVER_WITHIN: Duration = Duration::from_secs(6 * 24 * 3600);
/// How many deliveries of a webhook are kept, for people to look at.
pub const DELIVERIES: u32 = 10_000;
/// How long the secret before the last rotation signs, too.
pub const ROTATION: Duration = Duration::from_secs(24 * 3600);

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Somebody gave a task.
    TaskCreated,
    /// The task has another status.
    TaskUpdated,
    /// Nothing goes on until somebody answers.
    TaskNeedsInput,
    /// The newest turn has ended.
    TaskFinished,
    /// There is a prompt, the first one or a further one.
    TurnCreated,
    /// An attempt is in another state.
    AttemptStateChanged,
    /// Somebody said something about a result.
    CommentCreated,
    /// Somebody approved a result, rejected it, or took that back.
    ApprovalChanged,
    /// A result is on its way to a branch, is there, or will not be.
    PublicationChanged,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::TaskCreated,
        Self::TaskUpdated,
        Self::TaskNeedsInput,
        Self::TaskFinished,
        Self::TurnCreated,
        Self::AttemptStateChanged,
        Self::CommentCreated,
        Self::ApprovalChanged,
        Self::PublicationChanged,
    ];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TaskCreated => "task.created",
            Self::TaskUpdated => "task.updated",
            Self::TaskNeedsInput => "task.needs_input",
            Self::TaskFinished => "task.finished",
            Self::TurnCreated => "turn.created",
            Self::AttemptStateChanged => "attempt.state_changed",
            Self::CommentCreated => "comment.created",
            Self::ApprovalChanged => "approval.changed",
            Self::PublicationChanged => "publication.changed",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A webhook without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// Where it is told.
    pub url: String,
    /// What it is told; `None`: everything, also what later versions tell.
    pub kinds: Option<Vec<Kind>>,
    /// Who made it.
    pub created_by: PrincipalId,
    /// When.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// Whether it is told.
    pub state: State,
}

/// Whether a webhook is told what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Active {
        /// Since when no delivery succeeded, if the last one did not.
        failing_since: Option<Timestamp>,
    },
    /// It is not, and nothing that happens now will be told later.
    Disabled {
        /// Since when.
        at: Timestamp,
        /// Why.
        why: Why,
    },
}

/// Why a webhook is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Somebody wanted it.
    Paused,
    /// Every delivery failed for [`FAILING_FOR`].
    Failing,
    /// The receiver said that it is gone for good.
    Gone,
}

impl Why {
    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Paused, Self::Failing, Self::Gone]
            .into_iter()
            .find(|why| why.as_str() == name)
    }
}

impl Webhook {
    /// Whether it is told that now.
    pub fn wants(&self, kind: Kind) -> bool {
        let listed = self
            .kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&kind));
        listed && self.is_active()
    }

    /// Whether it is told anything.
    pub const fn is_active(&self) -> bool {
        matches!(self.state, State::Active { .. })
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Active {
            failing_since: None,
        }
    }
}

impl State {
    /// After a delivery that the receiver took.
    #[must_use]
    pub const fn delivered(self) -> Self {
        match self {
            Self::Active { .. } => Self::Active {
                failing_since: None,
            },
            Self::Disabled { .. } => self,
        }
    }

    /// After a try that failed; `is_gone`: the receiver said so.
    #[must_use]
    pub fn failed(self, is_gone: bool, now: Timestamp) -> Self {
        let Self::Active { failing_since } = self else {
            return self;
        };
        let since = failing_since.unwrap_or(now);
        let why = match is_gone {
            true => Some(Why::Gone),
            false if now.since(since) >= FAILING_FOR => Some(Why::Failing),
            false => None,
        };
        match why {
            Some(why) => Self::Disabled { at: now, why },
            None => Self::Active {
                failing_since: Some(since),
            },
        }
    }
}

/// How long to wait after that many tries of a delivery; `None`: that was the last. `jitter` of 0 to 100 makes it up to a tenth longer,
/// so that what failed together is not tried together.
pub fn pause_after(tries: u32, jitter: u32) -> Option<Duration> {
    let at = usize::try_from(tries.checked_sub(1)?).ok()?;
    let pause = PAUSES.get(at)?;
    Some(*pause + *pause * jitter.min(100) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn at(days: u32) -> Timestamp {
        Timestamp::from_millis(0) + DAY * days
    }

    #[test]
    fn a_kind_has_one_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("task"), None);
    }

    #[test]
    fn eight_tries_and_no_more() {
        let pauses: Vec<_> = (0..10).map(|tries| pause_after(tries, 0)).collect();
        assert_eq!(pauses[0], None);
        assert_eq!(pauses[1..=7], PAUSES.map(Some));
        assert_eq!(pauses[8..], [None, None]);
        let longest = pause_after(7, 100).expect("a pause");
        assert_eq!(longest, Duration::from_secs(11 * 3600));
    }

    #[test]
    fn five_days_of_failures_end_it_and_one_success_begins_anew() {
        let mut state = State::Active {
            failing_since: None,
        };
        for day in 0..5 {
            state = state.failed(false, at(day));
            assert_eq!(
                state,
                State::Active {
                    failing_since: Some(at(0))
                }
            );
        }
        let again = state.delivered().failed(false, at(5));
        assert_eq!(
            again,
            State::Active {
                failing_since: Some(at(5))
            }
        );
        let ended = state.failed(false, at(5));
        let expected = |why| State::Disabled { at: at(5), why };
        assert_eq!(ended, expected(Why::Failing));
        assert_eq!(ended.delivered(), ended);
        assert_eq!(state.failed(true, at(5)), expected(Why::Gone));
    }
}
