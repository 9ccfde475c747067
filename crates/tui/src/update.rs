//! What an event does to the model.

mod answers;
mod keys;
mod overlays;

use ratatui::crossterm::event::{KeyEventKind, MouseButton, MouseEvent, MouseEventKind};

use crate::event::{Effect, Event};
use crate::model::Model;
use crate::overlay::Overlay;

/// How many rows the wheel moves.
const WHEEL: isize = 3;
/// Rows above the first one of a list.
const HEAD: u16 = 2;

impl Model {
    /// Takes an event and gives what is to be done about it.
    pub fn update(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Key(key) if key.kind == KeyEventKind::Release => {}
            Event::Key(key) => {
                self.notice = None;
                match self.overlays.is_empty() {
                    true => self.press(key),
                    false => self.press_above(key),
                }
            }
            Event::Mouse(mouse) => self.point(mouse),
            Event::Paste(text) => self.paste(&text),
            Event::Resize(columns, rows) => self.resize(columns, rows),
            Event::Tick(now) => {
                self.now = now;
                self.refresh(false);
            }
            Event::Answer(answer) => self.take(answer),
        }
        let height = self.page_height();
        if let Some(open) = &mut self.open {
            open.look(height);
        }
        std::mem::take(&mut self.effects)
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        (self.columns, self.rows) = (columns, rows);
        let columns = self.page_columns();
        if let Some(open) = &mut self.open {
            open.wrap(columns);
        }
        let height = self.list_height();
        self.tasks.show(height);
    }

    fn paste(&mut self, text: &str) {
        match self.overlays.last_mut() {
            Some(Overlay::Composer(composer)) if !composer.is_sending => {
                composer.input.insert(text);
                self.drafts += 1;
                composer.draft = self.drafts;
            }
            Some(Overlay::Environments(search)) => {
                search.input.insert(text.lines().next().unwrap_or_default());
                search.selected = 0;
            }
            _ => {}
        }
    }

    fn point(&mut self, mouse: MouseEvent) {
        let by = match mouse.kind {
            MouseEventKind::ScrollDown => WHEEL,
            MouseEventKind::ScrollUp => -WHEEL,
            MouseEventKind::Down(MouseButton::Left) => return self.click(mouse.row),
            _ => return,
        };
        let (list_height, page_height) = (self.list_height(), self.page_height());
        match (self.overlays.last_mut(), &mut self.open) {
            (Some(Overlay::Apply(apply)), _) => {
                apply.top = apply.top.saturating_add_signed(by);
            }
            (Some(_), _) => {}
            (None, Some(open)) => open.scroll(by, page_height),
            (None, None) => {
                self.tasks.step(by, list_height);
                self.refresh(false);
            }
        }
    }

    /// The first click on a row selects it, the second opens it.
    fn click(&mut self, row: u16) {
        if !self.overlays.is_empty() || self.open.is_some() || row < HEAD {
            return;
        }
        let index = self.tasks.top + usize::from(row - HEAD);
        let height = self.list_height();
        if usize::from(row - HEAD) >= height || index >= self.tasks.rows().len() {
            return;
        }
        match self.tasks.selected_index() == Some(index) {
            true => self.open_selected(),
            false => self.tasks.select(index, height),
        }
    }
}
