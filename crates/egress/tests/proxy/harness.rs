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
use outwork_egress::policy::Policy;
use outwork_egress::proxy::{Decision, Proxy, ProxyConfig, RefusalCode, Resolver, Verdict};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

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
            asked: Mutex::default(),
        })
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let found = self.known.get(name).cloned();
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
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let connector = tokio_rustls::TlsConnector::from(self.client(fragment));
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
