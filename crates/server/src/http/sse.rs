//! Server-sent events: what every stream of this server has in common. They are made as text, so that what many follow is made once, and
//! sent as much at a time as there is.

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};

use crate::plane::Plane;

/// How often something is sent when there is nothing to say, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A comment, which clients pass over.
const NOTHING: Bytes = Bytes::from_static(b":\n\n");

/// An event as it is sent. `data` has no line breaks, as JSON has none here.
pub(crate) fn event(id: Option<i64>, kind: &str, data: &str) -> Bytes {
    debug_assert!(!data.contains(['\n', '\r']), "it would be several lines");
    let mut text = String::with_capacity(data.len() + kind.len() + 48);
    if let Some(id) = id {
        writeln!(text, "id: {id}").expect("a text takes everything");
    }
    write!(text, "event: {kind}\ndata: {data}\n\n").expect("a text takes everything");
    Bytes::from(text)
}

/// Answers with `events`, until they end or the server stops. The first thing sent is after how long to come back, a little different for
/// each client, so that not all come back at once.
pub(crate) fn respond(
    plane: &Plane,
    events: impl Stream<Item = Bytes> + Send + 'static,
) -> Response {
    let retry = format!("retry: {}\n\n", plane.ids.jitter(500, 1000));
    let shutdown = plane.shutdown.clone();
    let events = events.take_until(async move { shutdown.cancelled().await });
    let events =
        stream::once(async move { Bytes::from(retry) }).chain(kept_alive(events, KEEP_ALIVE));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    let body = Body::from_stream(events.map(Ok::<_, Infallible>));
    (headers, body).into_response()
}

/// The same, with a comment whenever nothing came for a while.
fn kept_alive(
    events: impl Stream<Item = Bytes> + Send + 'static,
    every: Duration,
) -> impl Stream<Item = Bytes> {
    stream::unfold(Box::pin(events), move |mut events| async move {
        let next = tokio::time::timeout(every, events.next());
        match next.await {
            Ok(next) => next.map(|text| (text, events)),
            Err(_) => Some((NOTHING, events)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_few_lines() {
        let text = event(Some(7), "output", "{}");
        assert_eq!(text, "id: 7\nevent: output\ndata: {}\n\n");
        assert_eq!(event(None, "command", "{}"), "event: command\ndata: {}\n\n");
    }

    #[tokio::test]
    async fn a_quiet_stream_says_something_now_and_then() {
        let quiet = kept_alive(stream::pending(), Duration::from_millis(1));
        let sent: Vec<_> = quiet.take(2).collect().await;
        assert_eq!(sent, [NOTHING, NOTHING]);
        let ended = kept_alive(stream::iter([Bytes::from_static(b"x")]), KEEP_ALIVE);
        assert_eq!(ended.collect::<Vec<_>>().await, ["x"]);
    }
}
