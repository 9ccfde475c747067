//! Bytes into lines and bounded texts.

/// The largest text of a streamed event (output, deltas), in bytes of UTF-8.
pub const EVENT_TEXT_MAX_BYTES: usize = 16 * 1024;

/// `text` in portions of at most [`EVENT_TEXT_MAX_BYTES`], cut between characters.
pub(crate) fn portions(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let cut = rest.floor_char_boundary(EVENT_TEXT_MAX_BYTES);
        let (portion, tail) = rest.split_at(cut);
        rest = tail;
        (!portion.is_empty()).then_some(portion)
    })
}

/// At most `max_bytes` of `text`, and a note if something is missing.
pub(crate) fn clipped(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    let kept = &text[..text.floor_char_boundary(max_bytes)];
    format!("{kept}\n[{} more bytes]", text.len() - kept.len())
}

/// Collects bytes until a line is whole. Lines of several megabytes are normal, so there is a limit, not a size.
#[derive(Debug)]
pub(crate) struct LineBuffer {
    /// The line whose newline has not arrived.
    held: Vec<u8>,
    max_bytes: usize,
}

/// One line is longer than the buffer may grow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl LineBuffer {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            held: Vec::new(),
            max_bytes,
        }
    }

    /// The lines completed by `bytes`, without their newlines.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, LineTooLong> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.hold(&rest[..end])?;
            lines.push(std::mem::take(&mut self.held));
            rest = &rest[end + 1..];
        }
        self.hold(rest)?;
        Ok(lines)
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), LineTooLong> {
        if self.held.len() + bytes.len() > self.max_bytes {
            return Err(LineTooLong);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }
}

/// Decodes UTF-8 that arrives in arbitrary portions; invalid bytes become U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct Utf8Stream {
    /// The beginning of a character whose end has not arrived.
    held: Vec<u8>,
}

impl Utf8Stream {
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && could_continue(invalid) {
                self.held = invalid.to_vec();
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }

    /// The end of the stream: what is held will not be completed.
    pub(crate) fn finish(&mut self) -> String {
        if std::mem::take(&mut self.held).is_empty() {
            String::new()
        } else {
            char::REPLACEMENT_CHARACTER.to_string()
        }
    }
}

/// Whether `bytes` is the beginning of a character, cut off by the end of the input.
fn could_continue(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => false,
        Err(error) => error.error_len().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_lose_nothing_and_cut_between_characters() {
        let text = "ä".repeat(EVENT_TEXT_MAX_BYTES) + "x";
        let parts: Vec<&str> = portions(&text).collect();
        assert!(parts.iter().all(|part| part.len() <= EVENT_TEXT_MAX_BYTES));
        assert_eq!(parts.concat(), text);
        assert_eq!(portions("").count(), 0);
    }

    #[test]
    fn clipping_says_what_is_missing() {
        assert_eq!(clipped("abc", 3), "abc");
        assert_eq!(clipped("aäb", 2), "a\n[3 more bytes]");
    }

    #[test]
    fn lines_may_arrive_in_any_portions() {
        let bytes = b"one\n\ntwo\nrest";
        for cut in 0..=bytes.len() {
            let mut buffer = LineBuffer::new(8);
            let mut lines = buffer.push(&bytes[..cut]).unwrap();
            lines.extend(buffer.push(&bytes[cut..]).unwrap());
            assert_eq!(
                lines,
                [b"one".to_vec(), Vec::new(), b"two".to_vec()],
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_line_may_not_grow_without_end() {
        let mut buffer = LineBuffer::new(4);
        assert!(buffer.push(b"1234\n1234").is_ok());
        assert_eq!(buffer.push(b"5"), Err(LineTooLong));
        assert_eq!(LineBuffer::new(4).push(b"12345\n"), Err(LineTooLong));
    }

    #[test]
    fn characters_may_be_split_anywhere() {
        let bytes = b"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xff\xe2\x82z\xc3";
        let whole = String::from_utf8_lossy(bytes);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut stream = Utf8Stream::default();
                let mut text = stream.decode(&bytes[..first]);
                text += &stream.decode(&bytes[first..second]);
                text += &stream.decode(&bytes[second..]);
                text += &stream.finish();
                assert_eq!(text, whole, "cut at {first} and {second}");
            }
        }
    }
}
