//! The task API: one file for each operation.

pub(crate) mod approvals;
pub(crate) mod attempts;
pub(crate) mod audit;
pub(crate) mod cache;
pub(crate) mod changes;
pub(crate) mod codex_logins;
pub(crate) mod comments;
pub(crate) mod credentials;
pub(crate) mod enrolment;
pub(crate) mod environments;
pub(crate) mod integrations;
pub(crate) mod me;
pub(crate) mod members;
pub(crate) mod merges;
pub(crate) mod model;
pub(crate) mod notices;
pub(crate) mod overlaps;
pub(crate) mod publications;
pub(crate) mod schedules;
pub(crate) mod tasks;
pub(crate) mod tokens;
pub(crate) mod usage;
pub(crate) mod webhooks;
pub(crate) mod workers;
