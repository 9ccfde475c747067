//! Images in registries: the distribution protocol, version 2, as far as pulling needs it.

mod challenge;
mod download;
mod error;
mod login;
mod place;
mod request;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, Url};

use crate::config::{HttpConfig, ImageStoreConfig, RegistryAuth};
use crate::digest::Digest;
use crate::document::MANIFEST_TYPES;
use crate::reference::RegistryRef;
pub(crate) use download::{Download, Incoming};
pub use error::RegistryError;
use login::Login;
use place::{Place, is_loopback};
use request::{Asked, Request};

/// What all registries have in common. One for a store.
#[derive(Debug)]
pub(crate) struct Registries {
    http: reqwest::Client,
    config: Arc<ImageStoreConfig>,
    /// Of those that may be without TLS, which is.
    schemes: Mutex<HashMap<String, &'static str>>,
}

/// Why no registry can be asked.
#[derive(Debug, thiserror::Error)]
pub enum HttpConfigError {
    /// Not PEM.
    #[error("the extra root certificates cannot be read; they must be in PEM")]
    Certificates(#[source] reqwest::Error),
    /// Not a URL.
    #[error("the proxy for {scheme} cannot be used; give a URL like http://proxy:3128")]
    Proxy {
        /// `HTTP` or `HTTPS`.
        scheme: &'static str,
        /// What is wrong with it.
        #[source]
        source: reqwest::Error,
    },
    /// No certificates.
    #[error("the HTTPS client cannot be set up; check the system's certificates")]
    Client(#[source] reqwest::Error),
    /// Where a host should be.
    #[error("`{text}` is not a registry; write `host`, `host:port` or `host:port/prefix`")]
    Registry {
        /// As configured.
        text: String,
    },
}

impl Registries {
    pub(crate) fn new(config: Arc<ImageStoreConfig>) -> Result<Self, HttpConfigError> {
        for text in config
            .default_registry
            .iter()
            .chain(config.mirrors.values())
        {
            Place::check_configured(text)?;
        }
        let http = client(&config.http, &config)?;
        Ok(Self {
            http,
            config,
            schemes: Mutex::default(),
        })
    }

    /// Where an image is. The network is asked only whether a registry without TLS is one.
    pub(crate) async fn repository(
        self: &Arc<Self>,
        reference: &RegistryRef,
        auth: Option<RegistryAuth>,
    ) -> Result<Repository, RegistryError> {
        let place = Place::of(reference, &self.config)?;
        let scheme = self.scheme(&place.authority).await?;
        let base = Url::parse(&format!(
            "{scheme}://{}/v2/{}/",
            place.authority, place.name
        ));
        let base = base.map_err(|_| RegistryError::Protocol {
            registry: place.authority.clone(),
            why: "its name cannot stand in a URL",
        })?;
        Ok(Repository {
            registries: Arc::clone(self),
            base,
            registry: place.authority,
            image: reference.to_string(),
            wanted: reference.wanted(),
            login: Login::new(auth, place.name),
        })
    }

    /// Whether nothing secret may go there in the open.
    fn needs_tls(&self, authority: &str) -> bool {
        !is_loopback(authority)
            && !self
                .config
                .allow_plain_http
                .iter()
                .any(|allowed| allowed == authority)
    }

    async fn scheme(&self, authority: &str) -> Result<&'static str, RegistryError> {
        if self.needs_tls(authority) {
            return Ok("https");
        }
        let known = |registries: &Self| {
            let schemes = registries.schemes.lock().expect("nobody panics with it");
            schemes.get(authority).copied()
        };
        if let Some(scheme) = known(self) {
            return Ok(scheme);
        }
        let scheme = match self.ping("https", authority).await {
            Ok(()) => "https",
            Err(secure) => match self.ping("http", authority).await {
                Ok(()) => "http",
                Err(_) => return Err(secure),
            },
        };
        let mut schemes = self.schemes.lock().expect("nobody panics with it");
        schemes.insert(authority.to_owned(), scheme);
        Ok(scheme)
    }

    /// Any answer will do. Nobody is told who asks.
    async fn ping(&self, scheme: &str, authority: &str) -> Result<(), RegistryError> {
        let request = self.http.get(format!("{scheme}://{authority}/v2/"));
        let request = request.timeout(self.config.patience.answer);
        let response = request.send().await;
        response
            .map(drop)
            .map_err(|error| RegistryError::of(authority, error))
    }
}

fn client(
    http: &HttpConfig,
    config: &ImageStoreConfig,
) -> Result<reqwest::Client, HttpConfigError> {
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("outwork/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(config.patience.connect)
        .read_timeout(config.patience.answer);
    let exceptions = http
        .no_proxy
        .as_deref()
        .and_then(reqwest::NoProxy::from_string);
    let https = http.https_proxy.as_ref().map(reqwest::Proxy::https);
    let plain = http.http_proxy.as_ref().map(reqwest::Proxy::http);
    for (scheme, proxy) in [("HTTPS", https), ("HTTP", plain)] {
        if let Some(proxy) = proxy {
            let proxy = proxy.map_err(|error| HttpConfigError::Proxy {
                scheme,
                source: error.without_url(),
            })?;
            builder = builder.proxy(proxy.no_proxy(exceptions.clone()));
        }
    }
    if !http.extra_root_certificates_pem.is_empty() {
        let certificates = reqwest::Certificate::from_pem_bundle(&http.extra_root_certificates_pem);
        builder = builder.tls_certs_merge(certificates.map_err(HttpConfigError::Certificates)?);
    }
    builder.build().map_err(HttpConfigError::Client)
}

/// One image's place in its registry, for one who asks.
#[derive(Debug)]
pub(crate) struct Repository {
    registries: Arc<Registries>,
    /// `https://host/v2/name/`.
    base: Url,
    /// `host:port`, for messages.
    registry: String,
    /// The reference, for messages.
    image: String,
    /// Tag or digest.
    wanted: String,
    login: Login,
}

impl Repository {
    /// The same for all who ask for the same repository.
    pub(crate) fn place(&self) -> String {
        self.base.to_string()
    }

    /// What the reference names now.
    pub(crate) async fn resolve(&self) -> Result<Digest, RegistryError> {
        if let Ok(digest) = self.wanted.parse() {
            return Ok(digest);
        }
        let head = self.send(self.manifest(Method::HEAD, &self.wanted)).await;
        match head {
            Ok(response) => {
                if let Some(digest) = stated_digest(response.headers()) {
                    return Ok(digest);
                }
            }
            // Not everybody has this method, and with it nobody gives a reason.
            Err(RegistryError::Denied { .. }) => {}
            Err(RegistryError::Answered { status, .. }) if status.is_client_error() => {}
            Err(error) => return Err(error),
        }
        let response = self.send(self.manifest(Method::GET, &self.wanted)).await?;
        Ok(Digest::of(&self.read(response).await?))
    }

    /// A manifest or an index, which is what its digest says.
    pub(crate) async fn manifest_by(&self, digest: Digest) -> Result<Vec<u8>, RegistryError> {
        let request = self.manifest(Method::GET, &digest.to_string());
        self.document(request, digest).await
    }

    /// A small blob, which is what its digest says.
    pub(crate) async fn blob(&self, digest: Digest) -> Result<Vec<u8>, RegistryError> {
        self.document(Request::blob(digest, 0), digest).await
    }

    async fn document(&self, request: Request, digest: Digest) -> Result<Vec<u8>, RegistryError> {
        let mut tries = self.registries.config.patience.retry_after.iter();
        loop {
            let response = self.send(request.clone()).await?;
            match (self.read(response).await, tries.next()) {
                (Ok(bytes), _) if Digest::of(&bytes) == digest => return Ok(bytes),
                (Ok(_), _) => {
                    return Err(RegistryError::Damaged {
                        registry: self.registry.clone(),
                        digest,
                    });
                }
                (Err(error), Some(wait)) if error.is_transient() => {
                    tokio::time::sleep(*wait).await;
                }
                (Err(error), _) => return Err(error),
            }
        }
    }

    fn manifest(&self, method: Method, wanted: &str) -> Request {
        Request {
            method,
            path: format!("manifests/{wanted}"),
            accept: Some(MANIFEST_TYPES),
            from: 0,
            asked: Asked::Image,
        }
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, RegistryError> {
        let limit_bytes = self.registries.config.limits.document_bytes;
        let mut bytes = Vec::new();
        loop {
            let chunk = response.chunk().await;
            match chunk.map_err(|error| RegistryError::of(&self.registry, error))? {
                None => return Ok(bytes),
                Some(chunk) => bytes.extend(chunk),
            }
            if bytes.len() as u64 > limit_bytes {
                return Err(RegistryError::DocumentTooLarge { limit_bytes });
            }
        }
    }
}

fn stated_digest(headers: &HeaderMap) -> Option<Digest> {
    headers
        .get("docker-content-digest")?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
