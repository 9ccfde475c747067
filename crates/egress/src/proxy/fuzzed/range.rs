//! A whole proxy between two servers, of which it may reach one.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, TcpListener as BlockingListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, UPGRADE};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::policy::{Destinations, Domain, Methods, Policy, Preset};
use crate::proxy::{Decision, Proxy, ProxyConfig, Resolver};

/// The only listed domain. It is where the proxy may go; what is below it is listed, and elsewhere.
const LISTED: &str = "mirror.example";
const ALLOWED: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FORBIDDEN: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Stands in the bytes for the port of both servers.
const PORT: &[u8] = b"PORT";
/// Far longer than the proxy waits for the rest of what has ended.
const PATIENCE: Duration = Duration::from_secs(5);

/// Throws bytes at a proxy. Reading is all that may be done, of one domain, at one address.
pub struct Range {
    runtime: Runtime,
    proxy: Proxy,
    decisions: mpsc::Receiver<Decision>,
    asked: Arc<Asked>,
    heads: Arc<Mutex<Vec<Parts>>>,
    forbidden: BlockingListener,
    port: u16,
    reached: usize,
}

/// Knows where every name is, and notes which it was asked for.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<String>>);

impl Resolver for Asked {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        taken(&self.0).push(name.to_owned());
        let address = if name == LISTED { ALLOWED } else { FORBIDDEN };
        async move { Ok(vec![address]) }.boxed()
    }
}

fn taken<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Range {
    /// With the proxy's socket in `directory`.
    ///
    /// # Panics
    /// If the servers or the proxy cannot listen.
    pub fn new(directory: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        // As the program does; a second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (allowed, forbidden) = listeners();
        let port = forbidden.local_addr().expect("it is bound").port();
        let heads = Arc::default();
        let asked = Arc::new(Asked::default());
        let listed = Domain::parse(LISTED).expect("a domain");
        let config = ProxyConfig {
            connect_timeout: Duration::from_millis(200),
            header_timeout: Duration::from_millis(200),
            idle_timeout: Duration::from_millis(200),
            ..ProxyConfig::new(Policy {
                destinations: Destinations::Listed {
                    preset: Preset::None,
                    allow: vec![listed],
                },
                ports: vec![port],
                methods: Methods::ReadOnly,
                allow_addresses: vec![ALLOWED.into()],
                ..Policy::closed()
            })
        };
        let resolver: Arc<dyn Resolver> = Arc::<Asked>::clone(&asked);
        let (proxy, decisions) = runtime.block_on(async {
            let allowed = TcpListener::from_std(allowed).expect("a listener");
            tokio::spawn(serve(allowed, Arc::clone(&heads)));
            Proxy::start(&directory.join("proxy"), config, resolver).expect("a proxy")
        });
        Self {
            runtime,
            proxy,
            decisions,
            asked,
            heads,
            forbidden,
            port,
            reached: 0,
        }
    }

    /// How many requests have come through: without any, nothing was tried.
    pub fn reached(&self) -> usize {
        self.reached
    }

    /// One connection with these bytes, to its end.
    ///
    /// # Panics
    /// If the proxy went where it may not, asked for a name that is not listed, or let anything but reading through.
    pub fn throw(&mut self, bytes: &[u8]) {
        let bytes = with_port(bytes, self.port);
        let socket = self.proxy.socket().to_owned();
        let whole = async {
            let mut client = UnixStream::connect(socket).await?;
            // Refused before all is read: then nobody reads the rest.
            let _ = client.write_all(&bytes).await;
            let _ = client.shutdown().await;
            let _ = client.read_to_end(&mut Vec::new()).await;
            Ok::<_, io::Error>(())
        };
        let ended = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, whole).await });
        ended
            .expect("the connection ends")
            .expect("the proxy listens");
        while self.decisions.try_recv().is_ok() {}
        let dialled = self.forbidden.accept().map(drop);
        assert_eq!(
            dialled.map_err(|error| error.kind()),
            Err(ErrorKind::WouldBlock)
        );
        for name in taken(&self.asked.0).drain(..) {
            let below = name.strip_suffix(LISTED).unwrap_or("x");
            assert!(below.is_empty() || below.ends_with('.'), "{name}");
        }
        for head in taken(&self.heads).drain(..) {
            is_reading(&head, self.port);
            self.reached += 1;
        }
    }
}

fn is_reading(head: &Parts, port: u16) {
    let is_fetch = head.method == Method::POST && head.uri.path().ends_with("/git-upload-pack");
    let is_read = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&head.method);
    assert!(is_read || is_fetch, "{head:?}");
    let hosts: Vec<_> = head.headers.get_all(HOST).iter().collect();
    assert_eq!(hosts, [format!("{LISTED}:{port}").as_str()], "{head:?}");
    assert!(!head.headers.contains_key(UPGRADE), "{head:?}");
}

/// Two servers with one port. Of the second nobody accepts: a connection to it stays to be found.
fn listeners() -> (BlockingListener, BlockingListener) {
    for _ in 0..100 {
        let allowed = BlockingListener::bind((ALLOWED, 0)).expect("a port is free");
        let port = allowed.local_addr().expect("it is bound").port();
        if let Ok(forbidden) = BlockingListener::bind((FORBIDDEN, port)) {
            for listener in [&allowed, &forbidden] {
                listener.set_nonblocking(true).expect("set");
            }
            return (allowed, forbidden);
        }
    }
    panic!("no port is free on both addresses");
}

fn with_port(bytes: &[u8], port: u16) -> Vec<u8> {
    let port = port.to_string();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(PORT) {
            out.extend_from_slice(port.as_bytes());
            rest = after;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

async fn serve(listener: TcpListener, heads: Arc<Mutex<Vec<Parts>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let heads = Arc::clone(&heads);
        let service = service_fn(move |request: Request<Incoming>| {
            let heads = Arc::clone(&heads);
            async move {
                let (head, body) = request.into_parts();
                taken(&heads).push(head);
                // To its end, so that what follows is a request of its own.
                let _ = body.collect().await;
                Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection.map(drop));
    }
}
