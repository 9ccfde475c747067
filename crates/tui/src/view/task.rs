//! A task that is open.

use super::canvas::Canvas;
use super::patch_line::patch_line;
use super::{Keys, attempts};
use crate::model::{Model, sentence};
use crate::open_task::{Diff, OpenTask, Tab};
use crate::plain::plain;
use crate::task_row::Status;

const KEYS: Keys = &[
    ("o", "overview"),
    ("l", "log"),
    ("d", "diff"),
    ("a", "apply"),
    ("f", "follow up"),
    ("c", "cancel"),
    ("?", "help"),
    ("q", "back"),
];
const KEYS_ASKING: Keys = &[
    ("i", "answer"),
    ("o", "overview"),
    ("l", "log"),
    ("d", "diff"),
    ("c", "cancel"),
    ("?", "help"),
    ("q", "back"),
];

pub(super) fn draw(model: &Model, open: &OpenTask, canvas: &mut Canvas<'_>) -> Keys {
    title(model, open, canvas);
    tabs(model, open, canvas);
    match open.tab {
        Tab::Overview => overview(model, open, canvas),
        Tab::Log => log(model, open, canvas),
        Tab::Diff => diff(model, open, canvas),
        Tab::Attempts => attempts::draw(model, open, canvas),
    }
    match open.asking() {
        Some(_) => KEYS_ASKING,
        None => KEYS,
    }
}

fn title(model: &Model, open: &OpenTask, canvas: &mut Canvas<'_>) {
    let theme = model.theme;
    let Some(row) = &open.row else { return };
    let x = canvas.text(0, 0, &row.told, theme.status(row.status));
    let columns = canvas.columns().saturating_sub(x + 2);
    canvas.cell(x + 2, 0, columns, &row.title, theme.bold());
}

fn tabs(model: &Model, open: &OpenTask, canvas: &mut Canvas<'_>) {
    let theme = model.theme;
    let mut x = 0;
    let attempts = open.attempts();
    let tabs = [
        (Tab::Overview, " Overview "),
        (Tab::Log, " Log "),
        (Tab::Diff, " Diff "),
        (Tab::Attempts, " Attempts "),
    ];
    let count = tabs.len() - usize::from(attempts.len() < 2);
    for (tab, name) in tabs.into_iter().take(count) {
        let style = match tab == open.tab {
            true => theme.selected(),
            false => theme.dim(),
        };
        x = canvas.text(x, 1, name, style) + 1;
    }
    if let Some(turn) = open.turn().filter(|_| open.turn_total() > 1) {
        let text = format!("turn {}/{}", turn.number, open.turn_total());
        x = canvas.text(x + 1, 1, &text, theme.bold());
        x = canvas.text(x + 1, 1, "< >", theme.key());
    }
    if let Some(attempt) = open.attempt().filter(|_| attempts.len() > 1) {
        let text = format!(
            "attempt {}/{} {}",
            attempt.number,
            attempts.len(),
            plain(&attempt.state)
        );
        let style = theme.status(Status::of_attempt(&attempt.state));
        x = canvas.text(x + 1, 1, &text, style);
        x = canvas.text(x + 1, 1, "[ ]", theme.key());
    }
    let has_code = matches!(open.tab, Tab::Diff | Tab::Attempts);
    if let Some(repository) = open.repository().filter(|_| has_code) {
        x = canvas.text(x + 1, 1, &plain(repository), theme.bold());
        x = canvas.text(x + 1, 1, "R", theme.key());
    }
    position(model, open, x, canvas);
}

/// Where one is, in lines.
fn position(model: &Model, open: &OpenTask, x: u16, canvas: &mut Canvas<'_>) {
    let (height, len) = (model.page_height(), open.len());
    if len <= height {
        return;
    }
    let last = open.top(height) + height;
    let follows = match open.tab == Tab::Log && open.follows {
        true => "following  ",
        false => "",
    };
    let text = format!("{follows}{last}/{len}");
    let start = canvas
        .columns()
        .saturating_sub(crate::wrap::width(&text) as u16);
    if start > x {
        canvas.text(start, 1, &text, model.theme.dim());
    }
}

fn overview(model: &Model, open: &OpenTask, canvas: &mut Canvas<'_>) {
    let theme = model.theme;
    let height = model.page_height();
    if open.task.is_none() {
        canvas.text(0, 3, "loading…", theme.dim());
    }
    let lines = open.overview.iter().skip(open.top(height)).take(height);
    for (line, y) in lines.zip(2..) {
        canvas.text(0, y, &line.text, theme.mark(line.mark));
    }
}

fn log(model: &Model, open: &OpenTask, canvas: &mut Canvas<'_>) {
    let theme = model.theme;
    let height = model.page_height();
    let top = open.top(height);
    for (row, y) in (top..open.log.len()).take(height).zip(2..) {
        let Some((text, _)) = open.log.row(row) else {
            break;
        };
        let line = open.log.line_of(row).unwrap_or_default();
        // After the time: what was run stands out, what it printed does not.
        let said = line.get(8..).unwrap_or_default();
        let style = match said.get(..2) {
            Some("$ ") => theme.bold(),
            Some("| ") => theme.dim(),
            _ if said.starts_with("warning:") => theme.attention(),
            _ => theme.title(),
        };
        canvas.text(0, y, text, style);
    }
    let told = match (&open.log.trouble, open.log.is_away, open.log.len()) {
        (Some(trouble), ..) => trouble.as_str(),
        (None, true, _) => "connection lost; trying again",
        (None, false, 0) => "nothing has happened yet",
        _ => return,
    };
    let y = 2 + open.log.len().min(height.saturating_sub(1)) as u16;
    canvas.clear_row(y);
    canvas.text(0, y, told, theme.attention());
}

fn diff(model: &Model, open: &OpenTask, canvas: &mut Canvas<'_>) {
    let theme = model.theme;
    let height = model.page_height();
    let patch = match &open.diff {
        Diff::Loaded(_, patch) if patch.len() > 0 => patch,
        Diff::Loaded(..) => {
            canvas.text(0, 3, "no changes", theme.dim());
            return;
        }
        Diff::Unknown | Diff::Loading(_) => {
            canvas.text(0, 3, "loading…", theme.dim());
            return;
        }
        Diff::Failed(_, trouble) => {
            canvas.text(0, 3, &sentence(trouble), theme.attention());
            return;
        }
    };
    let top = open.top(height);
    let columns = canvas.columns();
    for (number, y) in (top..patch.len()).take(height).zip(2..) {
        patch_line(patch, number, (0, y, columns), open.left, canvas);
    }
}
