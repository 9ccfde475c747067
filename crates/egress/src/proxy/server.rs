//! Connections to servers: plain or in TLS, and those that are kept for the next request.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::HTTP_1_1;
use super::inspection::crypto;
use super::wire::{Buffered, Wire};
use crate::policy::target::{Host, Target};

const KEPT_PER_HOST: usize = 16;
const KEPT_IN_ALL: usize = 64;
/// Servers end silent connections after 5 s and more; what has been silent for longer than `FRESH` takes only requests that can be repeated.
const KEPT_FOR: Duration = Duration::from_secs(30);
const FRESH: Duration = Duration::from_secs(3);

/// Whom the proxy trusts to say who a server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Roots {
    /// The authorities of the machine.
    System,
    /// These, in PEM.
    Pem(String),
}

#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    #[error("the certificates to trust are no PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    #[error(
        "there is no certificate to trust; install the system's certificates (package ca-certificates)"
    )]
    Empty,
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// How to speak TLS to servers, in HTTP/1.1 only. Sessions are kept, so that later handshakes are short.
pub(super) fn client_config(roots: &Roots) -> Result<Arc<ClientConfig>, RootsError> {
    let certificates = match roots {
        // What cannot be read there is nothing that anybody here could repair; none at all is an error below.
        Roots::System => rustls_native_certs::load_native_certs().certs,
        Roots::Pem(pem) => CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(RootsError::Pem)?,
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(RootsError::Empty);
    }
    let mut config = ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

/// TLS to exactly the host that was asked for.
pub(super) async fn secure(
    config: &Arc<ClientConfig>,
    host: &Host,
    stream: TcpStream,
) -> io::Result<ServerStream> {
    let name = match host {
        Host::Name(name) => {
            ServerName::try_from(name.as_str().to_owned()).map_err(io::Error::other)?
        }
        Host::Address(address) => ServerName::from(*address),
    };
    let stream = Buffered::new(stream, bytes::BytesMut::new());
    let stream = TlsConnector::from(Arc::clone(config))
        .connect(name, stream)
        .await?;
    Ok(ServerStream::Tls(Box::new(stream)))
}

#[derive(Debug)]
pub(super) enum ServerStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<Buffered<TcpStream>>>),
}

/// A connection to a server, and what was dialled: nothing if the operator's proxy dials.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) wire: Wire<ServerStream>,
    pub(super) address: Option<SocketAddr>,
}

/// What a connection may be used for again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) target: Target,
    pub(super) is_tls: bool,
}

/// Connections between two requests. All were dialled under one policy, which does not change.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<HashMap<Origin, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    server: Server,
    since: Instant,
}

impl Pool {
    /// A connection that the server has not ended. `repeatable`: the request can be sent again if it has, just now.
    pub(super) fn take(&self, origin: &Origin, repeatable: bool) -> Option<Server> {
        let limit = if repeatable { KEPT_FOR } else { FRESH };
        loop {
            let idle = {
                let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                all.get_mut(origin)?.pop()?
            };
            let mut server = idle.server;
            if idle.since.elapsed() < limit && server.wire.inbound.is_quiet() {
                return Some(server);
            }
        }
    }

    pub(super) fn put(&self, origin: Origin, server: Server) {
        let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, idle| {
            idle.retain(|one| one.since.elapsed() < KEPT_FOR);
            !idle.is_empty()
        });
        let kept: usize = all.values().map(Vec::len).sum();
        let idle = all.entry(origin).or_default();
        if kept < KEPT_IN_ALL && idle.len() < KEPT_PER_HOST {
            let since = Instant::now();
            idle.push(Idle { server, since });
        }
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
