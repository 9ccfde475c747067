//! An answer on its way from the repository's server to the worker: piece by piece, no faster than the worker takes them, and for no longer
//! than it may have them.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::sleep_until;

use super::{Permit, Service, chain};
use crate::plane::Plane;

/// What goes to the worker. A channel that closes without an end is an answer that broke off.
enum Part {
    Piece(Bytes),
    End,
}

/// Why an answer ended before its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the worker went away")]
    Left,
    #[error("it took too long")]
    TooLong,
    #[error("nothing moved for too long")]
    Silent,
    #[error("it is too large")]
    TooLarge,
    #[error("the claim or the credential does not hold any more")]
    Revoked,
    #[error("the repository's server broke off")]
    Upstream(#[source] reqwest::Error),
}

/// An answer whose head came.
struct Relay {
    plane: Arc<Plane>,
    permit: Permit,
    answer: reqwest::Response,
    sink: mpsc::Sender<Part>,
    passed: u64,
}

/// The answer to the worker, while the rest of it comes.
pub(crate) fn relay(
    plane: Arc<Plane>,
    permit: Permit,
    entered: OwnedSemaphorePermit,
    service: Service,
    answer: reqwest::Response,
) -> Response {
    let headers = [header::CONTENT_TYPE, header::CONTENT_ENCODING].map(|name| {
        let value = answer.headers().get(&name).cloned();
        (name, value)
    });
    let (sink, parts) = mpsc::channel(1);
    let relay = Relay {
        plane,
        permit,
        answer,
        sink,
        passed: 0,
    };
    tokio::spawn(async move {
        relay.run(service).await;
        drop(entered);
    });
    let mut response = Body::from_stream(received(parts)).into_response();
    for (name, value) in headers {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn received(parts: mpsc::Receiver<Part>) -> impl stream::Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(parts), |parts| async {
        let mut parts = parts?;
        match parts.recv().await {
            Some(Part::Piece(piece)) => Some((Ok(piece), Some(parts))),
            Some(Part::End) => None,
            None => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
        }
    })
}

impl Relay {
    async fn run(mut self, service: Service) {
        let begun = Instant::now();
        let ended = self.pass_on().await;
        let Self { permit, passed, .. } = self;
        let attempt = permit.lease.attempt;
        let (url, ms) = (permit.url, begun.elapsed().as_millis());
        match ended {
            Ok(()) if service == Service::Refs => {
                tracing::debug!(%attempt, %url, bytes = passed, ms, "refs were read through the git gateway");
            }
            Ok(()) => {
                tracing::info!(%attempt, %url, bytes = passed, ms, "a repository was read through the git gateway");
            }
            Err(fault) => {
                let cause = chain(&fault);
                tracing::info!(%attempt, %url, bytes = passed, ms, "reading through the git gateway ended early: {cause}");
            }
        }
    }

    async fn pass_on(&mut self) -> Result<(), Broken> {
        let patience = *self.plane.git_gateway.patience();
        let whole = tokio::time::Instant::now() + patience.whole;
        let mut look =
            tokio::time::interval_at(tokio::time::Instant::now() + patience.look, patience.look);
        let mut moved = tokio::time::Instant::now();
        let mut pending: Option<Part> = None;
        loop {
            tokio::select! {
                biased;
                () = self.sink.closed() => return Err(Broken::Left),
                () = sleep_until(whole) => return Err(Broken::TooLong),
                () = sleep_until(moved + patience.idle) => return Err(Broken::Silent),
                _ = look.tick() => {
                    // What the store needs for its answer is not counted against anybody.
                    if !self.permit.still_holds(&self.plane).await {
                        return Err(Broken::Revoked);
                    }
                }
                slot = self.sink.reserve(), if pending.is_some() => {
                    let slot = slot.map_err(|_| Broken::Left)?;
                    match pending.take() {
                        Some(Part::End) | None => {
                            slot.send(Part::End);
                            return Ok(());
                        }
                        Some(piece) => slot.send(piece),
                    }
                    moved = tokio::time::Instant::now();
                }
                piece = self.answer.chunk(), if pending.is_none() => {
                    let piece = piece.map_err(|error| Broken::Upstream(error.without_url()))?;
                    self.passed += piece.as_ref().map_or(0, |piece| piece.len() as u64);
                    if self.passed > patience.answer_bytes {
                        return Err(Broken::TooLarge);
                    }
                    pending = Some(piece.map_or(Part::End, Part::Piece));
                    moved = tokio::time::Instant::now();
                }
            }
        }
    }
}
