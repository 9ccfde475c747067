//! Makes a schedule.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use outwork_api::schedule::{NewSchedule, Schedule as Wire};
use outwork_domain::ScheduleId;
use outwork_domain::firing::{Activity, Asked, TaskSchedule};
use outwork_domain::principal::Member;
use outwork_store::{Idempotency, Scheduled};

use super::{shown, timetable};
use crate::endpoints::environments;
use crate::http::body::Body;
use crate::http::idempotency::{Key, REPLAYED};
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::schedules;
use crate::submit;

/// Makes a schedule, whose tasks are submitted in the name of whoever makes it. At most 200 in a workspace.
#[utoipa::path(post, path = "/schedules", operation_id = "addSchedule", tag = "schedules", request_body = NewSchedule,
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key, the request makes no second schedule.")),
    responses((status = 201, description = "Stored.", body = Wire,
            headers(("Location" = String, description = "Its address."),
                ("Idempotency-Replayed" = String, description = "`true` when an earlier request made it."))),
        Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn add(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    key: Key,
    Body(new): Body<NewSchedule>,
) -> Result<Response, Refusal> {
    plane.need_space()?;
    let request = key.record(&plane, &member, "POST /schedules", &new);
    let request = request.map(
        |Idempotency {
             key, fingerprint, ..
         }| (key, fingerprint),
    );
    let schedule = checked(&plane, &member, new).await?;
    let added = plane.store.add_schedule(schedule.clone(), request).await?;
    let (schedule, is_replayed) = match added {
        Scheduled::New => (schedule, false),
        Scheduled::Before(before) => (*before, true),
    };
    tracing::info!(schedule = %schedule.id, by = %member.principal().id, "a schedule was made");
    let location = format!("/api/v1/schedules/{}", schedule.id);
    let location = [(header::LOCATION, location)];
    let answer = Json(shown(&plane, schedule).await?);
    Ok(match is_replayed {
        false => (StatusCode::CREATED, location, answer).into_response(),
        true => (StatusCode::CREATED, location, [REPLAYED], answer).into_response(),
    })
}

async fn checked(
    plane: &Plane,
    member: &Member,
    new: NewSchedule,
) -> Result<TaskSchedule, Refusal> {
    let NewSchedule {
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
    } = new;
    let workspace = member.workspace_id();
    let timetable = timetable(&pattern, &time_zone)?;
    let environment = environments::by_name(plane, workspace, &environment).await?;
    let now = plane.now();
    let mut schedule = TaskSchedule {
        id: ScheduleId::from_uuid(plane.ids.uuid()),
        workspace_id: workspace,
        created_by: member.principal().id,
        created_at: now,
        updated_at: now,
        timetable,
        asked: Asked {
            environment_id: environment.environment.id,
            prompt,
            branch: branch.filter(|branch| !branch.is_empty()),
            attempts: attempts.unwrap_or(1),
            priority: priority.into(),
            kind: kind.into(),
        },
        missed: missed.into(),
        overlap: overlap.into(),
        pull_request,
        activity: Activity::Paused {
            since: now,
            why: None,
        },
    };
    submit::check_ahead(plane, &schedules::task(&schedule.asked))?;
    if !paused {
        schedule.activity = schedule.activity_from(now);
    }
    Ok(schedule)
}
