//! Deletes a comment.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::CommentId;
use outwork_domain::principal::Reviewer;

use super::{by_id, missing, own};
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Deletes one's own comment, as long as no agent was told it.
#[utoipa::path(delete, path = "/comments/{id}", operation_id = "deleteComment", tag = "tasks",
    params(("id" = String, Path, description = "`com_…`.")),
    responses((status = 204, description = "Deleted."), Refusals, Missing, Conflicts))]
pub(crate) async fn remove(
    State(plane): State<Arc<Plane>>,
    Permit(reviewer): Permit<Reviewer>,
    Id(id): Id<CommentId>,
) -> Result<StatusCode, Refusal> {
    let workspace = reviewer.workspace_id();
    let comment = by_id(&plane, workspace, id).await?;
    own(&comment, reviewer.principal().id)?;
    let deleted = plane.store.delete_comment(workspace, id, plane.now()).await;
    deleted.map_err(|fault| missing(id, fault))?;
    Ok(StatusCode::NO_CONTENT)
}
