//! How it looks. Only what is seen is drawn, so that a long list costs no more than a short one.

mod attempts;
mod canvas;
mod composer;
mod overlay;
mod patch_line;
mod task;
mod tasks;

use ratatui::Frame;

use self::canvas::Canvas;
use crate::guard::guard;
use crate::model::Model;
use crate::overlay::Overlay;

/// Draws everything.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut canvas = Canvas::new(frame.buffer_mut(), model.theme, area);
    if canvas.columns() == 0 || canvas.rows() == 0 {
        return;
    }
    let keys = match &model.open {
        Some(open) => task::draw(model, open, &mut canvas),
        None => tasks::draw(model, &mut canvas),
    };
    let mut keys = keys;
    let mut cursor = None;
    for overlay in &model.overlays {
        match overlay {
            Overlay::Composer(composer) => {
                cursor = Some(composer::draw(composer, &mut canvas));
                keys = composer::keys(composer);
            }
            Overlay::Environments(search) => {
                cursor = Some(overlay::environments(model, search, &mut canvas));
                keys = &[("Enter", "choose"), ("↑↓", "move"), ("Esc", "back")];
            }
            Overlay::Help => {
                cursor = None;
                overlay::help(&mut canvas);
                keys = &[("any key", "back")];
            }
            Overlay::Confirm { question, .. } => {
                cursor = None;
                overlay::confirm(question, &mut canvas);
                keys = &[("y", "yes"), ("n", "no")];
            }
            Overlay::Apply(apply) => {
                cursor = None;
                keys = overlay::apply(apply, &mut canvas);
            }
        }
    }
    footer(model, keys, &mut canvas);
    guard(frame.buffer_mut());
    if let Some((x, y)) = cursor {
        frame.set_cursor_position((x.min(area.width - 1), y.min(area.height - 1)));
    }
}

/// Keys and what they do.
type Keys = &'static [(&'static str, &'static str)];

/// A line of what is to know, and a line of keys.
fn footer(model: &Model, keys: Keys, canvas: &mut Canvas<'_>) {
    let theme = model.theme;
    let rows = canvas.rows();
    if rows >= 4 {
        let row = rows - 2;
        canvas.clear_row(row);
        match (&model.trouble, &model.notice) {
            (_, Some(notice)) if notice.is_trouble => {
                canvas.text(0, row, &notice.text, theme.trouble());
            }
            (_, Some(notice)) => {
                canvas.text(0, row, &notice.text, theme.bold());
            }
            (Some(trouble), None) => {
                canvas.text(0, row, trouble, theme.trouble());
            }
            (None, None) => {}
        }
    }
    let row = rows - 1;
    canvas.clear_row(row);
    let mut x = 0;
    for (key, what) in keys {
        let needed = crate::wrap::width(key) + crate::wrap::width(what) + 3;
        if usize::from(x) + needed > usize::from(canvas.columns()) + 2 {
            break;
        }
        x = canvas.text(x, row, key, theme.key());
        x = canvas.text(x + 1, row, what, theme.dim()) + 2;
    }
}
