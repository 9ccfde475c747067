//! Why something could not be read or written.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use outwork_domain::attempt::Refused;
use outwork_domain::{PublicationId, TaskId, firing, job, publication};

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or opened.
    #[error("the database {} cannot be opened; check that the directory exists and may be written", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database is of a later version of Outwork.
    #[error(
        "the database is of a newer version of Outwork (its schema has number {found}, this version knows {known}); upgrade Outwork, or restore the backup from before the upgrade"
    )]
    NewerSchema {
        /// The schema's number.
        found: i64,
        /// The highest that this version knows.
        known: i64,
    },
    /// The address of the database does not parse.
    #[error("the address of the database is not valid; it looks like `postgres://user@host/name`")]
    Address(#[source] sqlx::Error),
    /// The database does not answer, or is not a database.
    #[error("the database cannot be reached or read")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// A change of the schema failed.
    #[error("the database's schema cannot be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

/// Why something could not be read or written. Nothing was written then; only after
/// [`StoreError::Unavailable`] and [`StoreError::ObjectsUnavailable`] it is not known.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. It works again when there is space.
    #[error("the disk of the database is full; free some space, then try again")]
    DiskFull,
    /// Another live environment has the label.
    #[error("another environment has this label; choose another label")]
    LabelTaken,
    /// Another member has the name.
    #[error("another member has this name; choose another name")]
    NameTaken,
    /// Nobody could sign in as an admin any more.
    #[error("nobody else can sign in as an admin; make somebody else an admin first, with a token")]
    LastAdmin,
    /// The agent was told the comment.
    #[error("the comment is a part of turn {turn}, which the agent was given; write another one")]
    CommentSent {
        /// The turn's number.
        turn: u32,
    },
    /// A comment is not what it was when the prompt was written.
    #[error(
        "a comment was changed, settled or deleted in between; read the comments again and repeat it"
    )]
    CommentChanged,
    /// Somebody changed it in between.
    #[error("it was changed in between; read it again and repeat the change")]
    RevisionMismatch,
    /// An unfinished task needs the environment.
    #[error("{task} still runs in this environment; wait for it or cancel it")]
    InUse {
        /// One such task.
        task: TaskId,
    },
    /// The idempotency key stands for another request.
    #[error("this idempotency key was used for a different request; use a new key")]
    IdempotencyMismatch,
    /// The newest turn of the task is not over.
    #[error("the newest turn of the task has not ended; wait for it or cancel it")]
    TurnNotEnded,
    /// There is no such environment.
    #[error("there is no such environment")]
    UnknownEnvironment,
    /// There is no such thing in this workspace.
    #[error("there is no such thing in this workspace")]
    NotFound,
    /// There are as many of them as there may be.
    #[error("there are {most} already, and there can be no more; remove one first")]
    TooMany {
        /// How many there may be.
        most: usize,
    },
    /// Events are missing before the ones sent.
    #[error("events are missing: the next one must be number {expected}")]
    Gap {
        /// The number that has to come next.
        expected: i64,
    },
    /// The cursor was not made by this list.
    #[error("the cursor is not valid; begin again without one")]
    BadCursor,
    /// The task is being published already.
    #[error("{publication} of this task is under way; wait for it")]
    PublicationUnderWay {
        /// The one.
        publication: PublicationId,
    },
    /// The publication's state does not allow it.
    #[error(transparent)]
    Publication(#[from] publication::Refused),
    /// The job's state does not allow it.
    #[error(transparent)]
    Job(#[from] job::Refused),
    /// The firing's state does not allow it.
    #[error(transparent)]
    Firing(#[from] firing::NotObeyed),
    /// The attempt's state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database does not answer. Whether the write happened is not known; repeating it is right.
    #[error("the database does not answer; try again")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// What is stored makes no sense.
    #[error("the database holds a {what} that makes no sense; restore a backup")]
    Corrupt {
        /// What.
        what: String,
    },
    /// Any other error of the database.
    #[error("the database refused the request")]
    Database(#[source] Box<dyn Error + Send + Sync>),
    /// The place of the objects does not answer. Whether a write happened is not known; repeating
    /// it is right.
    #[error("the object store does not answer; try again")]
    ObjectsUnavailable(#[source] Box<dyn Error + Send + Sync>),
    /// An object could not be read or written.
    #[error("an object could not be read or written")]
    Object(#[source] Box<dyn Error + Send + Sync>),
}

impl OpenError {
    pub(crate) fn connect(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Connect(error.into())
    }
}

impl StoreError {
    pub(crate) fn corrupt(what: &str) -> Self {
        Self::Corrupt {
            what: what.to_owned(),
        }
    }

    pub(crate) fn unavailable(reason: &'static str) -> Self {
        Self::Unavailable(reason.into())
    }

    /// The same for each of several callers.
    pub(crate) fn shared(error: &Arc<rusqlite::Error>) -> Self {
        Self::of(sqlite_kind(error), Box::new(Arc::clone(error)))
    }

    fn of(kind: Kind, source: Box<dyn Error + Send + Sync>) -> Self {
        match kind {
            Kind::DiskFull => Self::DiskFull,
            Kind::Unavailable => Self::Unavailable(source),
            Kind::Corrupt => Self::Corrupt {
                what: "page or column".to_owned(),
            },
            Kind::Other => Self::Database(source),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::of(postgres_kind(&error), Box::new(error))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::of(sqlite_kind(&error), Box::new(error))
    }
}

enum Kind {
    DiskFull,
    Unavailable,
    Corrupt,
    Other,
}

fn postgres_kind(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some(code) => postgres_code(code),
            None => Kind::Other,
        },
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => Kind::DiskFull,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Kind::Unavailable,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Kind::Corrupt,
        _ => Kind::Other,
    }
}

/// The extended result code: <https://www.sqlite.org/rescode.html>.
fn sqlite_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

fn sqlite_kind(error: &rusqlite::Error) -> Kind {
    const IOERR_SHMSIZE: i32 = 4874;
    let Some(code) = sqlite_code(error) else {
        return Kind::Other;
    };
    match (code, code & 0xff) {
        // No room for the wal-index: its size is set before anything is written to it.
        (IOERR_SHMSIZE, _) | (_, 13) => Kind::DiskFull,
        // Locked by another process; no memory; input or output failed; cannot be opened.
        (_, 5 | 6 | 7 | 10 | 14) => Kind::Unavailable,
        (_, 11 | 26) => Kind::Corrupt,
        (_, _) => Kind::Other,
    }
}

/// By the classes of <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn postgres_code(code: &str) -> Kind {
    match code {
        "53100" => Kind::DiskFull,
        "XX001" | "XX002" => Kind::Corrupt,
        // Transaction rolled back by the server: conflict, deadlock.
        _ if code.starts_with("40") => Kind::Unavailable,
        // Connection, resources, operator intervention, system error.
        _ if ["08", "53", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            Kind::Unavailable
        }
        _ => Kind::Other,
    }
}

/// Whether a unique index refused the row.
pub(crate) fn is_duplicate(error: &StoreError) -> bool {
    /// Of a unique index, and of a primary key.
    const DUPLICATE: [i32; 2] = [2067, 1555];
    let StoreError::Database(source) = error else {
        return false;
    };
    if let Some(error) = source.downcast_ref::<rusqlite::Error>() {
        return sqlite_code(error).is_some_and(|code| DUPLICATE.contains(&code));
    }
    source
        .downcast_ref::<sqlx::Error>()
        .and_then(sqlx::Error::as_database_error)
        .is_some_and(|error| error.is_unique_violation())
}

/// Whether another process holds SQLite's lock.
pub(crate) fn is_locked(error: &rusqlite::Error) -> bool {
    sqlite_code(error).is_some_and(|code| code & 0xff == 5)
}
