//! Refuses writes that a browser was talked into by another site. There is no CORS: no other site may read answers either.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use outwork_api::problem::Code;

use crate::plane::Plane;
use crate::refusal::Refusal;

pub(crate) async fn check(
    State(plane): State<Arc<Plane>>,
    request: Request,
    next: Next,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || is_own(request.headers(), &plane.public_url) {
        return next.run(request).await;
    }
    Refusal::new(
        Code::Forbidden,
        "A page of another site may not change anything here.",
    )
    .with_hint(format!(
        "Open {} itself, or use the command line.",
        plane.public_url
    ))
    .into_response()
}

/// Whether the request comes from no browser, or from a page of this server.
fn is_own(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if matches!(text("sec-fetch-site"), Some(site) if site != "same-origin" && site != "none") {
        return false;
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else {
        return true;
    };
    if origin == public_url {
        return true;
    }
    // Another name for this server is taken only where no foreign DNS can have made it: addresses and localhost.
    let Ok(uri) = origin.parse::<Uri>() else {
        return false;
    };
    let Some(authority) = uri.authority() else {
        return false;
    };
    let host = authority.host();
    let certain = host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    certain && text(header::HOST.as_str()) == Some(authority.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_pages_write() {
        let cases = [
            (vec![], true),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("origin", "https://outwork.example")], true),
            (
                vec![("origin", "https://evil.example"), ("host", "evil.example")],
                false,
            ),
            (vec![("origin", "null"), ("host", "127.0.0.1:4700")], false),
            (
                vec![
                    ("origin", "http://127.0.0.1:4700"),
                    ("host", "127.0.0.1:4700"),
                ],
                true,
            ),
            (
                vec![("origin", "http://[::1]:4700"), ("host", "[::1]:4700")],
                true,
            ),
            (
                vec![("origin", "http://127.0.0.1:9"), ("host", "127.0.0.1:4700")],
                false,
            ),
            (
                vec![
                    ("origin", "http://localhost:4700"),
                    ("host", "localhost:4700"),
                ],
                true,
            ),
        ];
        for (given, own) in cases {
            let headers: HeaderMap = given
                .iter()
                .map(|(name, value)| {
                    (
                        name.parse().expect("a name"),
                        value.parse().expect("a value"),
                    )
                })
                .collect();
            assert_eq!(
                is_own(&headers, "https://outwork.example"),
                own,
                "{given:?}"
            );
        }
    }
}
