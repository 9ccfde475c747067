//! Schedules: each time is made once, of a schedule one firing is held at a time, and none waits for ever.

use std::time::Duration;

use outwork_domain::firing::{
    Activity, Asked, Cause, Command, DEADLINE, Firing, LEASE, LONG_DEADLINE, Missed, NotObeyed,
    Overlap, SkipReason, State, TaskSchedule,
};
use outwork_domain::task::TaskKind;
use outwork_domain::timetable::Timetable;
use outwork_domain::{Epoch, FiringId, Priority, ScheduleId, Timestamp};
use outwork_store::{Fired, Scheduled, Store, StoreError};
use tokio::task::JoinSet;

use crate::bed::{Bed, at};
use crate::past_the_store::execute;

/// `at(0)` is 2023-11-14T22:13:20Z; the first full minute after it.
const MINUTE: i64 = 40_000;

impl Bed {
    fn schedule(&self, pattern: &str) -> TaskSchedule {
        let timetable = Timetable::parse(pattern, "UTC").expect("a timetable");
        TaskSchedule {
            id: ScheduleId::from_uuid(self.uuid()),
            workspace_id: self.workspace,
            created_by: self.principal,
            created_at: at(0),
            updated_at: at(0),
            activity: Activity::Active {
                next_at: timetable.next_after(at(0)).expect("one"),
            },
            timetable,
            asked: Asked {
                environment_id: self.environment.id,
                prompt: "tidy up".to_owned(),
                branch: Some("main".to_owned()),
                attempts: 2,
                priority: Priority::Low,
                kind: TaskKind::Review,
            },
            missed: Missed::Skip,
            overlap: Overlap::Skip,
            pull_request: true,
        }
    }

    async fn added(&self, schedule: &TaskSchedule) {
        let added = self.store.add_schedule(schedule.clone(), None).await;
        assert_eq!(added.expect("it is kept"), Scheduled::New);
    }

    async fn kept(&self, id: ScheduleId) -> TaskSchedule {
        let found = self.store.schedule(self.workspace, id).await;
        found.expect("works").expect("it is there")
    }

    async fn fire(&self, now: Timestamp) -> usize {
        let ids = (0..5).map(|_| FiringId::from_uuid(self.uuid())).collect();
        self.store.fire_schedules(ids, now).await.expect("works")
    }

    /// The newest first.
    async fn history(&self, id: ScheduleId) -> Vec<Firing> {
        let page = self.store.firings(self.workspace, id, 100, None).await;
        page.expect("works").items
    }

    async fn claim_firing(&self, now: Timestamp) -> Option<Firing> {
        self.store.claim_firing(now).await.expect("works")
    }
}

async fn moved(store: &Store, firing: &Firing, command: Command, now: Timestamp) -> Firing {
    let moved = store.move_firing(firing.id, command, firing.epoch, now);
    moved.await.expect("it has it")
}

async fn a_schedule_is_kept_as_it_is(bed: Bed) {
    let schedule = bed.schedule("*/5 9-17 * * MON-FRI");
    let request = |body: u8| Some(("key".to_owned(), [body; 32]));
    let made = bed.store.add_schedule(schedule.clone(), request(1)).await;
    assert_eq!(made.expect("new"), Scheduled::New);
    assert_eq!(bed.kept(schedule.id).await, schedule);
    let again = bed.schedule("@daily");
    let replayed = bed.store.add_schedule(again.clone(), request(1)).await;
    let before = Scheduled::Before(Box::new(schedule.clone()));
    assert_eq!(replayed.expect("known"), before);
    let other = bed.store.add_schedule(again, request(2)).await;
    assert!(
        matches!(other, Err(StoreError::IdempotencyMismatch)),
        "{other:?}"
    );
    let mut elsewhere = bed.schedule("@daily");
    elsewhere.asked.environment_id = outwork_domain::EnvironmentId::from_uuid(bed.uuid());
    let refused = bed.store.add_schedule(elsewhere, None).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownEnvironment)),
        "{refused:?}"
    );
    let stranger = bed.other_workspace().await;
    let foreign = stranger.store.schedule(stranger.workspace, schedule.id);
    assert_eq!(foreign.await.expect("works"), None);
    let foreign = stranger
        .store
        .delete_schedule(stranger.workspace, schedule.id);
    let foreign = foreign.await;
    assert!(matches!(foreign, Err(StoreError::NotFound)), "{foreign:?}");
    assert_eq!(
        bed.store.schedules(bed.workspace).await.expect("works"),
        [schedule]
    );
}

async fn a_change_is_of_what_was_read(bed: Bed) {
    let before = bed.schedule("* * * * *");
    bed.added(&before).await;
    let mut after = before.clone();
    after.asked.prompt = "tidy up well".to_owned();
    after.updated_at = at(5);
    // A time that came in between is no change.
    assert_eq!(bed.fire(at(MINUTE)).await, 1);
    let changed = bed.store.change_schedule(before.clone(), after.clone());
    changed.await.expect("nobody else changed it");
    let kept = bed.kept(before.id).await;
    let next_at = at(MINUTE) + Duration::from_secs(60);
    let expected = TaskSchedule {
        activity: Activity::Active { next_at },
        ..after
    };
    assert_eq!(kept, expected, "and the time that came is not made anew");
    let stale = bed.store.change_schedule(before.clone(), before.clone());
    let stale = stale.await;
    assert!(
        matches!(stale, Err(StoreError::RevisionMismatch)),
        "{stale:?}"
    );
    let why = "The environment was deleted.".to_owned();
    let halted = bed.store.halt_schedule(before.id, why.clone(), at(MINUTE));
    halted.await.expect("works");
    let since = at(MINUTE);
    let paused = Activity::Paused {
        since,
        why: Some(why),
    };
    assert_eq!(bed.kept(before.id).await.activity, paused);
    let stale = bed.store.change_schedule(kept.clone(), kept).await;
    assert!(
        matches!(stale, Err(StoreError::RevisionMismatch)),
        "a pause is a change: {stale:?}"
    );
    assert_eq!(bed.fire(at(600_000)).await, 0);
}

async fn each_time_is_made_once(bed: Bed) {
    let schedule = bed.schedule("* * * * *");
    bed.added(&schedule).await;
    assert_eq!(bed.fire(at(MINUTE - 1)).await, 0);
    let mut servers = JoinSet::new();
    for _ in 0..8 {
        let bed = bed.clone();
        servers.spawn(async move { bed.fire(at(MINUTE)).await });
    }
    let made: usize = servers.join_all().await.into_iter().sum();
    assert_eq!(made, 1);
    let history = bed.history(schedule.id).await;
    let [firing] = &history[..] else {
        panic!("{history:?}");
    };
    let expected = Firing {
        id: firing.id,
        workspace_id: bed.workspace,
        schedule_id: schedule.id,
        cause: Cause::Time,
        planned_at: at(MINUTE),
        folded: 0,
        made_at: at(MINUTE),
        deadline_at: at(MINUTE) + DEADLINE,
        epoch: Epoch::ZERO,
        tries: 0,
        trouble: None,
        task_id: None,
        state: State::Waiting { due_at: at(MINUTE) },
    };
    assert_eq!(*firing, expected);
    // The database holds to it, too.
    let twice = "INSERT INTO firings SELECT 'fir_00000000000000000000000000000009', schedule_id, workspace_id, person_id, \
         request_key, planned_at, folded, made_at, deadline_at, epoch, tries, trouble, task_id, state, due_at, ended_at, \
         code, message, hint FROM firings";
    assert!(execute(&bed.place, twice.into()).await.is_err());
}

async fn what_passed_unseen_is_in_the_history_once(bed: Bed) {
    let skips = bed.schedule("* * * * *");
    let mut makes_up = bed.schedule("* * * * *");
    makes_up.missed = Missed::Once;
    let mut daily = bed.schedule("0 0 * * *");
    daily.missed = Missed::Skip;
    for schedule in [&skips, &makes_up, &daily] {
        bed.added(schedule).await;
    }
    // Half an hour after midnight.
    let midnight: i64 = 6_400_000;
    let now = at(midnight + 30 * 60_000 + 500);
    assert_eq!(bed.fire(now).await, 3);
    let of = async |schedule: &TaskSchedule| {
        let mut history = bed.history(schedule.id).await;
        assert_eq!(history.len(), 1, "{history:?}");
        history.remove(0)
    };
    let last = of(&skips).await;
    assert_eq!(last.folded, 136, "one of these is made");
    assert_eq!(last.planned_at, at(midnight + 30 * 60_000));
    assert!(matches!(last.state, State::Waiting { .. }), "{last:?}");
    let last = of(&makes_up).await;
    assert_eq!(last.deadline_at, now + LONG_DEADLINE);
    let missed = of(&daily).await;
    assert_eq!(missed.planned_at, at(midnight));
    let State::Skipped { reason, .. } = missed.state else {
        panic!("{missed:?}");
    };
    assert_eq!(reason, SkipReason::Missed);
}

async fn of_a_schedule_one_is_held(bed: Bed) {
    let schedule = bed.schedule("* * * * *");
    let other = bed.schedule("* * * * *");
    bed.added(&schedule).await;
    bed.added(&other).await;
    bed.fire(at(MINUTE)).await;
    let by_hand = Firing {
        id: FiringId::from_uuid(bed.uuid()),
        cause: Cause::Person(bed.principal),
        ..bed.history(schedule.id).await.remove(0)
    };
    let request = || Some("key".to_owned());
    let fired = bed.store.add_firing(by_hand.clone(), request()).await;
    assert_eq!(fired.expect("kept"), Fired::New);
    let again = Firing {
        id: FiringId::from_uuid(bed.uuid()),
        ..by_hand.clone()
    };
    let fired = bed.store.add_firing(again, request()).await;
    let before = Fired::Before(Box::new(by_hand));
    assert_eq!(fired.expect("known"), before);
    let mut servers = JoinSet::new();
    for _ in 0..8 {
        let store = bed.store.clone();
        servers.spawn(async move { store.claim_firing(at(MINUTE)).await.expect("works") });
    }
    let mut held: Vec<Firing> = servers.join_all().await.into_iter().flatten().collect();
    while let Some(firing) = bed.claim_firing(at(MINUTE)).await {
        held.push(firing);
    }
    held.sort_by_key(|firing| firing.schedule_id);
    let of: Vec<ScheduleId> = held.iter().map(|firing| firing.schedule_id).collect();
    assert_eq!(of, [schedule.id, other.id], "three were due");
    // Once it has ended it is the other's turn.
    let first = &held[0];
    let skip = Command::Skip {
        reason: SkipReason::Overlap,
        message: "It runs.".to_owned(),
    };
    let ended = moved(&bed.store, first, skip.clone(), at(MINUTE + 5)).await;
    let found = bed.store.firing(bed.workspace, first.id).await;
    assert_eq!(found.expect("works"), Some(ended));
    let next = bed.claim_firing(at(MINUTE + 5)).await.expect("one is due");
    assert_eq!(next.schedule_id, schedule.id);
    assert_ne!(next.id, first.id);
    // A server that is gone gives way, and is not heard any more.
    let late = at(MINUTE + 5) + LEASE;
    let found = [bed.claim_firing(late).await, bed.claim_firing(late).await];
    let mut taken = found.into_iter().flatten();
    let taken = taken.rfind(|firing| firing.id == next.id);
    let taken = taken.expect("its lease ran out");
    let stale = bed.store.move_firing(next.id, skip, next.epoch, late).await;
    assert!(
        matches!(stale, Err(StoreError::Firing(NotObeyed::Stale))),
        "{stale:?}"
    );
    let submission = bed.submit(1, late).await;
    let start = Command::Start {
        task_id: submission.task.id,
        follow: true,
    };
    let following = moved(&bed.store, &taken, start, late).await;
    assert_eq!(following.state, State::Following { due_at: late });
    let running = bed.store.running_task(schedule.id, first.id).await;
    assert_eq!(running.expect("works"), Some(submission.task.id));
    let own = bed.store.running_task(schedule.id, taken.id).await;
    assert_eq!(own.expect("works"), None, "its own task");
    bed.store.release_firings(late).await.expect("works");
}

async fn of_those_that_queue_one_waits(bed: Bed) {
    let mut schedule = bed.schedule("* * * * *");
    schedule.overlap = Overlap::Queue;
    bed.added(&schedule).await;
    for minute in 0..3 {
        assert_eq!(bed.fire(at(MINUTE + minute * 60_000)).await, 1);
    }
    let history = bed.history(schedule.id).await;
    let waiting = |firing: &Firing| matches!(firing.state, State::Waiting { .. });
    let waits: Vec<bool> = history.iter().map(waiting).collect();
    assert_eq!(waits, [false, false, true], "the newest first: {history:?}");
    let page = bed.store.firings(bed.workspace, schedule.id, 2, None).await;
    let page = page.expect("works");
    assert_eq!(page.items, history[..2]);
    let cursor = page.next_cursor.expect("there is more");
    let rest = bed
        .store
        .firings(bed.workspace, schedule.id, 2, Some(&cursor));
    assert_eq!(rest.await.expect("works").items, history[2..]);
    bed.store
        .delete_schedule(bed.workspace, schedule.id)
        .await
        .expect("it is there");
    assert_eq!(bed.history(schedule.id).await, []);
    assert_eq!(bed.claim_firing(at(600_000)).await, None);
}

async fn five_hundred_are_kept(bed: Bed) {
    let schedule = bed.schedule("* * * * *");
    bed.added(&schedule).await;
    for minute in 0..503 {
        let now = at(MINUTE + minute * 60_000);
        bed.fire(now).await;
        if minute == 0 {
            continue;
        }
        let waits = bed.claim_firing(now).await;
        if let Some(firing) = waits {
            let message = "It runs.".to_owned();
            let reason = SkipReason::Overlap;
            moved(&bed.store, &firing, Command::Skip { reason, message }, now).await;
        }
    }
    let page = bed.store.firings(bed.workspace, schedule.id, 1000, None);
    let kept = page.await.expect("works").items;
    assert!((500..=502).contains(&kept.len()), "{}", kept.len());
}

on_both!(
    a_schedule_is_kept_as_it_is,
    a_change_is_of_what_was_read,
    each_time_is_made_once,
    what_passed_unseen_is_in_the_history_once,
    of_a_schedule_one_is_held,
    of_those_that_queue_one_waits,
    five_hundred_are_kept,
);
