//! A connection that is kept, the same for every server that is measured.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// One connection of HTTP/1.1.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    authorization: String,
}

impl Connection {
    /// `token` is empty for a server that asks for none.
    pub(crate) async fn open(address: SocketAddr, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; what breaks it is told to the request.
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: address.to_string(),
            authorization: format!("Bearer {token}"),
        })
    }

    /// Posts JSON and reads JSON.
    pub(crate) async fn post<A: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
        key: Option<&str>,
    ) -> Result<A> {
        let body = self.send(Method::POST, path, body, key).await?;
        serde_json::from_slice(&body).with_context(|| format!("the answer of {path}"))
    }

    /// Posts JSON; the answer has no content.
    pub(crate) async fn tell(&mut self, path: &str, body: &impl Serialize) -> Result<()> {
        self.send(Method::POST, path, body, None).await.map(drop)
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        key: Option<&str>,
    ) -> Result<Bytes> {
        let mut request = self.request(method, path);
        request = request.header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::from(serde_json::to_vec(body)?))?;
        let answer = self.answer(request).await?;
        let is_success = answer.status().is_success();
        let body = answer.into_body().collect().await?.to_bytes();
        if !is_success {
            bail!("{path} answered {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }

    /// Begins a stream of server-sent events after an event.
    pub(crate) async fn stream(
        &mut self,
        path: &str,
        after: Option<i64>,
    ) -> Result<hyper::body::Incoming> {
        let mut request = self
            .request(Method::GET, path)
            .header("accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let answer = self.answer(request.body(Full::default())?).await?;
        if !answer.status().is_success() {
            bail!("{path} answered {}", answer.status());
        }
        Ok(answer.into_body())
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("authorization", &self.authorization)
    }

    async fn answer(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<hyper::body::Incoming>> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}
