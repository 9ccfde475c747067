//! How a client reaches the server, with TLS to it in any case.

use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// What is dialled.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Direct,
    /// A proxy.
    UnixProxy(PathBuf),
    TcpProxy(SocketAddr),
}

#[derive(Clone)]
pub(super) struct Route {
    way: Way,
    server: SocketAddr,
    tls: TlsConnector,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Route {
    /// `authority`: the file with the certificate that the client trusts, and no other.
    pub(super) fn new(way: Way, server: SocketAddr, authority: &Path) -> Result<Self> {
        let pem = std::fs::File::open(authority)
            .with_context(|| format!("no authority at {}", authority.display()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_reader_iter(BufReader::new(pem)) {
            roots.add(certificate?)?;
        }
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Each connection is a whole handshake, whoever answers.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            way,
            server,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// A new connection, with TLS.
    pub(super) async fn connect(&self) -> Result<Client> {
        let stream = self.dial(self.server).await?;
        let name = ServerName::from(self.server.ip());
        let stream = self.tls.connect(name, stream).await?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Client {
            requests,
            server: self.server,
        })
    }

    /// Bytes to `server`, whatever they mean, over a new connection.
    pub(super) async fn dial(&self, server: SocketAddr) -> Result<Box<dyn Stream>> {
        let mut stream: Box<dyn Stream> = match &self.way {
            Way::Direct => return Ok(Box::new(tcp(server).await?)),
            Way::UnixProxy(socket) => Box::new(UnixStream::connect(socket).await?),
            Way::TcpProxy(proxy) => Box::new(tcp(*proxy).await?),
        };
        open_tunnel(&mut stream, server).await?;
        Ok(stream)
    }

    /// How a client of TLS begins.
    pub(super) fn client_hello(&self) -> Result<Vec<u8>> {
        let config = Arc::clone(self.tls.config());
        let mut connection = ClientConnection::new(config, self.server.ip().into())?;
        let mut hello = Vec::new();
        connection.write_tls(&mut hello)?;
        Ok(hello)
    }
}

async fn tcp(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn open_tunnel(stream: &mut impl Stream, host: SocketAddr) -> Result<()> {
    let request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut piece).await?;
        ensure!(count > 0, "the proxy closed the connection");
        head.extend_from_slice(&piece[..count]);
    }
    let head = String::from_utf8_lossy(&head);
    let is_open = head.split_whitespace().nth(1) == Some("200");
    ensure!(is_open, "the proxy refuses: {head}");
    Ok(())
}

/// A connection on which one request after the other can be made.
pub(super) struct Client {
    requests: SendRequest<Empty<Bytes>>,
    server: SocketAddr,
}

impl Client {
    /// Asks for so many bytes. Any other answer is an error.
    pub(super) async fn get(&mut self, bytes: u64) -> Result<()> {
        let request = Request::get(format!("/{bytes}"))
            .header("host", self.server.to_string())
            .body(Empty::new())?;
        self.requests.ready().await?;
        let answer = self.requests.send_request(request).await?;
        ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
        let mut body = answer.into_body();
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            received += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        ensure!(received == bytes, "{received} of {bytes} bytes came");
        Ok(())
    }
}
