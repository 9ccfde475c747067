//! Makes a login for the stock client.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::codex::CodexLogin;
use outwork_domain::TokenId;
use outwork_domain::principal::Viewer;
use outwork_store::NewToken;

use crate::codex_api::login::{LIFE, codex_login};
use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::token;

/// Makes a login for the stock client, with a token of its own for whoever asks. It is shown this once; only its hash is stored.
#[utoipa::path(post, path = "/codex-logins", operation_id = "makeCodexLogin", tag = "settings",
    responses((status = 201, description = "Made.", body = CodexLogin), Refusals))]
pub(crate) async fn make(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
) -> Result<(StatusCode, Json<CodexLogin>), Refusal> {
    plane.need_space()?;
    let now = plane.now();
    let principal = member.principal();
    let (plain, hash) = token::new_token(principal.kind, plane.ids.bytes());
    let token = NewToken {
        token_id: TokenId::from_uuid(plane.ids.uuid()),
        principal_id: principal.id,
        workspace_id: principal.workspace_id,
        kind: principal.kind,
        name: principal.name.clone(),
        hash,
        expires_at: Some(now + LIFE),
    };
    plane.store.add_token(token, now).await?;
    tracing::info!(principal = %principal.id, "a login for the stock client was made");
    let login = codex_login(principal, &plain, now);
    Ok((StatusCode::CREATED, Json(login)))
}
