//! Submits a schedule's task now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use outwork_api::schedule::Firing as Wire;
use outwork_domain::firing::{Cause, DEADLINE, Firing, State as FiringState};
use outwork_domain::principal::Member;
use outwork_domain::{Epoch, FiringId, ScheduleId};
use outwork_store::{Fired, Idempotency};

use super::{missing, own};
use crate::http::idempotency::{Key, REPLAYED};
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Submits a schedule's task now, also while it is paused and while the task before still runs. It is done after the answer;
/// `GET /firings/{id}` says what came of it.
#[utoipa::path(post, path = "/schedules/{id}/firings", operation_id = "runSchedule", tag = "schedules",
    params(("id" = String, Path, description = "`sch_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key, the request makes no second task.")),
    responses((status = 201, description = "Stored; it is under way.", body = Wire,
            headers(("Location" = String, description = "The firing's address."),
                ("Idempotency-Replayed" = String, description = "`true` when an earlier request made it."))),
        Refusals, Missing, Conflicts))]
pub(crate) async fn run(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<ScheduleId>,
    key: Key,
) -> Result<Response, Refusal> {
    plane.need_space()?;
    let request = key.record(&plane, &member, "", &());
    let request = request.map(|Idempotency { key, .. }| key);
    let schedule = own(&plane, &member, id).await?;
    let now = plane.now();
    let firing = Firing {
        id: FiringId::from_uuid(plane.ids.uuid()),
        workspace_id: schedule.workspace_id,
        schedule_id: id,
        cause: Cause::Person(member.principal().id),
        planned_at: now,
        folded: 0,
        made_at: now,
        deadline_at: now + DEADLINE,
        epoch: Epoch::ZERO,
        tries: 0,
        trouble: None,
        task_id: None,
        state: FiringState::Waiting { due_at: now },
    };
    let fired = plane.store.add_firing(firing.clone(), request).await;
    let (firing, is_replayed) = match fired.map_err(|fault| missing(id, fault))? {
        Fired::New => (firing, false),
        Fired::Before(before) => (*before, true),
    };
    plane.signals.reconcile.send_replace(());
    let names = plane.store.member_names(member.workspace_id()).await?;
    let location = format!("/api/v1/firings/{}", firing.id);
    let location = [(header::LOCATION, location)];
    let answer = Json(view::schedule::firing(firing, &names));
    Ok(match is_replayed {
        false => (StatusCode::CREATED, location, answer).into_response(),
        true => (StatusCode::CREATED, location, [REPLAYED], answer).into_response(),
    })
}
