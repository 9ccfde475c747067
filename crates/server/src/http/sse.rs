//! Server-sent events: what every stream of this server has in common.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};

use crate::plane::Plane;

/// How often something is sent when there is nothing to say, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Answers with `events`, until they end or the server stops. The first thing sent is after how long to come back, a little different for
/// each client, so that not all come back at once.
pub(crate) fn respond(
    plane: &Plane,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Response {
    let retry = Event::default().retry(Duration::from_millis(plane.ids.jitter(500, 1000)));
    let shutdown = plane.shutdown.clone();
    let events = stream::once(async move { retry })
        .chain(events)
        .take_until(async move { shutdown.cancelled().await })
        .map(Ok::<_, Infallible>);
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}
