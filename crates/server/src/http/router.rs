//! All routes, and the layers around them.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use axum::{Router, middleware};
use outwork_api::problem::Code;
use outwork_domain::limits::{
    DIFF_BYTES, PROMPT_BYTES, SCRIPT_BYTES, SECRET_BYTES, SECRETS, SESSION_BYTES,
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{audit as audit_layer, envelope, health, openapi, origin, signpost};
use crate::codex_api;
use crate::endpoints::{
    approvals, attempts, audit, cache, changes, codex_logins, comments, credentials, enrolment,
    environments, integrations, me, members, merges, model, notices, overlaps, publications,
    schedules, tasks, tokens, usage, webhooks, workers,
};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::surfaces::forge::app_form;
use crate::surfaces::receive;
use crate::web;
use crate::worker::routes as worker;

const MIB: usize = 1024 * 1024;
/// For what people write by hand.
const SMALL_BODY: usize = 2 * MIB;
/// A prompt of the largest size with every character escaped, and a little more, so that one that is too long is told so by its own limit.
const PROMPT_BODY: usize = 8 * PROMPT_BYTES;
/// A prompt, a starting diff and a session; the usual escapes double a text.
const TASK_BODY: usize = PROMPT_BODY + 2 * (DIFF_BYTES + SESSION_BYTES);
/// An environment with secrets and scripts of the largest size, and the usual escapes.
const ENVIRONMENT_BODY: usize = 2 * (SECRETS * SECRET_BYTES + 3 * SCRIPT_BYTES) + SMALL_BODY;
/// 10,000 snapshots of a worker.
const INVENTORY_BODY: usize = 16 * MIB;
/// The events of one append.
const APPEND_BODY: usize = 32 * MIB;
/// A diff or a session.
const OBJECT_BODY: usize = if DIFF_BYTES > SESSION_BYTES {
    DIFF_BYTES
} else {
    SESSION_BYTES
};

type Routes = OpenApiRouter<Arc<Plane>>;

/// The task API and the health checks.
pub(crate) fn task_api() -> Routes {
    let api = OpenApiRouter::new()
        .routes(routes!(cache::get::get))
        .routes(routes!(cache::reset::reset))
        .routes(routes!(changes::changes))
        .routes(routes!(
            codex_logins::make::make,
            codex_logins::revoke::revoke
        ))
        .routes(routes!(codex_logins::approve::approve))
        .routes(routes!(credentials::list::list, credentials::set::set))
        .routes(routes!(credentials::delete::delete))
        .routes(routes!(tasks::list::list))
        .routes(routes!(tasks::get::get))
        .routes(routes!(tasks::cancel::cancel))
        .routes(routes!(tasks::choice::choose, tasks::choice::withdraw))
        .routes(routes!(tasks::interrupt::interrupt))
        .routes(routes!(tasks::retry::retry))
        .routes(routes!(tasks::compose::compose))
        .routes(routes!(tasks::diff::diff))
        .routes(routes!(tasks::session::session))
        .routes(routes!(
            publications::publish::publish,
            publications::list::list
        ))
        .routes(routes!(publications::get::get))
        .routes(routes!(schedules::get::get, schedules::remove::remove))
        .routes(routes!(schedules::list::list))
        .routes(routes!(schedules::run::run, schedules::firings::list))
        .routes(routes!(schedules::firings::get))
        .routes(routes!(comments::list::list, comments::add::add))
        .routes(routes!(comments::change::change, comments::remove::remove))
        .routes(routes!(approvals::list::list, approvals::give::give))
        .routes(routes!(attempts::viewed::list, attempts::viewed::mark))
        .routes(routes!(audit::list))
        .routes(routes!(overlaps::of_task::of_task))
        .routes(routes!(merges::merge::merge))
        .routes(routes!(
            overlaps::dismiss::dismiss,
            overlaps::dismiss::restore
        ))
        .routes(routes!(attempts::get::get))
        .routes(routes!(attempts::cancel::cancel))
        .routes(routes!(attempts::diff::diff))
        .routes(routes!(attempts::parts::parts))
        .routes(routes!(attempts::session::session))
        .routes(routes!(attempts::events::events))
        .routes(routes!(
            model::get::get,
            model::set::set,
            model::delete::delete
        ))
        .routes(routes!(workers::list::list))
        .routes(routes!(workers::forget::forget))
        .routes(routes!(workers::drain::drain))
        .routes(routes!(workers::drain::undrain))
        .routes(routes!(workers::drain::retire))
        .routes(routes!(workers::slots::set))
        .routes(routes!(workers::revoke::revoke))
        .routes(routes!(
            enrolment::make::make,
            enrolment::tokens::enrolment_tokens
        ))
        .routes(routes!(enrolment::revoke::revoke))
        .routes(routes!(enrolment::tokens::worker_tokens))
        .routes(routes!(me::me))
        .routes(routes!(notices::mine, notices::set_mine))
        .routes(routes!(
            notices::of_environment,
            notices::set_of_environment
        ))
        .routes(routes!(members::list::list, members::add::add))
        .routes(routes!(members::change::change, members::remove::remove))
        .routes(routes!(tokens::list::list, tokens::make::make))
        .routes(routes!(tokens::revoke::revoke))
        .routes(routes!(webhooks::list::list, webhooks::add::add))
        .routes(routes!(
            webhooks::get::get,
            webhooks::change::change,
            webhooks::remove::remove
        ))
        .routes(routes!(webhooks::rotate::rotate))
        .routes(routes!(webhooks::test::test))
        .routes(routes!(webhooks::deliveries::list))
        .routes(routes!(webhooks::replay::one))
        .routes(routes!(webhooks::replay::since))
        .routes(routes!(usage::get::get))
        .routes(routes!(integrations::list::list, integrations::add::add))
        .routes(routes!(integrations::add::begin_app))
        .routes(routes!(
            integrations::get::get,
            integrations::change::change,
            integrations::remove::remove
        ))
        .routes(routes!(integrations::deliveries::list))
        .routes(routes!(integrations::deliveries::replay))
        .routes(routes!(
            integrations::links::list,
            integrations::links::link
        ))
        .routes(routes!(integrations::links::unlink))
        .layer(DefaultBodyLimit::max(SMALL_BODY))
        .merge(limited(
            OpenApiRouter::new()
                .routes(routes!(
                    environments::create::create,
                    environments::list::list
                ))
                .routes(routes!(
                    environments::get::get,
                    environments::update::update,
                    environments::delete::delete
                )),
            ENVIRONMENT_BODY,
        ))
        .merge(limited(
            OpenApiRouter::new().routes(routes!(tasks::submit::submit)),
            TASK_BODY,
        ))
        .merge(limited(
            OpenApiRouter::new()
                .routes(routes!(tasks::follow_up::follow_up))
                .routes(routes!(tasks::answer::answer))
                .routes(routes!(tasks::steer::steer))
                .routes(routes!(schedules::add::add))
                .routes(routes!(schedules::change::change))
                .routes(routes!(overlaps::of_intent::of_intent)),
            PROMPT_BODY,
        ));
    OpenApiRouter::with_openapi(openapi::TaskApi::openapi())
        .nest("/api/v1", api)
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// The worker API.
pub(crate) fn worker_api() -> Routes {
    let api = OpenApiRouter::new()
        .routes(routes!(worker::enroll::enroll))
        .routes(routes!(worker::life::register))
        .routes(routes!(worker::life::acquire))
        .routes(routes!(worker::life::heartbeat))
        .routes(routes!(worker::life::commands))
        .routes(routes!(worker::life::deregister))
        .routes(routes!(worker::attempt::advance))
        .routes(routes!(worker::attempt::checkpoint))
        .routes(routes!(worker::attempt::finish))
        .routes(routes!(worker::attempt::release))
        .routes(routes!(worker::git::refs))
        // A pack's request has a limit of its own, which is counted as it passes.
        .routes(routes!(worker::git::pack))
        .route(
            "/attempts/{attempt}/git/{repository}/git-receive-pack",
            any(worker::git::push),
        )
        .layer(DefaultBodyLimit::max(SMALL_BODY))
        .merge(limited(
            OpenApiRouter::new().routes(routes!(worker::attempt::append)),
            APPEND_BODY,
        ))
        .merge(limited(
            OpenApiRouter::new().routes(routes!(worker::life::snapshots)),
            INVENTORY_BODY,
        ))
        .merge(limited(
            OpenApiRouter::new()
                .routes(routes!(worker::objects::download))
                .routes(routes!(worker::objects::upload)),
            OBJECT_BODY,
        ));
    OpenApiRouter::with_openapi(openapi::WorkerApi::openapi()).nest("/api/worker/v1", api)
}

fn limited(routes: Routes, bytes: usize) -> Routes {
    routes.layer(DefaultBodyLimit::max(bytes))
}

/// Everything that this server answers.
pub(crate) fn router(plane: Arc<Plane>) -> Router {
    let (tasks, _) = task_api().split_for_parts();
    let (workers, _) = worker_api().split_for_parts();
    let document =
        |text: String| get(async move || ([(header::CONTENT_TYPE, "application/json")], text));
    let behind = codex_api::routes(TASK_BODY, SMALL_BODY).fallback(async || unknown());
    let behind = behind.with_state(Arc::clone(&plane));
    tasks
        .merge(workers)
        .route("/openapi.json", document(openapi::task_api_document()))
        .route(
            "/openapi/worker.json",
            document(openapi::worker_api_document()),
        )
        .merge(web::routes())
        .route(
            "/hooks/{integration}",
            post(receive::receive).layer(DefaultBodyLimit::max(receive::BODY)),
        )
        .route("/hooks/app/{state}", get(app_form::form))
        .route("/hooks/app", get(app_form::back))
        .route("/problems/{code}", get(signpost::problem))
        .merge(codex_api::routes(TASK_BODY, SMALL_BODY))
        .fallback(move |request: Request| {
            let page = web::not_found(request.method(), request.headers());
            let unknown = page.unwrap_or_else(|| unknown().into_response());
            codex_api::behind_a_prefix(behind.clone(), request, unknown)
        })
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(envelope::panicked))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&plane),
            audit_layer::keep,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&plane),
            origin::check,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&plane),
            envelope::wrap,
        ))
        .with_state(plane)
}

fn unknown() -> Refusal {
    Refusal::new(Code::NotFound, "There is nothing at this address.")
        .with_hint("The API is described at /openapi.json; it begins with /api/v1.")
}

async fn wrong_method() -> impl IntoResponse {
    Refusal::new(
        Code::MethodNotAllowed,
        "This address does not take this method.",
    )
    .with_hint("The header `Allow` of this answer names the methods it takes.")
}
