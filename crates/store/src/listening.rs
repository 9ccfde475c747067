//! Which workspaces have somebody to be told what happens: kept in memory, so that the writes of all others cost nothing.
//!
//! It is of one version of the settings, and read anew at another. SQLite's writer does that in the transaction that changes the version;
//! with PostgreSQL whoever reads the version does, which is every request, and `Store::hear` now and then.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use outwork_domain::WorkspaceId;

/// The workspaces, as they are stored.
pub(crate) const SELECT: &str = "SELECT workspace_id FROM webhooks WHERE disabled_at IS NULL \
     UNION SELECT workspace_id FROM notices";

/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Listening(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    version: AtomicI64,
    any: AtomicBool,
    workspaces: RwLock<HashSet<WorkspaceId>>,
}

impl Default for Listening {
    fn default() -> Self {
        Self(Arc::new(Shared {
            version: AtomicI64::new(-1),
            any: AtomicBool::new(false),
            workspaces: RwLock::default(),
        }))
    }
}

impl Listening {
    /// Whether somebody there is to be told.
    pub(crate) fn includes(&self, workspace: WorkspaceId) -> bool {
        self.any() && {
            let workspaces = self.0.workspaces.read();
            let workspaces = workspaces.unwrap_or_else(PoisonError::into_inner);
            workspaces.contains(&workspace)
        }
    }

    /// Whether there is any such workspace.
    pub(crate) fn any(&self) -> bool {
        self.0.any.load(Ordering::Acquire)
    }

    pub(crate) fn is_of(&self, version: i64) -> bool {
        self.0.version.load(Ordering::Acquire) == version
    }

    /// What was read after that version was; an older one than is kept changes nothing.
    pub(crate) fn set(&self, version: i64, workspaces: HashSet<WorkspaceId>) {
        let kept = self.0.workspaces.write();
        let mut kept = kept.unwrap_or_else(PoisonError::into_inner);
        if self.0.version.load(Ordering::Acquire) > version {
            return;
        }
        self.0.any.store(!workspaces.is_empty(), Ordering::Release);
        *kept = workspaces;
        self.0.version.store(version, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn an_older_reading_changes_nothing() {
        let workspaces = [1, 2].map(|number| WorkspaceId::from_uuid(Uuid::from_u128(number)));
        let listening = Listening::default();
        assert!(!listening.any() && !listening.is_of(0));
        listening.set(4, HashSet::from([workspaces[0]]));
        listening.set(3, HashSet::from([workspaces[1]]));
        assert!(listening.is_of(4));
        assert_eq!(workspaces.map(|it| listening.includes(it)), [true, false]);
        listening.set(5, HashSet::new());
        assert!(!listening.any() && !listening.includes(workspaces[0]));
    }
}
