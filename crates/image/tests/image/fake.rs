//! A registry that does what a test wants, over real HTTP.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::build::TestImage;

/// A request as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub authorization: Option<String>,
    /// The first byte that is wanted.
    pub from: usize,
    /// How many of this method and path came before.
    pub nth: usize,
}

/// What to do with it.
pub enum Answer {
    /// As a registry does.
    Usual,
    /// Something else.
    Status(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The usual answer, but the connection breaks after so many bytes.
    Cut(usize),
    /// The usual answer, but nothing comes after so many bytes.
    Stall(usize),
    /// The usual answer, but of other bytes.
    Bytes(Vec<u8>),
    /// The usual answer, but always from the beginning.
    Whole,
}

type Decide = dyn Fn(&Asked) -> Answer + Send + Sync;
type Body = BoxBody<Bytes, std::io::Error>;

pub struct Fake {
    /// `127.0.0.1:port`.
    pub address: String,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

struct Shared {
    /// Bodies by what follows the name of the repository.
    contents: Mutex<HashMap<String, Vec<u8>>>,
    decide: Box<Decide>,
    log: Mutex<Vec<Asked>>,
}

impl Fake {
    pub async fn start(decide: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(None, decide).await
    }

    /// Does everything right.
    pub async fn usual() -> Self {
        Self::start(|_| Answer::Usual).await
    }

    pub async fn start_with(
        tls: Option<tokio_rustls::TlsAcceptor>,
        decide: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            contents: Mutex::default(),
            decide: Box::new(decide),
            log: Mutex::default(),
        });
        let serving = tokio::spawn(accept(listener, tls, Arc::clone(&shared)));
        Self {
            address,
            shared,
            serving,
        }
    }

    /// From now on it has this image, by its digests and this tag.
    pub fn add(&self, tag: &str, image: &TestImage) {
        let mut contents = self.shared.contents.lock().unwrap();
        for (digest, blob) in &image.blobs {
            contents.insert(format!("blobs/{digest}"), blob.clone());
        }
        for document in &image.documents {
            contents.insert(
                format!("manifests/{}", document.digest()),
                document.bytes.clone(),
            );
        }
        contents.insert(format!("manifests/{tag}"), image.top().bytes.clone());
    }

    /// A fake that has one image.
    pub async fn with(
        image: &TestImage,
        decide: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let fake = Self::start(decide).await;
        fake.add("latest", image);
        fake
    }

    /// A reference to something in it.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// What it was asked for, with whether it was told who asks.
    pub fn log(&self) -> Vec<Asked> {
        let log = self.shared.log.lock().unwrap();
        log.iter()
            .filter(|asked| asked.path != "/v2/")
            .cloned()
            .collect()
    }

    pub fn asked(&self, part: &str) -> usize {
        self.log()
            .iter()
            .filter(|asked| asked.path.contains(part))
            .count()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    shared: Arc<Shared>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            match tls {
                None => serve(stream, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = hyper::service::service_fn(|request| {
        let response = answer(&request, &shared);
        async move { Ok::<_, Infallible>(response) }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An answer that breaks off is an error here.
    let _ = served.await;
}

fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Body> {
    let text = |name| Some(request.headers().get(name)?.to_str().unwrap().to_owned());
    let from = text(RANGE).map_or(0, |range| {
        let range = range
            .strip_prefix("bytes=")
            .unwrap()
            .strip_suffix('-')
            .unwrap();
        range.parse().unwrap()
    });
    let path = request.uri().path_and_query().unwrap().to_string();
    let asked = {
        let mut log = shared.log.lock().unwrap();
        let same = |asked: &&Asked| asked.path == path && asked.method == *request.method();
        let asked = Asked {
            method: request.method().clone(),
            authorization: text(AUTHORIZATION),
            from,
            nth: log.iter().filter(same).count(),
            path: path.clone(),
        };
        log.push(asked.clone());
        asked
    };
    let decided = (shared.decide)(&asked);
    let key = ["manifests/", "blobs/"]
        .iter()
        .find_map(|part| path[path.find(part)?..].split('?').next());
    let known = key.and_then(|key| shared.contents.lock().unwrap().get(key).cloned());
    let (bytes, cut, stall) = match (decided, known) {
        (Answer::Status(status, headers, body), _) => return plain(status, &headers, body),
        (Answer::Bytes(bytes), _) => (bytes, None, false),
        (_, None) => return plain(404, &[], br#"{"errors":[{"code":"UNKNOWN"}]}"#.to_vec()),
        (Answer::Cut(at), Some(bytes)) => (bytes, Some(at), false),
        (Answer::Stall(at), Some(bytes)) => (bytes, Some(at), true),
        (Answer::Usual, Some(bytes)) => return usual(&asked, bytes),
        (Answer::Whole, Some(bytes)) => (bytes, None, false),
    };
    let length = bytes.len();
    let head = Response::builder().header(CONTENT_LENGTH, length);
    let sent = Bytes::from(bytes).slice(..cut.unwrap_or(length).min(length));
    let first = stream::iter([Ok(Frame::data(sent))]);
    let body = match (cut, stall) {
        (None, _) => first.boxed(),
        (Some(_), true) => first.chain(stream::pending()).boxed(),
        (Some(_), false) => first
            .chain(stream::iter([Err(std::io::Error::other("cut"))]))
            .boxed(),
    };
    head.body(BodyExt::boxed(StreamBody::new(SyncStream(Mutex::new(
        body,
    )))))
    .unwrap()
}

fn usual(asked: &Asked, bytes: Vec<u8>) -> Response<Body> {
    let length = bytes.len();
    let digest = outwork_image::Digest::of(&bytes).to_string();
    let mut response = Response::builder().header("docker-content-digest", digest);
    let mut bytes = Bytes::from(bytes);
    if asked.method == Method::HEAD {
        bytes = Bytes::new();
        response = response.header(CONTENT_LENGTH, length);
    } else if asked.from > 0 {
        bytes = bytes.slice(asked.from..);
        let range = format!("bytes {}-{}/{length}", asked.from, length - 1);
        response = response.status(206).header(CONTENT_RANGE, range);
    }
    response.body(full(bytes)).unwrap()
}

fn plain(status: u16, headers: &[(&'static str, String)], body: Vec<u8>) -> Response<Body> {
    let head = headers
        .iter()
        .fold(Response::builder().status(status), |head, (name, value)| {
            head.header(*name, value)
        });
    head.body(full(Bytes::from(body))).unwrap()
}

fn full(bytes: Bytes) -> Body {
    BodyExt::boxed(http_body_util::Full::new(bytes).map_err(|never| match never {}))
}

/// A body has to be shareable, which a boxed stream is not.
struct SyncStream<S>(Mutex<S>);

impl<S: futures_util::Stream + Unpin> futures_util::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        self.0.lock().unwrap().poll_next_unpin(context)
    }
}
