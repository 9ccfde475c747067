//! The files, with the headers that keep other pages and injected markup out.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use outwork_api::problem::Code;

use crate::http::signpost;
use crate::refusal::Refusal;

/// Scripts, styles, pictures and connections of this server alone; nothing inline but attributes of style, which a script of
/// ours sets by markup in the diff's lines. No other page may hold this one in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self'; \
     font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

const GUARDS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];

const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Asked for again each time; the answer is short while it is the same.
const CHECKED: &str = "no-cache";

/// The page, whatever its address names; without one, what leads on.
pub(super) async fn page(headers: HeaderMap) -> Response {
    serve(outwork_web::PAGE, &headers).unwrap_or_else(signpost::without_page)
}

/// `/tasks/{id}`: the page for browsers, and the commands that show the same for all others.
pub(super) async fn task(Path(id): Path<String>, headers: HeaderMap) -> Response {
    let page = takes_html(&headers).then(|| serve(outwork_web::PAGE, &headers));
    page.flatten().unwrap_or_else(|| signpost::task(&id))
}

/// Whether it is a browser that shows a page, not a script or a program.
pub(crate) fn takes_html(headers: &HeaderMap) -> bool {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accepts.is_some_and(|all| {
        all.split(',')
            .any(|kind| kind.trim().starts_with("text/html"))
    })
}

/// `/assets/NAME`.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&format!("assets/{name}"), &headers).unwrap_or_else(|| {
        Refusal::new(Code::NotFound, "There is no such file of the web page.")
            .with_hint("Reload the page: the server has another version of it now.")
            .into_response()
    })
}

/// That file, or that the browser's is still the same; `None` when there is none.
pub(super) fn serve(path: &str, headers: &HeaderMap) -> Option<Response> {
    let file = outwork_web::file(path)?;
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let is_known = text(header::IF_NONE_MATCH)
        .is_some_and(|known| known.split(',').any(|tag| tag.trim() == file.etag));
    let takes_gzip = text(header::ACCEPT_ENCODING).is_some_and(|all| all.contains("gzip"));

    let mut answer = HeaderMap::new();
    for (name, value) in GUARDS {
        answer.insert(name, HeaderValue::from_static(value));
    }
    let kept = if file.is_immutable { FOR_EVER } else { CHECKED };
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = HeaderValue::from_str(&file.etag) {
        answer.insert(header::ETAG, etag);
    }
    if is_known {
        return Some((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    answer.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(file.content_type),
    );
    if takes_gzip {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        return Some((answer, file.into_gzip()).into_response());
    }
    Some((answer, file.unpacked()).into_response())
}
