//! Makes an enrolment token.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::Secret;
use outwork_api::enrolment::{ENROLMENT_SECONDS, MadeEnrolmentToken, NewEnrolmentToken as New};
use outwork_domain::EnrolmentTokenId;
use outwork_domain::principal::Admin;
use outwork_store::NewEnrolmentToken;

use super::wire;
use crate::http::body::Body;
use crate::http::openapi::{Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::token;

const MAX_USES: u32 = 1000;
const SECONDS: std::ops::RangeInclusive<u64> = 60..=365 * 24 * 3600;
const MAX_NAME_CHARS: usize = 200;

/// Makes a token that lets workers in: each exchanges it once for a token of its own. It is shown this once; only its hash is stored.
#[utoipa::path(post, path = "/enrolment-tokens", operation_id = "makeEnrolmentToken", tag = "settings", request_body = New,
    responses((status = 201, description = "Made.", body = MadeEnrolmentToken), Refusals, Unacceptable))]
pub(crate) async fn make(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Body(new): Body<New>,
) -> Result<(StatusCode, Json<MadeEnrolmentToken>), Refusal> {
    let New {
        max_uses,
        expires_in_seconds,
        name,
    } = new;
    let max_uses = max_uses.unwrap_or(1);
    let seconds = expires_in_seconds.unwrap_or(ENROLMENT_SECONDS);
    check(max_uses, seconds, name.as_deref())?;
    plane.need_space()?;
    let now = plane.now();
    let (plain, hash) = token::new_enrolment_token(plane.ids.bytes());
    let new = NewEnrolmentToken {
        id: EnrolmentTokenId::from_uuid(plane.ids.uuid()),
        workspace_id: member.workspace_id(),
        created_by: member.principal().id,
        name,
        hash,
        max_uses,
        expires_at: now + Duration::from_secs(seconds),
    };
    let record = plane.store.add_enrolment_token(new, now).await?;
    let made = MadeEnrolmentToken {
        token: Secret::new(plain.reveal()),
        enrolment_token: wire(record),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

fn check(max_uses: u32, seconds: u64, name: Option<&str>) -> Result<(), Refusal> {
    if !(1..=MAX_USES).contains(&max_uses) {
        let detail = format!("is {max_uses}; it must be 1 to {MAX_USES}");
        return Err(Refusal::field("/max_uses", detail));
    }
    if !SECONDS.contains(&seconds) {
        let (least, most) = (SECONDS.start(), SECONDS.end());
        let detail = format!("is {seconds}; it must be {least} to {most}");
        return Err(Refusal::field("/expires_in_seconds", detail));
    }
    let wrong = |name: &str| {
        let too_long = name.chars().count() > MAX_NAME_CHARS;
        name.trim().is_empty() || too_long || name.chars().any(char::is_control)
    };
    if name.is_some_and(wrong) {
        let detail = "is empty, too long or holds control characters";
        return Err(Refusal::field("/name", detail));
    }
    Ok(())
}
