//! Makes an environment.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use outwork_api::Secret;
use outwork_api::environment::{Environment as Wire, NewEnvironment};
use outwork_api::injection::{InjectionChange, NewInjection};
use outwork_domain::EnvironmentId;
use outwork_domain::environment::{Environment, EnvironmentSpec};
use outwork_domain::principal::Member;
use outwork_store::{SealedChanges, StoreError};

use super::{check, injections, secrets, tagged};
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::{Refusal, shell_word};
use crate::view::environment as view;

/// Makes an environment. Its repositories are not asked until a task needs them. Secrets and the values of injections are stored sealed and never shown again.
///
/// There is no `Idempotency-Key`: sent again, the request is answered with 409, because the label is taken.
#[utoipa::path(post, path = "/environments", operation_id = "createEnvironment", tag = "environments",
    request_body = NewEnvironment,
    responses((status = 201, description = "Made.", body = Wire,
            headers(("Location" = String, description = "Its address."), ("ETag" = String, description = "Its revision."))),
        Refusals, Unacceptable, Conflicts))]
pub(crate) async fn create(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Body(new): Body<NewEnvironment>,
) -> Result<Response, Refusal> {
    plane.need_space()?;
    let (spec, secrets, injections) = spec(new)?;
    let spec = check::check(spec)?;
    let now = plane.now();
    let environment = Environment {
        id: EnvironmentId::from_uuid(plane.ids.uuid()),
        workspace_id: member.workspace_id(),
        created_by: member.principal().id,
        revision: 1,
        created_at: now,
        updated_at: now,
        spec,
    };
    let sealed = SealedChanges {
        secrets: secrets::changes(&plane, &environment, &[], &secrets)?,
        injections: injections::changes(&plane, &environment, &[], injections)?,
    };
    let record = plane
        .store
        .insert_environment(&environment, sealed)
        .await
        .map_err(|fault| taken(fault, &environment.spec.label))?;
    let location = format!("/api/v1/environments/{}", environment.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        tagged(record),
    )
        .into_response())
}

pub(super) fn taken(fault: StoreError, label: &str) -> Refusal {
    match fault {
        StoreError::LabelTaken => Refusal::from(fault)
            .with_field("/label", "is taken")
            .with_hint(format!(
                "See the other with `outwork env show {}`.",
                shell_word(label)
            )),
        other => other.into(),
    }
}

type Secrets = BTreeMap<String, Option<Secret>>;

fn spec(new: NewEnvironment) -> Result<(EnvironmentSpec, Secrets, Vec<InjectionChange>), Refusal> {
    let NewEnvironment {
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
        secrets,
        setup_timeout_seconds,
        timeout_seconds,
        network,
        resources,
        nested_namespaces,
        max_tokens,
        required_labels,
        max_concurrent,
        approvals,
        injections,
    } = new;
    let spec = EnvironmentSpec {
        label,
        repository_url,
        branch: view::text(branch),
        agent: view::agent(agent),
        further_repositories: further_repositories
            .into_iter()
            .map(view::repository)
            .collect(),
        base_image: view::text(base_image),
        runtimes: check::runtimes(runtimes)?,
        setup_script: view::text(setup_script),
        maintenance_script: view::text(maintenance_script),
        verify_command: view::text(verify_command),
        verify_timeout: view::verify_timeout(verify_timeout_seconds),
        variables: variables.into_iter().collect(),
        setup_timeout: view::setup_timeout(setup_timeout_seconds),
        timeout: view::timeout(timeout_seconds),
        network: check::network(network.unwrap_or_default())?,
        resources: resources.unwrap_or_default().into(),
        nested_namespaces: nested_namespaces.unwrap_or(false),
        max_tokens,
        required_labels,
        max_concurrent,
        approvals: approvals.unwrap_or(0),
    };
    let set = |(name, value)| (name, Some(value));
    let inject = |NewInjection {
                      host,
                      header,
                      value,
                  }| InjectionChange {
        host,
        header,
        value: Some(value),
    };
    let secrets = secrets.into_iter().map(set).collect();
    Ok((spec, secrets, injections.into_iter().map(inject).collect()))
}
