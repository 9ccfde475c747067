//! Edits an environment.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use outwork_api::environment::{Environment as Wire, EnvironmentPatch};
use outwork_domain::EnvironmentId;
use outwork_domain::environment::EnvironmentSpec;
use outwork_domain::principal::Member;

use super::{by_id, check, create, tagged};
use crate::http::body::Body;
use crate::http::etag::Expected;
use crate::http::openapi::{Conflicts, Missing, Preconditions, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::environment::agent;

/// Edits an environment. Tasks that are queued or running keep their commit and take the rest as it is when a worker takes them.
#[utoipa::path(patch, path = "/environments/{id}", operation_id = "updateEnvironment", tag = "environments",
    params(("id" = String, Path, description = "`env_…`."),
        ("If-Match" = Option<String>, Header, description = "Edit only this revision.")),
    request_body = EnvironmentPatch,
    responses((status = 200, description = "As it is now.", body = Wire, headers(("ETag" = String, description = "Its revision."))),
        Refusals, Missing, Unacceptable, Conflicts, Preconditions))]
pub(crate) async fn update(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<EnvironmentId>,
    expected: Expected,
    Body(patch): Body<EnvironmentPatch>,
) -> Result<Response, Refusal> {
    plane.need_space()?;
    let mut environment = by_id(&plane, member.workspace_id(), id).await?;
    // What is patched is what was read, so an edit in between is noticed also without `If-Match`.
    let revision = expected.revision().unwrap_or(environment.revision);
    environment.spec = check::check(apply(environment.spec, patch))?;
    environment.updated_at = plane.now();
    let label = environment.spec.label.clone();
    let stored = plane
        .store
        .update_environment(&environment, Some(revision))
        .await;
    Ok(tagged(
        stored.map_err(|fault| create::taken(fault, &label))?,
    ))
}

fn apply(spec: EnvironmentSpec, patch: EnvironmentPatch) -> EnvironmentSpec {
    let EnvironmentPatch {
        label,
        repository_url,
        branch,
        agent: wanted,
        setup_script,
        variables,
        timeout_seconds,
    } = patch;
    let text = |new: Option<String>, old: Option<String>| match new {
        None => old,
        Some(new) => Some(new).filter(|new| !new.is_empty()),
    };
    EnvironmentSpec {
        label: label.unwrap_or(spec.label),
        repository_url: repository_url.unwrap_or(spec.repository_url),
        branch: text(branch, spec.branch),
        agent: wanted.map_or(spec.agent, agent),
        setup_script: text(setup_script, spec.setup_script),
        variables: variables.map_or(spec.variables, |variables| variables.into_iter().collect()),
        timeout: timeout_seconds.map_or(spec.timeout, Duration::from_secs),
    }
}
