//! Approves or rejects a result.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::approval::{NewApproval, TaskApproval, Verdict as Asked};
use outwork_api::problem::Code;
use outwork_domain::TaskId;
use outwork_domain::approval::Verdict;
use outwork_domain::principal::{PrincipalKind, Reviewer};
use outwork_store::{AttemptRecord, NewVerdict, StoreError};

use crate::endpoints::attempts::diff::NO_DIFF;
use crate::endpoints::tasks::diff::{chosen_turn, named_or_shown};
use crate::endpoints::{comments, tasks};
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::{approval, attempt};

/// Says whether the diff of an attempt that has ended may leave, instead of what was said before. A rejection holds until it is withdrawn.
#[utoipa::path(post, path = "/tasks/{id}/approvals", operation_id = "approveTask", tag = "tasks", request_body = NewApproval,
    params(("id" = String, Path, description = "`task_…`.")),
    responses((status = 200, description = "How the attempt's diff stands now.", body = TaskApproval),
        Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn give(
    State(plane): State<Arc<Plane>>,
    Permit(reviewer): Permit<Reviewer>,
    Id(id): Id<TaskId>,
    Body(new): Body<NewApproval>,
) -> Result<Json<TaskApproval>, Refusal> {
    judge(&plane, &reviewer, id, new).await.map(Json)
}

/// The same for whoever may, wherever it was said.
pub(crate) async fn judge(
    plane: &Plane,
    reviewer: &Reviewer,
    id: TaskId,
    new: NewApproval,
) -> Result<TaskApproval, Refusal> {
    plane.need_space()?;
    let NewApproval {
        turn,
        attempt,
        verdict,
        text,
    } = new;
    let text = text.filter(|text| !text.trim().is_empty());
    let text = text.as_deref().map(comments::text).transpose()?;
    let (workspace, by) = (reviewer.workspace_id(), reviewer.principal());
    if by.kind != PrincipalKind::User {
        let detail = "People approve and reject; this token is a script's.";
        return Err(Refusal::new(Code::Forbidden, detail));
    }
    let task = tasks::by_id(plane, workspace, id).await?;
    let turn = chosen_turn(&task, turn)?;
    let record = named_or_shown(&task, turn, attempt)?;
    has_result(record)?;
    let verdict = match verdict {
        Asked::Approve if approval::requesters(&task, turn).contains(&by.id) => {
            let detail = "You asked for this result, so somebody else has to approve it.";
            return Err(Refusal::new(Code::Forbidden, detail));
        }
        Asked::Approve => Some(Verdict::Approve),
        Asked::Reject => Some(Verdict::Reject),
        Asked::Withdraw => None,
    };
    let said = NewVerdict {
        attempt: record.attempt.id,
        by: by.id,
        verdict,
        text,
    };
    let said = plane.store.say(workspace, said, plane.now()).await;
    said.map_err(nothing_said)?;
    tracing::info!(task = %id, attempt = %record.attempt.id, by = %by.id, verdict = verdict.map(Verdict::as_str), "a result was judged");
    let mut all = plane.store.approvals([id].into_iter()).await?;
    let all = all.remove(&id);
    let names = plane.store.member_names(workspace).await?;
    Ok(approval::wire(
        &task,
        turn,
        Some(record),
        all.as_ref(),
        &names,
    ))
}

/// Nothing that can still change is approved.
fn has_result(record: &AttemptRecord) -> Result<(), Refusal> {
    if !record.attempt.state.is_final() || attempt::stat(record).is_none() {
        let state = record.attempt.state.as_str();
        return Err(Refusal::new(Code::Conflict, NO_DIFF).with_hint(format!(
            "The attempt is {state}; what it hands in can be approved."
        )));
    }
    Ok(())
}

fn nothing_said(fault: StoreError) -> Refusal {
    match fault {
        StoreError::NotFound => Refusal::new(
            Code::Conflict,
            "You have neither approved nor rejected this attempt.",
        ),
        other => other.into(),
    }
}
