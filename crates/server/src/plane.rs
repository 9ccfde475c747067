//! What all parts of the server share.

use std::sync::Arc;
use std::time::Duration;

use outwork_api::problem::Code;
use outwork_api::secret::Secret;
use outwork_domain::limits::AttemptLimits;
use outwork_domain::{Timestamp, WorkspaceId};
use outwork_store::{ModelRecord, Objects, Store, StoreError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config::{Clock, FreeSpace, ModelDefault, ServerConfig};
use crate::endpoints::attempts::Tails;
use crate::endpoints::changes::Streams;
use crate::endpoints::merges;
use crate::git_gateway::GitGateway;
use crate::heard::Heard;
use crate::ids::Ids;
use crate::reconcile;
use crate::refusal::Refusal;
use crate::seal::{Place, Seal};
use crate::signals::Signals;
use crate::surfaces::{self, slack};
use crate::webhooks::Sender;

/// How often something that is followed is looked at without a signal: another server may have written to the same database.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The same where no other can: every change is told.
const LOOK_EVERY_ALONE: Duration = Duration::from_secs(30);

/// One server.
pub(crate) struct Plane {
    pub(crate) store: Store,
    pub(crate) objects: Objects,
    pub(crate) public_url: String,
    pub(crate) ids: Ids,
    pub(crate) seal: Seal,
    pub(crate) git: outwork_git::Git,
    pub(crate) resolve_limit: Duration,
    pub(crate) git_gateway: GitGateway,
    pub(crate) webhooks: Sender,
    pub(crate) limits: AttemptLimits,
    pub(crate) attempts_per_turn: u32,
    pub(crate) default_model: Option<ModelDefault>,
    pub(crate) version: String,
    pub(crate) signals: Signals,
    pub(crate) tails: Tails,
    /// How many streams of changes are open.
    pub(crate) change_streams: Streams,
    pub(crate) heard: Heard,
    /// How many results this server may publish at once.
    pub(crate) publishers: Arc<Semaphore>,
    /// How many firings of schedules this server may work on at once.
    pub(crate) firers: Arc<Semaphore>,
    /// How many requests may try merges at once.
    pub(crate) mergers: Arc<Semaphore>,
    /// What this server knows of Slack between two calls.
    pub(crate) slack: slack::Shared,
    /// Of the installations of GitHub Apps.
    pub(crate) forge_tokens: surfaces::forge::Tokens,
    pub(crate) shutdown: CancellationToken,
    pub(crate) started_at: Timestamp,
    clock: Arc<dyn Clock>,
    free_space: FreeSpace,
    reserve_bytes: u64,
}

impl Plane {
    pub(crate) fn new(config: ServerConfig) -> Self {
        let ServerConfig {
            store,
            objects,
            public_url,
            clock,
            random,
            secret_key,
            other_key: _,
            git,
            resolve_limit,
            git_gateway,
            webhooks,
            limits,
            attempts_per_turn,
            model,
            free_space,
            reserve_bytes,
            version,
            shutdown,
        } = config;
        Self {
            store,
            objects,
            public_url: public_url.trim_end_matches('/').to_owned(),
            ids: Ids::new(Arc::clone(&clock), random),
            seal: Seal::new(&secret_key),
            git,
            resolve_limit,
            webhooks: Sender::new(&git_gateway, webhooks),
            git_gateway: GitGateway::new(&secret_key, git_gateway),
            limits,
            attempts_per_turn,
            default_model: model,
            version,
            signals: Signals::new(),
            tails: Tails::default(),
            change_streams: Streams::default(),
            heard: Heard::default(),
            publishers: Arc::new(Semaphore::new(reconcile::publish::AT_ONCE)),
            firers: Arc::new(Semaphore::new(reconcile::fire::AT_ONCE)),
            mergers: Arc::new(Semaphore::new(merges::AT_ONCE)),
            slack: slack::Shared::default(),
            forge_tokens: surfaces::forge::Tokens::default(),
            shutdown,
            started_at: clock.now(),
            clock,
            free_space,
            reserve_bytes,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How often something that is followed is looked at without a signal.
    pub(crate) fn look_every(&self) -> Duration {
        match self.store.is_shared() {
            true => LOOK_EVERY,
            false => LOOK_EVERY_ALONE,
        }
    }

    /// Whether the disk still has its reserve.
    pub(crate) fn has_space(&self) -> bool {
        (self.free_space)().is_none_or(|free| free >= self.reserve_bytes)
    }

    /// Whether attempts are given out: not by a server that stops, or that could not store the result.
    pub(crate) fn gives_out(&self) -> bool {
        !self.shutdown.is_cancelled() && self.has_space()
    }

    /// Refuses what can wait before the disk is really full, so that cancelling and finishing still work.
    pub(crate) fn need_space(&self) -> Result<(), Refusal> {
        if self.has_space() {
            Ok(())
        } else {
            Err(Refusal::disk_full())
        }
    }

    /// Seals a text for the place where it is kept.
    pub(crate) fn close(&self, plain: &str, place: Place<'_>) -> Vec<u8> {
        self.seal.close(plain, place, self.ids.bytes())
    }

    /// The model of a workspace, with its key in plain text; the server's default where the workspace set none.
    pub(crate) fn model_access(
        &self,
        workspace: WorkspaceId,
        record: Option<ModelRecord>,
    ) -> Result<Option<ModelDefault>, Refusal> {
        let Some(record) = record else {
            return Ok(self.default_model.clone());
        };
        let ModelRecord {
            base_url,
            name,
            sealed_key,
            context_window,
            prices: _,
            updated_at: _,
        } = record;
        let open = |sealed: Vec<u8>| {
            self.seal.open(&sealed, Place::ModelKey(workspace)).map_err(|fault| {
                Refusal::new(Code::Internal, "The model's key cannot be read with this server's secret key.")
                    .with_hint("Restore the server's key file, or set the model again with `outwork model set`.")
                    .because(fault)
            })
        };
        let api_key = sealed_key.map(open).transpose()?.map(Secret::new);
        Ok(Some(ModelDefault {
            base_url,
            name,
            api_key,
            context_window,
        }))
    }

    /// Whether tasks that need a model have one.
    pub(crate) async fn has_model(&self, workspace: WorkspaceId) -> Result<bool, StoreError> {
        Ok(self.default_model.is_some() || self.store.model(workspace).await?.is_some())
    }
}
