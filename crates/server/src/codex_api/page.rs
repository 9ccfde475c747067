//! `/codex/tasks/ID`: what the client prints. A browser is led to the web page; without one it gets plain HTML without scripts.
//!
//! Anybody who has the address may open it, so it holds no data; the status is for those who give their token as the password.

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use outwork_domain::TaskId;
use outwork_domain::principal::Viewer;

use super::access_token;
use crate::endpoints::tasks;
use crate::http::params::Id;
use crate::http::permit::{principal, sent};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::web::files;

const SECURITY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const CHALLENGE: &str =
    "Basic realm=\"Outwork: any name, your token as the password\", charset=\"UTF-8\"";

pub(super) async fn task(
    State(plane): State<Arc<Plane>>,
    Id(id): Id<TaskId>,
    headers: HeaderMap,
) -> Response {
    if files::takes_html(&headers) && outwork_web::file(outwork_web::PAGE).is_some() {
        return Redirect::to(&format!("{}/tasks/{id}", plane.public_url)).into_response();
    }
    let body = format!(
        "<p>An Outwork task. <a href=\"{id}/status\">Show its status</a> (your token is the password), or in a terminal:</p>{}",
        commands(id)
    );
    html("Outwork task", &body)
}

pub(super) async fn status(
    State(plane): State<Arc<Plane>>,
    Id(id): Id<TaskId>,
    parts: Parts,
) -> Result<Response, Refusal> {
    let member = match member(&plane, &parts).await {
        Ok(member) => member,
        Err(refusal) if refusal.problem().status == StatusCode::UNAUTHORIZED.as_u16() => {
            return Ok(challenge(&refusal));
        }
        Err(refusal) => return Err(refusal),
    };
    let record = tasks::by_id(&plane, member.workspace_id(), id).await?;
    let (status, outcome) = record.status();
    let outcome = outcome.map_or("", |outcome| outcome.as_str());
    let body = format!(
        "<dl><dt>Status</dt><dd>{} {outcome}</dd><dt>Environment</dt><dd>{}</dd><dt>Attempts</dt><dd>{}</dd></dl>{}",
        status.as_str(),
        escape(&record.environment_label),
        record.turns.last().map_or(0, |turn| turn.attempts.len()),
        commands(id)
    );
    Ok(html(&record.task.title, &body))
}

/// Whose token it is, sent as the client sends it or as a browser does.
async fn member(plane: &Plane, parts: &Parts) -> Result<Viewer, Refusal> {
    let token = match password(parts) {
        Some(password) => password,
        None => access_token::unwrap(sent(parts)?).into_owned(),
    };
    Ok(principal(plane, &token).await?.principal.viewer()?)
}

fn password(parts: &Parts) -> Option<String> {
    let header = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, value) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
    let (_, password) = decoded.split_once(':')?;
    Some(password.trim().to_owned())
}

fn challenge(refusal: &Refusal) -> Response {
    let text = escape(&refusal.problem().detail);
    let mut response = html("Outwork", &format!("<p>{text}</p>"));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(CHALLENGE),
    );
    response
}

fn commands(id: TaskId) -> String {
    format!(
        "<pre>outwork status {id}\noutwork log {id} --follow\noutwork diff {id}\noutwork apply {id}</pre>"
    )
}

/// A page; `body` is HTML.
pub(super) fn html(title: &str, body: &str) -> Response {
    let title = escape(title);
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>body{{font-family:sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}}</style>\
         </head><body><h1>{title}</h1>{body}</body></html>\n"
    );
    let security = [(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(SECURITY),
    )];
    (security, Html(page)).into_response()
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
