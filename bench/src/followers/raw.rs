//! Raw server-sent events: a channel to all who are connected. Nothing is stored.

use std::convert::Infallible;

use anyhow::Result;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::EVENT_BYTES;
use crate::player;

/// The argument that makes this program that server.
pub(crate) const ROLE: &str = "followers-raw";
/// The number of the event that says that a follower is connected.
pub(super) const FIRST: i64 = 1;
/// More than any burst, so that nobody misses any.
const CHANNEL: usize = 4096;

type Channel = broadcast::Sender<i64>;

#[derive(Clone)]
struct Shared {
    channel: Channel,
    last: std::sync::Arc<std::sync::atomic::AtomicI64>,
}

/// Serves until it is killed.
pub(crate) fn role() -> Result<()> {
    super::crowd::allow_connections()?;
    player::runtime()?.block_on(async {
        let shared = Shared {
            channel: broadcast::channel(CHANNEL).0,
            last: std::sync::Arc::new(FIRST.into()),
        };
        let router = Router::new()
            .route("/events", get(events))
            .route("/publish", post(publish))
            .with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        player::say(&listener.local_addr()?.to_string())?;
        use axum::serve::ListenerExt;
        let listener = listener.tap_io(|connection| {
            let _slower = connection.set_nodelay(true);
        });
        axum::serve(listener, router.into_make_service()).await?;
        Ok(())
    })
}

async fn publish(State(shared): State<Shared>, Json(count): Json<i64>) -> StatusCode {
    for _ in 0..count {
        let last = &shared.last;
        let number = last.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let _nobody_listens = shared.channel.send(number);
    }
    StatusCode::NO_CONTENT
}

async fn events(
    State(shared): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let receiver = shared.channel.subscribe();
    let first = stream::once(async { FIRST });
    let later = stream::unfold(receiver, |mut receiver| async move {
        match receiver.recv().await {
            Ok(number) => Some((number, receiver)),
            // A follower would notice the gap.
            Err(RecvError::Lagged(_) | RecvError::Closed) => None,
        }
    });
    Sse::new(first.chain(later).map(|number| Ok(event(number))))
}

fn event(number: i64) -> Event {
    Event::default()
        .id(number.to_string())
        .event("output")
        .data("x".repeat(EVENT_BYTES))
}
