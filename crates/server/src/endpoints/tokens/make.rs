//! Makes a token for a member.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::Secret;
use outwork_api::member::{MadeMemberToken, NewMemberToken as New};
use outwork_domain::principal::Admin;
use outwork_domain::scope::Scopes;
use outwork_domain::{PrincipalId, TokenId};
use outwork_store::{MemberToken, StoreError};

use super::wire;
use crate::endpoints::members;
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::token;

const LABEL_CHARS: usize = 100;
const DAYS: std::ops::RangeInclusive<u64> = 1..=3650;
const DAY: u64 = 24 * 3600;

/// Makes a token that speaks for a member. It is shown this once; only its hash is stored.
#[utoipa::path(post, path = "/members/{id}/tokens", operation_id = "makeMemberToken", tag = "settings", request_body = New,
    params(("id" = String, Path, description = "`prn_…`.")),
    responses((status = 201, description = "Made.", body = MadeMemberToken), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn make(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<PrincipalId>,
    Body(new): Body<New>,
) -> Result<(StatusCode, Json<MadeMemberToken>), Refusal> {
    plane.need_space()?;
    let New {
        label,
        scopes,
        expires_in_days,
    } = new;
    let label = checked(&label, expires_in_days)?;
    let workspace = admin.workspace_id();
    let member = plane.store.member(workspace, id).await?;
    let member = member.ok_or_else(|| members::missing(id, StoreError::NotFound))?;
    let now = plane.now();
    let (plain, hash) = token::new_token(member.kind, plane.ids.bytes());
    let token = MemberToken {
        id: TokenId::from_uuid(plane.ids.uuid()),
        principal_id: id,
        label: Some(label),
        scopes: Scopes::only(scopes.into_iter().map(Into::into)),
        created_at: now,
        expires_at: expires_in_days.map(|days| now + Duration::from_secs(days * DAY)),
    };
    let added = plane.store.add_member_token(workspace, token.clone(), hash);
    added.await.map_err(|fault| members::missing(id, fault))?;
    tracing::info!(token = %token.id, member = %id, by = %admin.principal().id, "a token was made");
    let made = MadeMemberToken {
        token: Secret::new(plain.reveal()),
        stored: wire(token),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// The label as it is kept.
fn checked(label: &str, days: Option<u64>) -> Result<String, Refusal> {
    let label = label.trim();
    let is_wrong = label.is_empty()
        || label.chars().count() > LABEL_CHARS
        || label.chars().any(char::is_control);
    if is_wrong {
        let detail = format!("must have 1 to {LABEL_CHARS} characters, and none that control");
        return Err(Refusal::field("/label", detail));
    }
    match days {
        Some(days) if !DAYS.contains(&days) => {
            let (least, most) = (DAYS.start(), DAYS.end());
            let detail = format!("is {days}; it must be {least} to {most}");
            Err(Refusal::field("/expires_in_days", detail))
        }
        Some(_) | None => Ok(label.to_owned()),
    }
}
