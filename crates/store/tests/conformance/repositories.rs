//! Tasks on several repositories, and the diffs of each.

use outwork_domain::attempt::Outcome;
use outwork_domain::task::FurtherBase;
use outwork_domain::{Epoch, ObjectKey};
use outwork_store::{AttemptResult, DiffStat, FurtherDiff, StoredDiff, Submission, TaskFilter};

use crate::bed::{Bed, at, result};
use crate::past_the_store::execute;

fn base(name: &str, branch: Option<&str>) -> FurtherBase {
    FurtherBase {
        name: name.into(),
        url: format!("/srv/{name}"),
        branch: branch.map(str::to_owned),
        commit: "4567cdef".into(),
    }
}

/// On three repositories; the names are not in the order of letters.
fn on_three(bed: &Bed) -> Submission {
    let mut submission = bed.submission(2, at(0));
    submission.task.base.further = vec![base("web", Some("main")), base("docs", None)];
    submission.repository = "first".into();
    submission
}

fn diff(result: &AttemptResult, name: &str, number: u64) -> FurtherDiff {
    let attempt = result.diff.as_ref().expect("it has one").key.as_str();
    FurtherDiff {
        repository: name.into(),
        diff: StoredDiff {
            key: ObjectKey::from_stored(format!("{attempt}/{name}")),
            stat: DiffStat {
                files_changed: number,
                lines_added: number,
                lines_removed: 0,
            },
            size_bytes: number,
        },
    }
}

async fn further_repositories_are_read_in_their_order(bed: Bed) {
    let submission = on_three(&bed);
    let alone = bed.submission(1, at(1));
    for submission in [&submission, &alone] {
        bed.store
            .submit(submission.clone(), None)
            .await
            .expect("works");
    }
    let record = bed.record(submission.task.id).await;
    assert_eq!(record.task, submission.task);
    assert_eq!(record.repository, "first");
    let listed = bed
        .store
        .tasks(bed.workspace, TaskFilter::default(), 9, None)
        .await;
    let listed = listed.expect("works").items;
    let tasks: Vec<_> = listed.iter().map(|record| &record.task).collect();
    assert_eq!(tasks, [&alone.task, &submission.task]);
    let claimed = bed.claim_many(bed.worker(), 9, at(2)).await;
    for claimed in &claimed {
        let of = [&submission, &alone]
            .into_iter()
            .find(|submission| submission.task.id == claimed.task.id)
            .expect("one of the two");
        assert_eq!(claimed.task.base, of.task.base);
        assert_eq!(claimed.repository, of.repository);
    }
    assert_eq!(claimed.len(), 3);
}

async fn each_diff_is_kept_and_the_newest_result_replaces_all(bed: Bed) {
    let submission = on_three(&bed);
    bed.store
        .submit(submission.clone(), None)
        .await
        .expect("works");
    let held = bed.claim(bed.worker(), at(1)).await.attempt;
    let finish = async |epoch: Epoch, result: AttemptResult, outcome: Outcome| {
        bed.store
            .finish(bed.workspace, held.id, epoch, outcome, result, 0, at(2))
            .await
            .expect("held");
    };
    let asking = Outcome::AwaitingInput {
        question: "why?".into(),
    };
    let mut first = result(&held);
    first.further_diffs = vec![diff(&first, "web", 1), diff(&first, "docs", 2)];
    finish(held.epoch, first.clone(), asking).await;
    let read = async || {
        let record = bed.store.attempt(bed.workspace, held.id).await;
        let record = record.expect("works").expect("there");
        assert_eq!(record.repository, "first");
        let whole = bed.record(submission.task.id).await;
        let attempts = &whole.turns[0].attempts;
        let found = attempts.iter().find(|found| found.attempt.id == held.id);
        assert_eq!(found, Some(&record));
        let others = attempts.iter().filter(|other| other.result.is_some());
        assert_eq!(others.count(), 1);
        record.result.expect("one was handed in")
    };
    assert_eq!(read().await, first);
    let requeue = "UPDATE attempts SET state = 'queued', question = NULL, visible_at = 0 \
                   WHERE state = 'awaiting_input'";
    execute(&bed.place, requeue.into()).await.expect("one row");
    let again = bed.claim(bed.worker(), at(3)).await.attempt;
    assert_eq!(again.id, held.id);
    let mut second = result(&again);
    second.diff = None;
    second.further_diffs = vec![diff(&first, "docs", 7)];
    finish(again.epoch, second.clone(), Outcome::Succeeded).await;
    assert_eq!(read().await, second);
}

/// Tasks from before there were several repositories have no name for theirs.
async fn an_older_task_is_on_the_repository_that_its_environment_names(bed: Bed) {
    let submission = bed.submit(1, at(0)).await;
    let forget = "UPDATE tasks SET repository_name = NULL";
    execute(&bed.place, forget.into()).await.expect("one row");
    let (task, attempt) = (submission.task.id, submission.attempts[0].id);
    assert_eq!(bed.record(task).await.repository, "repository");
    let read = bed.store.attempt(bed.workspace, attempt).await;
    let read = read.expect("works").expect("there");
    assert_eq!(read.repository, "repository");
    let claimed = bed.claim(bed.worker(), at(1)).await;
    assert_eq!(claimed.repository, "repository");
}

on_both!(
    further_repositories_are_read_in_their_order,
    each_diff_is_kept_and_the_newest_result_replaces_all,
    an_older_task_is_on_the_repository_that_its_environment_names,
);
