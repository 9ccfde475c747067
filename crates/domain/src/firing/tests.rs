use uuid::Uuid;

use super::*;

fn at(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().expect("a time");
    Timestamp::from_millis(at.as_millisecond())
}

fn schedule(pattern: &str, missed: Missed, overlap: Overlap) -> TaskSchedule {
    let timetable = Timetable::parse(pattern, "Europe/Vienna").expect("a timetable");
    let made = at("2026-11-27T12:00:00Z");
    TaskSchedule {
        id: ScheduleId::from_uuid(Uuid::nil()),
        workspace_id: WorkspaceId::from_uuid(Uuid::nil()),
        created_by: PrincipalId::from_uuid(Uuid::nil()),
        created_at: made,
        updated_at: made,
        activity: Activity::Active {
            next_at: timetable.next_after(made).expect("one"),
        },
        timetable,
        asked: Asked {
            environment_id: EnvironmentId::from_uuid(Uuid::nil()),
            prompt: "p".to_owned(),
            branch: None,
            attempts: 1,
            priority: Priority::Normal,
            kind: TaskKind::Code,
        },
        missed,
        overlap,
        pull_request: false,
    }
}

#[test]
fn a_time_comes_once() {
    let schedule = schedule("0 7 * * 1-5", Missed::Skip, Overlap::Skip);
    assert_eq!(schedule.pass(at("2026-11-30T05:59:59.999Z")), None);
    let (after, due) = schedule.pass(at("2026-11-30T06:00:00Z")).expect("due");
    let expected = Due {
        planned_at: at("2026-11-30T06:00:00Z"),
        folded: 0,
        is_missed: false,
    };
    assert_eq!(due, expected);
    assert_eq!(after.pass(at("2026-11-30T06:00:00Z")), None);
    let next_at = at("2026-12-01T06:00:00Z");
    assert_eq!(after.activity, Activity::Active { next_at });
}

#[test]
fn times_that_passed_unseen_are_one() {
    for (missed, is_missed) in [(Missed::Skip, true), (Missed::Once, false)] {
        let schedule = schedule("0 7 * * *", missed, Overlap::Skip);
        // Three mornings without a server.
        let now = at("2026-11-30T09:00:00Z");
        let (after, due) = schedule.pass(now).expect("due");
        let expected = Due {
            planned_at: at("2026-11-30T06:00:00Z"),
            folded: 2,
            is_missed,
        };
        assert_eq!(due, expected);
        assert_eq!(after.pass(now), None);
    }
    // A restart of some minutes is nothing missed.
    let schedule = schedule("0 7 * * *", Missed::Skip, Overlap::Skip);
    let (_, due) = schedule.pass(at("2026-11-28T06:10:00Z")).expect("due");
    assert!(!due.is_missed);
}

#[test]
fn a_paused_one_has_no_times() {
    let mut schedule = schedule("* * * * *", Missed::Once, Overlap::Allow);
    schedule.activity = Activity::Paused {
        since: at("2026-11-28T00:00:00Z"),
        why: None,
    };
    assert_eq!(schedule.pass(at("2026-12-01T00:00:00Z")), None);
}

fn firing() -> Firing {
    let now = at("2026-11-30T06:00:00Z");
    Firing {
        id: FiringId::from_uuid(Uuid::nil()),
        workspace_id: WorkspaceId::from_uuid(Uuid::nil()),
        schedule_id: ScheduleId::from_uuid(Uuid::nil()),
        cause: Cause::Time,
        planned_at: now,
        folded: 0,
        made_at: now,
        deadline_at: now + DEADLINE,
        epoch: Epoch::ZERO,
        tries: 0,
        trouble: None,
        task_id: None,
        state: State::Waiting { due_at: now },
    }
}

#[test]
fn only_the_newest_claim_moves_it_on() {
    let now = at("2026-11-30T06:00:00Z");
    let task_id = TaskId::from_uuid(Uuid::from_u128(1));
    let start = Command::Start {
        task_id,
        follow: false,
    };
    let first = firing().apply(Command::Claim, Epoch::ZERO, now);
    let first = first.expect("it is due");
    let early = first.clone().apply(Command::Claim, Epoch::ZERO, now);
    assert_eq!(early, Err(NotObeyed::NotDue));
    let second = first
        .clone()
        .apply(Command::Claim, Epoch::ZERO, now + LEASE);
    let second = second.expect("its server is gone");
    let stale = second
        .clone()
        .apply(start.clone(), first.epoch, now + LEASE);
    assert_eq!(stale, Err(NotObeyed::Stale));
    let ended = second
        .clone()
        .apply(start.clone(), second.epoch, now + LEASE);
    let ended = ended.expect("it has it");
    assert_eq!((ended.due_at(), ended.task_id), (None, Some(task_id)));
    let again = ended.apply(start, second.epoch, now + LEASE);
    assert_eq!(again, Err(NotObeyed::Ended));
}

#[test]
fn what_is_put_off_is_looked_at_by_its_deadline() {
    let now = at("2026-11-30T06:00:00Z");
    let held = firing().apply(Command::Claim, Epoch::ZERO, now);
    let held = held.expect("it is due");
    let epoch = held.epoch;
    let put_off = Command::PutOff {
        trouble: Some("It is down.".to_owned()),
        wait: 2 * DEADLINE,
    };
    let waiting = held.clone().apply(put_off, epoch, now).expect("it has it");
    assert_eq!((waiting.due_at(), waiting.tries), (Some(now + DEADLINE), 1));
    let start = Command::Start {
        task_id: TaskId::from_uuid(Uuid::nil()),
        follow: true,
    };
    let following = held.apply(start, epoch, now).expect("it has it");
    assert_eq!(following.state, State::Following { due_at: now });
    let held = following.apply(Command::Claim, Epoch::ZERO, now);
    let held = held.expect("it is due");
    let put_off = Command::PutOff {
        trouble: None,
        wait: Duration::from_secs(5),
    };
    let epoch = held.epoch;
    let again = held.apply(put_off, epoch, now).expect("it has it");
    assert!(matches!(again.state, State::Following { .. }), "{again:?}");
}
