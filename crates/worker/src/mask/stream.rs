//! A text that comes in pieces.

use super::{Held, Masker, SUSPICIOUS_BYTES, Written};

/// Masks a text that comes in pieces: whatever the pieces, together they give what [`Masker::mask`] makes of the whole.
#[derive(Debug, Default)]
pub(crate) struct MaskStream {
    /// From the first byte on that may belong to a value which is not complete.
    text: String,
    written: Written,
    held: Option<Held>,
}

impl MaskStream {
    /// What can be said now. Kept back is at most what may be the beginning of a value.
    pub(crate) fn push(&mut self, masker: &Masker, piece: &str) -> String {
        if masker.is_empty() {
            return piece.to_owned();
        }
        self.text.push_str(piece);
        let (matches, held) = masker.0.search(&self.text);
        let end = self.text.len();
        let (needed, known) = held.map_or((end, end), |held| (held.begin, held.start));
        let mut out = String::new();
        self.written
            .write(&masker.0, &self.text, &matches, known, &mut out);
        self.text.drain(..needed);
        self.written.until -= needed;
        self.held = held.map(|held| Held {
            begin: 0,
            start: held.start - needed,
            ..held
        });
        out
    }

    /// Whether something is kept back.
    pub(crate) fn is_waiting(&self) -> bool {
        self.written.until < self.text.len()
    }

    /// Whether the next piece may complete a value that began before it.
    pub(crate) fn is_amid(&self) -> bool {
        !self.text.is_empty()
    }

    /// What is kept back, because something else has to be said first. If the text goes on with the rest of a value, that is
    /// masked all the same; of its beginning, no more than three bytes are told.
    pub(crate) fn interrupt(&mut self, masker: &Masker) -> String {
        let mut out = String::new();
        if let Some(held) = self.held.filter(|_| self.is_waiting()) {
            if self.text.len() >= SUSPICIOUS_BYTES {
                self.written.name(&masker.0, held.secret, &mut out);
            } else {
                out.push_str(&self.text[self.written.until..]);
                self.written.named.clear();
            }
            self.written.until = self.text.len();
        }
        out
    }

    /// What is kept back, because nothing follows: a shorter value may be in it.
    pub(crate) fn finish(&mut self, masker: &Masker) -> String {
        let Self {
            text,
            mut written,
            held: _,
        } = std::mem::take(self);
        let (matches, _) = masker.0.search(&text);
        let mut out = String::new();
        written.write(&masker.0, &text, &matches, text.len(), &mut out);
        out
    }
}
