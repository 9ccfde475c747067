//! What a repository brings along: its files, and `.outwork.toml`.
//!
//! Both are read from the person's own clone, when a person makes or synchronises an environment.
//! They are never read when a task runs: scripts run with network and secrets, and a pull request
//! must not be able to change them.

mod file;
mod files;

pub(crate) use file::{FILE_NAME, ProjectFile, Script, Wanted};
pub(crate) use files::guess;
