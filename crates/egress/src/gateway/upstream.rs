//! The model endpoint behind a gateway: its address, its key, and how calling it
//! can fail.

mod failure;
mod key;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use reqwest::{Client, Url};

use super::GatewayConfig;
use super::endpoint::Endpoint;

pub use failure::UpstreamErrorKind;
pub(super) use failure::kind_of;
pub use key::ApiKey;

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
    /// Until it shows that it does not know `stream_options`.
    knows_stream_options: Arc<AtomicBool>,
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
            knows_stream_options: Arc::new(AtomicBool::new(true)),
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

    pub(super) fn knows_stream_options(&self) -> bool {
        self.knows_stream_options.load(Ordering::Relaxed)
    }

    pub(super) fn forget_stream_options(&self) {
        self.knows_stream_options.store(false, Ordering::Relaxed);
    }

    /// Returns when the head of the answer is there; the caller bounds the time.
    pub(super) async fn send(
        &self,
        endpoint: Endpoint,
        query: Option<&str>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<reqwest::Response, UpstreamErrorKind> {
        let url = self.url(endpoint, query);
        let mut request = self.client.request(endpoint.method(), url).headers(headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| kind_of(&error))?;
        let status = response.status();
        if status.is_redirection() || status.is_informational() {
            return Err(UpstreamErrorKind::Redirect);
        }
        let announced = response.content_length().unwrap_or(0);
        match announced > self.config.max_answer_bytes as u64 {
            true => Err(UpstreamErrorKind::AnswerTooLarge),
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
}
