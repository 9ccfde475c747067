//! A connection as HTTP needs it: what was read and not used yet, beside the stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio_util::io::poll_read_buf;

use super::head::{BadHead, end_of_head};

/// A first read: heads are small, and most connections stay so.
const SMALL_READ_BYTES: usize = 4 << 10;
/// What is gathered before it goes on, and so the largest piece that is written at once: small enough to stay in a processor's cache
/// between one step and the next.
pub(super) const PIECE_BYTES: usize = 64 << 10;
/// What is read at once under TLS.
const READ_LIMIT_BYTES: usize = 4 * PIECE_BYTES;

/// Both directions of a connection, each of which can be used while the other is.
#[derive(Debug)]
pub(super) struct Wire<S> {
    pub(super) inbound: Inbound<ReadHalf<S>>,
    pub(super) outbound: WriteHalf<S>,
}

/// The reading side.
#[derive(Debug)]
pub(super) struct Inbound<R> {
    stream: R,
    buffer: BytesMut,
}

/// Why no head came.
#[derive(Debug)]
pub(super) enum NoHead {
    /// The other side ended, with nothing begun.
    Ended,
    /// The other side ended or failed within a head.
    Broken(io::Error),
    TooLarge,
    Bad(BadHead),
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        let (stream, outbound) = tokio::io::split(stream);
        let buffer = BytesMut::new();
        let inbound = Inbound { stream, buffer };
        Self { inbound, outbound }
    }

    /// The stream, and what was read of it.
    pub(super) fn into_parts(self) -> (S, BytesMut)
    where
        S: Unpin,
    {
        let Inbound { stream, buffer } = self.inbound;
        (stream.unsplit(self.outbound), buffer)
    }
}

impl<R: AsyncRead + Unpin> Inbound<R> {
    pub(super) fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
    }

    /// Waits for at least one more byte, and takes what else is there already, up to a whole piece. 0: the end.
    pub(super) async fn more(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_more(cx)).await
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let before = self.buffer.len();
        loop {
            let read = self.buffer.len() - before;
            if self.buffer.capacity() - self.buffer.len() < SMALL_READ_BYTES {
                // Grows with what comes, so that an idle connection stays small.
                self.buffer
                    .reserve(self.buffer.capacity().clamp(SMALL_READ_BYTES, PIECE_BYTES));
            }
            let polled = poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.buffer);
            match polled {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(read)),
                Poll::Ready(Ok(_)) if self.buffer.len() < PIECE_BYTES => {}
                Poll::Ready(Ok(_)) => return Poll::Ready(Ok(self.buffer.len() - before)),
                // A lasting error comes again when all is used that came before it.
                Poll::Pending | Poll::Ready(Err(_)) if read > 0 => return Poll::Ready(Ok(read)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether the other side has neither said anything nor left.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.buffer.is_empty() && self.more().now_or_never().is_none()
    }

    /// The next head, with its empty line. `may_be` is asked about its beginning.
    pub(super) async fn head(
        &mut self,
        limit_bytes: usize,
        may_be: fn(&[u8]) -> bool,
    ) -> Result<Bytes, NoHead> {
        let mut searched = 0;
        loop {
            if !may_be(&self.buffer) {
                return Err(NoHead::Bad(BadHead("its first line is none of HTTP")));
            }
            let end = end_of_head(&self.buffer, searched).map_err(NoHead::Bad)?;
            if end.unwrap_or(self.buffer.len()) > limit_bytes {
                return Err(NoHead::TooLarge);
            }
            if let Some(end) = end {
                return Ok(self.buffer.split_to(end).freeze());
            }
            searched = self.buffer.len();
            match self.more().await {
                Ok(0) if searched == 0 => return Err(NoHead::Ended),
                Ok(0) => return Err(NoHead::Broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(NoHead::Broken(error)),
            }
        }
    }
}

/// A stream under TLS: what was read before comes first, and the stream is read in large pieces though TLS asks for small ones.
#[derive(Debug)]
pub(super) struct Buffered<S> {
    stream: S,
    buffer: BytesMut,
    read_bytes: usize,
}

impl<S> Buffered<S> {
    pub(super) fn new(stream: S, buffer: BytesMut) -> Self {
        Self {
            stream,
            buffer,
            read_bytes: SMALL_READ_BYTES,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Buffered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.buffer.is_empty() {
            this.buffer.reserve(this.read_bytes);
            // A buffer may have more room than was asked for.
            let mut room = (&mut this.buffer).limit(this.read_bytes);
            let read = ready!(poll_read_buf(Pin::new(&mut this.stream), cx, &mut room))?;
            if read == this.read_bytes {
                this.read_bytes = (read * 2).min(READ_LIMIT_BYTES);
            }
        }
        let bytes = this.buffer.len().min(into.remaining());
        into.put_slice(&this.buffer[..bytes]);
        this.buffer.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Buffered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
