//! Whose a personal access token is. The client asks before each command.

use axum::Json;
use serde::Serialize;

use super::PLAN;
use crate::codex_api::permit::SignedIn;

/// All are needed, the address in 0.140 at least; it is only shown.
#[derive(Serialize)]
pub(crate) struct WhoAmI {
    email: String,
    chatgpt_user_id: String,
    chatgpt_account_id: String,
    chatgpt_plan_type: &'static str,
    chatgpt_account_is_fedramp: bool,
}

pub(crate) async fn whoami(SignedIn(member): SignedIn) -> Json<WhoAmI> {
    let principal = member.principal();
    Json(WhoAmI {
        email: principal.name.clone(),
        chatgpt_user_id: principal.id.to_string(),
        chatgpt_account_id: principal.workspace_id.to_string(),
        chatgpt_plan_type: PLAN,
        chatgpt_account_is_fedramp: false,
    })
}
