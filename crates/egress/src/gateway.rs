//! The model gateway: HTTP/1.1 on a unix socket in, the model's API out.
//!
//! One [`Upstream`] (address, key, connection pool, limits) serves all gateways
//! of a process; one [`Gateway`] (socket, events, totals) belongs to one agent.
//! Read in the order of the modules: what may be called and how; how tokens are
//! counted; what is known of the calls; one call from its request to its answer.
//!
//! The agent is hostile: paths are compared whole and undecoded, its credentials
//! and routing headers are dropped, the address is never taken from a request,
//! and its connections are bounded.

mod endpoint;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod headers;
mod mask;
mod own_error;
mod refusal;
mod retry;
mod upstream;

mod chat;
mod estimate;
mod usage;

mod budget;
mod event;
mod ledger;

mod answer;
mod body;
mod request;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

pub use endpoint::Endpoint;
pub use event::{Ending, GatewayEvent, Spending, Tokens, Totals};
pub use refusal::Refusal;
pub use retry::RetryReason;
pub use upstream::{ApiKey, ConfigError, Upstream, UpstreamErrorKind};
pub use usage::Usage;

use body::BodyMemory;
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
    /// For a whole call, with its retries and its answer. Default 1 h.
    pub call_timeout: Duration,
    /// For the agent to send its request. Default 60 s.
    pub request_timeout: Duration,
    /// Further requests get 429. Default 32.
    pub max_concurrent_requests: usize,
    /// Further connections wait, so an agent cannot use up file descriptors.
    /// Default 64.
    pub max_connections: usize,
    /// Larger requests get 413. Default 64 MiB.
    pub max_request_body_bytes: usize,
    /// For the requests that are on their way at once, which are kept until their
    /// answer begins: without memory for one more, it gets 429. Default 192 MiB.
    pub max_request_memory_bytes: usize,
    /// Longer answers are cut. Default 256 MiB: a streamed response repeats each
    /// text several times.
    pub max_answer_bytes: usize,
    /// How often a call is sent again, when that is safe. Default 2.
    pub max_retries: u32,
    /// Before the first retry; twice as long before the next. Default 500 ms.
    pub retry_delay: Duration,
    /// If the endpoint asks to wait longer, its answer goes to the agent, which may
    /// know better. Default 15 s.
    pub max_retry_wait: Duration,
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
            call_timeout: Duration::from_secs(3600),
            request_timeout: Duration::from_secs(60),
            max_concurrent_requests: 32,
            max_connections: 64,
            max_request_body_bytes: 64 << 20,
            max_request_memory_bytes: 192 << 20,
            max_answer_bytes: 256 << 20,
            max_retries: 2,
            retry_delay: Duration::from_millis(500),
            max_retry_wait: Duration::from_secs(15),
            event_capacity: 1024,
        }
    }
}

/// What one gateway has for itself, beside the limits that all share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The tokens that its agent may use in all; without it, any number.
    pub max_tokens: Option<u64>,
    /// Spreads the retries of many gateways: any number that others do not have.
    pub retry_seed: u64,
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
    bodies: BodyMemory,
    retry_seeds: AtomicU64,
    stop: CancellationToken,
}

impl Shared {
    fn next_seed(&self) -> u64 {
        // Each call adds more than it has retries.
        self.retry_seeds.fetch_add(1 << 16, Ordering::Relaxed)
    }
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
        terms: Terms,
    ) -> io::Result<(Self, mpsc::Receiver<GatewayEvent>)> {
        let listener = UnixListener::bind(socket)?;
        let config = *upstream.config();
        let (ledger, events) = Ledger::new(config.event_capacity, terms.max_tokens);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            upstream,
            ledger: ledger.clone(),
            permits: Arc::new(Semaphore::new(config.max_concurrent_requests)),
            bodies: BodyMemory::new(&config),
            retry_seeds: AtomicU64::new(terms.retry_seed),
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
