//! How fast the proxy is, against the same without it, in one run: intercepted and tunnelled downloads, small requests on kept
//! connections, new tunnels. Ratios are what counts; the figures are this machine's.
//!
//! `cargo run --release -p outwork-egress --example proxy_throughput -- [SQUID_PORT]`: with a port, new tunnels are also counted through
//! a proxy that listens there on 127.0.0.1.

#![allow(clippy::print_stdout, reason = "this is what the program prints")]
#![allow(
    clippy::unwrap_used,
    reason = "a measurement stops at what it did not expect"
)]

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outwork_egress::policy::{Policy, TlsMode};
use outwork_egress::process::{EgressProcess, PROCESS_ARGUMENT, process_main};
use outwork_egress::proxy::{ProxyConfig, Roots};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const DOWNLOAD_BYTES: usize = 512 << 20;
const SMALL_BYTES: usize = 1 << 10;
const SMALL_REQUESTS: usize = 20_000;
const CLIENTS: usize = 4;
const TUNNELS: usize = 4000;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

fn main() {
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new(PROCESS_ARGUMENT)) {
        process_main();
        return;
    }
    let squid = std::env::args().nth(1).map(|port| port.parse().unwrap());
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(measure(squid));
}

async fn measure(squid: Option<u16>) {
    let (port, pem) = origin().await;
    let plain = recorder().await;
    let directory = tempfile::tempdir().unwrap();
    let config = |tls| ProxyConfig {
        roots: Roots::Pem(pem.clone()),
        ..ProxyConfig::new(Policy {
            ports: vec![port, plain],
            allow_addresses: vec!["127.0.0.1/32".parse().unwrap()],
            tls,
            ..Policy::setup()
        })
    };
    let program = std::env::current_exe().unwrap();
    let inspect = directory.path().join("inspect.sock");
    let (inspecting, mut decided) =
        EgressProcess::start(&program, &config(TlsMode::Inspect), &inspect)
            .await
            .unwrap();
    tokio::spawn(async move { while decided.recv().await.is_some() {} });
    let tunnel = directory.path().join("tunnel.sock");
    let (tunnelling, mut decided) =
        EgressProcess::start(&program, &config(TlsMode::Tunnel), &tunnel)
            .await
            .unwrap();
    tokio::spawn(async move { while decided.recv().await.is_some() {} });
    let own = trusting(&pem);
    let ours = trusting(inspecting.certificate_authority().unwrap());
    let direct = Way::Direct(port, own.clone());
    let inspected = Way::Proxy(inspect, port, ours, inspecting.id().unwrap());
    let tunnelled = Way::Proxy(tunnel.clone(), port, own, tunnelling.id().unwrap());
    for round in 1..=3 {
        println!("round {round}");
        let mut base = 0.0;
        for (name, way) in [
            ("direct", &direct),
            ("inspected", &inspected),
            ("tunnelled", &tunnelled),
        ] {
            let used = way.processor_time();
            let rate = download(way).await;
            let used = (way.processor_time() - used).as_millis();
            base = if name == "direct" { rate } else { base };
            println!(
                "  download {name}: {rate:.0} MB/s, {:.2} of direct; the proxy's processor time {used} ms",
                rate / base
            );
        }
        for (name, way) in [("direct", &direct), ("inspected", &inspected)] {
            let used = way.processor_time();
            let rate = small_requests(way).await;
            let used = (way.processor_time() - used).as_micros() / SMALL_REQUESTS as u128;
            base = if name == "direct" { rate } else { base };
            println!(
                "  1 KiB requests {name}: {rate:.0}/s, {:.2} of direct; the proxy's processor time {used} µs for each",
                rate / base
            );
        }
        let hello = hello();
        let ours = tunnels(&Tunnels::Unix(tunnel.clone()), plain, &hello).await;
        println!("  new tunnels: {ours:.0}/s");
        if let Some(squid) = squid {
            let theirs = tunnels(&Tunnels::Tcp(squid), plain, &hello).await;
            println!(
                "  new tunnels through 127.0.0.1:{squid}: {theirs:.0}/s; ours are {:.2} of that",
                ours / theirs
            );
        }
    }
}

enum Way {
    Direct(u16, Arc<ClientConfig>),
    /// With the proxy's process.
    Proxy(std::path::PathBuf, u16, Arc<ClientConfig>, u32),
}

impl Way {
    /// Of the proxy's process so far, which other work on the machine does not change much.
    fn processor_time(&self) -> Duration {
        let Self::Proxy(_, _, _, id) = self else {
            return Duration::ZERO;
        };
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
        // User and system time, in hundredths of a second.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    async fn connect(&self) -> BufReader<Box<dyn Stream>> {
        let (stream, config): (Box<dyn Stream>, _) = match self {
            Self::Direct(port, config) => {
                let stream = TcpStream::connect(("127.0.0.1", *port)).await.unwrap();
                stream.set_nodelay(true).unwrap();
                (Box::new(stream), config)
            }
            Self::Proxy(socket, port, config, _) => {
                let mut stream = UnixStream::connect(socket).await.unwrap();
                open(&mut stream, *port).await;
                (Box::new(stream), config)
            }
        };
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = TlsConnector::from(Arc::clone(config))
            .connect(name, BufReader::with_capacity(256 << 10, stream));
        BufReader::with_capacity(256 << 10, Box::new(tls.await.unwrap()))
    }
}

async fn open(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), port: u16) {
    let request = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&head)
    );
}

async fn get(stream: &mut BufReader<Box<dyn Stream>>, port: u16, bytes: usize) {
    let request = format!("GET /{bytes} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    let mut left = bytes;
    let mut buffer = vec![0; 256 << 10];
    while left > 0 {
        let wanted = buffer.len().min(left);
        left -= stream.read(&mut buffer[..wanted]).await.unwrap();
    }
}

fn port_of(way: &Way) -> u16 {
    match way {
        Way::Direct(port, _) | Way::Proxy(_, port, _, _) => *port,
    }
}

async fn download(way: &Way) -> f64 {
    let mut stream = way.connect().await;
    let begun = Instant::now();
    get(&mut stream, port_of(way), DOWNLOAD_BYTES).await;
    DOWNLOAD_BYTES as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

async fn small_requests(way: &Way) -> f64 {
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(async |_| {
        let mut stream = way.connect().await;
        for _ in 0..SMALL_REQUESTS / CLIENTS {
            get(&mut stream, port_of(way), SMALL_BYTES).await;
        }
    });
    futures_util::future::join_all(clients).await;
    SMALL_REQUESTS as f64 / begun.elapsed().as_secs_f64()
}

enum Tunnels {
    Unix(std::path::PathBuf),
    Tcp(u16),
}

/// A tunnel, a first message of TLS, whatever comes back first, the end.
async fn tunnels(by: &Tunnels, port: u16, hello: &[u8]) -> f64 {
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(async |_| {
        for _ in 0..TUNNELS / CLIENTS {
            let mut stream: Box<dyn Stream> = match by {
                Tunnels::Unix(socket) => Box::new(UnixStream::connect(socket).await.unwrap()),
                Tunnels::Tcp(port) => {
                    Box::new(TcpStream::connect(("127.0.0.1", *port)).await.unwrap())
                }
            };
            open(&mut stream, port).await;
            stream.write_all(hello).await.unwrap();
            stream.read_u8().await.unwrap();
        }
    });
    tokio::time::timeout(
        Duration::from_secs(120),
        futures_util::future::join_all(clients),
    )
    .await
    .unwrap();
    TUNNELS as f64 / begun.elapsed().as_secs_f64()
}

/// Answers the first bytes of each connection with one.
async fn recorder() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(b"x").await;
            });
        }
    });
    port
}

fn hello() -> Vec<u8> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut client =
        rustls::ClientConnection::new(configured(RootCertStore::empty()), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn trusting(pem: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    configured(roots)
}

fn configured(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(
        config
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

/// `GET /BYTES` gives as many.
async fn origin() -> (u16, String) {
    let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    let config = config
        .with_single_cert(vec![key.cert.der().clone()], private.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(tls) = acceptor.accept(stream).await {
                    serve(BufReader::new(tls)).await;
                }
            });
        }
    });
    (port, key.cert.pem())
}

async fn serve(mut stream: BufReader<impl Stream>) {
    let page = vec![b'x'; 256 << 10];
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let bytes: usize = head.split(' ').nth(1).unwrap()[1..].parse().unwrap();
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").into_bytes();
        let mut left = bytes;
        if left <= SMALL_BYTES {
            answer.resize(answer.len() + left, b'x');
            left = 0;
        }
        let _ = stream.write_all(&answer).await;
        while left > 0 {
            let piece = page.len().min(left);
            if stream.write_all(&page[..piece]).await.is_err() {
                return;
            }
            left -= piece;
        }
        let _ = stream.flush().await;
    }
}
