//! Requests as they are: nothing is typed, nothing is repeated.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use reqwest::{Method, Response, header};
use serde_json::Value;

/// Longer than the longest poll.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to a control plane, for one token.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What is sent.
pub(crate) enum Content {
    None,
    Json(Value),
    /// Anything, with its content type.
    Bytes(&'static str, Vec<u8>),
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) bytes: Vec<u8>,
    what: String,
}

impl Client {
    pub(crate) fn new(base: &str, token: Option<&str>) -> Result<Self> {
        let mut builder = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            // A connection may end just when it is used again, and what was sent then is not sent once more.
            .pool_max_idle_per_host(0);
        if base.starts_with("http://") {
            builder = builder.tls_certs_only([]).no_proxy();
        }
        Ok(Self {
            http: builder
                .build()
                .context("the HTTP client cannot be set up")?,
            base: base.trim_end_matches('/').to_owned(),
            token: token.map(str::to_owned),
        })
    }

    /// The same server for another token, or for none.
    pub(crate) fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send(Method::POST, path, Content::Json(body.clone()))
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Reply> {
        self.send(Method::GET, path, Content::None).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, content: Content) -> Result<Reply> {
        let what = format!("{method} {path}");
        let response = self.open(method, path, content).await?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        Ok(Reply {
            status,
            content_type: content_type.unwrap_or_default().to_owned(),
            bytes: response
                .bytes()
                .await
                .with_context(|| format!("{what}: the answer broke off"))?
                .to_vec(),
            what,
        })
    }

    /// For an answer that flows.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        content: Content,
    ) -> Result<Response> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request = match content {
            Content::None => request,
            Content::Json(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_string()),
            Content::Bytes(content_type, bytes) => request
                .header(header::CONTENT_TYPE, content_type)
                .body(bytes),
        };
        let sent = request.send().await;
        sent.with_context(|| format!("{method} {path} was not answered"))
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.bytes).map_err(|_| anyhow!("{self}: it is no JSON"))
    }

    /// The body of an answer with 2xx; null if it has none.
    #[track_caller]
    pub(crate) fn ok(&self) -> Result<Value> {
        ensure!((200..300).contains(&self.status), "{self}");
        if self.bytes.is_empty() {
            return Ok(Value::Null);
        }
        self.json()
    }

    /// Fails unless it is a problem of that kind, with the fields that every problem has.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Result<()> {
        let problem = match self.json() {
            Ok(problem) if self.status == status => problem,
            Ok(_) | Err(_) => bail!("{self}; it should be {status} with `{code}`"),
        };
        ensure!(
            problem["code"] == code,
            "{self}; its code should be `{code}`"
        );
        ensure!(
            self.content_type.starts_with("application/problem+json"),
            "{self} is marked as {:?}, not as application/problem+json",
            self.content_type
        );
        ensure!(
            problem["status"] == status,
            "{self}: `status` is another than the answer's"
        );
        for field in ["type", "title", "detail"] {
            ensure!(problem[field].is_string(), "{self}: it has no `{field}`");
        }
        Ok(())
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes);
        write!(
            f,
            "`{}` was answered with {} {:.300}",
            self.what, self.status, text
        )
    }
}
