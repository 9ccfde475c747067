//! The web page: its files, and the cookie of who is signed in. The page itself uses the task API and nothing else.

pub(crate) mod files;
pub(crate) mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};

use crate::plane::Plane;

/// Addresses that the page shows something at, beside tasks. `web/src/app/router.tsx` says what.
const PAGES: [&str; 8] = [
    "/",
    "/sign-in",
    "/new",
    "/environments",
    "/environments/{id}",
    "/workers",
    "/usage",
    "/settings",
];

/// The page's addresses, its files, signing in and out.
pub(crate) fn routes() -> Router<Arc<Plane>> {
    let pages = PAGES.iter().fold(Router::new(), |router, path| {
        router.route(path, get(files::page))
    });
    pages
        .route("/tasks/{id}", get(files::task))
        .route("/assets/{name}", get(files::asset))
        .route("/sign-in", post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
}

/// For a person with a browser at an address that there is not: the page, which says so and leads on.
pub(crate) fn not_found(method: &Method, headers: &HeaderMap) -> Option<Response> {
    if *method != Method::GET || !files::takes_html(headers) {
        return None;
    }
    let mut page = files::serve(outwork_web::PAGE, &HeaderMap::new())?;
    *page.status_mut() = StatusCode::NOT_FOUND;
    Some(page)
}
