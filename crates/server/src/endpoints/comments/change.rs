//! Changes a comment.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::comment::{Comment, CommentPatch};
use outwork_domain::CommentId;
use outwork_domain::principal::Reviewer;
use outwork_store::CommentChange;

use super::{by_id, missing, own, shown, text};
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Says something else in one's own comment, as long as no agent was told it; or settles anybody's, or opens it again.
#[utoipa::path(patch, path = "/comments/{id}", operation_id = "changeComment", tag = "tasks", request_body = CommentPatch,
    params(("id" = String, Path, description = "`com_…`.")),
    responses((status = 200, description = "As it is now.", body = Comment), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn change(
    State(plane): State<Arc<Plane>>,
    Permit(reviewer): Permit<Reviewer>,
    Id(id): Id<CommentId>,
    Body(patch): Body<CommentPatch>,
) -> Result<Json<Comment>, Refusal> {
    plane.need_space()?;
    let workspace = reviewer.workspace_id();
    let before = by_id(&plane, workspace, id).await?;
    let CommentPatch {
        text: said,
        resolved,
    } = patch;
    if said.is_some() {
        own(&before, reviewer.principal().id)?;
    }
    let change = CommentChange {
        text: said.as_deref().map(text).transpose()?,
        resolved,
    };
    let changed = plane
        .store
        .change_comment(workspace, id, change, plane.now())
        .await;
    let changed = changed.map_err(|fault| missing(id, fault))?;
    Ok(Json(shown(&plane, changed).await?))
}
