//! Does a control plane, or a worker, keep to the worker protocol (`docs/worker-protocol.md`)?
//!
//! [`server`] plays workers against any control plane, from outside. [`worker`] plays a control plane against any worker, which it
//! starts as a process. Each rule of the document is a [`Check`] with a name, and the section that it is from. A check fails when it
//! sees the rule broken, passes when it saw it kept, and is skipped, with a reason, when it could see neither.
//!
//! Read in this order: [`check`] (what a check is, and how checks are run), [`report`]; then `http` and `repository`, which both sides
//! stand on; `plane` and `process`, which the checks of workers stand on; `client`, which those of control planes stand on; [`relay`] last, which is for the suite's own tests.

pub mod check;
pub mod report;

mod http;
mod repository;

mod plane;
mod process;
pub mod worker;

mod client;
pub mod server;

pub mod relay;

pub use check::{Check, Outcome};
pub use report::Report;
