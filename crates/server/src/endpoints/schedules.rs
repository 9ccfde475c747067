//! Schedules: tasks that are submitted again and again.

pub(crate) mod add;
pub(crate) mod change;
pub(crate) mod firings;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod run;

use outwork_api::problem::Code;
use outwork_api::schedule::Schedule as Wire;
use outwork_domain::firing::TaskSchedule;
use outwork_domain::principal::{Member, Role};
use outwork_domain::timetable::Timetable;
use outwork_domain::{ScheduleId, WorkspaceId};
use outwork_store::StoreError;

use crate::plane::Plane;
use crate::refusal::{Refusal, sentence};
use crate::view;

fn missing(id: ScheduleId, fault: StoreError) -> Refusal {
    match fault {
        StoreError::NotFound => Refusal::not_found("schedule", &id.to_string())
            .with_hint("`outwork schedule list` shows the schedules."),
        StoreError::RevisionMismatch => Refusal::new(
            Code::Conflict,
            "The schedule was changed in between; nothing was done.",
        )
        .with_hint("Look at it again, then repeat the change."),
        other => other.into(),
    }
}

async fn by_id(
    plane: &Plane,
    workspace: WorkspaceId,
    id: ScheduleId,
) -> Result<TaskSchedule, Refusal> {
    let found = plane.store.schedule(workspace, id).await?;
    found.ok_or_else(|| missing(id, StoreError::NotFound))
}

/// The one that is to be changed: its tasks are its maker's, so it is the maker's affair, and an admin's.
async fn own(plane: &Plane, member: &Member, id: ScheduleId) -> Result<TaskSchedule, Refusal> {
    let schedule = by_id(plane, member.workspace_id(), id).await?;
    let who = member.principal();
    if schedule.created_by == who.id || who.role == Role::Admin {
        return Ok(schedule);
    }
    Err(Refusal::new(
        Code::Forbidden,
        "The schedule is somebody else's, and its tasks are submitted in that member's name.",
    )
    .with_hint("Whoever made it can change it, and so can an admin; or make one of your own."))
}

fn timetable(pattern: &str, zone: &str) -> Result<Timetable, Refusal> {
    use outwork_domain::timetable::InvalidTimetable;
    Timetable::parse(pattern, zone).map_err(|fault| {
        let pointer = match &fault {
            InvalidTimetable::Zone(_) => "/time_zone",
            InvalidTimetable::Fields { .. }
            | InvalidTimetable::Name(_)
            | InvalidTimetable::Field { .. }
            | InvalidTimetable::Never
            | InvalidTimetable::TooLong { .. } => "/timetable",
        };
        let text = fault.to_string();
        Refusal::new(Code::Unprocessable, sentence(&text)).with_field(pointer, text)
    })
}

async fn shown(plane: &Plane, schedule: TaskSchedule) -> Result<Wire, Refusal> {
    let (workspace, id) = (schedule.workspace_id, schedule.id);
    let environment = schedule.asked.environment_id;
    let environment = plane.store.environment(workspace, environment).await?;
    let names = plane.store.member_names(workspace).await?;
    let last = plane.store.firings(workspace, id, 1, None).await?.items;
    let label = environment.map(|record| record.environment.spec.label);
    let mut wire = view::schedule::wire(schedule, label, &names, plane.now());
    wire.last_firing = last
        .into_iter()
        .next()
        .map(|last| view::schedule::firing(last, &names));
    Ok(wire)
}
