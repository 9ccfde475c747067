//! Lists what was said of a task's results.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::approval::{Approval, Verdict as WireVerdict};
use outwork_api::page::Page;
use outwork_domain::TaskId;
use outwork_domain::approval::{Given, Verdict};
use outwork_domain::principal::Viewer;
use outwork_store::{Names, TaskRecord, TurnRecord};

use crate::endpoints::tasks;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::approval::requesters;
use crate::view::task::person;

/// Lists what was said of each attempt of a task, by turn and attempt, all of it in one page. What was withdrawn is not in it.
#[utoipa::path(get, path = "/tasks/{id}/approvals", operation_id = "listApprovals", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`.")),
    responses((status = 200, description = "What was said.", body = Page<Approval>), Refusals, Missing))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<TaskId>,
) -> Result<Json<Page<Approval>>, Refusal> {
    let workspace = viewer.workspace_id();
    let task = tasks::by_id(&plane, workspace, id).await?;
    let mut all = plane.store.approvals([id].into_iter()).await?;
    let mut all = all.remove(&id).unwrap_or_default();
    let names = plane.store.member_names(workspace).await?;
    let mut items = Vec::new();
    for turn in &task.turns {
        for record in &turn.attempts {
            let given = all.remove(&record.attempt.id).unwrap_or_default();
            let number = record.attempt.number.get();
            let shown = given
                .into_iter()
                .map(|one| wire(&task, turn, number, &names, one));
            items.extend(shown);
        }
    }
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}

fn wire(task: &TaskRecord, turn: &TurnRecord, attempt: u32, names: &Names, one: Given) -> Approval {
    let Given {
        by,
        at,
        verdict,
        text,
        counts,
    } = one;
    let (verdict, is_own) = match verdict {
        Verdict::Approve => (WireVerdict::Approve, requesters(task, turn).contains(&by)),
        Verdict::Reject => (WireVerdict::Reject, false),
    };
    Approval {
        turn: turn.turn.number.get(),
        attempt,
        verdict,
        text,
        by: person(names, by),
        at: at.into(),
        counts: counts && !is_own,
    }
}
