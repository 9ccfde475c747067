//! A small HTTP server on loopback that can also misbehave: not answer, or be away.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// An answer's body.
pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// The connection is closed without an answer.
#[derive(Debug)]
pub(crate) struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer")
    }
}

impl std::error::Error for Dropped {}

/// What a request is answered with.
pub(crate) type Answer = Result<Response<Body>, Dropped>;

/// Answers requests.
pub(crate) type Handler =
    Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Answer> + Send + Sync + 'static>;

/// A server; it ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    away: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(listen: SocketAddr, handler: Handler) -> Result<Self> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr().context("the address is unknown")?;
        let (away, is_away) = watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                // Out of descriptors, most likely: others close theirs.
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                tokio::spawn(connection(stream, Arc::clone(&handler), is_away.clone()));
            }
        });
        Ok(Self {
            address,
            away,
            task,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// While it is away, every connection breaks off.
    pub(crate) fn be_away(&self, away: bool) {
        self.away.send_replace(away);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.away.send_replace(true);
        self.task.abort();
    }
}

async fn connection(stream: TcpStream, handler: Handler, mut away: watch::Receiver<bool>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
            handler(Request::from_parts(parts, body)).await
        }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        // First: what came while it is away must not be done.
        _ = away.wait_for(|away| *away) => {}
        // Whoever asked has gone, or was dropped on purpose.
        _ = serving => {}
    }
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

pub(crate) fn respond(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    if !content_type.is_empty() {
        let value = content_type.parse().expect("plain text");
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

pub(crate) fn json(status: u16, body: &Value) -> Response<Body> {
    respond(status, "application/json", body.to_string())
}

/// As the document's section "Errors" says.
pub(crate) fn problem(status: u16, code: &str, pointer: Option<&str>) -> Response<Body> {
    let errors =
        pointer.map(|pointer| serde_json::json!({"pointer": pointer, "detail": "is wrong"}));
    let problem = serde_json::json!({
        "type": format!("/problems/{code}"), "title": code, "status": status, "code": code,
        "detail": format!("The suite answers with {code}."), "hint": "It is a test.",
        "errors": errors.into_iter().collect::<Vec<_>>(),
    });
    respond(status, "application/problem+json", problem.to_string())
}
