//! The commands, one file each.

pub(crate) mod output_schema;
pub(crate) mod prompt;
pub(crate) mod submitted;

pub(crate) mod agents;
pub(crate) mod answer;
pub(crate) mod apply;
pub(crate) mod approve;
pub(crate) mod cancel;
pub(crate) mod choose;
pub(crate) mod comment;
pub(crate) mod compose;
pub(crate) mod conflicts;
pub(crate) mod diff;
pub(crate) mod exec;
pub(crate) mod follow_up;
pub(crate) mod integration;
pub(crate) mod interrupt;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod open;
pub(crate) mod picker;
pub(crate) mod pr;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod steer;

pub(crate) mod audit;
pub(crate) mod codex;
pub(crate) mod context;
pub(crate) mod credential;
pub(crate) mod environment;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod member;
pub(crate) mod model;
pub(crate) mod notify;
pub(crate) mod shim;
pub(crate) mod token;
pub(crate) mod usage;
pub(crate) mod webhook;
pub(crate) mod workers;

pub(crate) mod completion;
pub(crate) mod doctor;
pub(crate) mod man;
