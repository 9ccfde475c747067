//! Whether this server lives, and whether it can work. Without a token: a load balancer has none.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use outwork_store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::Unreadable;
use super::params::Params;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// How long a check may take: who asks does not wait for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the server can work.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` or `failing`.
    status: &'static str,
    /// The single checks; only when asked for with `?verbose`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Check>,
}

/// One thing that has to work.
#[derive(Serialize, ToSchema)]
struct Check {
    /// What.
    name: &'static str,
    /// Whether it works.
    ok: bool,
}

/// How much to say.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verbosity {
    /// Present: the single checks are listed.
    verbose: Option<String>,
}

/// Lives: the process answers.
#[utoipa::path(get, path = "/livez", operation_id = "getLiveness", tag = "health", security(()),
    responses((status = 200, description = "It lives.", body = Health)))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health {
        status: "ok",
        checks: Vec::new(),
    })
}

/// Can work: database, objects and disk work, and the server is not stopping.
#[utoipa::path(get, path = "/readyz", operation_id = "getReadiness", tag = "health", security(()), params(Verbosity),
    responses((status = 200, description = "It can work.", body = Health),
        (status = 503, description = "It cannot.", body = Health), Unreadable))]
pub(crate) async fn ready(
    State(plane): State<Arc<Plane>>,
    Params(verbosity): Params<Verbosity>,
) -> Result<Response, Refusal> {
    let checks = vec![
        Check {
            name: "database",
            ok: works(plane.store.ping()).await,
        },
        Check {
            name: "objects",
            ok: works(plane.objects.ping()).await,
        },
        Check {
            name: "disk",
            ok: plane.has_space(),
        },
        Check {
            name: "not_stopping",
            ok: !plane.shutdown.is_cancelled(),
        },
    ];
    let ok = checks.iter().all(|check| check.ok);
    let checks = if verbosity.verbose.is_some() {
        checks
    } else {
        Vec::new()
    };
    let (code, status) = if ok {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "failing")
    };
    Ok((code, Json(Health { status, checks })).into_response())
}

async fn works(check: impl Future<Output = Result<(), StoreError>>) -> bool {
    matches!(tokio::time::timeout(PATIENCE, check).await, Ok(Ok(())))
}
