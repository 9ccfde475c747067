//! WebSocket (RFC 6455), as much as Socket Mode needs: the client's side of the handshake, and frames. No extensions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The longest message: Slack's are far below it.
pub const MESSAGE_BYTES: usize = 16 << 20;
/// A control frame's payload.
const CONTROL_BYTES: usize = 125;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Key` for 16 random bytes.
pub fn key(random: [u8; 16]) -> String {
    STANDARD.encode(random)
}

/// The value of `Sec-WebSocket-Accept` that answers a key.
pub fn accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID.as_bytes());
    STANDARD.encode(hash.finalize())
}

/// What kind of frame is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, whole.
    Text,
    /// Whether the other is there.
    Ping,
    /// It is.
    Pong,
    /// The end.
    Close,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// A whole frame. A client masks what it sends with four random bytes, a server does not.
pub fn frame(kind: Kind, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 14);
    out.push(0x80 | kind.code());
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 126 => out.push(masked | short),
        (_, Ok(middle)) => {
            out.push(masked | 126);
            out.extend(middle.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    match mask {
        None => out.extend_from_slice(payload),
        Some(mask) => {
            out.extend(mask);
            let key = mask.iter().cycle();
            out.extend(payload.iter().zip(key).map(|(byte, key)| byte ^ key));
        }
    }
    out
}

/// What the other side sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// Answer with a pong of the same.
    Ping(Vec<u8>),
    /// The answer to a ping.
    Pong(Vec<u8>),
    /// The end, with a number and words if there are any.
    Close(Option<u16>, String),
}

/// What is not WebSocket: the connection has to be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolFault {
    /// A frame with bits or a kind that nobody agreed on.
    #[error("a frame of a kind that is not known")]
    Unknown,
    /// A server's frame that is masked, or a client's that is not.
    #[error("a frame that is masked and must not be, or the other way round")]
    Mask,
    /// Too long.
    #[error("a message that is too long")]
    TooLong,
    /// A control frame that is cut in pieces or too long.
    #[error("a control frame that is too long or in pieces")]
    Control,
    /// A piece that continues nothing, or something new before the last was whole.
    #[error("pieces in the wrong order")]
    Order,
    /// Text that is no UTF-8.
    #[error("a text that is no UTF-8")]
    Text,
}

/// Puts frames together.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// What has come of a message in pieces, and whether it is text.
    pieces: Option<(bool, Vec<u8>)>,
    is_from_client: bool,
}

struct Frame {
    is_last: bool,
    code: u8,
    payload: Vec<u8>,
}

impl Decoder {
    /// For what a server sends.
    pub fn of_server() -> Self {
        Self {
            buffer: Vec::new(),
            pieces: None,
            is_from_client: false,
        }
    }

    /// For what a client sends.
    pub fn of_client() -> Self {
        Self {
            is_from_client: true,
            ..Self::of_server()
        }
    }

    /// Takes bytes, however they were cut.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next that is whole.
    pub fn heard(&mut self) -> Result<Option<Heard>, ProtocolFault> {
        while let Some(frame) = self.frame()? {
            if let Some(heard) = self.put(frame)? {
                return Ok(Some(heard));
            }
        }
        Ok(None)
    }

    fn frame(&mut self) -> Result<Option<Frame>, ProtocolFault> {
        let [first, second, rest @ ..] = self.buffer.as_slice() else {
            return Ok(None);
        };
        let (is_last, code) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 || !matches!(code, 0..=2 | 8..=10) {
            return Err(ProtocolFault::Unknown);
        }
        if (second & 0x80 != 0) != self.is_from_client {
            return Err(ProtocolFault::Mask);
        }
        let (length, rest) = match second & 0x7f {
            126 => match rest.split_first_chunk::<2>() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        let length = usize::try_from(length).map_err(|_| ProtocolFault::TooLong)?;
        if code >= 8 && (length > CONTROL_BYTES || !is_last) {
            return Err(ProtocolFault::Control);
        }
        let before = self.pieces.as_ref().map_or(0, |(_, bytes)| bytes.len());
        if length > MESSAGE_BYTES || before + length > MESSAGE_BYTES {
            return Err(ProtocolFault::TooLong);
        }
        let (mask, rest) = match self.is_from_client {
            false => ([0; 4], rest),
            true => match rest.split_first_chunk::<4>() {
                Some((mask, rest)) => (*mask, rest),
                None => return Ok(None),
            },
        };
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let key = mask.iter().cycle();
        let payload: Vec<u8> = payload
            .iter()
            .zip(key)
            .map(|(byte, key)| byte ^ key)
            .collect();
        let used = self.buffer.len() - (rest.len() - length);
        self.buffer.drain(..used);
        Ok(Some(Frame {
            is_last,
            code,
            payload,
        }))
    }

    fn put(&mut self, frame: Frame) -> Result<Option<Heard>, ProtocolFault> {
        let Frame {
            is_last,
            code,
            payload,
        } = frame;
        match code {
            9 => return Ok(Some(Heard::Ping(payload))),
            10 => return Ok(Some(Heard::Pong(payload))),
            8 => return close(&payload).map(Some),
            0 => {
                let (_, bytes) = self.pieces.as_mut().ok_or(ProtocolFault::Order)?;
                bytes.extend(payload);
            }
            _ if self.pieces.is_some() => return Err(ProtocolFault::Order),
            code => self.pieces = Some((code == 1, payload)),
        }
        if !is_last {
            return Ok(None);
        }
        match self.pieces.take() {
            Some((true, bytes)) => {
                let text = String::from_utf8(bytes).map_err(|_| ProtocolFault::Text)?;
                Ok(Some(Heard::Text(text)))
            }
            Some((false, bytes)) => Ok(Some(Heard::Binary(bytes))),
            None => Err(ProtocolFault::Order),
        }
    }
}

fn close(payload: &[u8]) -> Result<Heard, ProtocolFault> {
    match payload.split_first_chunk::<2>() {
        None if payload.is_empty() => Ok(Heard::Close(None, String::new())),
        None => Err(ProtocolFault::Control),
        Some((code, why)) => {
            let why = std::str::from_utf8(why).map_err(|_| ProtocolFault::Text)?;
            Ok(Heard::Close(
                Some(u16::from_be_bytes(*code)),
                why.to_owned(),
            ))
        }
    }
}
