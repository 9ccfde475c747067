//! The last look at what is about to be shown.

use ratatui::buffer::Buffer;

use crate::plain::is_invisible;

/// Replaces each cell that holds something which acts on a terminal. Everything was cleaned before; this is
/// for the place that forgets to.
pub(crate) fn guard(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let acts = |c: char| c.is_control() || is_invisible(c);
        if cell.symbol().chars().any(acts) {
            cell.set_symbol("\u{fffd}");
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn nothing_that_acts_gets_past() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        for (at, symbol) in ["a", "\u{1b}", "b\u{202e}", "é"].iter().enumerate() {
            buffer.content[at].set_symbol(symbol);
        }
        guard(&mut buffer);
        let text: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(text, "a\u{fffd}\u{fffd}é");
    }
}
