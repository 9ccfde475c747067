//! From the domain and the store to the wire. Nothing is decided here, except which attempt stands for a task (`task::shown`).

pub(crate) mod approval;
pub(crate) mod attempt;
pub(crate) mod environment;
pub(crate) mod event;
pub(crate) mod evidence;
pub(crate) mod publication;
pub(crate) mod schedule;
pub(crate) mod task;
pub(crate) mod waiting;
pub(crate) mod worker;
