//! Lists the publications of a task.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::page::Page;
use outwork_api::publication::Publication;
use outwork_domain::TaskId;
use outwork_domain::principal::Viewer;

use crate::endpoints::tasks;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Lists the publications of a task, newest first: the last 100, in one page.
#[utoipa::path(get, path = "/tasks/{id}/publications", operation_id = "listPublications", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`.")),
    responses((status = 200, description = "The publications.", body = Page<Publication>), Refusals, Missing))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<TaskId>,
) -> Result<Json<Page<Publication>>, Refusal> {
    let workspace = member.workspace_id();
    tasks::by_id(&plane, workspace, id).await?;
    let found = plane.store.publications(workspace, id).await?;
    Ok(Json(Page {
        items: found.into_iter().map(view::publication::wire).collect(),
        next_cursor: None,
    }))
}
