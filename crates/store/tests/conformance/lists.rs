//! Lists of tasks.

use outwork_domain::task::TaskKind;
use outwork_store::{Paged, StoreError, TaskFilter, TaskRecord};

use crate::bed::{Bed, at};

async fn page(bed: &Bed, limit: u32, cursor: Option<&str>) -> Paged<TaskRecord> {
    let filter = TaskFilter::default();
    bed.store
        .tasks(bed.workspace, filter, limit, cursor)
        .await
        .expect("listing works")
}

/// All tasks, in pages of `limit`.
pub(crate) async fn all(bed: &Bed, limit: u32) -> Vec<TaskRecord> {
    let mut tasks = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let part = page(bed, limit, cursor.as_deref()).await;
        tasks.extend(part.items);
        match part.next_cursor {
            Some(next) => cursor = Some(next),
            None => return tasks,
        }
    }
}

async fn a_list_is_newest_first_and_stable_while_tasks_come(bed: Bed) {
    let mut submitted = Vec::new();
    // Several at one time, so that the id has to decide.
    for number in 0..9 {
        submitted.push(bed.submit(1, at(number / 3)).await.task.id);
    }
    submitted.reverse();
    let first = page(&bed, 4, None).await;
    bed.submit(1, at(100)).await;
    let cursor = first.next_cursor.clone().expect("there is more");
    assert!(
        cursor
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    );
    let second = page(&bed, 4, Some(&cursor)).await;
    bed.submit(1, at(101)).await;
    let third = page(&bed, 4, second.next_cursor.as_deref()).await;
    assert_eq!(third.next_cursor, None);
    let listed: Vec<_> = [first, second, third]
        .into_iter()
        .flat_map(|page| page.items)
        .map(|record| record.task.id)
        .collect();
    assert_eq!(listed, submitted);
    assert_eq!(
        page(&bed, 11, None).await.next_cursor,
        None,
        "exactly all fit"
    );
    for cursor in [
        "",
        "x",
        "1.x",
        "x.task_00000000000000000000000000000001",
        "1",
    ] {
        let filter = TaskFilter::default();
        let refused = bed
            .store
            .tasks(bed.workspace, filter, 4, Some(cursor))
            .await;
        assert!(
            matches!(refused, Err(StoreError::BadCursor)),
            "{cursor}: {refused:?}"
        );
    }
}

async fn a_list_has_the_newest_turn_and_can_be_of_one_environment(bed: Bed) {
    let other = Bed {
        environment: bed.new_environment("other"),
        ..bed.clone()
    };
    bed.store
        .insert_environment(&other.environment, Vec::new())
        .await
        .expect("new");
    let elsewhere = other.submit(1, at(0)).await.task.id;
    let task = bed.submit(2, at(1)).await.task.id;
    bed.store
        .cancel_task(bed.workspace, task, at(2))
        .await
        .expect("queued");
    let turn = bed.turn(task, 2, at(3));
    let attempts = bed.attempts(&turn, 1, at(3));
    bed.store
        .add_turn(bed.workspace, turn.clone(), attempts.clone(), None)
        .await
        .expect("ended");
    let listed = all(&bed, 1).await;
    let ids: Vec<_> = listed.iter().map(|record| record.task.id).collect();
    assert_eq!(ids, [task, elsewhere]);
    assert_eq!(listed[0].turns.len(), 1);
    assert_eq!(listed[0].turns[0].turn, turn);
    assert_eq!(listed[0].turns[0].attempts[0].attempt, attempts[0]);
    assert_eq!(listed[1].environment_label, "other");
    let filter = TaskFilter {
        environment: Some(other.environment.id),
        kind: None,
    };
    let of_other = bed
        .store
        .tasks(bed.workspace, filter, 10, None)
        .await
        .expect("works");
    let ids: Vec<_> = of_other.items.iter().map(|record| record.task.id).collect();
    assert_eq!(ids, [elsewhere]);
}

async fn a_list_can_be_of_one_kind(bed: Bed) {
    let other = Bed {
        environment: bed.new_environment("other"),
        ..bed.clone()
    };
    bed.store
        .insert_environment(&other.environment, Vec::new())
        .await
        .expect("new");
    let mut reviews = Vec::new();
    let submit = async |bed: &Bed, kind, now| {
        let mut submission = bed.submission(1, at(now));
        submission.task.kind = kind;
        let id = submission.task.id;
        bed.store.submit(submission, None).await.expect("it is new");
        id
    };
    let code = submit(&bed, TaskKind::Code, 0).await;
    reviews.push(submit(&bed, TaskKind::Review, 1).await);
    reviews.push(submit(&other, TaskKind::Review, 2).await);
    let read = bed.record(reviews[0]).await;
    assert_eq!(read.task.kind, TaskKind::Review);
    let listed = async |environment: Option<&Bed>, kind| {
        let filter = TaskFilter {
            environment: environment.map(|bed| bed.environment.id),
            kind,
        };
        let mut found = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = bed.store.tasks(bed.workspace, filter, 1, cursor.as_deref());
            let page = page.await.expect("works");
            found.extend(page.items.iter().map(|record| record.task.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return found;
            }
        }
    };
    let (review, elsewhere) = (reviews[0], reviews[1]);
    for (environment, kind, expected) in [
        (None, None, vec![elsewhere, review, code]),
        (None, Some(TaskKind::Code), vec![code]),
        (None, Some(TaskKind::Review), vec![elsewhere, review]),
        (Some(&bed), None, vec![review, code]),
        (Some(&bed), Some(TaskKind::Code), vec![code]),
        (Some(&bed), Some(TaskKind::Review), vec![review]),
        (Some(&other), Some(TaskKind::Code), vec![]),
    ] {
        assert_eq!(listed(environment, kind).await, expected, "{kind:?}");
    }
}

on_both!(
    a_list_can_be_of_one_kind,
    a_list_is_newest_first_and_stable_while_tasks_come,
    a_list_has_the_newest_turn_and_can_be_of_one_environment,
);
