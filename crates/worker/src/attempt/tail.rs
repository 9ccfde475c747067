//! The end of what a process wrote.

use std::sync::{Mutex, PoisonError};

use outwork_agents::OutputStream;

use crate::mask::{MaskStream, Masker};

/// The end of a text that streams by, for messages; without secrets.
#[derive(Debug)]
pub(super) struct Tail {
    masker: Masker,
    bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    text: String,
    stdout: MaskStream,
    stderr: MaskStream,
}

impl Tail {
    const BYTES: usize = 2000;

    pub(super) fn new(masker: Masker) -> Self {
        Self::of(masker, Self::BYTES)
    }

    /// Of at most so many bytes.
    pub(super) fn of(masker: Masker, bytes: usize) -> Self {
        Self {
            masker,
            bytes,
            state: Mutex::default(),
        }
    }

    pub(super) fn push(&self, stream: OutputStream, text: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State {
            text: tail,
            stdout,
            stderr,
        } = &mut *state;
        // Before it is cut: half a secret would not be found.
        tail.push_str(&match stream {
            OutputStream::Stdout => stdout.push(&self.masker, text),
            OutputStream::Stderr => stderr.push(&self.masker, text),
        });
        if tail.len() > 2 * self.bytes {
            let cut = tail.ceil_char_boundary(tail.len() - self.bytes);
            tail.drain(..cut);
        }
    }

    /// When nothing more comes.
    pub(super) fn text(&self) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let kept_back = [
            state.stdout.finish(&self.masker),
            state.stderr.finish(&self.masker),
        ]
        .concat();
        state.text.push_str(&kept_back);
        let tail = &state.text;
        tail[tail.ceil_char_boundary(tail.len().saturating_sub(self.bytes))..].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_secret_stays_wherever_the_text_is_cut() {
        const VALUE: &str = "s3cr3t-canary-4711";
        for before in 0..40 {
            let tail = Tail::new(Masker::new([("TOKEN", VALUE)]));
            tail.push(OutputStream::Stderr, "s3cr3t-");
            tail.push(OutputStream::Stdout, VALUE);
            tail.push(OutputStream::Stderr, "canary-4711");
            tail.push(OutputStream::Stdout, &"x".repeat(2 * Tail::BYTES - before));
            let text = tail.text();
            assert!(!text.contains("canary") && !text.contains("4711"), "{text}");
            assert!(text.len() <= Tail::BYTES);
        }
    }
}
