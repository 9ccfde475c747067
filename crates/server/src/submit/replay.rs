//! Whether a request was done before, asked before anything else is looked at.

use std::num::NonZeroU32;

use outwork_domain::principal::Member;
use outwork_domain::task::{Base, Task, Turn};
use outwork_domain::{EnvironmentId, TaskId, TurnId};
use outwork_store::{Idempotency, StoreError, Submission, Submitted};
use uuid::Uuid;

use crate::plane::Plane;
use crate::refusal::Refusal;

/// The task that an earlier request with the key made or continued.
///
/// The store answers this only as the first part of a submission. So one is handed in that cannot be accepted, because no environment has
/// the id of all zeros: what comes before that refusal is the answer, and nothing is written.
pub(super) async fn before(
    plane: &Plane,
    member: &Member,
    idempotency: Option<&Idempotency>,
) -> Result<Option<TaskId>, Refusal> {
    let Some(idempotency) = idempotency else {
        return Ok(None);
    };
    match plane
        .store
        .submit(impossible(plane, member), Some(idempotency.clone()))
        .await
    {
        Ok(Submitted::Replayed { task_id }) => Ok(Some(task_id)),
        Ok(Submitted::New) => Err(StoreError::Corrupt {
            what: "environment with an id of zeros".to_owned(),
        }
        .into()),
        Err(StoreError::UnknownEnvironment) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

fn impossible(plane: &Plane, member: &Member) -> Submission {
    let now = plane.now();
    let id = TaskId::from_uuid(Uuid::nil());
    let task = Task {
        id,
        workspace_id: member.workspace_id(),
        created_by: member.principal().id,
        environment_id: EnvironmentId::from_uuid(Uuid::nil()),
        title: String::new(),
        base: Base {
            branch: None,
            commit: String::new(),
            starting_diff: None,
        },
        created_at: now,
        updated_at: now,
    };
    let turn = Turn {
        id: TurnId::from_uuid(Uuid::nil()),
        task_id: id,
        number: NonZeroU32::MIN,
        created_by: member.principal().id,
        prompt: String::new(),
        continues: None,
        created_at: now,
    };
    Submission {
        task,
        turn,
        attempts: Vec::new(),
    }
}
