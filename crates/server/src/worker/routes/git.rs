//! Private repositories for workers, as git's smart HTTP. What goes wrong is told in a line of plain text: git shows nothing else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outwork_git::Trouble;

use crate::git_gateway::{Asked, Claimed, NotPermitted, Permit, Service, relay};
use crate::plane::Plane;

/// The only query that git sends for reading.
const READING: &str = "service=git-upload-pack";

/// Tells which refs the repository has. Takes the lease token of the assignment as the password of HTTP's Basic authentication. Answers that
/// are no success are a line of text, `outwork[CODE]: …`.
#[utoipa::path(get, path = "/attempts/{attempt}/git/{repository}/info/refs", operation_id = "git_refs", tag = "attempt",
    params(("attempt" = String, Path, description = "`att_…`."), ("repository" = String, Path, description = "Its name in the assignment."),
        ("service" = String, Query, description = "`git-upload-pack`; nothing else is answered.")),
    responses((status = 200, description = "The advertisement of git's smart HTTP.", body = String, content_type = "application/x-git-upload-pack-advertisement"),
        (status = 401, description = "No lease token, or one for something else.", body = String, content_type = "text/plain"),
        (status = 403, description = "The claim does not hold the attempt, the credential is gone, or it is not for reading.", body = String, content_type = "text/plain"),
        (status = 404, description = "The repository's server knows no such repository.", body = String, content_type = "text/plain"),
        (status = 502, description = "The repository's server refuses, fails or cannot be reached.", body = String, content_type = "text/plain"),
        (status = 503, description = "Not now; the same again later.", body = String, content_type = "text/plain"),
        (status = 504, description = "The repository's server did not answer in time.", body = String, content_type = "text/plain")),
    security(("lease_token" = [])))]
pub(crate) async fn refs(
    State(plane): State<Arc<Plane>>,
    Path((attempt, repository)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    // Who has not said who he is is asked that first.
    if password(&headers).is_some() && query.as_deref() != Some(READING) {
        return told(&Trouble::ReadOnly);
    }
    let body = Body::empty();
    pass_on(plane, &attempt, &repository, Service::Refs, headers, body).await
}

/// Hands out commits: the negotiation of git's smart HTTP. Takes the lease token as above.
#[utoipa::path(post, path = "/attempts/{attempt}/git/{repository}/git-upload-pack", operation_id = "git_pack", tag = "attempt",
    params(("attempt" = String, Path, description = "`att_…`."), ("repository" = String, Path, description = "Its name in the assignment.")),
    request_body(content = String, description = "What git wants and has; may be compressed.", content_type = "application/x-git-upload-pack-request"),
    responses((status = 200, description = "The pack, as git's smart HTTP sends it.", body = String, content_type = "application/x-git-upload-pack-result"),
        (status = 401, description = "No lease token, or one for something else.", body = String, content_type = "text/plain"),
        (status = 403, description = "The claim does not hold the attempt, or the credential is gone.", body = String, content_type = "text/plain"),
        (status = 404, description = "The repository's server knows no such repository.", body = String, content_type = "text/plain"),
        (status = 502, description = "The repository's server refuses, fails or cannot be reached.", body = String, content_type = "text/plain"),
        (status = 503, description = "Not now; the same again later.", body = String, content_type = "text/plain"),
        (status = 504, description = "The repository's server did not answer in time.", body = String, content_type = "text/plain")),
    security(("lease_token" = [])))]
pub(crate) async fn pack(
    State(plane): State<Arc<Plane>>,
    Path((attempt, repository)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    pass_on(plane, &attempt, &repository, Service::Pack, headers, body).await
}

/// Nobody pushes through here.
pub(crate) async fn push() -> Response {
    told(&Trouble::ReadOnly)
}

async fn pass_on(
    plane: Arc<Plane>,
    attempt: &str,
    repository: &str,
    service: Service,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(token) = password(&headers) else {
        return unknown();
    };
    let claimed = Claimed {
        attempt,
        repository,
        token: &token,
    };
    let permit = match Permit::of(&plane, claimed).await {
        Ok(permit) => permit,
        Err(NotPermitted::Unknown) => return unknown(),
        Err(NotPermitted::Trouble(trouble)) => return refused(attempt, repository, &trouble),
    };
    let gateway = &plane.git_gateway;
    let asked = Asked { headers, body };
    let answered = async {
        let entered = gateway.enter()?;
        let answer = gateway.ask(&permit, service, asked).await?;
        Ok((entered, answer))
    };
    match answered.await {
        Ok((entered, answer)) => relay(Arc::clone(&plane), permit, entered, service, answer),
        Err(trouble) => refused(attempt, repository, &trouble),
    }
}

/// Of `Basic USER:PASSWORD`, whoever the user is.
fn password(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (_, password) = text.split_once(':')?;
    Some(password.to_owned())
}

/// Git asks without a password first, and sends it after this.
fn unknown() -> Response {
    let mut response = told(&Trouble::NotHeld);
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"lease token\", charset=\"UTF-8\""),
    );
    response
}

fn refused(attempt: &str, repository: &str, trouble: &Trouble) -> Response {
    tracing::info!(
        attempt,
        repository,
        "the git gateway refused a request: {trouble:?}"
    );
    told(trouble)
}

fn told(trouble: &Trouble) -> Response {
    let status = match trouble {
        Trouble::NoCredential | Trouble::NotHeld | Trouble::ReadOnly => StatusCode::FORBIDDEN,
        Trouble::NotFound => StatusCode::NOT_FOUND,
        Trouble::Denied
        | Trouble::Unreachable
        | Trouble::Redirected { .. }
        | Trouble::Failing { .. }
        | Trouble::NotGit
        | Trouble::Address { .. }
        | Trouble::Plain => StatusCode::BAD_GATEWAY,
        Trouble::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
        Trouble::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, text, trouble.line()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_from_basic_alone() {
        let of = |value: &str| {
            let value = HeaderValue::from_str(value).expect("a value");
            password(&HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
        };
        // lease:ow_l:x
        assert_eq!(of("Basic bGVhc2U6b3dfbDp4").as_deref(), Some("ow_l:x"));
        assert_eq!(of("basic bGVhc2U6b3dfbDp4").as_deref(), Some("ow_l:x"));
        for wrong in ["Bearer ow_l", "Basic", "Basic !", "Basic bGVhc2U", ""] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(password(&HeaderMap::new()), None);
    }
}
