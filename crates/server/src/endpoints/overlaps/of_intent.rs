//! Shows which open tasks are about what a task that is not there yet names.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::page::Page;
use outwork_api::radar::{NewOverlaps, Overlap};
use outwork_domain::limits::PROMPT_BYTES;
use outwork_domain::overlap::named_in;
use outwork_domain::principal::Viewer;
use outwork_git::RefName;
use outwork_store::Intent;

use super::{declared, since, wire};
use crate::endpoints::environments;
use crate::http::body::Body;
use crate::http::openapi::{Missing, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Shows which open tasks of the repository are about the files that a task would be about: those that are declared, and those that its
/// prompt names. Nothing is stored, and the repository is not asked.
#[utoipa::path(post, path = "/overlaps", operation_id = "findOverlaps", tag = "tasks", request_body = NewOverlaps,
    responses((status = 200, description = "The tasks that share most first, at most 100, in one page.", body = Page<Overlap>),
        Refusals, Missing, Unacceptable))]
pub(crate) async fn of_intent(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Body(new): Body<NewOverlaps>,
) -> Result<Json<Page<Overlap>>, Refusal> {
    let NewOverlaps {
        environment,
        prompt,
        paths,
        branch,
    } = new;
    let workspace = member.workspace_id();
    if prompt.len() > PROMPT_BYTES {
        let detail = format!(
            "has {} bytes; at most {PROMPT_BYTES} are taken",
            prompt.len()
        );
        return Err(Refusal::field("/prompt", detail));
    }
    let branch = match branch.map(|branch| RefName::parse(&branch)).transpose() {
        Ok(branch) => branch.map(|branch| branch.as_str().to_owned()),
        Err(fault) => return Err(Refusal::field("/branch", fault.to_string())),
    };
    let mut paths =
        declared(&paths).map_err(|(pointer, detail)| Refusal::field(&pointer, detail))?;
    paths.extend(named_in(&prompt));
    let environment = environments::by_name(&plane, workspace, &environment).await?;
    let spec = environment.environment.spec;
    let mut overlaps = Vec::new();
    // A path may begin with the name of a further repository, as the agent sees it.
    let mut of_first = Vec::new();
    for path in paths {
        let (folder, rest) = path.split_once('/').unwrap_or(("", &path));
        let mut further = spec.further_repositories.iter();
        match further.find(|repository| repository.name == folder) {
            None => of_first.push(path),
            Some(repository) => overlaps.push(Intent {
                repository: repository.url.clone(),
                branch: repository.branch.clone(),
                paths: vec![rest.to_owned()],
            }),
        }
    }
    let first = Intent {
        repository: spec.repository_url,
        branch: branch.or(spec.branch),
        paths: of_first,
    };
    let mut found: Vec<outwork_store::Overlap> = Vec::new();
    for intent in [first].iter().chain(&overlaps) {
        let more = plane
            .store
            .overlaps_of_intent(workspace, intent, since(&plane))
            .await?;
        for one in more {
            if !found.iter().any(|other| other.task_id == one.task_id) {
                found.push(one);
            }
        }
    }
    Ok(Json(Page {
        items: wire(&plane, workspace, found).await?,
        next_cursor: None,
    }))
}
