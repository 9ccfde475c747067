//! Where the client looks, whatever it was told the server's address is.
//!
//! It asks `BASE/wham/…` when the base contains `/backend-api`, else `BASE/api/codex/…`, and prints `ROOT/codex/tasks/ID`. Bases with a path
//! before that, and the mistake of giving `/api/codex` itself, lead here.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

/// What our addresses begin with. The first that is found decides: `/api/codex/tasks/` is no page.
const BEGINNINGS: [&str; 7] = [
    "/backend-api/wham/",
    "/api/codex/",
    "/wham/tasks/",
    "/codex/tasks/",
    "/codex/device",
    "/api/accounts/",
    "/oauth/token",
];

/// Answers a request for an address that is one of ours behind a prefix; otherwise what `unknown` says.
pub(crate) async fn behind_a_prefix(
    routes: Router,
    mut request: Request,
    unknown: impl IntoResponse,
) -> Response {
    match without_prefix(request.uri()) {
        Some(uri) => {
            *request.uri_mut() = uri;
            match routes.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
        None => unknown.into_response(),
    }
}

fn without_prefix(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let at = BEGINNINGS
        .iter()
        .find_map(|beginning| path.rfind(beginning))?;
    let rest = uri.path_and_query()?.as_str().get(at..)?;
    (at > 0).then(|| rest.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_our_addresses_is_cut() {
        let cases = [
            (
                "/p/backend-api/wham/tasks/list?limit=2",
                Some("/backend-api/wham/tasks/list?limit=2"),
            ),
            (
                "/a/b/api/codex/environments",
                Some("/api/codex/environments"),
            ),
            ("/api/codex/api/codex/tasks/t", Some("/api/codex/tasks/t")),
            ("/p/api/codex/tasks/t", Some("/api/codex/tasks/t")),
            ("/p/wham/tasks/t", Some("/wham/tasks/t")),
            ("/p/codex/tasks/t", Some("/codex/tasks/t")),
            // Ours, but there is no such thing; and not ours.
            ("/api/codex/nonsense", None),
            ("/p/api/v1/tasks", None),
            ("/", None),
        ];
        for (given, expected) in cases {
            let given: Uri = given.parse().expect("an address");
            let expected: Option<Uri> = expected.map(|text| text.parse().expect("an address"));
            assert_eq!(without_prefix(&given), expected, "{given}");
        }
    }
}
