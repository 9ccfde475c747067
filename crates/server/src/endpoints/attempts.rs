//! Attempts.

pub(crate) mod cancel;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod follow;
pub(crate) mod get;
pub(crate) mod parts;
pub(crate) mod session;
pub(crate) mod viewed;

mod tail;

pub(crate) use tail::Tails;

use outwork_domain::{AttemptId, WorkspaceId};
use outwork_store::AttemptRecord;

use crate::plane::Plane;
use crate::refusal::Refusal;

fn missing(id: AttemptId) -> Refusal {
    Refusal::not_found("attempt", &id.to_string())
        .with_hint("`outwork status` shows the attempts of a task.")
}

async fn by_id(
    plane: &Plane,
    workspace: WorkspaceId,
    id: AttemptId,
) -> Result<AttemptRecord, Refusal> {
    plane
        .store
        .attempt(workspace, id)
        .await?
        .ok_or_else(|| missing(id))
}
