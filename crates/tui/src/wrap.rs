//! Text in columns.

use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use crate::plain::plain_code;

/// How many columns a tab reaches.
const TAB: usize = 4;

/// How many columns a character takes.
pub(crate) fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// A line of somebody else's as it is shown: nothing that acts on a terminal, tabs as spaces.
pub(crate) fn shown(line: &str) -> String {
    let clean = plain_code(line);
    if !clean.contains('\t') {
        return clean;
    }
    let mut shown = String::with_capacity(clean.len() + 8);
    let mut column = 0;
    for c in clean.chars() {
        if c == '\t' {
            let spaces = TAB - column % TAB;
            shown.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        } else {
            shown.push(c);
            column += width_of(c);
        }
    }
    shown
}

/// The part of a line between two columns.
pub(crate) fn cut(text: &str, from: usize, columns: usize) -> &str {
    text.get(cut_at(text, from, columns)).unwrap_or_default()
}

/// Where that part is, in bytes.
pub(crate) fn cut_at(text: &str, from: usize, columns: usize) -> Range<usize> {
    let (mut start, mut end, mut column) = (text.len(), text.len(), 0);
    for (at, c) in text.char_indices() {
        let next = column + width_of(c);
        if column >= from && start == text.len() {
            start = at;
        }
        if next > from + columns {
            end = at;
            break;
        }
        column = next;
    }
    start.min(end)..end
}

/// A line in pieces of at most `columns` columns, at spaces where there are some; one at least.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<Range<usize>> {
    let columns = columns.max(1);
    let mut pieces = Vec::new();
    let (mut start, mut column, mut space) = (0, 0, None);
    for (at, c) in text.char_indices() {
        let next = width_of(c);
        if column + next > columns && at > start {
            let end = match space {
                Some(space) if c != ' ' => space,
                _ => at,
            };
            pieces.push(start..end);
            start = end;
            column = width(&text[start..at]);
            space = None;
        }
        column += next;
        if c == ' ' {
            space = Some(at + 1);
        }
    }
    pieces.push(start..text.len());
    pieces
}

/// Fitted into so many columns, with `…` where something is missing, and filled up with spaces.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let have = width(text);
    if have <= columns {
        return format!("{text}{}", " ".repeat(columns - have));
    }
    let part = cut(text, 0, columns.saturating_sub(1));
    let missing = columns.saturating_sub(width(part) + 1);
    match columns {
        0 => String::new(),
        _ => format!("{part}…{}", " ".repeat(missing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_and_within_long_words() {
        for (text, columns, expected) in [
            ("", 5, vec![""]),
            ("one two three", 8, vec!["one two ", "three"]),
            ("abcdefghij", 4, vec!["abcd", "efgh", "ij"]),
            ("ab cdefghij", 4, vec!["ab ", "cdef", "ghij"]),
            ("漢字漢字", 5, vec!["漢字", "漢字"]),
            ("漢", 1, vec!["漢"]),
            ("abcd ef", 4, vec!["abcd", " ef"]),
        ] {
            let pieces = wrap(text, columns);
            let pieces: Vec<&str> = pieces.into_iter().map(|piece| &text[piece]).collect();
            assert_eq!(pieces, expected, "{text:?} in {columns}");
        }
    }

    #[test]
    fn text_is_cut_and_fitted_by_columns() {
        assert_eq!(cut("abcdef", 2, 3), "cde");
        assert_eq!(cut("a漢字b", 1, 3), "漢");
        assert_eq!(cut("abc", 5, 3), "");
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("漢字漢", 4), "漢… ");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(shown("a\tb\u{1b}[2Jc"), "a   bc");
    }
}
