//! Streams that are watched: how many bytes passed, and when the last did.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::journal::Passed;

/// When something last passed.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<Instant>>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn noted(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns when nothing passed for `limit`.
    pub(super) async fn idle(&self, limit: Duration) {
        loop {
            let end = self.noted() + limit;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

/// The client's side: notes activity.
#[derive(Debug)]
pub(super) struct Watched<S> {
    inner: S,
    activity: Activity,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, activity: Activity) -> Self {
        Self { inner, activity }
    }
}

/// The server's side: counts.
#[derive(Debug)]
pub(super) struct Counted<S> {
    inner: S,
    passed: Arc<Passed>,
}

impl<S> Counted<S> {
    pub(super) fn new(inner: S, passed: Arc<Passed>) -> Self {
        Self { inner, passed }
    }
}

trait Observer {
    fn read(&self, bytes: usize);
    fn written(&self, bytes: usize);
}

impl<S> Observer for Watched<S> {
    fn read(&self, _bytes: usize) {
        self.activity.note();
    }
    fn written(&self, _bytes: usize) {
        self.activity.note();
    }
}

impl<S> Observer for Counted<S> {
    fn read(&self, bytes: usize) {
        self.passed.down.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    fn written(&self, bytes: usize) {
        self.passed.up.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

macro_rules! observed {
    ($stream:ident) => {
        impl<S: AsyncRead + Unpin> AsyncRead for $stream<S> {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
                self.read(buffer.filled().len() - before);
                Poll::Ready(Ok(()))
            }
        }

        impl<S: AsyncWrite + Unpin> AsyncWrite for $stream<S> {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
                self.written(written);
                Poll::Ready(Ok(written))
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, slices))?;
                self.written(written);
                Poll::Ready(Ok(written))
            }

            fn is_write_vectored(&self) -> bool {
                self.inner.is_write_vectored()
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.inner).poll_flush(cx)
            }

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.inner).poll_shutdown(cx)
            }
        }
    };
}

observed!(Watched);
observed!(Counted);
