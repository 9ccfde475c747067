//! `/codex/device`: where the code is typed. Until this server signs people in by their browser, they give their token along with it; or they
//! approve the code with `outwork login --approve`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use outwork_domain::scope::Scope;
use serde::Deserialize;

use super::approve;
use super::oauth::form;
use crate::codex_api::page::{escape, html};
use crate::http::body::Raw;
use crate::http::permit::principal;
use crate::http::scope;
use crate::plane::Plane;
use crate::refusal::Refusal;

#[derive(Deserialize)]
struct Form {
    user_code: String,
    token: String,
}

pub(crate) async fn show() -> Response {
    html("Sign in a client", &asking(""))
}

pub(crate) async fn submit(State(plane): State<Arc<Plane>>, Raw(body): Raw) -> Response {
    let done = async {
        let Form { user_code, token } = form(&body)?;
        let known = principal(&plane, token.trim()).await?;
        // The client's token has no limits.
        scope::check_needed(&known.scopes, Scope::Admin)?;
        let member = known.principal.viewer()?;
        approve(&plane, &member, &user_code).await
    };
    match done.await {
        Ok(()) => html(
            "Signed in",
            "<p>The client is signed in. You can close this page.</p>",
        ),
        Err(refusal) => again(&refusal),
    }
}

fn again(refusal: &Refusal) -> Response {
    refusal.log(None);
    let problem = refusal.problem();
    let said = format!(
        "<p role=\"alert\"><strong>{}</strong></p>",
        escape(&problem.detail)
    );
    let mut response = html("Sign in a client", &asking(&said));
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn asking(said: &str) -> String {
    format!(
        "{said}<p>Type the code that <code>codex login --device-auth</code> shows on <em>your</em> machine. \
         Whoever sent you a code would sign in as you.</p>\
         <form method=\"post\"><p><label>Code<br><input name=\"user_code\" required autocomplete=\"off\" autocapitalize=\"characters\"></label></p>\
         <p><label>Your Outwork token<br><input name=\"token\" type=\"password\" required autocomplete=\"current-password\"></label></p>\
         <p><button>Sign in</button></p></form>\
         <p>Or in a terminal where you are signed in: <code>outwork login --approve CODE</code></p>"
    )
}
