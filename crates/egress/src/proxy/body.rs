//! Bodies, passed on piece by piece: read by one framing, written by another.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::budget::Budget;
use super::head::Framing;
use super::wire::{Inbound, PIECE_BYTES};

/// A chunk's size, an extension if these are let pass, or a trailer.
const LINE_LIMIT_BYTES: usize = 4 << 10;
const TRAILERS_LIMIT: usize = 64;
const SIZE_LIMIT_DIGITS: usize = 15;

/// Why a body did not pass.
#[derive(Debug)]
pub(super) enum Broken {
    /// What it is read from ended or failed.
    Source,
    /// Its framing could be read in two ways; completes "The body …".
    Framing(&'static str),
    /// What it is written to failed.
    Sink(io::Error),
    /// More than may be sent to this host.
    Budget,
}

/// Where in a body the reading stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// A size is next; before all but the first chunk the end of the last one.
    Size,
    Data(u64),
    DataEnd,
    UntilEnd,
    Done,
}

/// A body that is being read.
#[derive(Debug)]
pub(super) struct BodyReader {
    at: At,
    is_chunked: bool,
    extensions: Extensions,
}

/// What becomes of chunk extensions, which no program needs and some read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extensions {
    Refused,
    Dropped,
}

impl BodyReader {
    pub(super) fn new(framing: Framing, extensions: Extensions) -> Self {
        let at = match framing {
            Framing::Length(0) => At::Done,
            Framing::Length(bytes) => At::Data(bytes),
            Framing::Chunked => At::Size,
            Framing::UntilEnd => At::UntilEnd,
        };
        Self {
            at,
            is_chunked: framing == Framing::Chunked,
            extensions,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// How many bytes of the body `source` has at its front; 0 at the end of the body.
    pub(super) async fn next<R>(
        &mut self,
        source: &mut Inbound<R>,
        passed: &AtomicU64,
    ) -> Result<usize, Broken>
    where
        R: AsyncRead + Unpin,
    {
        loop {
            match self.at {
                At::Done => return Ok(0),
                At::Size => {
                    let size = self.size(source, passed).await?;
                    self.at = At::Data(size);
                    if size == 0 {
                        self.trailers(source, passed).await?;
                        self.at = At::Done;
                    }
                }
                At::DataEnd => {
                    let line = line(source, passed).await?;
                    if !line.is_empty() {
                        return Err(Broken::Framing("has a chunk that is longer than its size"));
                    }
                    self.at = At::Size;
                }
                At::Data(_) | At::UntilEnd if source.buffered().is_empty() => {
                    if source.more().await.map_err(|_| Broken::Source)? > 0 {
                        continue;
                    }
                    if self.at != At::UntilEnd {
                        return Err(Broken::Source);
                    }
                    self.at = At::Done;
                }
                At::Data(left) => {
                    let left = usize::try_from(left).unwrap_or(usize::MAX);
                    return Ok(source.buffered().len().min(left));
                }
                At::UntilEnd => return Ok(source.buffered().len()),
            }
        }
    }

    /// Takes what [`BodyReader::next`] showed.
    fn used<R: AsyncRead + Unpin>(&mut self, source: &mut Inbound<R>, bytes: usize) {
        source.advance(bytes);
        if let At::Data(left) = self.at {
            let left = left - bytes as u64;
            self.at = match (left, self.is_chunked) {
                (0, true) => At::DataEnd,
                (0, false) => At::Done,
                (left, _) => At::Data(left),
            };
        }
    }

    async fn size<R>(&self, source: &mut Inbound<R>, passed: &AtomicU64) -> Result<u64, Broken>
    where
        R: AsyncRead + Unpin,
    {
        let line = line(source, passed).await?;
        let digits = match (line.iter().position(|byte| *byte == b';'), self.extensions) {
            (None, _) => &line[..],
            (Some(at), Extensions::Dropped) => line[..at].trim_ascii_end(),
            (Some(_), Extensions::Refused) => {
                return Err(Broken::Framing("has a chunk with an extension"));
            }
        };
        let text = str::from_utf8(digits).unwrap_or_default();
        let is_plain = (1..=SIZE_LIMIT_DIGITS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(text, 16).ok().filter(|_| is_plain);
        size.ok_or(Broken::Framing("has a chunk whose size is no plain number"))
    }

    /// Read and dropped: what stands there must not become a header for anybody.
    async fn trailers<R>(&self, source: &mut Inbound<R>, passed: &AtomicU64) -> Result<(), Broken>
    where
        R: AsyncRead + Unpin,
    {
        for _ in 0..TRAILERS_LIMIT {
            if line(source, passed).await?.is_empty() {
                return Ok(());
            }
        }
        Err(Broken::Framing("has trailers without end"))
    }
}

/// A line without its end.
async fn line<R>(source: &mut Inbound<R>, passed: &AtomicU64) -> Result<Vec<u8>, Broken>
where
    R: AsyncRead + Unpin,
{
    loop {
        let end = source.buffered().iter().position(|byte| *byte == b'\n');
        if end.unwrap_or(source.buffered().len()) > LINE_LIMIT_BYTES {
            return Err(Broken::Framing("has a line between chunks that has no end"));
        }
        if let Some(end) = end {
            let Some(line) = source.buffered()[..end].strip_suffix(b"\r") else {
                return Err(Broken::Framing(
                    "has a line that ends without a carriage return",
                ));
            };
            if line.contains(&b'\r') {
                return Err(Broken::Framing("has a carriage return within a line"));
            }
            let line = line.to_vec();
            source.advance(end + 1);
            passed.fetch_add(end as u64 + 1, Ordering::Relaxed);
            return Ok(line);
        }
        if source.more().await.map_err(|_| Broken::Source)? == 0 {
            return Err(Broken::Source);
        }
    }
}

/// Writes `head`, then the body that `reader` reads from `source`, in chunks if `in_chunks`. What comes together goes on together.
pub(super) async fn copy<R, W>(
    head: Vec<u8>,
    source: &mut Inbound<R>,
    reader: &mut BodyReader,
    sink: &mut W,
    in_chunks: bool,
    meter: &Meter<'_>,
) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut pending = head;
    loop {
        // Nothing that came may wait for what has not.
        let ready = match pending.is_empty() {
            true => None,
            false => reader.next(source, meter.passed).now_or_never(),
        };
        let next = match ready {
            Some(Ok(bytes)) => Ok(bytes),
            None | Some(Err(Broken::Source)) if !pending.is_empty() => {
                write(sink, &pending).await?;
                pending.clear();
                reader.next(source, meter.passed).await
            }
            None => reader.next(source, meter.passed).await,
            Some(Err(broken)) => Err(broken),
        };
        let bytes = next?;
        if bytes == 0 {
            break;
        }
        meter.passed.fetch_add(bytes as u64, Ordering::Relaxed);
        if !meter.budget.is_none_or(|budget| budget.spend(bytes as u64)) {
            return Err(Broken::Budget);
        }
        let piece = &source.buffered()[..bytes];
        if in_chunks {
            pending.extend_from_slice(format!("{bytes:x}\r\n").as_bytes());
            pending.extend_from_slice(piece);
            pending.extend_from_slice(b"\r\n");
        } else if !pending.is_empty() {
            pending.extend_from_slice(piece);
        } else {
            write(sink, piece).await?;
        }
        reader.used(source, bytes);
        if pending.len() >= PIECE_BYTES {
            write(sink, &pending).await?;
            pending.clear();
        }
    }
    if in_chunks {
        pending.extend_from_slice(b"0\r\n\r\n");
    }
    if !pending.is_empty() {
        write(sink, &pending).await?;
    }
    Ok(())
}

/// What counts a body's bytes, and what they may be at most.
#[derive(Debug)]
pub(super) struct Meter<'a> {
    pub(super) passed: &'a AtomicU64,
    pub(super) budget: Option<&'a Budget>,
}

async fn write<W: AsyncWrite + Unpin>(sink: &mut W, bytes: &[u8]) -> Result<(), Broken> {
    sink.write_all(bytes).await.map_err(Broken::Sink)?;
    sink.flush().await.map_err(Broken::Sink)
}

#[cfg(test)]
mod tests;
