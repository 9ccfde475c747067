//! A line of a diff.

use super::canvas::Canvas;
use crate::patch::{Kind, Patch};
use crate::syntax::Token;
use crate::wrap::{cut_at, shown};

/// Draws a line at `(x, y, columns)`, from its column `left` on.
pub(super) fn patch_line(
    patch: &Patch,
    number: usize,
    (x, y, columns): (u16, u16, u16),
    left: usize,
    canvas: &mut Canvas<'_>,
) {
    // More than what there is room for, with all that may come to take none.
    let most = (left + usize::from(columns)) * 16;
    let Some((line, kind)) = patch.line(number, most) else {
        return;
    };
    let (theme, line) = (canvas.theme, shown(&line));
    canvas.style_part((x, y, columns), theme.line(kind));
    let seen = cut_at(&line, left, usize::from(columns));
    let signed = matches!(kind, Kind::Added | Kind::Removed | Kind::Context);
    let pieces = match line.get(1..).filter(|_| signed) {
        Some(code) => patch.pieces(number, code),
        None => Vec::new(),
    };
    let end = x + columns;
    let mut x = x;
    let mut at = seen.start;
    let mut draw = |to: usize, token: Option<Token>| {
        let to = to.min(seen.end);
        if at < to {
            let style = match token {
                Some(token) => theme.code(kind, token),
                None => theme.patch(kind),
            };
            let style = theme.line(kind).patch(style);
            x = canvas.text_in(x, y, end.saturating_sub(x), &line[at..to], style);
            at = to;
        }
    };
    // The sign is as bold a green or red as there is.
    draw(usize::from(signed), None);
    for (range, token) in pieces {
        draw(range.start + 1, Some(Token::Text));
        draw(range.end + 1, Some(token));
    }
    draw(usize::MAX, signed.then_some(Token::Text));
}
