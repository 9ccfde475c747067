//! The model endpoint behind a gateway: its address, its key, and how calling it
//! can fail.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use reqwest::{Client, Url};

use super::GatewayConfig;
use super::endpoint::Endpoint;
use super::headers;
use super::mask;

/// The real key. `Debug` and `Display` print `****`.
#[derive(Clone)]
pub struct ApiKey(Arc<str>);

impl ApiKey {
    /// White space around the key, such as the final newline of a file, is not
    /// part of it.
    ///
    /// # Errors
    /// The key is empty or cannot stand in an HTTP header.
    pub fn new(key: &str) -> Result<Self, ConfigError> {
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::Key);
        }
        Ok(Self(key.into()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn bearer(&self) -> HeaderValue {
        sensitive(&format!("Bearer {}", self.0))
    }

    pub(super) fn plain(&self) -> HeaderValue {
        sensitive(&self.0)
    }

    /// Local models get keys like "dummy", which are words that answers may hold.
    pub(super) fn is_unmistakable(&self) -> bool {
        self.0.len() >= 16
    }

    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.is_unmistakable() && mask::find(bytes, self.bytes()).is_some()
    }
}

fn sensitive(value: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(value).expect("a key is visible ASCII");
    value.set_sensitive(true);
    value
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the model's base URL is not a URL; give one like https://host/v1")]
    Url(#[source] Box<dyn Error + Send + Sync>),
    #[error("the model's base URL must begin with http:// or https://")]
    Scheme,
    #[error(
        "the model's base URL must hold no user, password, query or fragment; give the key separately"
    )]
    Extras,
    #[error(
        "the model's key is empty or has characters that cannot be in a key; check the key file"
    )]
    Key,
    #[error("the HTTPS client cannot be set up; check the system's certificates")]
    Client(#[source] reqwest::Error),
}

/// A model endpoint and the limits for using it. Cloning is cheap and shares
/// the connections, so one serves all gateways of a process.
#[derive(Clone)]
pub struct Upstream {
    base: Url,
    key: Option<ApiKey>,
    config: GatewayConfig,
    client: Client,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("base", &self.base.as_str())
            .field("key", &self.key)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Upstream {
    /// `base_url` is the API's root with its version, `https://host/v1`; a URL
    /// without a path means `/v1`. Without a key, none is sent.
    ///
    /// # Errors
    /// The URL cannot be used, or the system's certificates cannot be loaded.
    ///
    /// # Panics
    /// No TLS provider is installed in the process.
    pub fn new(
        base_url: &str,
        key: Option<ApiKey>,
        config: GatewayConfig,
    ) -> Result<Self, ConfigError> {
        let base = base(base_url)?;
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .build()
            .map_err(ConfigError::Client)?;
        Ok(Self {
            base,
            key,
            config,
            client,
        })
    }

    pub fn config(&self) -> &GatewayConfig {
        &self.config
    }

    pub(super) fn key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// `host:port`, for messages.
    pub(super) fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        match self.base.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Returns when the head of the answer is there.
    pub(super) async fn send(
        &self,
        endpoint: Endpoint,
        query: Option<&str>,
        from_agent: &HeaderMap,
        body: Incoming,
    ) -> Result<reqwest::Response, SendError> {
        let mut request = self
            .client
            .request(endpoint.method(), self.url(endpoint, query))
            .headers(headers::to_upstream(endpoint, from_agent, self.key()));
        let limit = self.config.max_request_body_bytes;
        if !hyper::body::Body::is_end_stream(&body) {
            request = request.body(reqwest::Body::wrap(Limited::new(body, limit)));
        }
        let sent = tokio::time::timeout(self.config.first_byte_timeout, request.send()).await;
        let Ok(sent) = sent else {
            return Err(SendError::Upstream(UpstreamErrorKind::Timeout));
        };
        let response = sent.map_err(|error| SendError::of(&error))?;
        let status = response.status();
        match status.is_redirection() || status.is_informational() {
            true => Err(SendError::Upstream(UpstreamErrorKind::Redirect)),
            false => Ok(response),
        }
    }

    fn url(&self, endpoint: Endpoint, query: Option<&str>) -> Url {
        let mut url = self.base.clone();
        let suffix = endpoint.path().trim_start_matches("/v1");
        url.set_path(&format!("{}{suffix}", self.base.path()));
        url.set_query(query);
        url
    }
}

/// The URL with a path that has no final slash.
fn base(base_url: &str) -> Result<Url, ConfigError> {
    let mut url = Url::parse(base_url.trim()).map_err(|error| ConfigError::Url(error.into()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ConfigError::Scheme);
    }
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || url.query().is_some() || url.fragment().is_some() {
        return Err(ConfigError::Extras);
    }
    let path = match url.path().trim_end_matches('/') {
        "" => "/v1",
        path => path,
    };
    let path = path.to_owned();
    url.set_path(&path);
    Ok(url)
}

/// How the model endpoint failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamErrorKind {
    /// The name does not resolve, or no connection within the connect timeout.
    Unreachable,
    /// No answer, or silence inside an answer, for too long.
    Timeout,
    /// No agreement on TLS; most often a certificate that is not trusted.
    Tls,
    /// It answered with this status, from 400, which was passed on.
    Status(u16),
    /// It redirects; the base URL is not the endpoint's own.
    Redirect,
    /// The connection broke after it stood.
    Broken,
}

pub(super) enum SendError {
    BodyTooLarge,
    /// The agent stopped sending its request.
    AgentGone,
    Upstream(UpstreamErrorKind),
}

impl SendError {
    fn of(error: &reqwest::Error) -> Self {
        if find_cause::<LengthLimitError>(error).is_some() {
            return Self::BodyTooLarge;
        }
        // The body is the agent's, so an error in reading it is, too.
        let body_failed = find_cause::<hyper::Error>(error).is_some_and(hyper::Error::is_user);
        if body_failed {
            return Self::AgentGone;
        }
        Self::Upstream(kind_of(error))
    }
}

pub(super) fn kind_of(error: &reqwest::Error) -> UpstreamErrorKind {
    if find_cause::<rustls::Error>(error).is_some() {
        return UpstreamErrorKind::Tls;
    }
    if error.is_connect() {
        return UpstreamErrorKind::Unreachable;
    }
    if error.is_timeout() {
        return UpstreamErrorKind::Timeout;
    }
    UpstreamErrorKind::Broken
}

fn find_cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // The error inside an io::Error is not its source.
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(inside) = inside
            && let Some(found) = find_cause(inside)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

impl UpstreamErrorKind {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream_unreachable",
            Self::Timeout => "upstream_timeout",
            Self::Tls => "upstream_tls",
            Self::Status(_) => "upstream_status",
            Self::Redirect => "upstream_redirect",
            Self::Broken => "upstream_broken",
        }
    }

    /// What went wrong and what to check; nothing secret.
    pub(super) fn message(self, host: &str) -> String {
        match self {
            Self::Unreachable => format!(
                "The model endpoint {host} cannot be reached: check the base URL of the model, that the endpoint runs, and that the worker's machine may connect to it."
            ),
            Self::Timeout => format!(
                "The model endpoint {host} did not answer in time: check that it is healthy, or raise the gateway's timeouts."
            ),
            Self::Tls => format!(
                "No secure connection to the model endpoint {host}: check its certificate and whether the base URL should begin with http:// instead."
            ),
            Self::Status(status) => format!("The model endpoint {host} answered {status}."),
            Self::Redirect => format!(
                "The model endpoint {host} redirects, which is not followed: check the base URL of the model."
            ),
            Self::Broken => format!(
                "The model endpoint {host} closed the connection without an answer: check its log."
            ),
        }
    }
}

/// The body of an answer, as it comes.
pub(super) fn chunks(
    response: reqwest::Response,
) -> impl futures_util::Stream<Item = Result<Bytes, reqwest::Error>> {
    response.bytes_stream()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base_url: &str) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let upstream = Upstream::new(base_url, None, GatewayConfig::default()).unwrap();
        upstream.url(Endpoint::Compact, None).to_string()
    }

    #[test]
    fn base_urls_are_joined() {
        assert_eq!(joined("https://h/v1"), "https://h/v1/responses/compact");
        assert_eq!(joined("https://h/v1/\n"), "https://h/v1/responses/compact");
        assert_eq!(joined("https://h"), "https://h/v1/responses/compact");
        assert_eq!(
            joined("http://[::1]:8/a/v2//"),
            "http://[::1]:8/a/v2/responses/compact"
        );
        assert_eq!(joined("https://h/v1/../x"), "https://h/x/responses/compact");
    }

    #[test]
    fn base_urls_that_cannot_be_meant_are_refused() {
        assert!(matches!(base("host/v1"), Err(ConfigError::Url(_))));
        assert!(matches!(base("ftp://h/v1"), Err(ConfigError::Scheme)));
        for url in [
            "https://u:p@h/v1",
            "https://k@h/v1",
            "https://h/v1?a=b",
            "https://h/v1#x",
        ] {
            assert!(matches!(base(url), Err(ConfigError::Extras)), "{url}");
        }
    }

    #[test]
    fn a_key_is_checked_and_not_printed() {
        let key = ApiKey::new(" sk-canary-0123456789\n").unwrap();
        assert_eq!(key.bytes(), b"sk-canary-0123456789");
        assert_eq!(
            format!("{key} {key:?} {:?}", key.bearer()),
            "**** **** Sensitive"
        );
        for wrong in ["", " \n", "two words", "new\nline", "ключ"] {
            assert!(
                matches!(ApiKey::new(wrong), Err(ConfigError::Key)),
                "{wrong:?}"
            );
        }
    }
}
