//! The attempts of a turn, side by side.

use super::canvas::Canvas;
use super::patch_line::patch_line;
use crate::model::Model;
use crate::open_task::{Half, OpenTask};
use crate::wrap::fit;

pub(super) fn draw(model: &Model, open: &OpenTask, canvas: &mut Canvas<'_>) {
    let (height, columns) = (model.page_height(), canvas.columns());
    let top = open.top(height);
    let rows = open.compare.rows.iter().skip(top).take(height);
    for ([left, right], y) in rows.zip(2..) {
        if !open.compare.is_wide {
            draw_half(open, left, (0, y, columns), canvas);
            continue;
        }
        // A line between them, with room on both of its sides.
        let middle = columns / 2;
        draw_half(open, left, (0, y, middle.saturating_sub(1)), canvas);
        canvas.text(middle, y, "│", canvas.theme.dim());
        let rest = columns.saturating_sub(middle + 2);
        draw_half(open, right, (middle + 2, y, rest), canvas);
    }
}

fn draw_half(open: &OpenTask, half: &Half, place: (u16, u16, u16), canvas: &mut Canvas<'_>) {
    let (x, y, columns) = place;
    match half {
        Half::Blank => {}
        Half::Text(mark, text) => {
            let style = canvas.theme.mark(*mark);
            let text = fit(text, usize::from(columns));
            canvas.text_in(x, y, columns, text.trim_end(), style);
        }
        Half::Line(attempt, line) => {
            if let Some(patch) = open.compare.patch(*attempt) {
                patch_line(patch, *line, place, open.left, canvas);
            }
        }
    }
}
