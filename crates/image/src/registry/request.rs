//! One request to a registry: redirects, logins, retries, and what an answer means.

use std::time::Duration;

use reqwest::header::{ACCEPT, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::Repository;
use super::error::RegistryError;
use crate::digest::Digest;
use crate::text::shown;

const REDIRECTS: usize = 5;
/// Longer than that, nobody waits for a registry.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Of an answer that is an error.
const SAID_BYTES: usize = 64 * 1024;

/// Safe to repeat, all of them.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Below the repository's.
    pub(super) path: String,
    pub(super) accept: Option<&'static str>,
    /// The first byte that is wanted.
    pub(super) from: u64,
    pub(super) asked: Asked,
}

/// What is missing if it is missing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Image,
    Blob(Digest),
}

impl Request {
    pub(super) fn blob(digest: Digest, from: u64) -> Self {
        Self {
            method: Method::GET,
            path: format!("blobs/{digest}"),
            accept: None,
            from,
            asked: Asked::Blob(digest),
        }
    }
}

impl Repository {
    /// Returns when the head of a good answer is there.
    pub(super) async fn send(&self, request: Request) -> Result<Response, RegistryError> {
        let mut waits = self.registries.config.patience.retry_after.iter();
        loop {
            let error = match self.send_once(&request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let Some(wait) = waits.next().filter(|_| error.is_transient()) else {
                return Err(error);
            };
            let asked_for = match &error {
                RegistryError::TooManyRequests { retry_after, .. } => *retry_after,
                _ => None,
            };
            if asked_for.is_some_and(|asked_for| asked_for > LONGEST_WAIT) {
                return Err(error);
            }
            tracing::debug!(registry = self.registry, %error, "asking the registry again");
            tokio::time::sleep(asked_for.unwrap_or_default().max(*wait)).await;
        }
    }

    async fn send_once(&self, request: &Request) -> Result<Response, RegistryError> {
        let mut response = self.follow(request).await?;
        // A token runs out while a large layer comes.
        if response.status() == StatusCode::UNAUTHORIZED && self.is_own(response.url()) {
            self.log_in(response.headers()).await?;
            response = self.follow(request).await?;
        }
        self.judge(response, request).await
    }

    /// Goes where the registry sends it. Who asks is told to the registry only.
    async fn follow(&self, request: &Request) -> Result<Response, RegistryError> {
        let mut url = self
            .base
            .join(&request.path)
            .map_err(|_| RegistryError::Protocol {
                registry: self.registry.clone(),
                why: "its name cannot stand in a URL",
            })?;
        for _ in 0..=REDIRECTS {
            let mut builder = self
                .registries
                .http
                .request(request.method.clone(), url.clone());
            if self.is_own(&url) {
                builder = self.login.apply(builder);
            }
            if let Some(accept) = request.accept {
                builder = builder.header(ACCEPT, accept);
            }
            if request.from > 0 {
                builder = builder.header(RANGE, format!("bytes={}-", request.from));
            }
            let sent = builder.send().await;
            let response = sent.map_err(|error| RegistryError::of(url.authority(), error))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let to = response
                .headers()
                .get(LOCATION)
                .and_then(|to| to.to_str().ok());
            let to = to.and_then(|to| url.join(to).ok());
            url = to.ok_or_else(|| RegistryError::Protocol {
                registry: self.registry.clone(),
                why: "it redirects to nowhere",
            })?;
            self.check_elsewhere(&url)?;
        }
        Err(RegistryError::Elsewhere {
            registry: self.registry.clone(),
            to: url.authority().to_owned(),
            why: "after too many redirects",
        })
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// A registry with TLS must not lead to a place without.
    pub(super) fn check_elsewhere(&self, url: &Url) -> Result<(), RegistryError> {
        let why = match url.scheme() {
            "https" => None,
            "http"
                if self.base.scheme() == "http" && !self.registries.needs_tls(url.authority()) =>
            {
                None
            }
            "http" => Some("there is no TLS"),
            _ => Some("that is neither HTTPS nor HTTP"),
        };
        let has_user = !url.username().is_empty() || url.password().is_some();
        match why.or(has_user.then_some("it holds a login")) {
            None => Ok(()),
            Some(why) => Err(RegistryError::Elsewhere {
                registry: self.registry.clone(),
                // Without what is secret in it.
                to: format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
                why,
            }),
        }
    }

    async fn judge(
        &self,
        response: Response,
        request: &Request,
    ) -> Result<Response, RegistryError> {
        let registry = self.registry.clone();
        let image = self.image.clone();
        let status = response.status();
        Err(match status.as_u16() {
            200 => return Ok(response),
            206 if request.from > 0 => return Ok(response),
            401 => self.not_logged_in(),
            403 => RegistryError::Denied {
                registry,
                image,
                said: said(response).await,
            },
            404 => match request.asked {
                Asked::Image => RegistryError::NoImage { registry, image },
                Asked::Blob(digest) => RegistryError::NoBlob {
                    registry,
                    image,
                    digest,
                },
            },
            429 => self.too_many_requests(&response),
            _ => RegistryError::Answered {
                registry,
                status,
                said: said(response).await,
            },
        })
    }

    pub(super) fn too_many_requests(&self, response: &Response) -> RegistryError {
        let header = response.headers().get(RETRY_AFTER);
        let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        RegistryError::TooManyRequests {
            registry: self.registry.clone(),
            retry_after: seconds.map(Duration::from_secs),
        }
    }
}

/// Why, in the words of a registry.
pub(super) async fn said(mut response: Response) -> String {
    #[derive(Deserialize)]
    struct Answer {
        errors: Vec<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        code: Option<String>,
        message: Option<String>,
    }
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend(chunk);
        if bytes.len() > SAID_BYTES {
            break;
        }
    }
    let first = serde_json::from_slice(&bytes)
        .ok()
        .and_then(|answer: Answer| {
            let Fault { code, message } = answer.errors.into_iter().next()?;
            message.filter(|message| !message.is_empty()).or(code)
        });
    first.map_or_else(|| "no reason given".to_owned(), |text| shown(&text))
}
