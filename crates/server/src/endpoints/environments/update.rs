//! Edits an environment.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use outwork_api::environment::{Environment as Wire, EnvironmentPatch};
use outwork_api::problem::Code;
use outwork_domain::EnvironmentId;
use outwork_domain::environment::EnvironmentSpec;
use outwork_domain::principal::Member;
use outwork_store::{EnvironmentRecord, SealedChanges, StoreError};

use super::{by_id, check, create, injections, secrets, tagged};
use crate::http::body::Body;
use crate::http::etag::Expected;
use crate::http::openapi::{Conflicts, Missing, Preconditions, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::environment as view;

/// How often an edit without `If-Match` may come second to another before it is refused.
const EDITS: u32 = 32;

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
    for _ in 0..EDITS {
        let stored = by_id(&plane, member.workspace_id(), id).await?;
        if patch
            .approvals
            .is_some_and(|asked| asked < stored.environment.spec.approvals)
        {
            // Whoever could lower it could publish without.
            member.principal().clone().admin()?;
        }
        let revision = expected.revision().unwrap_or(stored.environment.revision);
        match edit(&plane, stored, patch.clone(), revision).await {
            // What the patch leaves out stays as it is, so it holds as well on top of what another edit made meanwhile.
            Err(refusal)
                if expected == Expected::Any && refusal.problem().is(Code::PreconditionFailed) => {}
            edited => return edited.map(tagged),
        }
    }
    Err(StoreError::RevisionMismatch.into())
}

/// Patches what was read, and writes it if the stored revision is this one.
async fn edit(
    plane: &Plane,
    stored: EnvironmentRecord,
    patch: EnvironmentPatch,
    revision: i64,
) -> Result<EnvironmentRecord, Refusal> {
    let EnvironmentRecord {
        mut environment,
        secrets: names,
        injections: targets,
        cache_generation: _,
    } = stored;
    let (wanted, inject) = (patch.secrets.clone(), patch.injections.clone());
    environment.spec = check::check(apply(environment.spec, patch)?)?;
    environment.updated_at = plane.now();
    let sealed = SealedChanges {
        secrets: secrets::changes(plane, &environment, &names, &wanted)?,
        injections: injections::changes(plane, &environment, &targets, inject)?,
    };
    plane
        .store
        .update_environment(&environment, sealed, Some(revision))
        .await
        .map_err(|fault| create::taken(fault, &environment.spec.label))
}

fn apply(spec: EnvironmentSpec, patch: EnvironmentPatch) -> Result<EnvironmentSpec, Refusal> {
    let EnvironmentPatch {
        label,
        repository_url,
        branch,
        agent,
        further_repositories,
        base_image,
        runtimes,
        setup_script,
        maintenance_script,
        verify_command,
        verify_timeout_seconds,
        variables,
        secrets: _,
        setup_timeout_seconds,
        timeout_seconds,
        network,
        resources,
        nested_namespaces,
        max_tokens,
        required_labels,
        max_concurrent,
        approvals,
        injections: _,
    } = patch;
    let text = |new: Option<String>, old: Option<String>| match new {
        None => old,
        new => view::text(new),
    };
    Ok(EnvironmentSpec {
        label: label.unwrap_or(spec.label),
        repository_url: repository_url.unwrap_or(spec.repository_url),
        branch: text(branch, spec.branch),
        agent: agent.map_or(spec.agent, view::agent),
        further_repositories: match further_repositories {
            None => spec.further_repositories,
            Some(all) => all.into_iter().map(view::repository).collect(),
        },
        base_image: text(base_image, spec.base_image),
        runtimes: match runtimes {
            None => spec.runtimes,
            Some(all) => check::runtimes(all)?,
        },
        setup_script: text(setup_script, spec.setup_script),
        maintenance_script: text(maintenance_script, spec.maintenance_script),
        verify_command: text(verify_command, spec.verify_command),
        verify_timeout: verify_timeout_seconds.map_or(spec.verify_timeout, Duration::from_secs),
        variables: variables.map_or(spec.variables, |all| all.into_iter().collect()),
        setup_timeout: setup_timeout_seconds.map_or(spec.setup_timeout, Duration::from_secs),
        timeout: timeout_seconds.map_or(spec.timeout, Duration::from_secs),
        network: match network {
            None => spec.network,
            Some(network) => check::network(network)?,
        },
        resources: resources.map_or(spec.resources, Into::into),
        nested_namespaces: nested_namespaces.unwrap_or(spec.nested_namespaces),
        max_tokens: match max_tokens {
            None => spec.max_tokens,
            Some(0) => None,
            some => some,
        },
        required_labels: required_labels.unwrap_or(spec.required_labels),
        max_concurrent: match max_concurrent {
            None => spec.max_concurrent,
            Some(0) => None,
            some => some,
        },
        approvals: approvals.unwrap_or(spec.approvals),
    })
}
