//! The list of tasks.

use super::Keys;
use super::canvas::Canvas;
use crate::model::Model;
use crate::plain::plain;
use crate::task_row::{TaskRow, age, lines_changed, short};

const KEYS: Keys = &[
    ("Enter", "open"),
    ("n", "new"),
    ("d", "diff"),
    ("l", "log"),
    ("a", "apply"),
    ("^O", "environment"),
    ("?", "help"),
    ("q", "quit"),
];

/// A column: what is above it, how wide it is, and from how many columns of screen on it is there.
struct Column {
    head: &'static str,
    width: u16,
    from: u16,
    text: fn(&TaskRow, &Model) -> String,
}

const COLUMNS: [Column; 6] = [
    Column {
        head: "STATUS",
        width: 11,
        from: 0,
        text: |row, _| row.told.clone(),
    },
    Column {
        head: "ID",
        width: 8,
        from: 70,
        text: |row, _| short(&row.key.id),
    },
    Column {
        head: "ENVIRONMENT",
        width: 14,
        from: 90,
        text: |row, _| row.environment.clone(),
    },
    Column {
        head: "AGE",
        width: 4,
        from: 50,
        text: |row, model| age(row.updated_at, model.now),
    },
    Column {
        head: "N",
        width: 1,
        from: 70,
        text: |row, _| row.attempts.to_string(),
    },
    Column {
        head: "CHANGES",
        width: 11,
        from: 60,
        text: |row, _| lines_changed(&row.diff),
    },
];

pub(super) fn draw(model: &Model, canvas: &mut Canvas<'_>) -> Keys {
    title(model, canvas);
    head(canvas);
    let rows = model.tasks.rows();
    let selected = model.tasks.selected_index();
    let height = model.list_height();
    for (line, row) in rows.iter().skip(model.tasks.top).take(height).enumerate() {
        let is_selected = selected == Some(model.tasks.top + line);
        draw_row(model, row, is_selected, line as u16 + 2, canvas);
    }
    if rows.is_empty() {
        let text = match (model.tasks.is_loaded, &model.trouble) {
            (true, _) if model.tasks.is_of_reviews() => "no code reviews; v goes back to the tasks",
            (true, _) if model.tasks.environment().is_some() => {
                "no tasks in this environment yet; n writes one, Ctrl+O shows others"
            }
            (true, _) => "no tasks yet; n writes one",
            (false, Some(_)) => "the tasks could not be loaded; r tries again",
            (false, None) => "loading…",
        };
        canvas.text(1, 3, text, model.theme.dim());
    }
    KEYS
}

fn title(model: &Model, canvas: &mut Canvas<'_>) {
    let theme = model.theme;
    let x = canvas.text(0, 0, "Outwork", theme.bold());
    let environment = match (model.tasks.environment(), model.environment()) {
        (None, _) => "all environments".to_owned(),
        (Some(_), Some(row)) => format!("{} ({})", plain(&row.label), plain(&row.id)),
        (Some(id), None) => plain(id),
    };
    let x = canvas.text(x + 2, 0, &environment, theme.key());
    let x = match model.tasks.is_of_reviews() {
        true => canvas.text(x + 2, 0, "code reviews", theme.bold()),
        false => x,
    };
    let more = match model.tasks.is_complete() {
        true => "",
        false => "+",
    };
    let place = match model.tasks.selected_index() {
        Some(index) => format!("{}/{}{more}", index + 1, model.tasks.rows().len()),
        None => String::new(),
    };
    let right = format!("{place}  {}", model.server);
    let width = crate::wrap::width(&right) as u16;
    let start = canvas.columns().saturating_sub(width).max(x + 2);
    canvas.text(start, 0, &right, theme.dim());
}

fn head(canvas: &mut Canvas<'_>) {
    let style = canvas.theme.dim();
    let mut x = 1;
    let columns = canvas.columns();
    for column in COLUMNS.iter().filter(|it| it.from <= columns) {
        x = canvas.cell(x, 1, column.width, column.head, style) + 2;
    }
    canvas.text(x, 1, "TITLE", style);
}

fn draw_row(model: &Model, row: &TaskRow, is_selected: bool, y: u16, canvas: &mut Canvas<'_>) {
    let theme = model.theme;
    if is_selected {
        canvas.text(0, y, ">", theme.bold());
    }
    let mut x = 1;
    for (at, column) in COLUMNS.iter().enumerate() {
        if column.from > canvas.columns() {
            continue;
        }
        let style = match at {
            0 => theme.status(row.status),
            _ => theme.dim(),
        };
        x = canvas.cell(x, y, column.width, &(column.text)(row, model), style) + 2;
    }
    let columns = canvas.columns().saturating_sub(x);
    canvas.cell(x, y, columns, &row.title, theme.title());
    if is_selected {
        canvas.style_row(y, theme.selected());
    }
}
