//! Events, tasks and tables as text.

pub(crate) mod diff;
pub(crate) mod environment;
pub(crate) mod event;
pub(crate) mod network;
pub(crate) mod table;
pub(crate) mod task;
