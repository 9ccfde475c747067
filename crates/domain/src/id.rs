//! Identifiers: newtypes over a UUID (version 7: they sort by creation), printed with a prefix.
//!
//! Printed ids match `[a-z]+_[0-9a-f]{32}`, so they are safe in paths, shells and URLs as they are.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A text that is not an id of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {article} {kind} id; such an id looks like `{prefix}_` and 32 hex digits")]
pub struct InvalidId {
    text: String,
    article: &'static str,
    kind: &'static str,
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $article:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What a printed id begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID; the composition root makes them, so that tests can choose.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text, $prefix).map(Self).ok_or_else(|| InvalidId {
                    text: text.chars().take(80).collect(),
                    article: $article,
                    kind: $kind,
                    prefix: $prefix,
                })
            }
        }
    };
}

fn parse(text: &str, prefix: &str) -> Option<Uuid> {
    let hex = text.strip_prefix(prefix)?.strip_prefix('_')?;
    let canonical = hex.len() == 32
        && hex
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !canonical {
        return None;
    }
    Uuid::try_parse(hex).ok()
}

id!(
    /// A tenant.
    WorkspaceId, "ws", "a", "workspace"
);
id!(
    /// A user, token or integration that acts.
    PrincipalId, "prn", "a", "principal"
);
id!(
    /// An API token.
    TokenId, "tok", "a", "token"
);
id!(
    /// A token that lets workers in.
    EnrolmentTokenId, "enr", "an", "enrolment token"
);
id!(
    /// How to run the tasks of a repository.
    EnvironmentId, "env", "an", "environment"
);
id!(
    /// What was asked.
    TaskId, "task", "a", "task"
);
id!(
    /// One prompt and its answer.
    TurnId, "turn", "a", "turn"
);
id!(
    /// One run of a turn.
    AttemptId, "att", "an", "attempt"
);
id!(
    /// A credential for repositories.
    CredentialId, "cred", "a", "credential"
);
id!(
    /// Something to be done once for somebody outside.
    JobId, "job", "a", "job"
);
id!(
    /// A connection to a forge or a chat.
    IntegrationId, "int", "an", "integration"
);
id!(
    /// A place of another system where a task is talked about.
    ConversationId, "conv", "a", "conversation"
);
id!(
    /// A worker that registered.
    WorkerId, "wkr", "a", "worker"
);
id!(
    /// A result on its way to a branch and a pull request.
    PublicationId, "pub", "a", "publication"
);
id!(
    /// What somebody said about a file or lines of it.
    CommentId, "com", "a", "comment"
);
id!(
    /// Something that somebody did.
    AuditId, "aud", "an", "audit"
);
id!(
    /// An address that is told what happens to tasks.
    WebhookId, "whk", "a", "webhook"
);
id!(
    /// Something that happened to a task, as webhooks are told it.
    OccurrenceId, "evt", "an", "event"
);

impl OccurrenceId {
    /// Of what was kept under that number, at that time. It sorts by the time. The time also keeps apart what a database that was
    /// brought back from a backup numbers once more.
    pub fn numbered(at: crate::Timestamp, number: u64) -> Self {
        let millis = u128::try_from(at.as_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
        Self(Uuid::from_u128((millis << 80) | u128::from(number)))
    }
}

id!(
    /// A task that is submitted by a timetable.
    ScheduleId, "sch", "a", "schedule"
);
id!(
    /// A time of a schedule, and what became of it.
    FiringId, "fir", "a", "firing"
);

/// The name of a stored object (diff, session, prompt): a relative path without `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// The diff of `attempt`, as its claim `epoch` produced it.
    pub fn diff(attempt: AttemptId, epoch: crate::Epoch) -> Self {
        Self(format!("attempts/{attempt}/{}/diff.patch", epoch.get()))
    }

    /// The same of the further repository `name`, which
    /// [`EnvironmentSpec::check`](crate::environment::EnvironmentSpec::check) let pass.
    pub fn repository_diff(attempt: AttemptId, epoch: crate::Epoch, name: &str) -> Self {
        let epoch = epoch.get();
        Self(format!(
            "attempts/{attempt}/{epoch}/repositories/{name}.patch"
        ))
    }

    /// The agent's session after `attempt`, as its claim `epoch` produced it.
    pub fn session(attempt: AttemptId, epoch: crate::Epoch) -> Self {
        Self(format!("attempts/{attempt}/{}/session", epoch.get()))
    }

    /// The diff of the repository `name` (the first one's for `None`) in a checkpoint of `attempt`. Two checkpoints of a
    /// claim take turns, so that the newest that is whole stays while the next one is written.
    pub fn checkpoint_diff(
        attempt: AttemptId,
        epoch: crate::Epoch,
        turn: bool,
        name: Option<&str>,
    ) -> Self {
        let directory = checkpoint(attempt, epoch, turn);
        Self(match name {
            None => format!("{directory}/diff.patch"),
            Some(name) => format!("{directory}/repositories/{name}.patch"),
        })
    }

    /// The agent's session in a checkpoint of `attempt`.
    pub fn checkpoint_session(attempt: AttemptId, epoch: crate::Epoch, turn: bool) -> Self {
        Self(format!("{}/session", checkpoint(attempt, epoch, turn)))
    }

    /// What every key of the attempt begins with: the parts of a path.
    pub fn directory(attempt: AttemptId) -> [String; 2] {
        ["attempts".to_owned(), attempt.to_string()]
    }

    /// The changes that the user sent along with `task`.
    pub fn starting_diff(task: TaskId) -> Self {
        Self(format!("tasks/{task}/starting.patch"))
    }

    /// The session that the user sent along with `task`.
    pub fn starting_session(task: TaskId) -> Self {
        Self(format!("tasks/{task}/starting.session"))
    }

    /// From the text the store kept; the store holds only keys that this type made.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn checkpoint(attempt: AttemptId, epoch: crate::Epoch, turn: bool) -> String {
    let epoch = epoch.get();
    format!("attempts/{attempt}/{epoch}/checkpoint-{}", u8::from(turn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_printed() {
        let id = TaskId::from_uuid(Uuid::from_u128(0x0192_8c3f));
        assert_eq!(
            id.to_string(),
            "task_000000000000000000000000 01928c3f".replace(' ', "")
        );
        assert_eq!(id.to_string().parse::<TaskId>(), Ok(id));
    }

    #[test]
    fn what_happened_sorts_by_its_time() {
        let at = |ms| crate::Timestamp::from_millis(ms);
        let first = OccurrenceId::numbered(at(0x0192_8c3f_0000), 7);
        assert_eq!(first.to_string(), "evt_01928c3f000000000000000000000007");
        assert!(first < OccurrenceId::numbered(at(0x0192_8c3f_0001), 6));
        assert!(first < OccurrenceId::numbered(at(0x0192_8c3f_0000), 8));
    }

    #[test]
    fn other_texts_are_refused() {
        let id = TaskId::from_uuid(Uuid::from_u128(7)).to_string();
        for text in [
            "",
            "task_",
            "task",
            &id.replace("task", "att"),
            &id.to_uppercase(),
            &format!("{id}0"),
            &format!(" {id}"),
            &id[..id.len() - 1],
        ] {
            assert!(text.parse::<TaskId>().is_err(), "{text:?} was taken");
        }
    }
}
