//! Schedules and firings.

use outwork_api::Time;
use outwork_api::schedule::{Firing as WireFiring, Schedule as Wire};
use outwork_api::task::Failure;
use outwork_domain::Timestamp;
use outwork_domain::firing::{Activity, Asked, Cause, Firing, Refusal, State, TaskSchedule};
use outwork_domain::task::title;
use outwork_store::Names;

use super::task::person;

/// How many times are shown ahead.
const AHEAD: usize = 5;

pub(crate) fn wire(
    schedule: TaskSchedule,
    environment_label: Option<String>,
    names: &Names,
    now: Timestamp,
) -> Wire {
    let TaskSchedule {
        id,
        workspace_id: _,
        created_by,
        created_at,
        updated_at,
        timetable,
        asked,
        missed,
        overlap,
        pull_request,
        activity,
    } = schedule;
    let Asked {
        environment_id,
        prompt,
        branch,
        attempts,
        priority,
        kind,
    } = asked;
    let (state, first, paused_at, paused_reason) = match activity {
        Activity::Active { next_at } => ("active", Some(next_at), None, None),
        Activity::Paused { since, why } => ("paused", timetable.next_after(now), Some(since), why),
    };
    let times = std::iter::successors(first, |last| timetable.next_after(*last));
    Wire {
        id: id.to_string(),
        timetable: timetable.pattern().to_owned(),
        time_zone: timetable.zone().to_owned(),
        environment_id: environment_id.to_string(),
        environment_label,
        title: title(&prompt),
        prompt,
        branch,
        attempts,
        priority: priority.as_str().to_owned(),
        kind: kind.as_str().to_owned(),
        missed: missed.as_str().to_owned(),
        overlap: overlap.as_str().to_owned(),
        pull_request,
        state: state.to_owned(),
        paused_at: paused_at.map(Into::into),
        paused_reason,
        next_times: times.take(AHEAD).map(Time::from).collect(),
        last_firing: None,
        created_by: person(names, created_by),
        created_at: created_at.into(),
        updated_at: updated_at.into(),
    }
}

pub(crate) fn firing(firing: Firing, names: &Names) -> WireFiring {
    let state = firing.state.as_str().to_owned();
    let Firing {
        id,
        workspace_id: _,
        schedule_id,
        cause,
        planned_at,
        folded,
        made_at,
        deadline_at,
        epoch: _,
        tries: _,
        trouble,
        task_id,
        state: how_far,
    } = firing;
    let (mut reason, mut message, mut failure, mut ended) = (None, None, None, None);
    match how_far {
        State::Waiting { .. } | State::Following { .. } | State::Working { .. } => {
            message = trouble;
        }
        State::Started { note, ended_at } => {
            message = note;
            ended = Some(ended_at);
        }
        State::Skipped {
            reason: why,
            message: text,
            ended_at,
        } => {
            reason = Some(why.as_str().to_owned());
            message = Some(text);
            ended = Some(ended_at);
        }
        State::Refused {
            refusal:
                Refusal {
                    code,
                    message,
                    hint,
                },
            ended_at,
        } => {
            failure = Some(Failure {
                code,
                message,
                hint,
            });
            ended = Some(ended_at);
        }
    }
    WireFiring {
        id: id.to_string(),
        schedule_id: schedule_id.to_string(),
        by: match cause {
            Cause::Time => None,
            Cause::Person(by) => Some(person(names, by)),
        },
        planned_at: planned_at.into(),
        made_at: made_at.into(),
        missed_before: folded,
        state,
        task_id: task_id.map(|id| id.to_string()),
        reason,
        message,
        failure,
        deadline_at: ended.is_none().then(|| deadline_at.into()),
        ended_at: ended.map(Into::into),
    }
}
