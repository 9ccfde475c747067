//! One request to the repository's server, with the credential, and what its answer means.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use futures_util::TryStreamExt;
use outwork_git::Trouble;
use reqwest::{Method, RequestBuilder, Response, Url};

use super::address::{AddressRefused, check_literal};
use super::{GitGateway, Permit, chain};

const REFS: &str = "/info/refs";
const SERVICE: &str = "service=git-upload-pack";
const PACK: &str = "/git-upload-pack";
const REDIRECTS: usize = 5;

/// What git says about the way in which it wants to be answered. Nothing that names anybody.
const PASSED_ON: [HeaderName; 8] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::PRAGMA,
    header::USER_AGENT,
    HeaderName::from_static("git-protocol"),
];

/// What is asked of the repository's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Which refs there are.
    Refs,
    /// Commits by name, and what is needed for them.
    Pack,
}

impl Service {
    /// What an answer of git's is called. Nothing else is handed on: what the server's network holds beside git is nobody's to read here.
    fn content_type(self) -> &'static str {
        match self {
            Self::Refs => "application/x-git-upload-pack-advertisement",
            Self::Pack => "application/x-git-upload-pack-result",
        }
    }
}

/// A request of git's.
pub(crate) struct Asked {
    pub(crate) headers: HeaderMap,
    /// For [`Service::Pack`].
    pub(crate) body: Body,
}

impl GitGateway {
    /// The answer's head came and is git's.
    pub(crate) async fn ask(
        &self,
        permit: &Permit,
        service: Service,
        asked: Asked,
    ) -> Result<Response, Trouble> {
        match service {
            Service::Refs => self.refs(permit, &asked.headers).await,
            Service::Pack => self.pack(permit, asked).await,
        }
    }

    /// Follows the repository to another place on the same server, as git does.
    async fn refs(&self, permit: &Permit, headers: &HeaderMap) -> Result<Response, Trouble> {
        let own = base(permit);
        let mut place = own.clone();
        for _ in 0..=REDIRECTS {
            let url = parsed(&with_service(&place))?;
            let request = self.request(Method::GET, &url, permit, headers)?;
            let response = self.send(request).await?;
            if !response.status().is_redirection() {
                let response = accepted(response, Service::Refs)?;
                self.remember(&own, &place);
                return Ok(response);
            }
            place = moved_to(&url, &response)?;
        }
        Err(Trouble::NotGit)
    }

    async fn pack(&self, permit: &Permit, asked: Asked) -> Result<Response, Trouble> {
        let Asked { headers, body } = asked;
        let own = base(permit);
        let url = parsed(&format!("{}{PACK}", self.place(&own)))?;
        let request = self.request(Method::POST, &url, permit, &headers)?;
        let body = bounded(body, self.patience().request_bytes);
        let response = self.send(request.body(body)).await?;
        if response.status().is_redirection() {
            // The first request came to another server. Now this one knows, too, and git begins again.
            self.refs(permit, &headers).await?;
            return Err(Trouble::Unavailable);
        }
        accepted(response, Service::Pack)
    }

    fn request(
        &self,
        method: Method,
        url: &Url,
        permit: &Permit,
        headers: &HeaderMap,
    ) -> Result<RequestBuilder, Trouble> {
        check_literal(&self.config.policy(), url).map_err(refused)?;
        let is_get = method == Method::GET;
        let mut request = self.client()?.request(method, url.clone());
        let login = &permit.login;
        request = request.basic_auth(&login.username, Some(&login.password));
        let is_of_body = |name: &HeaderName| {
            [
                header::CONTENT_ENCODING,
                header::CONTENT_LENGTH,
                header::CONTENT_TYPE,
            ]
            .contains(name)
        };
        for name in PASSED_ON
            .iter()
            .filter(|name| !(is_get && is_of_body(name)))
        {
            for value in headers.get_all(name) {
                request = request.header(name, value);
            }
        }
        Ok(request)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Trouble> {
        let limit = self.patience().head;
        match tokio::time::timeout(limit, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unanswered(&error)),
            Err(_) => Err(Trouble::TimedOut {
                limit_ms: millis(limit),
            }),
        }
    }
}

/// Without a user, and without a slash at the end.
fn base(permit: &Permit) -> String {
    permit.url.to_string().trim_end_matches('/').to_owned()
}

fn with_service(place: &str) -> String {
    let sign = if place.contains('?') { '&' } else { '?' };
    format!("{place}{REFS}{sign}{SERVICE}")
}

fn parsed(url: &str) -> Result<Url, Trouble> {
    Url::parse(url).map_err(|_| Trouble::NotGit)
}

/// The repository's place on the same server. Elsewhere the credential does not go.
fn moved_to(from: &Url, response: &Response) -> Result<String, Trouble> {
    let location = response.headers().get(header::LOCATION);
    let location = location.and_then(|value| value.to_str().ok());
    let to = location.and_then(|text| from.join(text).ok());
    let to = to.ok_or(Trouble::NotGit)?;
    if to.origin() != from.origin() {
        let port = to.port().map(|port| format!(":{port}")).unwrap_or_default();
        let to = format!("{}{port}", to.host_str().unwrap_or_default());
        return Err(Trouble::Redirected { to });
    }
    let sign = if to.query() == Some(SERVICE) {
        '?'
    } else {
        '&'
    };
    let place = to.as_str().strip_suffix(&format!("{REFS}{sign}{SERVICE}"));
    place.map(str::to_owned).ok_or(Trouble::NotGit)
}

fn accepted(response: Response, service: Service) -> Result<Response, Trouble> {
    let status = response.status();
    match status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Trouble::Denied),
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(Trouble::NotFound),
        status if status.is_success() || status.is_redirection() => return Err(Trouble::NotGit),
        status => {
            let status = status.as_u16();
            return Err(Trouble::Failing { status });
        }
    }
    let content_type = response.headers().get(header::CONTENT_TYPE);
    match content_type.and_then(|value| value.to_str().ok()) {
        Some(text) if text.eq_ignore_ascii_case(service.content_type()) => Ok(response),
        Some(_) | None => Err(Trouble::NotGit),
    }
}

fn unanswered(error: &reqwest::Error) -> Trouble {
    if let Some(fault) = AddressRefused::in_causes(error) {
        return refused(fault.clone());
    }
    tracing::info!(error = %chain(error), "a repository's server did not answer the git gateway");
    Trouble::Unreachable
}

pub(super) fn refused(fault: AddressRefused) -> Trouble {
    tracing::warn!("the git gateway does not go to a repository's host: {fault}");
    Trouble::Address {
        address: fault.address.to_string(),
    }
}

/// As it comes, and no more of it than that.
fn bounded(body: Body, most: u64) -> reqwest::Body {
    let mut passed = 0;
    let pieces = body.into_data_stream().map_err(std::io::Error::other);
    let pieces = pieces.and_then(move |piece| {
        passed += piece.len() as u64;
        let checked = if passed > most {
            Err(std::io::Error::other("the request is too long"))
        } else {
            Ok(piece)
        };
        std::future::ready(checked)
    });
    reqwest::Body::wrap_stream(pieces)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
