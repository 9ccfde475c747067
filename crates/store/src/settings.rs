//! Settings: what changes rarely and is asked for with every request, kept in memory. Tokens, workers, environments with what is sealed
//! beside them, the model and the credentials of a workspace.
//!
//! Each change of one of their tables raises `settings.version` in the transaction that makes it; triggers of the schema do that, so no
//! statement can forget it. What is kept is kept for one version: whoever asks names the version that holds now, and at another one all
//! that was kept is forgotten. So nothing is used after the change was acknowledged, by this server or another one.
//!
//! The rule for whoever reads: first the version, then the rows. What is kept is then never older than its version; if it is newer, that
//! version is over already.
//!
//! The version that holds now is read from PostgreSQL. SQLite has one writer, which says it after each commit, before it answers. Within
//! a transaction of that writer it is read, too: if it is not the committed one, a write in the same transaction changed settings and may
//! still be undone, and nothing is kept or taken from what is kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outwork_domain::environment::Environment;
use outwork_domain::{EnvironmentId, Epoch, PrincipalId, WorkerId, WorkspaceId};

use crate::error::StoreError;
use crate::identity::Token;
use crate::record::{
    CredentialRecord, EnvironmentRecord, ModelRecord, SealedInjection, SealedSecret,
};
use crate::sql::{Conn, values};
use crate::store::{Store, Tx};
use crate::worker::Known;
use crate::{credential, environment, injection, model, secret};

/// No version: what the writer committed is not known.
const UNKNOWN: i64 = -1;

/// Of which version something is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Committed(i64),
    /// Nothing is kept of it.
    Uncommitted,
}

/// The settings that this process keeps. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What SQLite's writer committed.
    committed: AtomicI64,
    kept: Mutex<Kept>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            committed: AtomicI64::new(UNKNOWN),
            kept: Mutex::default(),
        }
    }
}

type Map<K, T> = HashMap<K, Arc<T>>;

/// What is kept of one version.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    version: i64,
    /// By SHA-256.
    pub(crate) tokens: Map<[u8; 32], Token>,
    pub(crate) workers: Map<WorkerId, Known>,
    /// Live ones.
    pub(crate) environments: Map<(WorkspaceId, EnvironmentId), EnvironmentRecord>,
    /// Live ones, by label.
    pub(crate) labels: Map<(WorkspaceId, String), EnvironmentRecord>,
    /// Deleted ones, too.
    pub(crate) of_environments: Map<EnvironmentId, OfEnvironment>,
    pub(crate) of_workspaces: Map<WorkspaceId, OfWorkspace>,
    /// Of members, also of those who are gone.
    pub(crate) names: Map<WorkspaceId, HashMap<PrincipalId, String>>,
}

impl Settings {
    /// What is kept of that version.
    pub(crate) fn get<K: Eq + Hash, T>(
        &self,
        version: Version,
        map: fn(&mut Kept) -> &mut Map<K, T>,
        key: &K,
    ) -> Option<Arc<T>> {
        let mut kept = self.kept_of(version)?;
        map(&mut kept).get(key).cloned()
    }

    /// Keeps what was read after that version was.
    pub(crate) fn keep<K: Eq + Hash, T>(
        &self,
        version: Version,
        map: fn(&mut Kept) -> &mut Map<K, T>,
        key: K,
        value: T,
    ) -> Arc<T> {
        let value = Arc::new(value);
        if let Some(mut kept) = self.kept_of(version) {
            map(&mut kept).insert(key, Arc::clone(&value));
        }
        value
    }

    fn kept_of(&self, version: Version) -> Option<MutexGuard<'_, Kept>> {
        let Version::Committed(version) = version else {
            return None;
        };
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.version < version {
            *kept = Kept {
                version,
                ..Kept::default()
            };
        }
        // Whoever asks for an older one read it before the newest change.
        (kept.version == version).then_some(kept)
    }

    /// What SQLite's writer committed last.
    pub(crate) fn committed(&self) -> Version {
        match self.0.committed.load(Ordering::Acquire) {
            UNKNOWN => Version::Uncommitted,
            version => Version::Committed(version),
        }
    }

    /// SQLite's writer has committed; `None`: or has not, nobody knows.
    pub(crate) fn set_committed(&self, version: Option<i64>) {
        let version = version.unwrap_or(UNKNOWN);
        self.0.committed.store(version, Ordering::Release);
    }
}

impl Store {
    /// The model and the credentials of a workspace.
    pub(crate) async fn of_workspace(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Arc<OfWorkspace>, StoreError> {
        let version = self.settings_version().await?;
        let settings = self.settings();
        match settings.get(version, |kept| &mut kept.of_workspaces, &workspace) {
            Some(known) => Ok(known),
            None => {
                let mut snapshot = self.read().await?;
                of_workspace(&mut snapshot.conn(), settings, version, workspace).await
            }
        }
    }
}

/// The version that holds, as it is stored.
pub(crate) const VERSION: &str = "SELECT version FROM settings WHERE id = 1";

/// Within a transaction of a write: what the epoch of each new claim is above, and the version that holds.
pub(crate) async fn holding(
    tx: &mut Tx<'_>,
    settings: &Settings,
) -> Result<(Epoch, Version), StoreError> {
    const SELECT: &str = "SELECT epoch_floor, (SELECT version FROM settings WHERE id = 1) AS version \
         FROM server WHERE id = 1";
    let row = tx.row(SELECT, values![]).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("server row"))?;
    let floor = Epoch::new(row.int("epoch_floor")?);
    let version = Version::Committed(row.int("version")?);
    Ok(match tx.conn() {
        Conn::Sqlite(_) if version != settings.committed() => (floor, Version::Uncommitted),
        Conn::Sqlite(_) | Conn::Postgres(_) => (floor, version),
    })
}

/// An environment, deleted or not, with all that a claim in it is given.
#[derive(Debug)]
pub(crate) struct OfEnvironment {
    pub(crate) environment: Environment,
    /// How often its snapshots were reset.
    pub(crate) cache_generation: i64,
    pub(crate) secrets: Vec<SealedSecret>,
    pub(crate) injections: Vec<SealedInjection>,
}

pub(crate) async fn of_environment(
    conn: &mut Conn<'_>,
    settings: &Settings,
    version: Version,
    id: EnvironmentId,
) -> Result<Arc<OfEnvironment>, StoreError> {
    if let Some(known) = settings.get(version, |kept| &mut kept.of_environments, &id) {
        return Ok(known);
    }
    let (environment, cache_generation) = environment::load(conn, id).await?;
    let loaded = OfEnvironment {
        environment,
        cache_generation,
        secrets: secret::sealed(conn, id).await?,
        injections: injection::sealed(conn, id).await?,
    };
    Ok(settings.keep(version, |kept| &mut kept.of_environments, id, loaded))
}

/// What all claims in a workspace are given.
#[derive(Debug)]
pub(crate) struct OfWorkspace {
    pub(crate) model: Option<ModelRecord>,
    pub(crate) credentials: Vec<CredentialRecord>,
}

pub(crate) async fn of_workspace(
    conn: &mut Conn<'_>,
    settings: &Settings,
    version: Version,
    id: WorkspaceId,
) -> Result<Arc<OfWorkspace>, StoreError> {
    if let Some(known) = settings.get(version, |kept| &mut kept.of_workspaces, &id) {
        return Ok(known);
    }
    let loaded = OfWorkspace {
        model: model::load(conn, id).await?,
        credentials: credential::load(conn, id).await?,
    };
    Ok(settings.keep(version, |kept| &mut kept.of_workspaces, id, loaded))
}
