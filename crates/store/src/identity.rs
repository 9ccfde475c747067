//! Workspaces, principals and tokens.

use outwork_domain::{Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::record::{Authenticated, Bootstrap, NewToken};
use crate::store::Store;

impl Store {
    /// Makes the first workspace and its tokens. If there is a workspace already, answers the
    /// oldest and changes nothing.
    pub async fn bootstrap(
        &self,
        first: Bootstrap,
        now: Timestamp,
    ) -> Result<WorkspaceId, StoreError> {
        let _ = (first, now);
        unimplemented!()
    }

    /// Adds a token, and its principal unless it exists.
    pub async fn add_token(&self, token: NewToken, now: Timestamp) -> Result<(), StoreError> {
        let _ = (token, now);
        unimplemented!()
    }

    /// Whom the token with this SHA-256 speaks for; `None` if unknown or expired.
    pub async fn authenticate(
        &self,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Authenticated>, StoreError> {
        let _ = (hash, now);
        unimplemented!()
    }
}
