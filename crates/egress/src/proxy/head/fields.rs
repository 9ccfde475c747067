//! The headers of one head.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

/// About one connection only (RFC 9110, section 7.6.1), or about the body's framing, which is written anew.
const OF_THE_CONNECTION: [&str; 11] = [
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Names and values, in their order and spelling. `Debug` shows names only: values hold credentials.
pub(in super::super) struct Fields {
    head: Bytes,
    lines: Vec<(Range<usize>, Range<usize>)>,
}

impl Fields {
    pub(super) fn new(head: Bytes, lines: Vec<(Range<usize>, Range<usize>)>) -> Self {
        Self { head, lines }
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.lines.iter();
        lines.map(|(name, value)| (&self.head[name.clone()], &self.head[value.clone()]))
    }

    pub(in super::super) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = move |field: &(&[u8], &[u8])| is(field.0, name.as_bytes());
        self.iter().filter(named).map(|(_, value)| value)
    }

    pub(in super::super) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The value, if there is one such header, of ASCII.
    pub(in super::super) fn one(&self, name: &str) -> Option<&str> {
        let mut all = self.all(name);
        let value = all.next().filter(|value| value.is_ascii())?;
        match all.next() {
            None => str::from_utf8(value).ok(),
            Some(_) => None,
        }
    }

    /// Whether a list such as `Connection: keep-alive, close` has `token`.
    pub(in super::super) fn lists(&self, name: &str, token: &str) -> bool {
        let tokens = self.all(name).flat_map(tokens);
        tokens
            .into_iter()
            .any(|one| one.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Writes the lines that may go on: without those about the connection, without what `Connection` declares to be, and without `dropped`.
    pub(in super::super) fn write_without(&self, dropped: &[&str], out: &mut Vec<u8>) {
        let declared: Vec<_> = self.all("connection").flat_map(tokens).collect();
        for (name, value) in self.iter() {
            let is_dropped = OF_THE_CONNECTION
                .iter()
                .any(|other| is(name, other.as_bytes()))
                || dropped.iter().any(|other| is(name, other.as_bytes()))
                || declared.iter().any(|other| is(name, other));
            if !is_dropped {
                for part in [name, b": ", value, b"\r\n"] {
                    out.extend_from_slice(part);
                }
            }
        }
    }
}

/// Case does not matter, nor whether words are joined by `-` or `_`: many servers hand both on as the same variable.
fn is(name: &[u8], other: &[u8]) -> bool {
    let folded = |byte: &u8| match byte {
        b'_' => b'-',
        byte => byte.to_ascii_lowercase(),
    };
    name.len() == other.len() && name.iter().map(folded).eq(other.iter().map(folded))
}

fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|(name, _)| String::from_utf8_lossy(name));
        f.debug_list().entries(names).finish()
    }
}
