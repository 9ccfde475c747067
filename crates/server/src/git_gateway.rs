//! The git gateway: workers read private repositories through the server, which adds the stored credential. A worker holds a token that is
//! good for one repository, for as long as its claim holds the attempt.
//!
//! Smart HTTP, reading only: the advertisement of refs and the negotiation of a pack pass, nothing else does. Read in this order:
//! * `lease_token`: the token, which no table keeps; `permit`: whether it still holds, and what is read with which credential;
//! * `address`: where the gateway goes; `upstream`: one request to the repository's server;
//! * `relay`: the answer on its way to the worker, in pieces that nobody collects.

pub(crate) mod address;
mod config;
mod lease_token;
mod permit;
mod relay;
mod upstream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use outwork_git::{RepoUrl, Trouble};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use config::ClientError;
pub use config::{GitGatewayConfig, GitGatewayPatience};
pub(crate) use lease_token::{Lease, LeaseKey};
pub(crate) use permit::{Claimed, NotPermitted, Permit};
pub(crate) use relay::relay;
pub(crate) use upstream::{Asked, Service};

/// How many requests are passed on at once; further ones are told to come again.
const REQUESTS: usize = 512;
/// How many repositories are remembered to have moved.
const MOVED: usize = 1000;

/// What all requests share.
pub(crate) struct GitGateway {
    pub(crate) key: LeaseKey,
    config: GitGatewayConfig,
    /// Made at the first request: most servers never see one, and it loads certificates.
    client: OnceLock<Result<reqwest::Client, config::ClientError>>,
    requests: Arc<Semaphore>,
    /// Where repositories are whose server sent the first request on: the next has a body, and git sends it to where the first was
    /// answered. Lost with the process; the worker then begins again.
    moved: Mutex<HashMap<String, String>>,
}

impl GitGateway {
    pub(crate) fn new(secret_key: &[u8; 32], config: GitGatewayConfig) -> Self {
        Self {
            key: LeaseKey::derived(secret_key),
            config,
            client: OnceLock::new(),
            requests: Arc::new(Semaphore::new(REQUESTS)),
            moved: Mutex::default(),
        }
    }

    /// Whether workers that do not read through the gateway get no work.
    pub(crate) fn is_required(&self) -> bool {
        self.config.required
    }

    pub(crate) fn patience(&self) -> &GitGatewayPatience {
        &self.config.patience
    }

    /// The right to pass one request on; held until its answer has ended.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        let entered = Arc::clone(&self.requests).try_acquire_owned();
        entered.map_err(|_| Trouble::Unavailable)
    }

    fn client(&self) -> Result<&reqwest::Client, Trouble> {
        let made = self.client.get_or_init(|| self.config.client());
        made.as_ref().map_err(|error| {
            tracing::error!(error = %chain(error), "the git gateway cannot make its HTTP client");
            Trouble::Unavailable
        })
    }

    /// The same client for the interfaces of the repositories' servers; the log says why there is none.
    pub(crate) fn client_for_forges(&self) -> Option<&reqwest::Client> {
        self.client().ok()
    }

    /// The address of that host if it is written as a number and not to be dialled; names are checked as they are looked up.
    pub(crate) fn may_go_to(&self, url: &reqwest::Url) -> Option<String> {
        let checked = address::check_literal(&self.config.policy(), url);
        checked.err().map(|fault| fault.address.to_string())
    }

    /// Whether the server may send a credential to where that repository is. Behind a proxy names are not looked up here.
    pub(crate) async fn may_go(&self, url: &RepoUrl) -> Result<(), Trouble> {
        let Ok(url) = reqwest::Url::parse(&url.to_string()) else {
            return Ok(());
        };
        let policy = self.config.policy();
        let is_proxied = match url.scheme() {
            "https" => self.config.https_proxy.is_some(),
            _ => self.config.http_proxy.is_some(),
        };
        let checked = match is_proxied {
            true => address::check_literal(&policy, &url),
            false => address::check_host(&policy, &url).await,
        };
        checked.map_err(upstream::refused)
    }

    /// Where the repository of that address is now.
    fn place(&self, base: &str) -> String {
        let moved = self.moved.lock().expect("nobody panics with it");
        moved.get(base).cloned().unwrap_or_else(|| base.to_owned())
    }

    fn remember(&self, base: &str, found: &str) {
        let mut moved = self.moved.lock().expect("nobody panics with it");
        if base == found {
            moved.remove(base);
            return;
        }
        if moved.len() >= MOVED {
            moved.clear();
        }
        moved.insert(base.to_owned(), found.to_owned());
    }
}

/// An error with what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
