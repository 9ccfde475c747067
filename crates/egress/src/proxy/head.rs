//! Heads of HTTP/1.1, read strictly: what two programs could read in two ways is an error. httparse reads; what it lets pass and others
//! read differently (line feeds alone, empty lines before, two lengths) is refused here.

mod fields;

pub(super) use fields::Fields;

use std::ops::Range;

use bytes::Bytes;

/// Further headers are refused.
const MAX_FIELDS: usize = 128;
const METHOD_LIMIT_BYTES: usize = 32;
/// No body is longer than that; a longer number is no length.
const LENGTH_LIMIT_DIGITS: usize = 18;

/// Completes "This is no request of HTTP/1.1: …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadHead(pub(super) &'static str);

#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) minor: u8,
    pub(super) fields: Fields,
}

#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) minor: u8,
    pub(super) fields: Fields,
    /// Bytes of the head.
    pub(super) length: usize,
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// Until the connection ends; answers only.
    UntilEnd,
}

impl Framing {
    pub(super) const EMPTY: Self = Self::Length(0);
}

/// Where the head that `bytes` begin with ends. `None`: right so far, and not whole yet. `searched` bytes were looked at before.
pub(super) fn end_of_head(bytes: &[u8], searched: usize) -> Result<Option<usize>, BadHead> {
    let from = searched.saturating_sub(1);
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        if *byte != b'\n' {
            continue;
        }
        let line = &bytes[..at];
        if !line.ends_with(b"\r") {
            return Err(BadHead("a line ends without a carriage return"));
        }
        if at == 1 {
            return Err(BadHead("it begins with an empty line"));
        }
        if line.ends_with(b"\r\n\r") {
            return Ok(Some(at + 1));
        }
    }
    Ok(None)
}

/// Whether `bytes` can be the beginning of a request, so that others need not wait for its end.
pub(super) fn may_be_request(bytes: &[u8]) -> bool {
    let mut method = bytes.split(|byte| *byte == b' ');
    let method = method.next().unwrap_or_default();
    method.len() <= METHOD_LIMIT_BYTES && method.iter().all(is_of_method)
}

/// `VERSION-CONTROL` is one, too.
fn is_of_method(byte: &u8) -> bool {
    byte.is_ascii_alphabetic() || *byte == b'-'
}

impl RequestHead {
    /// Of a whole head, with the empty line.
    pub(super) fn parse(head: Bytes) -> Result<Self, BadHead> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(&head).map_err(bad)?;
        let whole = httparse::Status::Complete(head.len());
        let (Some(method), Some(target), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Err(BadHead("it is not whole"));
        };
        if parsed != whole {
            return Err(BadHead("it is not whole"));
        }
        if method.len() > METHOD_LIMIT_BYTES || !method.as_bytes().iter().all(is_of_method) {
            return Err(BadHead("its method is no word"));
        }
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadHead("its address has characters that no address has"));
        }
        let ranges = ranges(&head, request.headers);
        let (method, target) = (method.to_owned(), target.to_owned());
        Ok(Self {
            method,
            target,
            minor,
            fields: Fields::new(head, ranges),
        })
    }

    /// # Errors
    /// Two lengths, or one that is none: servers choose differently.
    pub(super) fn framing(&self) -> Result<Framing, BadHead> {
        let mut lengths = self.fields.all("content-length");
        let mut codings = self.fields.all("transfer-encoding");
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Framing::EMPTY),
            (Some(_), Some(_)) => Err(BadHead("it has a length and a transfer coding")),
            (Some(length), None) if lengths.next().is_none() => number(length).map(Framing::Length),
            (Some(_), None) => Err(BadHead("it has two lengths")),
            (None, Some(coding)) => {
                let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
                match is_chunked && codings.next().is_none() && self.minor == 1 {
                    true => Ok(Framing::Chunked),
                    false => Err(BadHead("its transfer coding is not `chunked` alone")),
                }
            }
        }
    }
}

impl ResponseHead {
    pub(super) fn parse(head: Bytes) -> Result<Self, BadHead> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&head).map_err(bad)?;
        let whole = httparse::Status::Complete(head.len());
        let (Some(status), Some(minor)) = (response.code, response.version) else {
            return Err(BadHead("it is not whole"));
        };
        if parsed != whole {
            return Err(BadHead("it is not whole"));
        }
        let reason = response.reason.unwrap_or_default().to_owned();
        let ranges = ranges(&head, response.headers);
        Ok(Self {
            status,
            reason,
            minor,
            length: head.len(),
            fields: Fields::new(head, ranges),
        })
    }

    /// Of the answer to `method` (RFC 9112, section 6.3).
    ///
    /// # Errors
    /// Lengths that differ, and codings that nobody asked for.
    pub(super) fn framing(&self, method: &str) -> Result<Framing, BadHead> {
        if method == "HEAD" || matches!(self.status, 100..=199 | 204 | 304) {
            return Ok(Framing::EMPTY);
        }
        let mut codings = self.fields.all("transfer-encoding");
        if let Some(coding) = codings.next() {
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
            return match is_chunked {
                true => Ok(Framing::Chunked),
                false => Err(BadHead("its transfer coding is not `chunked` alone")),
            };
        }
        let mut lengths = self.fields.all("content-length");
        let Some(length) = lengths.next() else {
            return Ok(Framing::UntilEnd);
        };
        match lengths.all(|other| other == length) {
            true => number(length).map(Framing::Length),
            false => Err(BadHead("it has two lengths")),
        }
    }

    /// Whether another request may follow on the connection.
    pub(super) fn keeps_alive(&self, framing: Framing) -> bool {
        let is_doubtful = self.fields.has("transfer-encoding") && self.fields.has("content-length");
        self.minor == 1
            && framing != Framing::UntilEnd
            && !is_doubtful
            && !self.fields.lists("connection", "close")
    }
}

fn number(text: &[u8]) -> Result<u64, BadHead> {
    let is_plain =
        (1..=LENGTH_LIMIT_DIGITS).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let digit = |number: u64, byte: &u8| number * 10 + u64::from(byte - b'0');
    match is_plain {
        true => Ok(text.iter().fold(0, digit)),
        false => Err(BadHead("its length is not a plain number")),
    }
}

/// Where names and values stand, so that a head is kept as it came and not copied apart.
fn ranges(head: &[u8], headers: &[httparse::Header<'_>]) -> Vec<(Range<usize>, Range<usize>)> {
    let begin = head.as_ptr() as usize;
    let range = |part: &[u8]| {
        let from = (part.as_ptr() as usize).wrapping_sub(begin);
        match part.is_empty() {
            true => 0..0,
            false => from..from + part.len(),
        }
    };
    let headers = headers.iter();
    headers
        .map(|header| (range(header.name.as_bytes()), range(header.value)))
        .collect()
}

fn bad(error: httparse::Error) -> BadHead {
    BadHead(match error {
        httparse::Error::HeaderName => "a header's name is none",
        httparse::Error::HeaderValue => "a header's value has characters that none has",
        httparse::Error::NewLine => "a line ends where none may",
        httparse::Error::Status => "its status is no number",
        httparse::Error::Token => "its first line is none of HTTP",
        httparse::Error::TooManyHeaders => "it has more than 128 headers",
        httparse::Error::Version => "its version is not HTTP/1.1",
    })
}

#[cfg(test)]
mod tests;
