//! The stock client on this machine: its command line, its programs, and the home that Outwork keeps for it.

pub(crate) mod arguments;
pub(crate) mod home;
pub(crate) mod program;
