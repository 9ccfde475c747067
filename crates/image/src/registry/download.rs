//! A layer's blob on its way here.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE};
use reqwest::{Response, StatusCode};
use tokio::sync::mpsc;

use super::Repository;
use super::error::RegistryError;
use super::request::Request;
use crate::digest::Digest;

/// Pieces between the network and whoever unpacks; one is about 16 KiB.
const PIECES: usize = 32;
/// So much has to come before a connection that breaks is as good as the first.
const PROGRESS_BYTES: u64 = 1024 * 1024;
/// However much has come.
const CONNECTIONS: usize = 100;

/// The end of a download at which a blob is read, by a thread that may wait.
pub(crate) struct Incoming {
    from: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            // Also if the download failed, which is said elsewhere.
            let Some(piece) = self.from.blocking_recv() else {
                return Ok(0);
            };
            self.piece = piece;
        }
        let length = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// The other end.
pub(crate) struct Download {
    repository: Arc<Repository>,
    digest: Digest,
    size: u64,
    to: mpsc::Sender<Bytes>,
}

enum Part {
    /// All of the blob has come, or nobody wants the rest.
    Done,
    /// The connection broke.
    Broken(RegistryError),
}

impl Download {
    pub(crate) fn new(repository: Arc<Repository>, digest: Digest, size: u64) -> (Self, Incoming) {
        let (to, from) = mpsc::channel(PIECES);
        let download = Self {
            repository,
            digest,
            size,
            to,
        };
        let piece = Bytes::new();
        (download, Incoming { from, piece })
    }

    /// Brings the blob. A connection that breaks is made again and goes on where it was. Whether it is the right blob,
    /// the reader finds out.
    pub(crate) async fn run(self, received: impl Fn(u64)) -> Result<(), RegistryError> {
        let waits = &self.repository.registries.config.patience.retry_after;
        let mut left = waits.iter();
        let mut at = 0;
        let mut good_until = 0;
        for _ in 0..CONNECTIONS {
            let request = Request::blob(self.digest, at);
            let response = self.repository.send(request).await?;
            let error = match self.forward(response, &mut at, &received).await? {
                Part::Done => return Ok(()),
                Part::Broken(error) => error,
            };
            if at >= good_until + PROGRESS_BYTES {
                good_until = at;
                left = waits.iter();
            }
            let Some(wait) = left.next() else {
                return Err(error);
            };
            tracing::debug!(registry = self.repository.registry, digest = %self.digest, at, %error, "a download goes on");
            tokio::time::sleep(*wait).await;
        }
        Err(self.broken(None))
    }

    async fn forward(
        &self,
        mut response: Response,
        at: &mut u64,
        received: &impl Fn(u64),
    ) -> Result<Part, RegistryError> {
        let mut skip = self.begins_at(&response, *at)?;
        loop {
            let mut piece = match response.chunk().await {
                Ok(Some(piece)) => piece,
                Ok(None) if *at == self.size => return Ok(Part::Done),
                Ok(None) => return Ok(Part::Broken(self.broken(None))),
                Err(error) => return Ok(Part::Broken(self.broken(Some(error)))),
            };
            let passed = piece.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
            piece.advance(passed);
            skip -= passed as u64;
            if piece.is_empty() {
                continue;
            }
            *at += piece.len() as u64;
            if *at > self.size {
                return Err(self.protocol("it sends more of a layer than there is"));
            }
            received(piece.len() as u64);
            if self.to.send(piece).await.is_err() {
                return Ok(Part::Done);
            }
        }
    }

    /// How much of the answer is known already.
    fn begins_at(&self, response: &Response, at: u64) -> Result<u64, RegistryError> {
        let header = |name| response.headers().get(name)?.to_str().ok();
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let range = header(CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "));
            return match range.and_then(|range| range.split('-').next()?.parse::<u64>().ok()) {
                Some(start) if start == at => Ok(0),
                Some(_) | None => {
                    Err(self.protocol("it sends another part of a layer than was asked for"))
                }
            };
        }
        match header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok()) {
            Some(length) if length != self.size => {
                Err(self.protocol("a layer in it has another size than its manifest says"))
            }
            Some(_) | None => Ok(at),
        }
    }

    fn broken(&self, error: Option<reqwest::Error>) -> RegistryError {
        let registry = self.repository.registry.clone();
        match error {
            Some(error) => RegistryError::of(&registry, error),
            None => RegistryError::Broken {
                registry,
                source: None,
            },
        }
    }

    fn protocol(&self, why: &'static str) -> RegistryError {
        RegistryError::Protocol {
            registry: self.repository.registry.clone(),
            why,
        }
    }
}
