//! Where it is drawn.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::theme::Theme;
use crate::wrap::fit;

/// The screen, from its upper left corner.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    pub theme: Theme,
}

impl<'a> Canvas<'a> {
    pub fn new(buffer: &'a mut Buffer, theme: Theme, area: Rect) -> Self {
        Self {
            buffer,
            area,
            theme,
        }
    }

    pub fn columns(&self) -> u16 {
        self.area.width
    }

    pub fn rows(&self) -> u16 {
        self.area.height
    }

    /// Writes text that is fit to be shown, as far as there is room; the column after it.
    pub fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        self.text_in(x, y, self.area.width.saturating_sub(x), text, style)
    }

    /// The same in so many columns.
    pub fn text_in(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        let columns = columns.min(self.area.width.saturating_sub(x));
        if columns == 0 || y >= self.area.height {
            return x;
        }
        let (x, y) = (self.area.x + x, self.area.y + y);
        let (end, _) = self
            .buffer
            .set_stringn(x, y, text, usize::from(columns), style);
        end - self.area.x
    }

    /// Writes text into all of so many columns, with `…` where something is missing.
    pub fn cell(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        let columns = columns.min(self.area.width.saturating_sub(x));
        self.text_in(x, y, columns, &fit(text, usize::from(columns)), style);
        x + columns
    }

    pub fn clear_row(&mut self, y: u16) {
        let columns = self.columns();
        self.clear(Rect::new(0, y, columns, 1));
    }

    fn clear(&mut self, rect: Rect) {
        let rect = Rect::new(
            self.area.x + rect.x,
            self.area.y + rect.y,
            rect.width,
            rect.height,
        );
        for position in rect.intersection(self.area).positions() {
            self.buffer[position].reset();
        }
    }

    /// Styles a whole row.
    pub fn style_row(&mut self, y: u16, style: Style) {
        self.style_part((0, y, self.area.width), style);
    }

    /// Styles `(x, y, columns)`.
    pub fn style_part(&mut self, (x, y, columns): (u16, u16, u16), style: Style) {
        let part = Rect::new(self.area.x + x, self.area.y + y, columns, 1);
        self.buffer.set_style(part.intersection(self.area), style);
    }

    /// An empty box of at most that size in the middle, with a title; what is inside of it.
    pub fn window(&mut self, columns: u16, rows: u16, title: &str) -> Rect {
        let columns = columns.min(self.columns());
        let rows = rows.min(self.rows().saturating_sub(1)).max(1);
        let x = (self.columns() - columns) / 2;
        let y = self.rows().saturating_sub(1).saturating_sub(rows) / 2;
        self.clear(Rect::new(x, y, columns, rows));
        if columns < 4 || rows < 3 {
            return Rect::new(x, y, columns, rows);
        }
        let line = "─".repeat(usize::from(columns - 2));
        let style = self.theme.dim();
        self.text(x, y, &format!("┌{line}┐"), style);
        for row in 1..rows - 1 {
            self.text(x, y + row, "│", style);
            self.text(x + columns - 1, y + row, "│", style);
        }
        self.text(x, y + rows - 1, &format!("└{line}┘"), style);
        let title = format!(" {title} ");
        self.text_in(
            x + 2,
            y,
            columns.saturating_sub(4),
            &title,
            self.theme.bold(),
        );
        Rect::new(x + 2, y + 1, columns.saturating_sub(4), rows - 2)
    }
}
