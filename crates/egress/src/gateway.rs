//! The model gateway: HTTP/1.1 on a unix socket in, the model's API out.
//!
//! One [`Upstream`] (address, key, connection pool, limits) serves all gateways
//! of a process; one [`Gateway`] (socket, events, totals) belongs to one agent.
//! The agent is hostile: paths are compared whole and undecoded, its credentials
//! and routing headers are dropped, the address is never taken from a request,
//! and its connections are bounded.

mod endpoint;
mod headers;
mod mask;
mod refusal;
mod upstream;
mod usage;

mod ledger;
mod request;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

pub use endpoint::Endpoint;
pub use ledger::{Ending, GatewayEvent, Tokens, Totals};
pub use refusal::Refusal;
pub use upstream::{ApiKey, ConfigError, Upstream, UpstreamErrorKind};
pub use usage::Usage;

use ledger::Ledger;

/// Limits of a gateway. The defaults suit a hosted model; slow local models may
/// need longer timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// For name lookup, TCP and TLS. Default 10 s.
    pub connect_timeout: Duration,
    /// From the start of the request to the head of the answer. A model that does
    /// not stream answers only when it is done. Default 300 s.
    pub first_byte_timeout: Duration,
    /// The longest silence inside an answer. Default 300 s.
    pub idle_timeout: Duration,
    /// Further requests get 429. Default 32.
    pub max_concurrent_requests: usize,
    /// Further connections wait, so an agent cannot use up file descriptors.
    /// Default 64.
    pub max_connections: usize,
    /// Larger requests get 413. Default 64 MiB.
    pub max_request_body_bytes: usize,
    /// Events that may wait for their reader; see [`Totals::events_dropped`].
    /// Default 1024.
    pub event_capacity: usize,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(300),
            max_concurrent_requests: 32,
            max_connections: 64,
            max_request_body_bytes: 64 << 20,
            event_capacity: 1024,
        }
    }
}

/// A listening gateway. Dropping it stops it too, but without waiting.
#[derive(Debug)]
pub struct Gateway {
    socket: PathBuf,
    ledger: Ledger,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

/// What all requests of one gateway share.
struct Shared {
    upstream: Upstream,
    ledger: Ledger,
    permits: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Gateway {
    /// Listens on a new unix socket at `socket`; who may connect is decided by
    /// the permissions of its directory. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// The socket cannot be made: the path exists, is longer than 107 bytes, or
    /// its directory is missing.
    pub fn start(
        socket: &Path,
        upstream: Upstream,
    ) -> io::Result<(Self, mpsc::Receiver<GatewayEvent>)> {
        let listener = UnixListener::bind(socket)?;
        let config = *upstream.config();
        let (sender, events) = mpsc::channel(config.event_capacity);
        let ledger = Ledger::new(sender);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            upstream,
            ledger: ledger.clone(),
            permits: Arc::new(Semaphore::new(config.max_concurrent_requests)),
            stop: stop.clone(),
        });
        let serving = tokio::spawn(serve(listener, shared, config.max_connections));
        let gateway = Self {
            socket: socket.to_owned(),
            ledger,
            stop,
            serving: Some(serving),
        };
        Ok((gateway, events))
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What passed so far. Complete even if events were dropped.
    pub fn totals(&self) -> Totals {
        self.ledger.totals()
    }

    /// Closes the socket, ends the streams in flight, and returns when all their
    /// `Finished` events are sent. Gives the final totals.
    pub async fn shutdown(mut self) -> Totals {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            // It ends by the signal; a panic in it was reported by the runtime.
            let _ = serving.await;
        }
        self.ledger.totals()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
        // Gone already if the caller removed the directory.
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn serve(listener: UnixListener, shared: Arc<Shared>, max_connections: usize) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < max_connections => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, shared.clone()));
                }
                Err(error) => {
                    // Out of descriptors, most likely: give others time to close some.
                    tracing::warn!(%error, "model gateway cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

async fn serve_connection(stream: UnixStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, std::convert::Infallible>(request::handle(&shared, request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        // The agent left or sent no HTTP; what became of its request is an event.
        tracing::debug!(%error, "model gateway connection ended");
    }
}
