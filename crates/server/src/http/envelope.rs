//! Around everything: the number of the request, its log line, a body for each error, and no details of a panic.

use std::any::Any;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use outwork_api::problem::{CONTENT_TYPE, Code};
use serde::Serialize;
use std::sync::Arc;

use crate::http::params::Address;
use crate::plane::Plane;
use crate::refusal::Refusal;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Marks an answer whose error, if it is one, is to be short: the stock client prints it as it is, in one line.
#[derive(Clone, Copy)]
pub(crate) struct Brief;

/// What is left of a problem then.
#[derive(Serialize)]
struct BriefProblem<'a> {
    detail: String,
    code: &'a str,
    request_id: &'a str,
}

/// Numbers the request (or takes the caller's number), and writes the body of a refusal.
pub(crate) async fn wrap(
    State(plane): State<Arc<Plane>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = given(&request).unwrap_or_else(|| plane.ids.uuid().simple().to_string());
    let address = Address(request.uri().clone());
    request.extensions_mut().insert(address);
    let method = request.method().clone();
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let begun = Instant::now();
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        refusal.log(Some(&id));
        let is_brief = response.extensions_mut().remove::<Brief>().is_some();
        response = match is_brief {
            true => render_brief(response, &refusal, &id),
            false => render(response, &refusal, &id),
        };
    }
    // The matched route, not the address: an address may hold what does not belong into a log.
    tracing::debug!(
        request_id = id,
        %method,
        route = path.as_deref().unwrap_or("-"),
        status = response.status().as_u16(),
        duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn given(request: &Request) -> Option<String> {
    let text = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    ((1..=128).contains(&text.len()) && text.bytes().all(plain)).then(|| text.to_owned())
}

fn render(response: Response, refusal: &Refusal, id: &str) -> Response {
    let mut problem = refusal.problem().clone();
    problem.request_id = Some(id.to_owned());
    let body = serde_json::to_vec(&problem).expect("a problem is strings and numbers");
    with_body(response, body, CONTENT_TYPE)
}

fn render_brief(response: Response, refusal: &Refusal, id: &str) -> Response {
    let problem = refusal.problem();
    let hint = problem.hint.as_deref();
    let hint = hint.map(|hint| format!(" {hint}")).unwrap_or_default();
    let brief = BriefProblem {
        detail: format!("{}{hint}", problem.detail),
        code: &problem.code,
        request_id: id,
    };
    let body = serde_json::to_vec(&brief).expect("three strings");
    with_body(response, body, "application/json")
}

fn with_body(response: Response, body: Vec<u8>, kind: &'static str) -> Response {
    let (mut parts, _) = response.into_parts();
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

/// A panic is a fault of ours: the log has it, the client is told no details.
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    Refusal::new(Code::Internal, "The server failed on this request.")
        .with_hint("Look for the request's number in the server's log, and report it.")
        .because(Panicked(text.unwrap_or("no text").to_owned()))
        .into_response()
}

#[derive(Debug, thiserror::Error)]
#[error("panicked: {0}")]
struct Panicked(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_the_client_nothing() {
        for payload in [
            Box::new("sk-canary") as Box<dyn Any + Send>,
            Box::new("sk-canary".to_owned()),
            Box::new(1),
        ] {
            let mut response = panicked(payload);
            let refusal = response
                .extensions_mut()
                .remove::<Refusal>()
                .expect("it is a refusal");
            assert_eq!(refusal.problem().status, 500);
            assert!(!format!("{:?}", refusal.problem()).contains("canary"));
            assert!(refusal.cause().is_some(), "the log needs it");
        }
    }
}
