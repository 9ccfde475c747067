//! The cached snapshots of environments.

pub(crate) mod get;
pub(crate) mod reset;

use outwork_domain::{EnvironmentId, Timestamp, WorkspaceId};

use crate::endpoints::environments;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// The environment of that id or label.
async fn named(
    plane: &Plane,
    workspace: WorkspaceId,
    name: Option<&str>,
) -> Result<Option<EnvironmentId>, Refusal> {
    let Some(name) = name else { return Ok(None) };
    let record = environments::by_name(plane, workspace, name).await?;
    Ok(Some(record.environment.id))
}

/// A worker that was not heard of since then is gone, as in the list of workers.
fn seen_since(plane: &Plane) -> Timestamp {
    plane.now() - plane.limits.lease
}
