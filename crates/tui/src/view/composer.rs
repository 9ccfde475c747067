//! The composer.

use super::Keys;
use super::canvas::Canvas;
use crate::model::sentence;
use crate::overlay::{Composer, Recipient};
use crate::plain::plain;
use crate::wrap::{shown, width, wrap};

const KEYS_NEW: Keys = &[
    ("Enter", "send"),
    ("Alt+Enter", "new line"),
    ("^N", "attempts"),
    ("^O", "environment"),
    ("Esc", "back"),
];
const KEYS_TURN: Keys = &[
    ("Enter", "send"),
    ("Alt+Enter", "new line"),
    ("^N", "attempts"),
    ("Esc", "back"),
];
const KEYS_ANSWER: Keys = &[
    ("Enter", "send"),
    ("Alt+Enter", "new line"),
    ("Esc", "back"),
];

pub(super) fn keys(composer: &Composer) -> Keys {
    match composer.recipient {
        Recipient::New(_) => KEYS_NEW,
        Recipient::FollowUp { .. } => KEYS_TURN,
        Recipient::Answer { .. } => KEYS_ANSWER,
    }
}

/// Where the cursor is.
pub(super) fn draw(composer: &Composer, canvas: &mut Canvas<'_>) -> (u16, u16) {
    let theme = canvas.theme;
    let title = match &composer.recipient {
        Recipient::New(_) => "New task",
        Recipient::FollowUp { .. } => "Follow up",
        Recipient::Answer { .. } => "Answer",
    };
    let (columns, rows) = (canvas.columns(), canvas.rows());
    let inside = canvas.window(columns.min(90), rows.saturating_sub(3).min(20), title);
    let mut y = inside.y;
    let end = inside.bottom();
    for line in about(composer, usize::from(inside.width)) {
        // Room for what is written.
        if y + 3 >= end {
            break;
        }
        canvas.text_in(inside.x, y, inside.width, &line, theme.dim());
        y += 1;
    }
    let told = match (&composer.trouble, composer.is_sending) {
        (_, true) => Some(("sending…".to_owned(), theme.bold())),
        (Some(trouble), false) => Some((sentence(trouble), theme.trouble())),
        (None, false) => None,
    };
    let mut bottom = end;
    if let Some((text, style)) = told {
        let lines = wrap(&text, usize::from(inside.width));
        for part in lines.into_iter().take(3).rev() {
            if bottom > y + 1 {
                bottom -= 1;
                canvas.text_in(inside.x, bottom, inside.width, &text[part], style);
            }
        }
    }
    let written = written(composer, usize::from(inside.width));
    let height = usize::from(bottom.saturating_sub(y)).max(1);
    let top = (written.cursor.1 + 1).saturating_sub(height);
    for (line, at) in written.lines.iter().skip(top).take(height).zip(y..) {
        canvas.text_in(inside.x, at, inside.width, line, theme.title());
    }
    let cursor_y = y + (written.cursor.1 - top) as u16;
    (inside.x + written.cursor.0 as u16, cursor_y)
}

/// What stands above the text.
fn about(composer: &Composer, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    match &composer.recipient {
        Recipient::New(Some(environment)) => lines.push(format!(
            "Environment: {} ({})",
            plain(&environment.label),
            plain(&environment.id)
        )),
        Recipient::New(None) => lines.push("Environment: none; Ctrl+O chooses one".to_owned()),
        Recipient::FollowUp { attempt, .. } => {
            if let Some(attempt) = attempt {
                lines.push(format!("Goes on from attempt {attempt}"));
            }
        }
        Recipient::Answer { question, .. } => {
            for line in question.lines() {
                let line = shown(line);
                let parts = wrap(&line, columns).into_iter();
                lines.extend(parts.map(|part| line[part].to_owned()));
            }
        }
    }
    if composer.has_attempts() {
        lines.push(format!("Attempts: {} (Ctrl+N)", composer.attempts));
    }
    lines.push(String::new());
    lines
}

struct Written {
    lines: Vec<String>,
    /// Column and line.
    cursor: (usize, usize),
}

/// The text wrapped, with the cursor where it is in that.
fn written(composer: &Composer, columns: usize) -> Written {
    let columns = columns.max(2) - 1;
    let before = composer.input.before();
    let cursor_line = before.matches('\n').count();
    let mut lines = Vec::new();
    let mut cursor = (0, 0);
    for (number, line) in composer.input.text().split('\n').enumerate() {
        let whole = shown(line);
        let parts = wrap(&whole, columns);
        if number == cursor_line {
            let start = before.rfind('\n').map_or(0, |at| at + 1);
            let at = shown(&before[start..]).len().min(whole.len());
            let row = parts.iter().rposition(|part| part.start <= at);
            let row = row.unwrap_or(0);
            let column = width(&whole[parts[row].start..whole.floor_char_boundary(at)]);
            cursor = (column, lines.len() + row);
        }
        lines.extend(parts.into_iter().map(|part| whole[part].to_owned()));
    }
    Written { lines, cursor }
}
