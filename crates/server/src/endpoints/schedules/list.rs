//! Lists the schedules.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::page::Page;
use outwork_api::schedule::Schedule as Wire;
use outwork_domain::EnvironmentId;
use outwork_domain::principal::Viewer;

use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Lists the schedules of the workspace, oldest first, all of them in one page.
#[utoipa::path(get, path = "/schedules", operation_id = "listSchedules", tag = "schedules",
    responses((status = 200, description = "The schedules.", body = Page<Wire>), Refusals))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
) -> Result<Json<Page<Wire>>, Refusal> {
    let workspace = viewer.workspace_id();
    let schedules = plane.store.schedules(workspace).await?;
    let names = plane.store.member_names(workspace).await?;
    let now = plane.now();
    let mut labels: HashMap<EnvironmentId, Option<String>> = HashMap::new();
    let mut items = Vec::with_capacity(schedules.len());
    for schedule in schedules {
        let environment = schedule.asked.environment_id;
        let label = match labels.get(&environment) {
            Some(label) => label.clone(),
            None => {
                let found = plane.store.environment(workspace, environment).await?;
                let label = found.map(|record| record.environment.spec.label);
                labels.insert(environment, label.clone());
                label
            }
        };
        items.push(view::schedule::wire(schedule, label, &names, now));
    }
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}
