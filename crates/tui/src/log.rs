//! The log of an attempt, in as many rows as it takes.

use std::collections::VecDeque;
use std::ops::Range;

use crate::wrap::{shown, wrap};

/// The most rows kept; what is older is in `outwork log`.
const MOST_ROWS: usize = 50_000;

/// An attempt's log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// `att_…`; none before the task is known.
    pub attempt: Option<String>,
    lines: VecDeque<String>,
    /// Which part of which line, counted from the first ever; the width is in `columns`.
    rows: VecDeque<(usize, Range<usize>)>,
    dropped: usize,
    columns: usize,
    /// Why it stopped before the end.
    pub trouble: Option<String>,
    pub is_away: bool,
}

impl Log {
    pub fn of(attempt: Option<String>, columns: usize) -> Self {
        Self {
            attempt,
            columns,
            ..Self::default()
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// One row, and whether a line begins there.
    pub fn row(&self, number: usize) -> Option<(&str, bool)> {
        let (line, part) = self.rows.get(number)?;
        let text = &self.lines[line - self.dropped];
        Some((&text[part.clone()], part.start == 0))
    }

    /// All of the line that a row is of.
    pub fn line_of(&self, number: usize) -> Option<&str> {
        let (line, _) = self.rows.get(number)?;
        self.lines.get(line - self.dropped).map(String::as_str)
    }

    /// Adds lines; how many rows were dropped at the top to make room.
    pub fn push(&mut self, lines: &[String]) -> usize {
        for line in lines {
            let line = shown(line);
            let number = self.dropped + self.lines.len();
            let parts = wrap(&line, self.columns).into_iter();
            self.rows.extend(parts.map(|part| (number, part)));
            self.lines.push_back(line);
        }
        let mut removed = 0;
        while self.rows.len() > MOST_ROWS && self.lines.len() > 1 {
            let first = self.dropped;
            while self.rows.front().is_some_and(|row| row.0 == first) {
                self.rows.pop_front();
                removed += 1;
            }
            self.lines.pop_front();
            self.dropped += 1;
        }
        removed
    }

    /// Wraps anew.
    pub fn resize(&mut self, columns: usize) {
        if columns == self.columns {
            return;
        }
        self.columns = columns;
        self.rows.clear();
        for (at, line) in self.lines.iter().enumerate() {
            let parts = wrap(line, columns).into_iter();
            self.rows
                .extend(parts.map(|part| (self.dropped + at, part)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_take_rows_and_the_oldest_make_room() {
        let mut log = Log::of(None, 5);
        log.push(&["one two".to_owned(), "x\u{1b}[2Jy".to_owned()]);
        let rows: Vec<_> = (0..log.len()).filter_map(|at| log.row(at)).collect();
        assert_eq!(rows, [("one ", true), ("two", false), ("xy", true)]);
        log.resize(80);
        assert_eq!(log.len(), 2);
        let many: Vec<String> = (0..MOST_ROWS).map(|number| number.to_string()).collect();
        assert_eq!(log.push(&many), 2);
        assert_eq!(log.row(0), Some(("0", true)));
        assert_eq!(log.line_of(MOST_ROWS - 1), Some("49999"));
    }
}
