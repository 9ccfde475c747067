//! The diff of an attempt.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use outwork_api::problem::Code;
use outwork_domain::AttemptId;
use outwork_domain::principal::Member;
use outwork_store::{AttemptRecord, StoreError};

use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::task;

/// What is said when there is none.
pub(crate) const NO_DIFF: &str = "There is no diff yet.";

/// The diff of an attempt against the task's commit.
#[utoipa::path(get, path = "/attempts/{id}/diff", operation_id = "getAttemptDiff", tag = "attempts",
    params(("id" = String, Path, description = "`att_…`.")),
    responses((status = 200, description = "The diff; empty when nothing was changed.", body = String, content_type = "text/x-diff"),
        Refusals, Missing))]
pub(crate) async fn diff(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<AttemptId>,
) -> Result<Response, Refusal> {
    let record = super::by_id(&plane, member.workspace_id(), id).await?;
    patch(&plane, &record).await
}

pub(crate) async fn patch(plane: &Plane, record: &AttemptRecord) -> Result<Response, Refusal> {
    let Some(diff) = task::diff(record) else {
        let state = record.attempt.state.as_str();
        return Err(Refusal::new(Code::NotFound, NO_DIFF)
            .with_hint(format!("The attempt is {state} and has handed in none.")));
    };
    let content = plane
        .objects
        .get(&diff.key)
        .await?
        .ok_or_else(|| StoreError::Corrupt {
            what: "diff whose object is gone".to_owned(),
        })?;
    Ok(([(CONTENT_TYPE, "text/x-diff")], content).into_response())
}
