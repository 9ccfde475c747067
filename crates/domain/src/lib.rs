//! The domain of Outwork: what a task, a turn, an attempt, a lease and an event are, and which
//! changes of state are allowed.
//!
//! Pure: no IO, no clock, no randomness, no serialisation. Time and ids are arguments. The store
//! writes what this crate decides, the API shows it, the worker obeys it; none of them decides.
//!
//! Read in this order: [`id`] and [`time`] (newtypes), [`principal`] (who acts) and [`scope`] (what its token may), [`agent`] (which agent runs), [`environment`]
//! (how a repository's tasks run), [`network`] and [`resources`] (what its agent may reach and use),
//! [`credential`] (how repositories are reached), [`task`] (what was asked), [`attempt`] (the state machine),
//! [`failure`] (why an attempt ended badly), [`publication`] (a result as a branch and a pull request), [`comment`] and [`approval`] (what people say of a result),
//! [`evidence`] (what speaks for an attempt), [`ranking`] (which is the best), [`choice`] (which stands for its turn),
//! [`overlap`] (which files a task is about), [`merge_order`] (in which order results merge), [`cost`] (what tokens cost),
//! [`integration`] (where tasks are talked about), [`job`] (what is done once for somebody outside), [`untrusted`] (what somebody outside wrote),
//! [`status`] (what people are shown), [`timetable`] (at which times) and [`firing`] (tasks that are submitted by a timetable), [`priority`],
//! [`schedule`] (whose attempt is given out next), [`waiting`] (why one is not), [`webhook`] (who is told what happens), [`notice`] (which people are), [`limits`].

pub mod id;
pub mod time;

pub mod agent;
pub mod credential;
pub mod environment;
pub mod labels;
pub mod limits;
pub mod merge_order;
pub mod network;
pub mod principal;
pub mod resources;
pub mod scope;

pub mod approval;
pub mod attempt;
pub mod choice;
pub mod comment;
pub mod cost;
pub mod evidence;
pub mod failure;
pub mod firing;
pub mod integration;
pub mod job;
pub mod notice;
pub mod overlap;
pub mod priority;
pub mod publication;
pub mod ranking;
pub mod schedule;
pub mod status;
pub mod task;
pub mod timetable;
pub mod untrusted;
pub mod waiting;
pub mod webhook;

pub use attempt::{Attempt, AttemptEvent, Command, Desired, Epoch, Lease, State, Step};
pub use failure::{Failure, FailureCode};
pub use id::{
    AttemptId, AuditId, CommentId, ConversationId, CredentialId, EnrolmentTokenId, EnvironmentId,
    FiringId, IntegrationId, JobId, ObjectKey, OccurrenceId, PrincipalId, PublicationId,
    ScheduleId, TaskId, TokenId, TurnId, WebhookId, WorkerId, WorkspaceId,
};
pub use priority::Priority;
pub use time::Timestamp;
