//! Shows the cached snapshots.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::cache::{Cache, CacheUse, Snapshot};
use outwork_domain::principal::Viewer;
use outwork_store::{CacheRecord, CachedSnapshot, KeptSnapshot, SnapshotUses};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{named, seen_since};
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Params;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Whose snapshots.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Only those of this environment: its id or label.
    environment: Option<String>,
}

/// Shows the snapshots that tasks can start from: of all workers that are online, without those that were reset; at most 10,000.
#[utoipa::path(get, path = "/cache", operation_id = "getCache", tag = "cache", params(Query),
    responses((status = 200, description = "The snapshots.", body = Cache), Refusals, Missing))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Params(query): Params<Query>,
) -> Result<Json<Cache>, Refusal> {
    let workspace = member.workspace_id();
    let environment = named(&plane, workspace, query.environment.as_deref()).await?;
    let CacheRecord { snapshots, uses } = plane
        .store
        .cache(workspace, environment, seen_since(&plane))
        .await?;
    Ok(Json(Cache {
        snapshots: snapshots.into_iter().map(wire).collect(),
        environments: uses.into_iter().map(wire_use).collect(),
    }))
}

fn wire(cached: CachedSnapshot) -> Snapshot {
    let CachedSnapshot {
        snapshot,
        environment_label,
        worker,
        worker_name,
    } = cached;
    let KeptSnapshot {
        key,
        environment,
        generation: _,
        reason,
        built_at,
        last_used_at,
        size_bytes,
        hits,
        in_use,
    } = snapshot;
    Snapshot {
        key,
        environment_id: environment.to_string(),
        environment_label,
        worker: worker.to_string(),
        worker_name,
        reason,
        built_at: built_at.into(),
        last_used_at: last_used_at.into(),
        size_bytes,
        hits,
        in_use,
    }
}

fn wire_use(record: outwork_store::CacheUse) -> CacheUse {
    let outwork_store::CacheUse {
        environment_label,
        uses:
            SnapshotUses {
                environment,
                hits,
                builds,
            },
    } = record;
    CacheUse {
        environment_id: environment.to_string(),
        environment_label,
        hits,
        builds,
    }
}
