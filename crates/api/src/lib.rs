//! What goes over the wire: the types of Outwork's own API and of the worker API, and a typed
//! client for both.
//!
//! The types here are the contract. The server builds them from the domain, the client hands them
//! to the CLI, and the OpenAPI files are generated from them. Clients must ignore fields and
//! events they do not know; the server refuses unknown fields in requests. The client here does not
//! ignore them yet in types that requests have, too, such as [`environment::Agent`]: of a newer
//! server that has more in one it says that the versions do not go together.
//!
//! Read in this order: [`time`], [`secret`], [`problem`] (errors), [`page`], [`environment`],
//! [`network`], [`injection`], [`cache`], [`credential`], [`enrolment`], [`member`], [`task`], [`event`], [`change`], [`parts`], [`publication`], [`schedule`], [`comment`], [`approval`], [`viewed`], [`audit`], [`integration`], [`radar`], [`session`], [`output_schema`], [`settings`], [`usage`], [`webhook`], [`notice`]; then [`worker`] (the worker protocol as types and a trait), and
//! [`client`] (HTTP and SSE).

pub mod page;
pub mod problem;
pub mod secret;
pub mod time;

pub mod approval;
pub mod audit;
pub mod cache;
pub mod change;
pub mod codex;
pub mod comment;
pub mod credential;
pub mod enrolment;
pub mod environment;
pub mod event;
pub mod injection;
pub mod integration;
pub mod member;
pub mod network;
pub mod notice;
pub mod output_schema;
pub mod parts;
pub mod publication;
pub mod radar;
pub mod schedule;
pub mod session;
pub mod settings;
pub mod task;
pub mod usage;
pub mod viewed;
pub mod webhook;

pub mod worker;

pub mod client;

pub use problem::Problem;
pub use secret::Secret;
pub use time::Time;
