//! What a process says that talks to no server: lines for whoever reads them, which may be nobody.

use std::fmt::Display;
use std::io::{self, Write};

use outwork_tui::plain::plain;

/// As much of a line as is of use to people.
const LONGEST_LINE: usize = 1000;

/// A line on standard output. That it cannot be written changes nothing of what was done.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// The same on standard error.
pub(crate) fn error(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A line that quotes what others wrote, made safe to show.
pub(crate) fn shown(line: &str) -> String {
    let safe = plain(line);
    match safe.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &safe[..end]),
        None => safe,
    }
}
