//! The `data` of server-sent events, whatever way the bytes are cut.
//!
//! As the HTML standard has it ("Interpreting an event stream"): lines end with
//! LF, CR or CRLF; the `data` lines of an event are joined by LF; an empty line ends
//! it; an event that the stream does not end is none. Other fields are not needed.

pub(in crate::gateway) struct SseData {
    line: Vec<u8>,
    data: Vec<u8>,
    after_cr: bool,
    /// The event is too long and will not be given out.
    too_long: bool,
    max_event_bytes: usize,
}

impl SseData {
    pub(in crate::gateway) fn new(max_event_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            after_cr: false,
            too_long: false,
            max_event_bytes,
        }
    }

    /// Calls `on_event` for each empty line of `chunk` with the data of the event that
    /// it ends, which may be none, and where in `chunk` the line ends.
    pub(in crate::gateway) fn feed(
        &mut self,
        chunk: &[u8],
        mut on_event: impl FnMut(&[u8], usize),
    ) {
        let mut at = 0;
        while let Some(&first) = chunk.get(at) {
            if self.after_cr && first == b'\n' {
                at += 1;
            }
            self.after_cr = false;
            let rest = &chunk[at..];
            let end = rest.iter().position(|&byte| matches!(byte, b'\n' | b'\r'));
            let Some(end) = end else {
                self.keep(rest);
                return;
            };
            self.keep(&rest[..end]);
            self.after_cr = rest[end] == b'\r';
            at += end + 1;
            self.end_line(|data| on_event(data, at));
        }
    }

    /// Whether all that came so far are whole events.
    pub(super) fn is_between_events(&self) -> bool {
        self.line.is_empty() && self.data.is_empty() && !self.too_long
    }

    fn keep(&mut self, part: &[u8]) {
        if self.line.len() + self.data.len() + part.len() > self.max_event_bytes {
            self.too_long = true;
            self.data.clear();
            // What is left must not look like the empty line that ends an event.
            self.line.clear();
            self.line.push(b':');
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self, on_event: impl FnOnce(&[u8])) {
        if self.line.is_empty() {
            on_event(if self.too_long { &[] } else { &self.data });
            self.data.clear();
            self.too_long = false;
            return;
        }
        if let Some(value) = self.line.strip_prefix(b"data:") {
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            let value = value.strip_prefix(b" ").unwrap_or(value);
            self.data.extend_from_slice(value);
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &[u8], cut: usize, max: usize) -> Vec<String> {
        let mut parser = SseData::new(max);
        let mut events = Vec::new();
        for part in stream.chunks(cut) {
            parser.feed(part, |data, _| {
                if !data.is_empty() {
                    events.push(String::from_utf8_lossy(data).into_owned());
                }
            });
        }
        events
    }

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let stream = ": hi\n\nevent: a\ndata: 1\n\ndata:2\r\ndata:  3\r\n\r\ndata: 4\r\rid: x\n\ndata: not ended";
        for cut in 1..=stream.len() {
            let found = events(stream.as_bytes(), cut, 1000);
            assert_eq!(found, ["1", "2\n 3", "4"], "cut {cut}");
        }
    }

    #[test]
    fn the_end_of_each_event_is_told() {
        let stream = b"data: 1\n\n: x\n\ndata: 2\r\n\r\ndata: 3\n\n";
        let mut parser = SseData::new(1000);
        let mut ends = Vec::new();
        parser.feed(stream, |_, end| ends.push(end));
        // The line feed after the carriage return belongs to the next piece.
        assert_eq!(ends, [9, 14, 24, 34]);
        assert!(parser.is_between_events());
        parser.feed(b"data", |_, _| {});
        assert!(!parser.is_between_events());
    }

    #[test]
    fn an_event_that_is_too_long_is_left_out_and_the_next_is_not() {
        let stream = format!(
            "data: 1\n\ndata: {}\ndata: x\n\ndata: 2\n\n",
            "y".repeat(50)
        );
        for cut in 1..=stream.len() {
            assert_eq!(events(stream.as_bytes(), cut, 20), ["1", "2"], "cut {cut}");
        }
    }
}
