//! New tasks and new turns.

use outwork_domain::task::Turn;
use outwork_domain::{Attempt, WorkspaceId};

use crate::error::StoreError;
use crate::record::{Idempotency, Submission, Submitted};
use crate::store::Store;

impl Store {
    /// Makes a task with its first turn and attempts, together with the idempotency key. Errors:
    /// [`StoreError::IdempotencyMismatch`], [`StoreError::UnknownEnvironment`].
    pub async fn submit(
        &self,
        submission: Submission,
        idempotency: Option<Idempotency>,
    ) -> Result<Submitted, StoreError> {
        let _ = (submission, idempotency);
        unimplemented!()
    }

    /// Adds a turn with its attempts to a task, together with the idempotency key. The store sets
    /// the turn's number; `created_at` is taken as the present time. Errors:
    /// [`StoreError::NotFound`], [`StoreError::TurnNotEnded`],
    /// [`StoreError::UnknownEnvironment`], [`StoreError::IdempotencyMismatch`].
    pub async fn add_turn(
        &self,
        workspace: WorkspaceId,
        turn: Turn,
        attempts: Vec<Attempt>,
        idempotency: Option<Idempotency>,
    ) -> Result<Submitted, StoreError> {
        let _ = (workspace, turn, attempts, idempotency);
        unimplemented!()
    }
}
