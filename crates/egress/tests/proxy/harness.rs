//! A proxy, servers behind it, and clients before it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use outwork_egress::policy::{Destinations, Domain, Policy, Preset};
use outwork_egress::proxy::{Decision, Proxy, ProxyConfig, RefusalCode, Resolver, Roots, Verdict};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Longer than anything here takes; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("an end within 30 s")
}

/// Knows the names it was given, and notes what it was asked.
#[derive(Debug, Default)]
pub struct Names {
    known: HashMap<String, Vec<IpAddr>>,
    /// One name, and what it is at each question.
    changing: Option<(String, Vec<IpAddr>)>,
    pub asked: Mutex<Vec<String>>,
}

impl Names {
    pub fn new(known: &[(&str, &[&str])]) -> Arc<Self> {
        let address = |text: &&str| text.parse().expect("an address");
        let known = known
            .iter()
            .map(|(name, addresses)| {
                let addresses = addresses.iter().map(address).collect();
                ((*name).to_owned(), addresses)
            })
            .collect();
        Arc::new(Self {
            known,
            ..Self::default()
        })
    }

    pub fn changing(name: &str, addresses: &[&str]) -> Arc<Self> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap());
        Arc::new(Self {
            changing: Some((name.to_owned(), addresses.collect())),
            ..Self::default()
        })
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut asked = self.asked.lock().unwrap();
        let found = match &self.changing {
            Some((changing, addresses)) if changing == name => {
                addresses.get(asked.len()).map(|address| vec![*address])
            }
            Some(_) | None => self.known.get(name).cloned(),
        };
        asked.push(name.to_owned());
        async move { found.ok_or_else(|| io::Error::other("no such name")) }.boxed()
    }
}

pub struct Harness {
    pub proxy: Proxy,
    pub decisions: mpsc::Receiver<Decision>,
    pub names: Arc<Names>,
    directory: TempDir,
}

/// A proxy that may reach loopback at `port`, where `mirror.example` and `other.example` are.
pub fn local(port: u16) -> ProxyConfig {
    ProxyConfig::new(Policy {
        ports: vec![port],
        allow_addresses: vec!["127.0.0.1/32".parse().unwrap()],
        ..Policy::setup()
    })
}

/// A proxy that inspects TLS, trusts `origin`, and lets only `mirror.example` through, which is there.
pub fn inspecting(origin: &Origin) -> ProxyConfig {
    ProxyConfig {
        roots: Roots::Pem(origin.pem.clone()),
        ..ProxyConfig::new(Policy {
            destinations: Destinations::Listed {
                preset: Preset::None,
                allow: vec![Domain::parse("mirror.example").unwrap()],
            },
            ports: vec![origin.port],
            allow_addresses: vec!["127.0.0.1/32".parse().unwrap()],
            ..Policy::closed()
        })
    }
}

pub fn start(config: ProxyConfig) -> Harness {
    let names = Names::new(&[
        ("mirror.example", &["127.0.0.1"]),
        ("other.example", &["127.0.0.1"]),
        ("empty.example", &[]),
    ]);
    start_with(config, names)
}

pub fn start_with(config: ProxyConfig, names: Arc<Names>) -> Harness {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("proxy.sock");
    let (proxy, decisions) = Proxy::start(&socket, config, names.clone()).unwrap();
    Harness {
        proxy,
        decisions,
        names,
        directory,
    }
}

impl Harness {
    pub async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.proxy.socket()).await.unwrap()
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sends bytes as they are, and reads to the end.
    pub async fn send(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.unwrap();
        rest_of(&mut stream).await
    }

    /// Opens a tunnel with a request as it is; panics unless the answer is 200.
    pub async fn tunnel(&self, request: &str) -> UnixStream {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = within(head_of(&mut stream)).await;
        let status = head.split(' ').nth(1);
        assert_eq!(status, Some("200"), "{head}");
        stream
    }

    /// A tunnel to `mirror.example`, and in it TLS with the proxy.
    pub async fn inside(&self, port: u16) -> TlsStream<UnixStream> {
        let authority = format!("mirror.example:{port}");
        let connect = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        let tunnel = self.tunnel(&connect).await;
        let connector = TlsConnector::from(self.client(&[]));
        let name = ServerName::try_from("mirror.example").unwrap();
        within(connector.connect(name, tunnel)).await.unwrap()
    }

    /// A client that trusts the proxy's certificates.
    pub fn client(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let pem = self
            .proxy
            .certificate_authority()
            .expect("TLS is inspected");
        let mut config = trusting(pem);
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    /// Sends one request inside TLS, and reads to the end.
    pub async fn ask(&self, port: u16, request: impl AsRef<[u8]>) -> String {
        let mut tls = self.inside(port).await;
        // It may be refused before it is whole.
        let _ = tls.write_all(request.as_ref()).await;
        let _ = tls.flush().await;
        let mut answer = Vec::new();
        // The other side may end without TLS's own end.
        let _ = within(tls.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The next decision, without its duration.
    pub async fn decision(&mut self) -> Decision {
        let decision = within(self.decisions.recv()).await.expect("a decision");
        Decision {
            duration: Duration::ZERO,
            ..decision
        }
    }

    /// The next decision, which is a refusal: host, port, code.
    pub async fn refusal(&mut self) -> (String, u16, RefusalCode) {
        let decision = self.decision().await;
        match decision.verdict {
            Verdict::Refused { code, .. } => (decision.host, decision.port, code),
            Verdict::Allowed { .. } => panic!("{decision:?}"),
        }
    }

    /// A TCP port that leads to the proxy's socket, as a sandbox has it.
    pub async fn port(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = self.proxy.socket().to_owned();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let socket = socket.clone();
                tokio::spawn(async move {
                    if let Ok(mut proxy) = UnixStream::connect(socket).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut proxy).await;
                    }
                });
            }
        });
        port
    }
}

pub async fn rest_of(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    // A reset says as much as an end.
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// To the end of the first empty line, and not a byte further.
pub async fn head_of(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// The code of a refusal's answer.
pub fn code_of(answer: &str) -> &str {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let mut lines = head.lines();
    lines
        .find_map(|line| line.strip_prefix("x-proxy-error: "))
        .unwrap_or("")
}

/// A server that says what it was sent, connection by connection, each to its end.
pub struct Recorder {
    pub address: SocketAddr,
    /// Connections that were made to it.
    pub accepted: Arc<AtomicUsize>,
    pub received: mpsc::Receiver<Vec<u8>>,
}

impl Recorder {
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections there were, also such that said nothing.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    pub async fn next(&mut self) -> String {
        let bytes = within(self.received.recv()).await.expect("a connection");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Answers each connection once its request has come: the head, and a body up to its last chunk or byte `.`. It says that it ends the
/// connection, and does.
pub async fn recorder(answer: &'static str) -> Recorder {
    let answer = match answer.split_once("\r\n") {
        Some((line, rest)) if line.starts_with("HTTP/1.1 2") => {
            format!("{line}\r\nConnection: close\r\n{rest}")
        }
        _ => answer.to_owned(),
    };
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::channel(400);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let (sender, answer) = (sender.clone(), answer.clone());
            tokio::spawn(async move {
                let mut bytes = request_of(&mut stream).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut bytes).await;
                sender.send(bytes).await.unwrap();
            });
        }
    });
    Recorder {
        address,
        accepted,
        received,
    }
}

async fn request_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let has_body = head.contains("\r\ncontent-length:") || head.contains("chunked");
            if !has_body || body.ends_with('.') || body.ends_with("0\r\n\r\n") {
                return bytes;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return bytes;
        }
    }
}

/// A server of TLS as `mirror.example`, and the certificate that clients must trust.
pub struct TlsServer {
    pub port: u16,
    pub certificate: CertificateDer<'static>,
    pub pem: String,
}

/// Answers each request `GET <path>` with the path.
pub async fn tls_server() -> TlsServer {
    let names = vec!["mirror.example".to_owned(), "127.0.0.1".to_owned()];
    let key = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = key.cert.der().clone();
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], private.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                let _ = stream.read_line(&mut line).await;
                let mut header = String::new();
                while stream.read_line(&mut header).await.is_ok_and(|n| n > 2) {
                    header.clear();
                }
                let path = line.split(' ').nth(1).unwrap_or_default();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{path}",
                    path.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    TlsServer {
        port,
        certificate,
        pem: key.cert.pem(),
    }
}

/// The first message of a client that asks for `name`.
pub fn first_message(name: &str, config: Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// A client that trusts nobody: for what it says first.
pub fn untrusting() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Arc::new(config)
}

impl TlsServer {
    pub fn connect_request(&self) -> String {
        let authority = format!("mirror.example:{}", self.port);
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")
    }

    /// A client that trusts the server and writes records of at most `fragment` bytes.
    pub fn client(&self, fragment: Option<usize>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.max_fragment_size = fragment;
        Arc::new(config)
    }

    /// What the server answers to a request for `/path` over TLS on `stream`, asking for `name`.
    pub async fn get<S>(&self, stream: S, name: &str, fragment: Option<usize>) -> io::Result<String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let connector = TlsConnector::from(self.client(fragment));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut tls = within(connector.connect(name, stream)).await?;
        tls.write_all(b"GET /path HTTP/1.1\r\nHost: mirror.example\r\n\r\n")
            .await?;
        tls.flush().await?;
        let mut answer = String::new();
        // The server may end without TLS's own end.
        let _ = within(tls.read_to_string(&mut answer)).await;
        Ok(answer)
    }
}

fn trusting(pem: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A server of HTTP/1.1, over TLS as `mirror.example`, that keeps its connections and tells the requests that it got.
pub struct Origin {
    pub port: u16,
    pub pem: String,
    accepted: Arc<AtomicUsize>,
    requests: mpsc::Receiver<String>,
}

impl Origin {
    pub async fn request(&mut self) -> String {
        within(self.requests.recv()).await.expect("a request")
    }

    pub fn no_more_requests(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

/// What an origin answers to a request.
pub type Answer = fn(&str) -> String;

/// The path, as a page.
pub fn echo(request: &str) -> String {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let length = path.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{path}")
}

pub async fn origin(answer: Answer) -> Origin {
    origin_named("mirror.example", answer).await
}

/// With a certificate for `name`. After an answer 101 it sends back what it is sent.
pub async fn origin_named(name: &str, answer: Answer) -> Origin {
    let (acceptor, pem) = acceptor(name);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let (sender, requests) = mpsc::channel(1000);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    while let Some(request) = whole_request(&mut stream).await {
                        let answer = answer(&request);
                        sender.send(request).await.unwrap();
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.flush().await;
                        if answer.starts_with("HTTP/1.1 101") {
                            let (mut from, mut to) = tokio::io::split(stream);
                            let _ = tokio::io::copy(&mut from, &mut to).await;
                            return;
                        }
                        if answer.contains("Connection: close") {
                            break;
                        }
                    }
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    Origin {
        port,
        pem,
        accepted,
        requests,
    }
}

fn acceptor(name: &str) -> (TlsAcceptor, String) {
    let key = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private.into())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), key.cert.pem())
}

/// A head and its body. `None`: the connection ended.
async fn whole_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length =
                length.map(|rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
            let is_whole = match length {
                Some(length) => body.len() >= length,
                None => !head.contains("chunked") || body.ends_with("0\r\n\r\n"),
            };
            if is_whole {
                return Some(text);
            }
        }
        match stream.read_buf(&mut bytes).await {
            Ok(read) if read > 0 => {}
            Ok(_) | Err(_) => return None,
        }
    }
}
