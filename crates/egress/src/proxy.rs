//! The proxy of the setup and maintenance phases: HTTP/1.1 on a unix socket in, the public Internet out.
//!
//! One [`Proxy`] belongs to one sandbox. It takes `CONNECT host:port` and requests with whole `http://` addresses, and fails closed:
//!
//! - A spelling of a host that two programs could read in two ways is refused.
//! - Ports are listed. Names are resolved here, every address is checked after that, and only a checked address is dialled. What is not of the
//!   public Internet is refused unless the operator listed it by number.
//! - A tunnel carries TLS to the server that was named, and nothing else: its first message is read and must ask for that server.
//! - A plain request is read once and written anew; what could be read in two ways never reaches a server.
//! - Each request is a [`Decision`] in the journal, also a refused one.
//!
//! Allowlists, methods and what happens inside TLS are not its business yet.

mod address;
mod client_hello;
mod environment;
mod forward;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod journal;
mod refusal;
mod resolver;
mod route;
mod stream;
mod target;
mod tunnel;
mod upstream;

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

pub use environment::proxy_environment;
pub use journal::{Decision, Totals, Verdict};
pub use refusal::{ERROR_HEADER, RefusalCode};
pub use resolver::{Resolver, SystemResolver};
pub use upstream::{UpstreamProxies, UpstreamProxy, UpstreamProxyError};

use address::AddressPolicy;
use journal::Journal;
use refusal::Refusal;
use stream::{Activity, Watched};

/// What a proxy lets through, and its limits.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Default 80 and 443.
    pub ports: Vec<u16>,
    /// Addresses and networks that may be reached though they are not public, or though a client names them by number. A metadata service
    /// is opened by its own number only, not by a network around it.
    pub allow_addresses: Vec<IpNet>,
    /// The operator's own proxies. Default none.
    pub upstream: UpstreamProxies,
    /// For resolving a name and connecting. Default 10 s.
    pub connect_timeout: Duration,
    /// For the head of a request, and for the first message in a tunnel. Default 10 s.
    pub header_timeout: Duration,
    /// The longest silence of a connection. Default 5 min.
    pub idle_timeout: Duration,
    /// Default 64 KiB.
    pub max_header_bytes: usize,
    /// Further connections wait. Default 256.
    pub max_connections: usize,
    /// Decisions that may wait for their reader; see [`Totals::decisions_dropped`]. Default 1024.
    pub decision_capacity: usize,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            ports: vec![80, 443],
            allow_addresses: Vec::new(),
            upstream: UpstreamProxies::default(),
            connect_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            max_header_bytes: 64 << 10,
            max_connections: 256,
            decision_capacity: 1024,
        }
    }
}

/// A listening proxy. Dropping it stops it too, but without waiting.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    journal: Journal,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

/// What all connections of one proxy share.
struct Shared {
    config: ProxyConfig,
    addresses: AddressPolicy,
    resolver: Arc<dyn Resolver>,
    journal: Journal,
}

type Client = Watched<UnixStream>;

impl Proxy {
    /// Listens on a new unix socket at `socket`; who may connect is decided by the permissions of its directory. Must be called in a tokio
    /// runtime. The resolver is to be shared by all proxies of a process.
    ///
    /// # Errors
    /// The socket cannot be made: the path exists, is longer than 107 bytes, or its directory is missing.
    pub fn start(
        socket: &Path,
        config: ProxyConfig,
        resolver: Arc<dyn Resolver>,
    ) -> io::Result<(Self, mpsc::Receiver<Decision>)> {
        let listener = UnixListener::bind(socket)?;
        let (journal, decisions) = Journal::new(config.decision_capacity);
        let shared = Arc::new(Shared {
            addresses: AddressPolicy::new(config.allow_addresses.clone()),
            resolver,
            journal: journal.clone(),
            config,
        });
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, shared, stop.clone()));
        let proxy = Self {
            socket: socket.to_owned(),
            journal,
            stop,
            serving: Some(serving),
        };
        Ok((proxy, decisions))
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What was decided so far, of requests that are over.
    pub fn totals(&self) -> Totals {
        self.journal.totals()
    }

    /// Closes the socket and every connection, and returns when all decisions are sent. Gives the final totals.
    pub async fn shutdown(mut self) -> Totals {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            // It ends by the signal; a panic in it was reported by the runtime.
            let _ = serving.await;
        }
        self.journal.totals()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        // Gone already if the caller removed the directory.
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn serve(listener: UnixListener, shared: Arc<Shared>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < shared.config.max_connections;
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&shared)));
                }
                Err(error) => {
                    // Out of descriptors, most likely: give others time to close some.
                    tracing::warn!(%error, "the proxy cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

/// One connection, and the tunnel that may come of it, so that both count as one.
async fn serve_connection(stream: UnixStream, shared: Arc<Shared>) {
    let activity = Activity::new();
    let client = Watched::new(stream, activity.clone());
    tokio::select! {
        () = talk(client, &shared) => {}
        () = activity.idle(shared.config.idle_timeout) => {}
    }
}

async fn talk(client: Client, shared: &Arc<Shared>) {
    let was_asked = AtomicBool::new(false);
    let tunnel = Mutex::new(None);
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        was_asked.store(true, Ordering::Relaxed);
        let tunnel = &tunnel;
        async move {
            if request.method() != Method::CONNECT {
                return Ok::<_, Infallible>(forward::forward(shared, request).await);
            }
            let (response, opened) = tunnel::open(shared, request).await;
            *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = opened;
            Ok(response)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.header_timeout)
        .max_buf_size(shared.config.max_header_bytes)
        .max_header_size(shared.config.max_header_bytes)
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        journal_unread(shared, &error, was_asked.load(Ordering::Relaxed));
    }
    let tunnel = tunnel.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(tunnel) = tunnel {
        tunnel.run(shared).await;
    }
}

/// What never became a request is a decision, too; a kept connection that ends between two requests is none.
fn journal_unread(shared: &Shared, error: &hyper::Error, was_asked: bool) {
    let refusal = if error.is_parse() {
        forward::status_of(error)
    } else if error.is_timeout() && !was_asked {
        let limit = shared.config.header_timeout.as_millis();
        let reason = format!("No whole request came within {limit} ms.");
        Refusal::new(RefusalCode::RequestTimeout, reason)
    } else {
        tracing::debug!(%error, "a proxy connection ended");
        return;
    };
    shared.journal.open().refused(refusal);
}
