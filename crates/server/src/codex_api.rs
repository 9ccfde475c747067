//! The API of the stock client, so that `codex cloud` and `codex apply` work unmodified. All bending for that client is in this module; what it
//! asks for is done by the same services as the task API. `docs/codex-client.md` says what the client makes of the answers.
//!
//! * [`prefix`]: the client's two path styles, and what people put before them
//! * [`permit`], [`access_token`]: who asks
//! * [`environments`], [`create`], [`list`], [`details`]: the operations
//! * [`shape`], [`turn`], [`text`]: what the client reads
//! * [`page`]: what the addresses that it prints lead to
//! * [`login`]: signing in

mod access_token;
mod permit;

mod create;
mod details;
mod environments;
mod list;

mod shape;
mod text;
mod turn;

mod page;

pub(crate) mod login;

mod prefix;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Router, middleware};

use crate::http::envelope::Brief;
use crate::plane::Plane;

pub(crate) use prefix::behind_a_prefix;

/// Under each of the two styles, and the one address that `codex apply` asks where its base has no `/backend-api`. A task's body is at most
/// `task_body` bytes, any other `small_body`.
pub(crate) fn routes(task_body: usize, small_body: usize) -> Router<Arc<Plane>> {
    let operations = || {
        Router::new()
            .route("/environments", get(environments::list))
            .route(
                "/environments/by-repo/github/{*repository}",
                get(environments::by_repository),
            )
            .route("/tasks/list", get(list::list))
            .route("/tasks/{id}", get(details::details))
            .route(
                "/tasks/{id}/turns/{turn}/sibling_turns",
                get(details::sibling_turns),
            )
            .route(
                "/tasks",
                post(create::create).layer(DefaultBodyLimit::max(task_body)),
            )
    };
    Router::new()
        .nest("/backend-api/wham", operations())
        .nest("/api/codex", operations())
        .route("/wham/tasks/{id}", get(details::details))
        .route(
            "/api/accounts/v1/user-auth-credential/whoami",
            get(login::whoami::whoami),
        )
        .route(
            "/api/accounts/deviceauth/usercode",
            post(login::device::user_code),
        )
        .route("/api/accounts/deviceauth/token", post(login::device::poll))
        .route("/oauth/token", post(login::oauth::token))
        .route("/oauth/revoke", post(login::oauth::revoke))
        .layer(middleware::map_response(brief))
        .route("/codex/tasks/{id}", get(page::task))
        .route("/codex/tasks/{id}/status", get(page::status))
        .route(
            "/codex/device",
            get(login::page::show).post(login::page::submit),
        )
        .layer(DefaultBodyLimit::max(small_body))
}

/// The client prints the body of an error as it is, in one line.
async fn brief(mut response: Response) -> Response {
    response.extensions_mut().insert(Brief);
    response
}
