//! Changes a schedule.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::schedule::{Schedule as Wire, SchedulePatch};
use outwork_domain::ScheduleId;
use outwork_domain::firing::{Activity, TaskSchedule};
use outwork_domain::principal::Member;

use super::{missing, own, shown, timetable};
use crate::endpoints::environments;
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::schedules;
use crate::submit;

/// Changes a schedule, pauses it or resumes it: one's own, or, as an admin, anybody's. Times that passed while it was paused are not made up
/// for.
#[utoipa::path(patch, path = "/schedules/{id}", operation_id = "changeSchedule", tag = "schedules", request_body = SchedulePatch,
    params(("id" = String, Path, description = "`sch_…`.")),
    responses((status = 200, description = "As it is now.", body = Wire), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn change(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<ScheduleId>,
    Body(patch): Body<SchedulePatch>,
) -> Result<Json<Wire>, Refusal> {
    plane.need_space()?;
    let before = own(&plane, &member, id).await?;
    let after = patched(&plane, &before, patch).await?;
    let changed = plane.store.change_schedule(before, after).await;
    changed.map_err(|fault| missing(id, fault))?;
    let now = super::by_id(&plane, member.workspace_id(), id).await?;
    Ok(Json(shown(&plane, now).await?))
}

async fn patched(
    plane: &Plane,
    before: &TaskSchedule,
    patch: SchedulePatch,
) -> Result<TaskSchedule, Refusal> {
    let SchedulePatch {
        timetable: pattern,
        time_zone,
        environment,
        prompt,
        branch,
        attempts,
        priority,
        kind,
        missed,
        overlap,
        pull_request,
        paused,
    } = patch;
    let now = plane.now();
    let mut after = TaskSchedule {
        updated_at: now,
        ..before.clone()
    };
    if pattern.is_some() || time_zone.is_some() {
        let pattern = pattern.as_deref().unwrap_or(before.timetable.pattern());
        let zone = time_zone.as_deref().unwrap_or(before.timetable.zone());
        after.timetable = timetable(pattern, zone)?;
    }
    if let Some(environment) = environment {
        let found = environments::by_name(plane, before.workspace_id, &environment).await?;
        after.asked.environment_id = found.environment.id;
    }
    let asked = &mut after.asked;
    asked.prompt = prompt.unwrap_or_else(|| asked.prompt.clone());
    if let Some(branch) = branch {
        asked.branch = Some(branch).filter(|branch| !branch.is_empty());
    }
    asked.attempts = attempts.unwrap_or(asked.attempts);
    asked.priority = priority.map_or(asked.priority, Into::into);
    asked.kind = kind.map_or(asked.kind, Into::into);
    after.missed = missed.map_or(after.missed, Into::into);
    after.overlap = overlap.map_or(after.overlap, Into::into);
    after.pull_request = pull_request.unwrap_or(after.pull_request);
    let is_paused = paused.unwrap_or(before.is_paused());
    after.activity = match (is_paused, &before.activity) {
        (true, Activity::Paused { .. }) => before.activity.clone(),
        (true, Activity::Active { .. }) => Activity::Paused {
            since: now,
            why: None,
        },
        (false, Activity::Active { .. }) if after.timetable == before.timetable => {
            before.activity.clone()
        }
        (false, _) => after.activity_from(now),
    };
    submit::check_ahead(plane, &schedules::task(&after.asked))?;
    Ok(after)
}
