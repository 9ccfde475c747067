//! The proxy of a sandbox: HTTP/1.1 on a unix socket in, what the [`Policy`] allows out.
//!
//! One [`Proxy`] belongs to one sandbox. It takes `CONNECT host:port` and requests with whole `http://` addresses, and fails closed:
//!
//! - A spelling of a host that two programs could read in two ways is refused.
//! - A host that no list covers is refused before its name is resolved. Names are resolved here, every address is checked after that, and only
//!   a checked address is dialled. What is not of the public Internet is refused unless the operator listed it by number.
//! - A tunnel carries TLS to the server that was named, and nothing else: its first message is read whole and must ask for that server. Then
//!   its bytes pass unread, or its TLS ends here and each request in it is judged like a plain one.
//! - A request is read once and written anew; what could be read in two ways never reaches a server.
//! - Each request is a [`Decision`] in the journal, also a refused one.

mod authority;
mod body;
mod budget;
mod client_hello;
mod environment;
mod exchange;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod head;
mod inspection;
mod journal;
mod patience;
mod refusal;
mod request;
mod resolver;
mod route;
mod seats;
mod serve;
mod server;
mod splice;
mod stream;
mod tunnel;
mod upstream;
mod wire;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_send_buffer_size, set_socket_send_buffer_size_force};
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

pub use environment::{TrustFiles, proxy_environment};
pub use journal::{Decision, Totals, Verdict};
pub use refusal::{ERROR_HEADER, RefusalCode};
pub use resolver::{Resolver, SystemResolver};
pub use server::{Roots, RootsError};
pub use upstream::{UpstreamProxies, UpstreamProxy, UpstreamProxyError};

use budget::Budgets;
use inspection::Inspection;
use journal::Journal;
use patience::Patience;
use refusal::Refusal;
use resolver::Names;
use seats::{Seat, Seats};
use serve::{Scope, serve as serve_requests};
use server::Pool;
use stream::{Activity, Watched};
use wire::Wire;

use crate::policy::address::AddressPolicy;
use crate::policy::{Contradiction, Policy, Remedies, TlsMode};

/// So many connections, those that come while there are no more, have a wide send buffer towards the sandbox: the server's data need not
/// wait until its reader had its turn. No more of them, for the kernel holds twice the size for one whose client does not read.
const WIDE_CONNECTIONS: usize = 8;
/// The kernel gives an ordinary user less where it allows less (`net.core.wmem_max`).
const WIDE_SEND_BUFFER_BYTES: usize = 4 << 20;

/// What a proxy lets through, and its limits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    pub policy: Policy,
    /// What hints say.
    pub remedies: Remedies,
    /// Whom to trust where TLS is inspected. Default: the system's authorities.
    pub roots: Roots,
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
    /// When there are more, those give way that have not asked for anything; if all have, further ones wait. Default 1024.
    pub max_connections: usize,
    /// Decisions that may wait for their reader; see [`Totals::decisions_dropped`]. Default 1024.
    pub decision_capacity: usize,
}

impl ProxyConfig {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            remedies: Remedies::default(),
            roots: Roots::System,
            upstream: UpstreamProxies::default(),
            connect_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            max_header_bytes: 64 << 10,
            max_connections: 1024,
            decision_capacity: 1024,
        }
    }
}

/// Why a proxy does not listen.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the network policy contradicts itself")]
    Policy(#[from] Contradiction),
    #[error("the servers of the network cannot be trusted")]
    Roots(#[from] RootsError),
    #[error("the proxy's certificate authority cannot be made")]
    Authority(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the proxy's socket cannot be made at {}", .path.display())]
    Socket { path: PathBuf, source: io::Error },
}

/// A listening proxy. Dropping it stops it too, but without waiting.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    journal: Journal,
    /// In PEM.
    certificate_authority: Option<String>,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

/// What all connections of one proxy share.
struct Shared {
    config: ProxyConfig,
    addresses: AddressPolicy,
    names: Names,
    journal: Journal,
    /// Only if TLS ends here.
    inspection: Option<Inspection>,
    pool: Pool,
    budgets: Budgets,
}

type Client = Watched<UnixStream>;

impl Proxy {
    /// Listens on a new unix socket at `socket`; who may connect is decided by the permissions of its directory. Must be called in a tokio
    /// runtime. The resolver is to be shared by all proxies of a process.
    ///
    /// # Errors
    /// The policy cannot be kept, nobody can be trusted, or the socket cannot be made: the path exists, is longer than 107 bytes, or its
    /// directory is missing.
    pub fn start(
        socket: &Path,
        config: ProxyConfig,
        resolver: Arc<dyn Resolver>,
    ) -> Result<(Self, mpsc::Receiver<Decision>), StartError> {
        config.policy.validate()?;
        let inspection = match config.policy.tls {
            TlsMode::Inspect => Some(Inspection::new(&config.roots)?),
            TlsMode::Tunnel => None,
        };
        let listener = UnixListener::bind(socket).map_err(|source| StartError::Socket {
            path: socket.to_owned(),
            source,
        })?;
        let (journal, decisions) = Journal::new(config.decision_capacity);
        let certificate_authority = inspection
            .as_ref()
            .map(|inspection| inspection.authority.pem().to_owned());
        let shared = Arc::new(Shared {
            addresses: config.policy.addresses(),
            budgets: Budgets::new(config.policy.upload_bytes_per_host),
            names: Names::new(resolver),
            journal: journal.clone(),
            inspection,
            pool: Pool::default(),
            config,
        });
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, shared, stop.clone()));
        let proxy = Self {
            socket: socket.to_owned(),
            journal,
            certificate_authority,
            stop,
            serving: Some(serving),
        };
        Ok((proxy, decisions))
    }

    /// The certificate, in PEM, that clients must trust. `None` if TLS passes unread.
    pub fn certificate_authority(&self) -> Option<&str> {
        self.certificate_authority.as_deref()
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
    let seats = Arc::new(Seats::default());
    // Accepted, and without a place so far.
    let mut held = None;
    loop {
        let has_place = connections.len() < shared.config.max_connections;
        if held.is_some()
            && (has_place || seats.make_room())
            && let Some(stream) = held.take()
        {
            let seat = seats.take();
            if connections.len() < WIDE_CONNECTIONS {
                widen(&stream);
            }
            connections.spawn(serve_connection(stream, Arc::clone(&shared), seat));
        }
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            () = seats.someone_waits(), if held.is_some() => {}
            accepted = listener.accept(), if held.is_none() => match accepted {
                Ok((stream, _)) => held = Some(stream),
                Err(error) => {
                    // Out of descriptors, most likely: somebody must close some.
                    tracing::warn!(%error, "the proxy cannot accept a connection");
                    seats.make_room();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

/// Without it, downloads are only slower.
fn widen(stream: &UnixStream) {
    let _ = set_socket_send_buffer_size_force(stream, WIDE_SEND_BUFFER_BYTES)
        .or_else(|_| set_socket_send_buffer_size(stream, WIDE_SEND_BUFFER_BYTES));
}

/// One connection, and the tunnel that may come of it, so that both count as one.
async fn serve_connection(stream: UnixStream, shared: Arc<Shared>, seat: Seat) {
    let activity = Activity::new();
    let client = Wire::new(Watched::new(stream, activity.clone()));
    tokio::select! {
        () = talk(client, &shared, &seat) => {}
        () = activity.idle(shared.config.idle_timeout) => {}
        () = seat.evicted() => {
            if !seat.has_worked() {
                let reason = "It asked for nothing while others needed its place.";
                let refusal = Refusal::new(RefusalCode::RequestTimeout, reason);
                shared.journal.open().refused(refusal);
            }
        }
    }
}

async fn talk(mut client: Wire<Client>, shared: &Shared, seat: &Seat) {
    let mut patience = Patience::new(shared.config.header_timeout);
    let served = serve_requests(shared, &mut client, seat, Scope::Proxy, &mut patience);
    if let Some(connect) = served.await {
        tunnel::run(shared, client, &connect, seat, &mut patience).await;
    }
}
