//! The end of what a process wrote.

use std::sync::{Mutex, PoisonError};

/// The end of a text that streams by, for messages.
#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<String>);

impl Tail {
    const BYTES: usize = 2000;

    pub(super) fn push(&self, text: &str) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.push_str(text);
        if tail.len() > 2 * Self::BYTES {
            let cut = tail.ceil_char_boundary(tail.len() - Self::BYTES);
            tail.drain(..cut);
        }
    }

    pub(super) fn text(&self) -> String {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail[tail.ceil_char_boundary(tail.len().saturating_sub(Self::BYTES))..].to_owned()
    }
}
