//! Lists enrolment tokens and workers' own tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::enrolment::{EnrolmentToken, WorkerToken};
use outwork_api::page::Page;
use outwork_domain::principal::Admin;
use outwork_store::WorkerTokenRecord;

use super::wire;
use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Lists the enrolment tokens, the newest first, all of them in one page; without their texts.
#[utoipa::path(get, path = "/enrolment-tokens", operation_id = "listEnrolmentTokens", tag = "settings",
    responses((status = 200, description = "The enrolment tokens.", body = Page<EnrolmentToken>), Refusals))]
pub(crate) async fn enrolment_tokens(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
) -> Result<Json<Page<EnrolmentToken>>, Refusal> {
    let records = plane.store.enrolment_tokens(member.workspace_id()).await?;
    Ok(Json(Page {
        items: records.into_iter().map(wire).collect(),
        next_cursor: None,
    }))
}

/// Lists the tokens that workers were enrolled with, the newest first, all of them in one page; without their texts.
#[utoipa::path(get, path = "/worker-tokens", operation_id = "listWorkerTokens", tag = "settings",
    responses((status = 200, description = "The workers' own tokens.", body = Page<WorkerToken>), Refusals))]
pub(crate) async fn worker_tokens(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
) -> Result<Json<Page<WorkerToken>>, Refusal> {
    let records = plane.store.worker_tokens(member.workspace_id()).await?;
    Ok(Json(Page {
        items: records.into_iter().map(wire_own).collect(),
        next_cursor: None,
    }))
}

fn wire_own(record: WorkerTokenRecord) -> WorkerToken {
    let WorkerTokenRecord {
        id,
        worker_id,
        name,
        enrolment_token_id,
        created_at,
        revoked_at,
    } = record;
    WorkerToken {
        id: id.to_string(),
        worker: worker_id.to_string(),
        name,
        enrolment_token: enrolment_token_id.to_string(),
        created_at: created_at.into(),
        revoked_at: revoked_at.map(Into::into),
    }
}
