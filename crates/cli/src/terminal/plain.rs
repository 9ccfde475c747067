//! Text of others made safe to show, as the picker shows it.

pub(crate) use outwork_tui::plain::{plain, plain_code, plain_json};
