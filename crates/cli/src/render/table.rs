//! Lists: aligned on a terminal, else one line each with tabs between, without a header.

use comfy_table::{CellAlignment, Table, presets};
use unicode_width::UnicodeWidthStr;

use crate::error::CliError;
use crate::terminal::output::Output;
use crate::terminal::plain::plain;
use crate::terminal::style::Paint;

/// How many digits of an id a terminal shows: its last, as the first ones tell only the time.
const ID_DIGITS: usize = 8;

/// The most columns of a cell that others follow.
const CELL_COLUMNS: usize = 40;

/// The id for the table's first column: whole in a pipe.
pub(crate) fn id(out: &Output, id: &str) -> String {
    let start = id.len().saturating_sub(ID_DIGITS);
    match id.get(start..) {
        Some(end) if out.stdout_is_terminal => end.to_owned(),
        Some(_) | None => id.to_owned(),
    }
}

/// Prints rows. Cells may hold anything. On a terminal a row is one line: what does not fit is cut.
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
    let style = out.stdout_style;
    let rows = rows.map(|mut row| {
        if let Some((_last, before)) = row.split_last_mut() {
            before
                .iter_mut()
                .for_each(|cell| *cell = cut(cell, Some(CELL_COLUMNS)));
        }
        row
    });
    for (number, line) in aligned(headers, rows).lines().enumerate() {
        let line = cut(line.trim_end(), out.width.map(usize::from));
        match number {
            0 => out.line(&style.paint(Paint::Bold, &line))?,
            _ => out.line(&line)?,
        }
    }
    Ok(())
}

/// Columns two spaces apart, below their headers.
pub fn aligned(headers: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(headers.iter().copied())
        .add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        column.set_cell_alignment(CellAlignment::Left);
    }
    table.to_string()
}

/// The first `width` columns of a line; an ellipsis in the last where something is missing.
fn cut(line: &str, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| *width > 0) else {
        return line.to_owned();
    };
    if line.width() <= width {
        return line.to_owned();
    }
    let mut used = 1;
    let kept = line.chars().take_while(|c| {
        used += c.encode_utf8(&mut [0; 4]).width();
        used <= width
    });
    let kept: String = kept.collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_where_the_terminal_ends() {
        for (line, width, expected) in [
            ("abcdef", Some(6), "abcdef"),
            ("abcdef", Some(5), "abcd…"),
            ("abcdef", None, "abcdef"),
            ("abcdef", Some(0), "abcdef"),
            ("abcdef", Some(1), "…"),
            ("ab cdef", Some(4), "ab…"),
            // Each of these takes two columns.
            ("漢字漢字", Some(8), "漢字漢字"),
            ("漢字漢字", Some(7), "漢字漢…"),
            ("漢字漢字", Some(6), "漢字…"),
        ] {
            let cut = cut(line, width);
            assert_eq!(cut, expected, "{line} {width:?}");
        }
    }
}
