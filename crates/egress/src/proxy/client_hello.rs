//! The first message of TLS, read only as far as to know which server it asks for. Whatever does not have exactly its form is not TLS.

use crate::policy::target::Name;

/// Post-quantum key shares make messages of 1,800 bytes; nothing known comes near this.
const MESSAGE_LIMIT_BYTES: usize = 16 << 10;
/// A record may hold a single byte of the message, and has five of its own.
const RECORDS_LIMIT_BYTES: usize = 6 * MESSAGE_LIMIT_BYTES;

const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
/// RFC 9849: another ClientHello, for another server, that only the first server can read.
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// Completes "The tunnel does not begin with TLS: …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotTls(&'static str);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServerName {
    Missing,
    Name(Name),
    /// Not a host name; as text, for the one case in which an address is right.
    Other(String),
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub(super) server_name: ServerName,
    /// There is an encrypted part that may ask for another one.
    pub(super) has_encrypted_name: bool,
}

/// Reads the beginning of a tunnel. `None`: right so far, and not whole yet.
pub(super) fn client_hello(bytes: &[u8]) -> Result<Option<ClientHello>, NotTls> {
    match message(bytes)? {
        Some(message) => parse(&message).map(Some),
        None if bytes.len() >= RECORDS_LIMIT_BYTES => Err(NotTls("its first message has no end")),
        None => Ok(None),
    }
}

/// The body of the first handshake message, however it is split into records.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, NotTls> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        match rest {
            [] => return Ok(None),
            [HANDSHAKE_RECORD, 3, minor, ..] if *minor <= 4 => {}
            [HANDSHAKE_RECORD] | [HANDSHAKE_RECORD, 3] => return Ok(None),
            [_, ..] => return Err(NotTls("these are no records of a handshake")),
        }
        let [_, _, _, high, low, fragment @ ..] = rest else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length == 0 || length > MESSAGE_LIMIT_BYTES {
            return Err(NotTls("a record is empty or too long"));
        }
        let is_whole = fragment.len() >= length;
        let (fragment, after) = fragment.split_at(length.min(fragment.len()));
        message.extend_from_slice(fragment);
        let Some(wanted) = wanted_length(&message)? else {
            if !is_whole {
                return Ok(None);
            }
            rest = after;
            continue;
        };
        if message.len() > wanted {
            return Err(NotTls("another message follows without an answer"));
        }
        if message.len() == wanted && is_whole {
            message.drain(..4);
            return Ok(Some(message));
        }
        if !is_whole {
            return Ok(None);
        }
        rest = after;
    }
}

/// The length of the whole message with its head, when the head is there.
fn wanted_length(message: &[u8]) -> Result<Option<usize>, NotTls> {
    match message {
        [CLIENT_HELLO, a, b, c, ..] => {
            let body = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap_or(usize::MAX);
            if body > MESSAGE_LIMIT_BYTES - 4 {
                return Err(NotTls("its first message is too long"));
            }
            Ok(Some(body + 4))
        }
        [] | [CLIENT_HELLO, ..] => Ok(None),
        [_, ..] => Err(NotTls("its first message is no ClientHello")),
    }
}

/// RFC 8446, section 4.1.2, and RFC 6066, section 3.
fn parse(message: &[u8]) -> Result<ClientHello, NotTls> {
    let mut body = Reader(message);
    let version = body.number()?;
    body.take(32)?;
    let session = body.vector8()?;
    let suites = body.vector16()?;
    let compression = body.vector8()?;
    if version >> 8 != 3 || session.len() > 32 || compression.is_empty() {
        return Err(MALFORMED);
    }
    if suites.is_empty() || suites.len() % 2 != 0 {
        return Err(MALFORMED);
    }
    if body.0.is_empty() {
        return Ok(ClientHello {
            server_name: ServerName::Missing,
            has_encrypted_name: false,
        });
    }
    let mut extensions = Reader(body.vector16()?);
    if !body.0.is_empty() {
        return Err(MALFORMED);
    }
    let mut found = ServerName::Missing;
    let mut seen = Vec::new();
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let content = extensions.vector16()?;
        // Which of two a server obeys is its own choice.
        if seen.contains(&kind) {
            return Err(NotTls("an extension is there twice"));
        }
        seen.push(kind);
        if kind == SERVER_NAME {
            found = name(content)?;
        }
    }
    Ok(ClientHello {
        server_name: found,
        has_encrypted_name: seen.contains(&ENCRYPTED_CLIENT_HELLO),
    })
}

fn name(content: &[u8]) -> Result<ServerName, NotTls> {
    let mut content = Reader(content);
    let mut list = Reader(content.vector16()?);
    let [kind] = list.take(1)? else {
        return Err(MALFORMED);
    };
    let name = list.vector16()?;
    if !content.0.is_empty() || !list.0.is_empty() || *kind != HOST_NAME || name.is_empty() {
        return Err(NotTls("it asks for no server, or for several"));
    }
    let text = String::from_utf8_lossy(name);
    Ok(match Name::parse(&text) {
        Ok(name) => ServerName::Name(name),
        Err(_) => ServerName::Other(text.into_owned()),
    })
}

const MALFORMED: NotTls = NotTls("its ClientHello is malformed");

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], NotTls> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u16, NotTls> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector8(&mut self) -> Result<&'a [u8], NotTls> {
        let length = self.take(1)?[0];
        self.take(length.into())
    }

    fn vector16(&mut self) -> Result<&'a [u8], NotTls> {
        let length = self.number()?;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests;
