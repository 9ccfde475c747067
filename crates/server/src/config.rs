//! What the composition root hands in.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use outwork_api::secret::Secret;
use outwork_domain::Timestamp;
use outwork_domain::limits::{ATTEMPTS_PER_TURN, AttemptLimits};
use outwork_git::Git;
use outwork_store::{Objects, Store};
use tokio_util::sync::CancellationToken;

use crate::git_gateway::GitGatewayConfig;

/// The server's clock. It decides leases, so it must not jump: start from the wall clock once and go on by the monotonic one.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Where ids, nonces and jitter come from.
pub trait Random: Send + Sync {
    /// Fills `bytes` with bytes that nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

/// How many bytes are free where the data is kept; `None` when that is not known.
pub type FreeSpace = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// The model that is used in workspaces that set none of their own.
#[derive(Clone, Debug)]
pub struct ModelDefault {
    /// Where its API is, with the version.
    pub base_url: String,
    /// Its name.
    pub name: String,
    /// The key, if the endpoint wants one.
    pub api_key: Option<Secret>,
    /// How many tokens a conversation may have.
    pub context_window: u64,
}

/// What a server does that starts with another key than the one that the store's secrets were sealed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherKey {
    /// It does not start.
    #[default]
    Refuse,
    /// It deletes what it cannot open: secrets, credentials, keys of models.
    Forget,
}

/// How webhooks are told. The way there (proxies, certificates) is that to repositories.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Addresses and networks that are not public and that webhooks may be at. A metadata service is opened by its own number only.
    pub addresses: Vec<IpNet>,
    /// How long one try may take, all in all.
    pub limit: Duration,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            limit: Duration::from_secs(15),
        }
    }
}

/// Everything that a server is made of. Its key and secrets are never printed.
#[derive(Clone)]
pub struct ServerConfig {
    /// Rows.
    pub store: Store,
    /// Diffs and sessions.
    pub objects: Objects,
    /// Where people reach this server, such as `http://127.0.0.1:4700`; without a slash at the end.
    pub public_url: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Seals what is secret in the store.
    pub secret_key: [u8; 32],
    /// What happens if that is another key than before.
    pub other_key: OtherKey,
    /// The git binary, with an environment of its own.
    pub git: Git,
    /// How long asking a repository for a branch may take.
    pub resolve_limit: Duration,
    /// How workers read private repositories.
    pub git_gateway: GitGatewayConfig,
    /// How webhooks are told.
    pub webhooks: WebhookConfig,
    /// Time limits of attempts; the environment's own limits replace `setting_up` and `running`.
    pub limits: AttemptLimits,
    /// The most attempts of a turn.
    pub attempts_per_turn: u32,
    /// The model of workspaces that set none.
    pub model: Option<ModelDefault>,
    /// The free space of the data directory.
    pub free_space: FreeSpace,
    /// Below this many free bytes, writes that can wait are refused, so that cancelling and finishing still work.
    pub reserve_bytes: u64,
    /// The version of this program.
    pub version: String,
    /// Cancelled when the server has to stop.
    pub shutdown: CancellationToken,
}

impl ServerConfig {
    /// How long asking a repository may take unless told otherwise.
    pub const RESOLVE_LIMIT: Duration = Duration::from_secs(15);
    /// The reserve unless told otherwise.
    pub const RESERVE_BYTES: u64 = 4 * 1024 * 1024;
    /// The most attempts of a turn unless told otherwise.
    pub const ATTEMPTS_PER_TURN: u32 = ATTEMPTS_PER_TURN;
}
