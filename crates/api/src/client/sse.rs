//! Server-sent events: an incremental parser (WHATWG HTML, "Server-sent events", 9.2.6).
//!
//! Own code because it is small and the crates for it are unmaintained or bring a whole client.

/// The longest line taken, in bytes; an event is at most 256 KiB of JSON.
const LINE_BYTES: usize = 4 * 1024 * 1024;

/// One event as it was dispatched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The last `id` seen, on this event or before.
    pub id: Option<String>,
    /// The `event` field; empty when there was none.
    pub event: String,
    /// The `data` fields, joined by line feeds.
    pub data: String,
}

/// The server sent a line that is longer than any event can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {LINE_BYTES} bytes")]
pub struct TooLong;

/// Bytes in, events out. Every cut of the stream into pieces gives the same events.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    started: bool,
    has_data: bool,
    next: Message,
    retry_ms: Option<u64>,
}

impl Parser {
    /// Takes the next piece and gives the events that it completed.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut done = Vec::new();
        for &byte in bytes {
            let follows_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if follows_cr => {}
                b'\n' | b'\r' => done.extend(self.end_line()),
                _ if self.line.len() + self.next.data.len() >= LINE_BYTES => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(done)
    }

    /// How long the server asks to wait before connecting again, in milliseconds.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn end_line(&mut self) -> Option<Message> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let line = match std::mem::replace(&mut self.started, true) {
            true => &*line,
            false => line.strip_prefix('\u{feff}').unwrap_or(&line),
        };
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.next.data.push('\n');
                }
                self.next.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.next.event),
            "id" if !value.contains('\0') => self.next.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|b| b.is_ascii_digit()) => {
                self.retry_ms = value.parse().ok();
            }
            // Comments (an empty name) keep the connection alive; the rest is for later versions.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Message> {
        let id = self.next.id.clone();
        let message = std::mem::replace(
            &mut self.next,
            Message {
                id,
                ..Message::default()
            },
        );
        std::mem::take(&mut self.has_data).then_some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "\u{feff}: hello\n\nid: 1\nevent: state\ndata: {\"a\":1}\n\nid:2\r\ndata:x\r\n\
        data: y\r\n\r\nretry: 1500\rdata: last\r\rdata: cut off";

    fn message(id: &str, event: &str, data: &str) -> Message {
        Message {
            id: Some(id.to_owned()),
            event: event.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn every_cut_gives_the_same_events() {
        let expected = vec![
            message("1", "state", "{\"a\":1}"),
            message("2", "", "x\ny"),
            message("2", "", "last"),
        ];
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let mut got = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                got.extend(parser.push(piece).expect("short lines"));
            }
            assert_eq!(got, expected, "pieces of {size} bytes");
            assert_eq!(parser.retry_ms(), Some(1500));
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; LINE_BYTES];
        assert_eq!(parser.push(&piece), Ok(Vec::new()));
        assert_eq!(parser.push(b"y"), Err(TooLong));
    }

    #[test]
    fn an_event_without_data_is_none() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(b"event: end\n\n"), Ok(Vec::new()));
        assert_eq!(
            parser.push(b"data\n\n"),
            Ok(vec![Message::default()]),
            "an empty data field is data"
        );
    }
}
