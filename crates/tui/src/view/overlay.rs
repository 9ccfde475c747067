//! What lies above the screen, but the composer.

use super::Keys;
use super::canvas::Canvas;
use crate::model::Model;
use crate::overlay::{Apply, ApplyState, EnvironmentSearch};
use crate::plain::plain;
use crate::wrap::{cut, width, wrap};

const HELP: &[(&str, &str)] = &[
    ("↑ ↓  j k", "move"),
    ("PgUp PgDn  Space", "a page; Ctrl+U and Ctrl+D half of one"),
    ("g G  Home End", "to the beginning, to the end"),
    ("Enter  q  Esc", "open a task; back, and quit"),
    ("o l d  1 2 3", "overview, log, diff"),
    ("Tab  [ ]", "another attempt"),
    (
        "s  4",
        "attempts side by side; again: another one beside it",
    ),
    ("< >", "the turn before, the turn after"),
    ("{ }  ← →", "in a diff: another file, sideways"),
    ("R", "in a diff: another repository"),
    ("a", "apply here: shows what would change, then asks"),
    ("n", "a new task; there, Ctrl+N sets the attempts"),
    ("f  i  c", "follow up, answer, cancel"),
    ("Ctrl+O", "tasks of another environment"),
    ("v", "in the list: code reviews, and back"),
    ("r", "ask the server now"),
    ("Ctrl+C", "quit"),
];

pub(super) fn help(canvas: &mut Canvas<'_>) {
    let theme = canvas.theme;
    let inside = canvas.window(76, HELP.len() as u16 + 2, "Keys");
    let keys = HELP.iter().map(|(key, _)| width(key)).max().unwrap_or(0) as u16;
    for ((key, what), y) in HELP.iter().zip(inside.y..inside.bottom()) {
        canvas.text_in(inside.x, y, inside.width, key, theme.key());
        let rest = inside.width.saturating_sub(keys + 2);
        canvas.text_in(inside.x + keys + 2, y, rest, what, theme.title());
    }
}

pub(super) fn confirm(question: &str, canvas: &mut Canvas<'_>) {
    let columns = canvas.columns().min(64);
    let question = plain(question);
    let lines = wrap(&question, usize::from(columns.saturating_sub(4)));
    let inside = canvas.window(columns, lines.len() as u16 + 2, "Sure?");
    for (part, y) in lines.into_iter().zip(inside.y..inside.bottom()) {
        let style = canvas.theme.title();
        canvas.text_in(inside.x, y, inside.width, &question[part], style);
    }
}

pub(super) fn apply(apply: &Apply, canvas: &mut Canvas<'_>) -> Keys {
    let theme = canvas.theme;
    let title = match &apply.state {
        ApplyState::Checking | ApplyState::Applying => "Apply",
        ApplyState::Asking(plan) if !plan.conflicts.is_empty() => "It does not fit",
        ApplyState::Asking(plan) if plan.files.is_empty() => "Nothing to apply",
        ApplyState::Asking(_) => "Apply?",
        ApplyState::Done(applied) if applied.conflicted.is_empty() => "Applied",
        ApplyState::Done(_) => "Merged with conflicts",
        ApplyState::Failed(_) => "Not applied",
    };
    let columns = canvas.columns().min(90);
    let room = usize::from(columns.saturating_sub(4));
    let lines = apply.lines();
    let most = canvas.rows().saturating_sub(3);
    let rows = (lines.iter().skip(apply.top))
        .flat_map(|line| wrap(line, room).into_iter().map(move |part| &line[part]))
        .take(usize::from(most))
        .collect::<Vec<_>>();
    let height = (rows.len() as u16 + 2).min(most);
    let inside = canvas.window(columns, height, title);
    for (line, y) in rows.iter().zip(inside.y..inside.bottom()) {
        canvas.text_in(inside.x, y, inside.width, line, theme.title());
    }
    match &apply.state {
        ApplyState::Asking(plan) if !plan.conflicts.is_empty() => {
            &[("m", "merge, leaving conflict markers"), ("n", "leave it")]
        }
        ApplyState::Asking(plan) if plan.files.is_empty() => &[("Esc", "back")],
        ApplyState::Asking(_) => &[("y", "apply"), ("n", "leave it"), ("↑↓", "scroll")],
        ApplyState::Applying => &[],
        ApplyState::Checking | ApplyState::Done(_) | ApplyState::Failed(_) => &[("Esc", "back")],
    }
}

/// Where the cursor is.
pub(super) fn environments(
    model: &Model,
    search: &EnvironmentSearch,
    canvas: &mut Canvas<'_>,
) -> (u16, u16) {
    let theme = model.theme;
    let matches = search.matches(&model.environments.rows);
    let (columns, rows) = (canvas.columns(), canvas.rows());
    let wanted = matches.len().clamp(1, 100) as u16 + 4;
    let inside = canvas.window(
        columns.min(90),
        wanted.min(rows.saturating_sub(3)),
        "Environment",
    );
    let typed = plain(search.input.text());
    let room = usize::from(inside.width.saturating_sub(3));
    let before = width(&plain(search.input.before()));
    let left = before.saturating_sub(room);
    canvas.text_in(inside.x, inside.y, 2, "> ", theme.key());
    let text = cut(&typed, left, room);
    canvas.text_in(inside.x + 2, inside.y, inside.width, text, theme.title());
    let height = usize::from(inside.height.saturating_sub(2));
    let top = (search.selected + 1).saturating_sub(height);
    for (at, row) in matches.iter().enumerate().skip(top).take(height) {
        let y = inside.y + 2 + (at - top) as u16;
        let text = match row {
            None => "All".to_owned(),
            Some(row) => {
                let here = if row.is_here { "  (this folder's)" } else { "" };
                let (label, id) = (plain(&row.label), plain(&row.id));
                format!("{label}  {id}  {}{here}", plain(&row.repository))
            }
        };
        let style = match at == search.selected {
            true => theme.selected(),
            false => theme.title(),
        };
        canvas.cell(inside.x, y, inside.width, &text, style);
    }
    if matches.is_empty() {
        let text = match (&model.environments.trouble, model.environments.is_loading) {
            (Some(trouble), _) => trouble,
            (None, true) => "loading…",
            (None, false) => "none matches",
        };
        canvas.text_in(inside.x, inside.y + 2, inside.width, text, theme.dim());
    }
    (inside.x + 2 + (before - left) as u16, inside.y)
}
