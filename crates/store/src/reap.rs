//! What happens by itself when a time has passed.

use std::time::Duration;

use outwork_domain::{AttemptId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::store::Store;

impl Store {
    /// Moves on at most `limit` attempts whose lease, deadline or grace has passed, and says which.
    pub async fn reap(&self, now: Timestamp, limit: u32) -> Result<Vec<AttemptId>, StoreError> {
        let _ = (now, limit);
        unimplemented!()
    }

    /// When [`Store::reap`] has something to do next.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        unimplemented!()
    }

    /// When the next attempt of the workspace becomes visible that is not yet so at `now`
    /// (it waits after a lost worker).
    pub async fn next_visible(
        &self,
        workspace: WorkspaceId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let _ = (workspace, now);
        unimplemented!()
    }

    /// Gives all that is held `by` more time, because no server ran that long, and says how many
    /// attempts that are.
    pub async fn extend_leases(&self, by: Duration, now: Timestamp) -> Result<u64, StoreError> {
        let _ = (by, now);
        unimplemented!()
    }

    /// When a server last said that it runs.
    pub async fn last_alive(&self) -> Result<Option<Timestamp>, StoreError> {
        unimplemented!()
    }

    /// Says that a server runs.
    pub async fn mark_alive(&self, now: Timestamp) -> Result<(), StoreError> {
        let _ = now;
        unimplemented!()
    }
}
