//! Lists: aligned on a terminal, else one line each with tabs between, without a header.

use comfy_table::{ContentArrangement, Table, presets};

use crate::error::CliError;
use crate::terminal::output::Output;
use crate::terminal::plain::plain;

/// Prints rows. Cells may hold anything.
pub(crate) fn print(
    out: &mut Output,
    headers: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Result<(), CliError> {
    let rows = rows
        .into_iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect::<Vec<_>>());
    if !out.stdout_is_terminal {
        for row in rows {
            out.line(&row.join("\t"))?;
        }
        return Ok(());
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(headers.iter().copied())
        .add_rows(rows);
    if let Some(width) = out.width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        match number {
            0 => out.line(
                &out.stdout_style
                    .paint(crate::terminal::style::Paint::Bold, line),
            )?,
            _ => out.line(line)?,
        }
    }
    Ok(())
}
