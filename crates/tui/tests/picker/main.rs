//! The picker on a screen in memory: what is shown, and what it wants done.

mod made;

mod applying;
mod attempts;
mod hostile;
mod list;
mod many;
mod pointing;
mod task;
mod terminal;
mod turns;
mod writing;
