//! Telling a registry who asks, in the way that it wants.

use std::fmt;
use std::sync::Mutex;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use super::Repository;
use super::challenge::Challenge;
use super::error::RegistryError;
use super::request::said;
use crate::config::RegistryAuth;

const TOKEN_ANSWER_BYTES: usize = 1024 * 1024;

pub(super) struct Login {
    auth: Option<RegistryAuth>,
    /// As in the protocol.
    name: String,
    /// What the registry took last.
    accepted: Mutex<Option<Authorization>>,
}

#[derive(Clone)]
enum Authorization {
    Basic,
    Bearer(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

impl Login {
    pub(super) fn new(auth: Option<RegistryAuth>, name: String) -> Self {
        Self {
            auth,
            name,
            accepted: Mutex::default(),
        }
    }

    /// As the registry wanted it the last time.
    pub(super) fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        let accepted = self.accepted.lock().expect("nobody panics with it").clone();
        match (accepted, &self.auth) {
            (Some(Authorization::Bearer(token)), _) => request.bearer_auth(token),
            (Some(Authorization::Basic), Some(auth)) => basic(request, auth),
            (Some(Authorization::Basic) | None, _) => request,
        }
    }
}

fn basic(request: RequestBuilder, auth: &RegistryAuth) -> RequestBuilder {
    request.basic_auth(&auth.username, Some(&auth.password))
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Repository {
    /// After a 401: gets what the registry wants to see.
    pub(super) async fn log_in(&self, headers: &HeaderMap) -> Result<(), RegistryError> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        let challenges = values.filter_map(|value| value.to_str().ok());
        let challenges: Vec<_> = challenges.flat_map(Challenge::parse_all).collect();
        let find = |scheme: &str| {
            challenges
                .iter()
                .find(|challenge| challenge.scheme == scheme)
        };
        let authorization = match (find("bearer"), find("basic"), &self.login.auth) {
            (Some(challenge), _, _) => Authorization::Bearer(self.token(challenge).await?),
            (None, Some(_), Some(_)) => Authorization::Basic,
            (None, _, _) => return Err(self.not_logged_in()),
        };
        *self.login.accepted.lock().expect("nobody panics with it") = Some(authorization);
        Ok(())
    }

    pub(super) fn not_logged_in(&self) -> RegistryError {
        let registry = self.registry.clone();
        match &self.login.auth {
            Some(auth) => RegistryError::LoginRefused {
                registry,
                username: auth.username.clone(),
            },
            None => RegistryError::LoginNeeded {
                registry,
                image: self.image.clone(),
            },
        }
    }

    async fn token(&self, challenge: &Challenge) -> Result<String, RegistryError> {
        let url = self.token_url(challenge)?;
        let mut request = self.registries.http.get(url.clone());
        if let Some(auth) = &self.login.auth {
            request = basic(request, auth);
        }
        let server = url.authority().to_owned();
        let fault = |error| RegistryError::of(&server, error);
        let response = request.send().await.map_err(fault)?;
        let status = response.status();
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(self.not_logged_in()),
            StatusCode::TOO_MANY_REQUESTS => return Err(self.too_many_requests(&response)),
            _ => {
                return Err(RegistryError::Answered {
                    registry: server.clone(),
                    status,
                    said: said(response).await,
                });
            }
        }
        let protocol = |why| RegistryError::Protocol {
            registry: server.clone(),
            why,
        };
        let mut response = response;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            bytes.extend(chunk);
            if bytes.len() > TOKEN_ANSWER_BYTES {
                return Err(protocol("its token is too long"));
            }
        }
        let answer: TokenAnswer =
            serde_json::from_slice(&bytes).map_err(|_| protocol("it answered with no token"))?;
        let token = answer.token.or(answer.access_token).unwrap_or_default();
        match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(token),
            false => Err(protocol("it answered with no token")),
        }
    }

    /// Asks for as little as there is: to read this one repository.
    fn token_url(&self, challenge: &Challenge) -> Result<Url, RegistryError> {
        let realm = challenge.parameter("realm").unwrap_or_default();
        let elsewhere = |why| RegistryError::Elsewhere {
            registry: self.registry.clone(),
            to: crate::text::shown(realm),
            why,
        };
        let mut url = Url::parse(realm).map_err(|_| elsewhere("that is not a URL"))?;
        self.check_elsewhere(&url)?;
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = challenge.parameter("service") {
                query.append_pair("service", service);
            }
            query.append_pair("scope", &format!("repository:{}:pull", self.login.name));
        }
        Ok(url)
    }
}
