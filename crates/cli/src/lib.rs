//! # outwork-cli: the commands that talk to a server
//!
//! [`run`] takes one parsed [`ClientCommand`] and an [`Io`], and gives an [`ExitStatus`]. Everything
//! from outside (arguments, environment variables, streams, clock, randomness, interruption) comes
//! in through these; the composition root builds them, so that tests can too. Commands that *are* a
//! server or a worker live elsewhere: the root flattens [`ClientCommand`] into its own enum.
//!
//! * [`exit`] and [`error`]: how a command ends. An error has a kind, a message and a hint; the kind
//!   decides the exit status.
//! * [`io`], [`terminal`]: streams, colours, and text made safe to show: what agents, titles and
//!   file names hold never reaches a terminal as control characters.
//! * [`config`]: which server, which token; `session` puts all of that together.
//! * `task_ref`, `environment_ref`, `repository_ref`: from what people type, or from where they stand,
//!   to ids and names.
//! * `codex_home`: the conversations of the Codex on this machine; `codex`: the stock client as a client of Outwork.
//! * `detect`, `project`: from the files of a clone to what its environment is to have.
//! * [`phrase`]: the server's sentences in our messages.
//! * `render`: events, tasks and tables as text.
//! * `command`: one file for each command; `wait`: following attempts until they end.
//! * [`complete`]: what a shell offers for the word that is being typed.
//!
//! Results go to standard output, all else to standard error. With `--json` an error is one line of
//! JSON on standard error. `docs/cli.md` is the users' page.

pub mod error;
pub mod exit;

pub mod io;
mod terminal;

mod codex;
mod codex_home;
pub mod config;
mod editor;
mod secret_file;
mod selection;
mod session;

pub mod duration;
mod environment_ref;
mod place;
mod repository_ref;
mod size;
mod task_ref;

mod detect;
mod project;

pub mod phrase;
mod render;

mod command;
pub mod complete;
mod wait;

mod args;
mod run;

pub use args::{ClientCommand, CloudArgs, Color, GlobalArgs};
pub use codex::arguments::{CLOUD_DEFAULT, is_yes};
pub use command::run::RunArgs;
pub use exit::ExitStatus;
pub use io::{Check, CheckResult, CheckStatus, Io, Local};
pub use render::table::aligned;
pub use run::run;
