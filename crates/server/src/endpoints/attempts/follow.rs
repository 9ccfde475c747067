//! Following an attempt: subscribe, read after the cursor, send, repeat. Nothing is lost between reading and waiting, because the
//! subscription comes first; nothing is sent twice, because the cursor only rises.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event as SseEvent;
use futures_util::stream::{self, Stream};
use outwork_api::event::Event;
use outwork_domain::{AttemptId, WorkspaceId};
use outwork_store::StoreError;
use tokio::sync::watch;

use crate::plane::Plane;
use crate::view;

const BATCH: u32 = 500;
/// How often it looks without a signal: another server may have written to the same database.
const POLL: Duration = Duration::from_secs(2);

/// The events of an attempt after number `after`, until the one that ends it.
pub(super) fn follow(
    plane: Arc<Plane>,
    workspace: WorkspaceId,
    attempt: AttemptId,
    after: i64,
) -> impl Stream<Item = SseEvent> + Send + 'static {
    let changed = plane.signals.attempts.subscribe(&attempt);
    let follower = Follower {
        plane,
        workspace,
        attempt,
        after,
        changed,
        read: VecDeque::new(),
        ended: false,
    };
    stream::unfold(follower, Follower::next)
}

struct Follower {
    plane: Arc<Plane>,
    workspace: WorkspaceId,
    attempt: AttemptId,
    after: i64,
    changed: watch::Receiver<()>,
    read: VecDeque<Event>,
    /// The attempt has ended: when nothing is left to read, nothing will come.
    ended: bool,
}

impl Follower {
    async fn next(mut self) -> Option<(SseEvent, Self)> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.after = event.seq;
                return Some((sse(&event), self));
            }
            self.changed.mark_unchanged();
            match self.read_more().await {
                Ok(true) => {}
                Ok(false) if self.ended => return None,
                Ok(false) => self.wait().await,
                // The client comes back with the last number it saw, and is told then what is wrong.
                Err(fault) => {
                    tracing::warn!(attempt = %self.attempt, %fault, "a stream of events broke off");
                    return None;
                }
            }
        }
    }

    /// Whether there is something to send. When the attempt turns out to have ended, it reads once more, so that the last event is not missed.
    async fn read_more(&mut self) -> Result<bool, StoreError> {
        let mut rows = self
            .plane
            .store
            .events(self.workspace, self.attempt, self.after, BATCH)
            .await?;
        if rows.is_empty() && !self.ended {
            let record = self
                .plane
                .store
                .attempt(self.workspace, self.attempt)
                .await?;
            self.ended = record.is_none_or(|record| record.attempt.state.is_final());
            if self.ended {
                rows = self
                    .plane
                    .store
                    .events(self.workspace, self.attempt, self.after, BATCH)
                    .await?;
            }
        }
        self.read = rows
            .into_iter()
            .map(view::event::wire)
            .collect::<Result<_, _>>()?;
        Ok(!self.read.is_empty())
    }

    async fn wait(&mut self) {
        tokio::select! {
            // An error means that the sender is gone, and then only the timer is left.
            Ok(()) = self.changed.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

fn sse(event: &Event) -> SseEvent {
    let data = serde_json::to_string(event).expect("an event is plain data");
    SseEvent::default()
        .id(event.seq.to_string())
        .event(view::event::kind(&event.body))
        .data(data)
}
