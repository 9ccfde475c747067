//! Text that is typed: several lines and a cursor.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The longest text taken, in bytes: the server's limit for a prompt.
const LONGEST: usize = 1 << 20;

/// A field of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    text: String,
    /// In bytes, at a character's beginning.
    cursor: usize,
}

impl Input {
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub fn before(&self) -> &str {
        &self.text[..self.cursor]
    }

    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Puts text in at the cursor, as when somebody pastes it.
    pub fn insert(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if self.text.len() + text.len() <= LONGEST {
            self.text.insert_str(self.cursor, &text);
            self.cursor += text.len();
        }
    }

    /// Takes a key; whether the text is another one now.
    pub fn press(&mut self, key: KeyEvent) -> bool {
        let before = self.text.len();
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('a') if is_control => self.cursor = self.line_start(),
            KeyCode::Char('e') if is_control => self.cursor = self.line_end(),
            KeyCode::Char('u') if is_control => self.remove(self.line_start(), self.cursor),
            KeyCode::Char('k') if is_control => self.remove(self.cursor, self.line_end()),
            KeyCode::Char('w') if is_control => self.remove(self.word_start(), self.cursor),
            KeyCode::Char('j') if is_control => self.insert("\n"),
            // What some terminals send for the backspace key.
            KeyCode::Char('h') if is_control => self.remove(self.previous(), self.cursor),
            KeyCode::Enter => self.insert("\n"),
            KeyCode::Char(c) if !is_control => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => self.remove(self.previous(), self.cursor),
            KeyCode::Delete => self.remove(self.cursor, self.next()),
            KeyCode::Left => self.cursor = self.previous(),
            KeyCode::Right => self.cursor = self.next(),
            KeyCode::Home => self.cursor = self.line_start(),
            KeyCode::End => self.cursor = self.line_end(),
            KeyCode::Up => self.up(),
            KeyCode::Down => self.down(),
            _ => {}
        }
        self.text.len() != before
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    fn previous(&self) -> usize {
        let last = self.before().char_indices().next_back();
        last.map_or(0, |(at, _)| at)
    }

    fn next(&self) -> usize {
        let first = self.text[self.cursor..].chars().next();
        self.cursor + first.map_or(0, char::len_utf8)
    }

    fn line_start(&self) -> usize {
        self.before().rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        let rest = &self.text[self.cursor..];
        self.cursor + rest.find('\n').unwrap_or(rest.len())
    }

    fn word_start(&self) -> usize {
        let word = self.before().trim_end();
        word.rfind(char::is_whitespace).map_or(0, |at| {
            let space = word[at..].chars().next().map_or(1, char::len_utf8);
            at + space
        })
    }

    fn up(&mut self) {
        let start = self.line_start();
        if start > 0 {
            let column = self.text[start..self.cursor].chars().count();
            self.cursor = start - 1;
            self.go_to_column(column);
        }
    }

    fn down(&mut self) {
        let end = self.line_end();
        if end < self.text.len() {
            let column = self.text[self.line_start()..self.cursor].chars().count();
            self.cursor = end + 1;
            self.go_to_column(column);
        }
    }

    /// Within the line that the cursor is in.
    fn go_to_column(&mut self, column: usize) {
        let line = &self.text[self.line_start()..self.line_end()];
        let at = line
            .char_indices()
            .nth(column)
            .map_or(line.len(), |it| it.0);
        self.cursor = self.line_start() + at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(input: &mut Input, code: KeyCode) -> bool {
        input.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn control(input: &mut Input, c: char) {
        input.press(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
    }

    #[test]
    fn text_is_typed_moved_in_and_taken_away() {
        let mut input = Input::default();
        input.insert("fix the\r\nbüg here");
        assert_eq!(input.text(), "fix the\nbüg here");
        control(&mut input, 'w');
        assert_eq!(input.text(), "fix the\nbüg ");
        press(&mut input, KeyCode::Up);
        assert_eq!(input.before(), "fix ");
        assert!(press(&mut input, KeyCode::Char('ü')));
        assert!(press(&mut input, KeyCode::Backspace));
        assert!(!press(&mut input, KeyCode::Left));
        press(&mut input, KeyCode::Down);
        assert_eq!(input.before(), "fix the\nbüg");
        control(&mut input, 'u');
        assert_eq!(input.text(), "fix the\n ");
        press(&mut input, KeyCode::Home);
        press(&mut input, KeyCode::Backspace);
        press(&mut input, KeyCode::Delete);
        press(&mut input, KeyCode::Delete);
        assert_eq!((input.text(), input.before()), ("fix the", "fix the"));
        control(&mut input, 'a');
        control(&mut input, 'k');
        assert!(input.is_blank());
    }
}
