//! Why something could not be read or written.

use std::path::PathBuf;

use outwork_domain::TaskId;
use outwork_domain::attempt::Refused;

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
    Connect(#[source] sqlx::Error),
    /// A change of the schema failed.
    #[error("the database's schema cannot be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

/// Why something could not be read or written. Nothing was written then, except that after
/// [`StoreError::Unavailable`] it is not known.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. It works again when there is space.
    #[error("the disk of the database is full; free some space, then try again")]
    DiskFull,
    /// Another live environment has the label.
    #[error("another environment has this label; choose another label")]
    LabelTaken,
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
    /// Events are missing before the ones sent.
    #[error("events are missing: the next one must be number {expected}")]
    Gap {
        /// The number that has to come next.
        expected: i64,
    },
    /// The cursor was not made by this list.
    #[error("the cursor is not valid; begin again without one")]
    BadCursor,
    /// The attempt's state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The database does not answer. Whether the write happened is not known; repeating it is right.
    #[error("the database does not answer; try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored makes no sense.
    #[error("the database holds a {what} that makes no sense; restore a backup")]
    Corrupt {
        /// What.
        what: String,
    },
    /// Any other error of the database.
    #[error("the database refused the request")]
    Database(#[source] sqlx::Error),
    /// An object could not be read or written.
    #[error("an object could not be read or written")]
    Object(#[source] Box<dyn std::error::Error + Send + Sync>),
}
