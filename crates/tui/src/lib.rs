//! # outwork-tui: the picker
//!
//! The full-screen list of tasks, in two halves. [`Model`] is all that is known: [`Model::update`] takes an
//! [`Event`] and gives [`Effect`]s, without reading or writing anything, and [`draw`] puts it on any
//! screen that ratatui knows. [`run`] is the thin rest: it reads keys from a [`Screen`], hands effects to
//! whoever can carry them out (the CLI, which has the client and git), and draws.
//!
//! * [`plain`]: text of others made safe to show. What comes in is cleaned when it comes in; `guard` looks at
//!   what is about to be shown once more.
//! * `wrap`, `input`: text in columns, text that is typed.
//! * `event`: events, effects and answers.
//! * `task_list`, `open_task`, `log`, `patch`, `overlay`: the parts of the model.
//! * `syntax`: what the words of code are.
//! * `model`, `update`: what an event does to it.
//! * `theme`, `view`: how it looks.
//! * `screen`, `run`: the terminal and the loop.
//!
//! `docs/picker.md` is the users' page.

pub mod plain;

mod input;
mod wrap;

mod event;
mod log;
mod open_task;
mod overlay;
mod patch;
mod syntax;
mod task_list;
mod task_row;

mod model;
mod update;

mod guard;
mod theme;
mod view;

mod run;
mod screen;

pub use event::{
    Answer, Applied, ApplyPlan, DiffKey, Effect, EnvironmentRow, Event, Said, Trouble,
};
pub use model::Model;
pub use run::{Ended, run};
pub use screen::Screen;
pub use theme::Theme;
pub use view::draw;
