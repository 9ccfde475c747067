//! Resets cached snapshots.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::cache::{CacheReset, ResetCache};
use outwork_domain::principal::Member;

use super::{named, seen_since};
use crate::http::body::Body;
use crate::http::openapi::{Missing, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Resets the snapshots of an environment, or of all: the next task builds its own, for everybody in the workspace. Attempts that run on
/// one go on.
#[utoipa::path(post, path = "/cache/reset", operation_id = "resetCache", tag = "cache", request_body = ResetCache,
    responses((status = 200, description = "What nobody will start from any more.", body = CacheReset), Refusals, Missing, Unacceptable))]
pub(crate) async fn reset(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Body(ResetCache { environment }): Body<ResetCache>,
) -> Result<Json<CacheReset>, Refusal> {
    let workspace = member.workspace_id();
    let environment = named(&plane, workspace, environment.as_deref()).await?;
    let outwork_store::CacheReset {
        snapshots,
        size_bytes,
    } = plane
        .store
        .reset_cache(workspace, environment, seen_since(&plane))
        .await?;
    tracing::info!(%workspace, ?environment, snapshots, "snapshots were reset");
    Ok(Json(CacheReset {
        snapshots,
        size_bytes,
    }))
}
