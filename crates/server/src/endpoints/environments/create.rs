//! Makes an environment.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use outwork_api::environment::{Environment as Wire, NewEnvironment};
use outwork_domain::EnvironmentId;
use outwork_domain::environment::{Environment, EnvironmentSpec};
use outwork_domain::principal::Member;
use outwork_store::StoreError;

use super::{check, tagged};
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::{Refusal, shell_word};
use crate::view::environment::{agent, timeout};

/// Makes an environment. Its repository is not asked until a task needs it.
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
    let spec = check::check(spec(new))?;
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
    plane
        .store
        .insert_environment(&environment)
        .await
        .map_err(|fault| taken(fault, &environment.spec.label))?;
    let location = format!("/api/v1/environments/{}", environment.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        tagged(environment),
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

fn spec(new: NewEnvironment) -> EnvironmentSpec {
    let NewEnvironment {
        label,
        repository_url,
        branch,
        agent: wanted,
        setup_script,
        variables,
        timeout_seconds,
    } = new;
    EnvironmentSpec {
        label,
        repository_url,
        branch: branch.filter(|branch| !branch.is_empty()),
        agent: agent(wanted),
        setup_script: setup_script.filter(|script| !script.is_empty()),
        variables: variables.into_iter().collect(),
        timeout: timeout(timeout_seconds),
    }
}
