//! The request's body, read before it is forwarded: so it can be sent again.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::GatewayConfig;
use super::refusal::Refusal;

/// Memory is granted in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// The memory for the bodies of one gateway's requests.
pub(super) struct BodyMemory {
    pieces: Arc<Semaphore>,
    max_bytes: usize,
    timeout: Duration,
}

/// A body with the memory that it takes.
pub(super) struct Kept {
    pub bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

pub(super) enum BodyError {
    Refused(Refusal),
    /// The agent stopped sending its request.
    AgentGone,
}

impl BodyMemory {
    pub(super) fn new(config: &GatewayConfig) -> Self {
        let pieces = config.max_request_memory_bytes / PIECE_BYTES;
        Self {
            pieces: Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS))),
            max_bytes: config.max_request_body_bytes,
            timeout: config.request_timeout,
        }
    }

    /// What the agent announces is refused unread; a body without a length is
    /// measured as it comes.
    pub(super) fn check_announced(&self, body: &Incoming) -> Result<(), Refusal> {
        match body.size_hint().lower() > self.max_bytes as u64 {
            true => Err(Refusal::BodyTooLarge),
            false => Ok(()),
        }
    }

    pub(super) async fn read(&self, body: Incoming) -> Result<Kept, BodyError> {
        let read = tokio::time::timeout(self.timeout, self.read_all(body));
        let too_slow = |_| Err(BodyError::Refused(Refusal::BodyTooSlow));
        read.await.unwrap_or_else(too_slow)
    }

    async fn read_all(&self, mut body: Incoming) -> Result<Kept, BodyError> {
        let mut bytes = BytesMut::new();
        let mut memory: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BodyError::AgentGone)?;
            // Trailers are not forwarded.
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = bytes.len() + data.len();
            if length > self.max_bytes {
                return Err(BodyError::Refused(Refusal::BodyTooLarge));
            }
            let held = memory.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let missing = length.div_ceil(PIECE_BYTES).saturating_sub(held);
            if missing > 0 {
                let more = self.grant(missing)?;
                match &mut memory {
                    Some(memory) => memory.merge(more),
                    None => memory = Some(more),
                }
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Kept {
            bytes: bytes.freeze(),
            _memory: memory,
        })
    }

    /// Without waiting: two requests that wait for each other's memory would not end.
    fn grant(&self, pieces: usize) -> Result<OwnedSemaphorePermit, BodyError> {
        let too_many = BodyError::Refused(Refusal::TooManyRequests);
        let Ok(pieces) = u32::try_from(pieces) else {
            return Err(too_many);
        };
        let granted = self.pieces.clone().try_acquire_many_owned(pieces);
        granted.map_err(|_| too_many)
    }
}
