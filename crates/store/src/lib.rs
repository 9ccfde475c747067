//! The durable state of Outwork: the only SQL in the project.
//!
//! [`Store`] keeps it in SQLite (one machine) or PostgreSQL (many); the statements are the same
//! text for both. It decides nothing about attempts: every verb loads the attempt, asks
//! [`outwork_domain::Attempt::apply`], and writes the answer and its events in one transaction.
//! [`Objects`] keeps what is too large for a row, in a directory or a bucket: diffs, sessions.
//!
//! What holds for every write:
//! - It is durable when the caller is told of it. On SQLite one writer gathers what waits and
//!   commits it together ([`sqlite`]); on PostgreSQL each is a transaction ([`postgres`]).
//! - It is all or nothing, and a write that fails does not touch the ones beside it.
//! - A worker's write names its claim (epoch); a stale one changes nothing.
//! - It names the workspace; a row of another workspace does not exist for it.
//!
//! A caller that stops waiting (drops the future) does not know whether its write happened.
//!
//! Read in this order: [`record`] (what goes in and out), [`error`], [`store`] (opening, reading,
//! writing), then one module per subject.

mod error;
mod record;

mod store;

mod postgres;
mod sql;
mod sqlite;

mod identity;
mod member;

mod composition_json;
mod credential;
mod environment;
mod environment_row;
mod injection;
mod model;
mod network_json;
mod prices_json;
mod seal_check;
mod secret;
mod settings;

mod task;
mod task_changes;
mod task_row;

mod choice;
mod evidence_json;
mod idempotency;
mod submit;

mod attempt_row;
mod limits_json;
mod result_row;
mod transition;

mod claim;
mod lane;

mod approval;
mod cancel;
mod checkpoint;
mod collect;
mod comment;
mod event;
mod firing;
mod lease;
mod message;
mod reap;
mod schedule;
mod viewed;

mod listening;
mod notice;
mod occurrence;
mod webhook;

mod audit;
mod backup;
mod cache;
mod conversation;
mod device_login;
mod enrolment;
mod integration;
mod job;
mod orders;
mod path;
mod publication;
mod situation;
mod usage;
mod worker;

mod objects;

pub use approval::{NewVerdict, OfAttempts};
pub use audit::{AuditRecord, NewAudit};
pub use backup::{
    CheckpointId, Counts, Fenced, NamedObject, copy_sqlite, settle_sqlite, sqlite_checkpoints,
    sqlite_damage, sqlite_schema,
};
pub use cache::{
    CacheRecord, CacheReset, CacheUse, CachedSnapshot, Inventory, KeptSnapshot, SnapshotUses,
};
pub use claim::When;
pub use collect::{Collectable, GRACE as COLLECT_GRACE};
pub use comment::{CommentChange, SentComment};
pub use conversation::{ConversationChange, Told};
pub use device_login::{DeviceLogin, DeviceToken, NewDeviceLogin};
pub use enrolment::{
    Enrolment, EnrolmentTokenRecord, NewEnrolment, NewEnrolmentToken, WorkerTokenRecord,
};
pub use error::{OpenError, StoreError};
pub use firing::Fired;
pub use integration::IntegrationRecord;
pub use job::Enqueued;
pub use member::{MemberChange, MemberRecord, MemberToken, Names};
pub use message::Telling;
pub use notice::NoticeOwner;
pub use objects::{Objects, ObjectsError, S3Address, S3Addressing, S3Config, S3Credentials};
pub use occurrence::Occurrence;
pub use orders::{Expulsion, Order};
pub use path::Intent;
pub use publication::{NewPublication, Requested};
pub use record::{
    AttemptRecord, AttemptResult, Authenticated, Bootstrap, Capacity, Change, Claimed,
    CredentialRecord, DiffStat, EnvironmentRecord, EventRow, FurtherDiff, HandedIn, Idempotency,
    InjectionChange, Message, MessageBody, ModelRecord, NewEventRow, NewToken, Overlap, Paged,
    SealedChanges, SealedInjection, SealedSecret, SecretChange, StoredDiff, Submission, Submitted,
    TaskFilter, TaskRecord, Tokens, Touched, TurnRecord, UsedAttempt, WorkerRecord,
};
pub use schedule::Scheduled;
pub use seal_check::SealCheck;
pub use situation::{EnvironmentLoad, Situation, WorkerLoad};
pub use sqlite::standby::{Last, Standby};
pub use store::Store;
pub use viewed::FileChanges;
pub use webhook::{Tried, WebhookChange, WebhookRecord};
