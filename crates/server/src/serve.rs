//! Connections. Each costs as little memory as hyper lets it: most of them are idle, of followers and of workers that wait.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::serve::{Listener, ListenerExt};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// How long requests that run may take to end after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Answers requests until `shutdown`; then streams end, long polls answer, and requests that run get a few seconds to end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    // Answers and events are small and must not wait for more to send.
    let mut listener = listener.tap_io(|connection| {
        if let Err(fault) = connection.set_nodelay(true) {
            tracing::debug!(%fault, "a connection is slower than it could be");
        }
    });
    // Made once: else all routes are copied for every connection, a third of a megabyte.
    let router = router.with_state(());
    let connections = TaskTracker::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        connections.spawn(connection(stream, router.clone(), shutdown.clone()));
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not end in time and were cut off");
    }
    Ok(())
}

/// Only HTTP/1.1, which is what proxies in front speak. Finding out whether a client begins with HTTP/2 takes a read, and a buffer twice the
/// size that stays as long as the connection.
async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        // In a box: it is gone when its answer begins, and a stream's connection stays.
        Box::pin(router.clone().call(request.map(Body::new)))
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(fault) = ended {
        tracing::trace!(%fault, "a connection broke off");
    }
}
