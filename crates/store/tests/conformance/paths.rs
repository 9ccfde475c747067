//! Which open tasks are about the same files: what is named, what was changed, and who does not count.

use std::time::Duration;

use outwork_domain::attempt::Outcome;
use outwork_domain::overlap::{Certainty, OPEN_FOR, SHOWN};
use outwork_domain::publication::{
    Asked, Command as Publishing, DEADLINE, Publication, PullRequest, State,
};
use outwork_domain::{Epoch, PublicationId, TaskId};
use outwork_store::{
    Claimed, HandedIn, Intent, NewPublication, Overlap, StoreError, Submission, Touched,
};

use crate::bed::{Bed, at, result};

impl Bed {
    /// A task with that prompt, which declares these paths.
    async fn asked(&self, prompt: &str, paths: &[&str], now: i64) -> Submission {
        let mut submission = self.submission(1, at(now));
        submission.turn.prompt = prompt.into();
        submission.paths = owned(paths);
        let stored = self.store.submit(submission.clone(), None).await;
        stored.expect("it is taken");
        submission
    }

    /// A task whose one attempt is held by a worker.
    async fn begun(&self, prompt: &str, now: i64) -> Claimed {
        self.asked(prompt, &[], now).await;
        self.claim(self.worker(), at(now)).await
    }

    /// A task whose attempt ended and has changed these.
    async fn ended(&self, paths: &[&str], now: i64) -> Claimed {
        let claimed = self.begun("do it", now).await;
        self.finish(&claimed, paths, Outcome::Succeeded, now).await;
        claimed
    }

    async fn finish(&self, claimed: &Claimed, paths: &[&str], outcome: Outcome, now: i64) {
        let attempt = &claimed.attempt;
        let handed_in = HandedIn {
            result: result(attempt),
            touched: vec![touched(None, paths)],
        };
        let (id, epoch) = (attempt.id, attempt.epoch);
        let done = self
            .store
            .finish(self.workspace, id, epoch, outcome, handed_in, 0, at(now));
        done.await.expect("held");
    }

    async fn shares(&self, task: TaskId, now: i64) -> Vec<Overlap> {
        let since = at(now) - OPEN_FOR;
        let found = self.store.overlaps(self.workspace, task, since).await;
        let found = found.expect("works");
        // A list says the same.
        let counts = self
            .store
            .overlap_counts(self.workspace, [task].into_iter(), since)
            .await
            .expect("works");
        let count = counts.get(&task).copied().unwrap_or(0);
        assert_eq!(count as usize, found.len());
        found
    }

    async fn would_share(&self, paths: &[&str], branch: Option<&str>) -> Vec<TaskId> {
        let intent = Intent {
            repository: "file:///srv/repository/".to_owned(),
            branch: branch.map(str::to_owned),
            paths: owned(paths),
        };
        let found = self
            .store
            .overlaps_of_intent(self.workspace, &intent, at(0) - OPEN_FOR);
        let found = found.await.expect("works");
        let mut ids: Vec<_> = found.iter().map(|overlap| overlap.task_id).collect();
        ids.sort();
        ids
    }
}

fn owned(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

fn touched(repository: Option<&str>, paths: &[&str]) -> Touched {
    Touched {
        repository: repository.map(str::to_owned),
        paths: owned(paths),
    }
}

fn overlap(task_id: TaskId, paths: &[&str], certainty: Certainty) -> Overlap {
    Overlap {
        task_id,
        paths: owned(paths),
        path_count: paths.len() as u64,
        certainty,
    }
}

async fn what_is_named_meets(bed: Bed) {
    let named = bed.asked("fix src/a.rs and src/b.rs", &[], 0).await.task.id;
    let folder = bed.asked("tidy up", &["src"], 0).await.task.id;
    let bare = bed.asked("what does b.rs do?", &[], 0).await.task.id;
    let apart = bed
        .asked("srcs/a.rs is another, as src.rs", &[], 0)
        .await
        .task
        .id;
    let both = [
        overlap(folder, &["src/a.rs", "src/b.rs"], Certainty::Named),
        overlap(bare, &["src/b.rs"], Certainty::Named),
    ];
    assert_eq!(bed.shares(named, 0).await, both);
    let with_folder = [overlap(named, &["src/a.rs", "src/b.rs"], Certainty::Named)];
    assert_eq!(bed.shares(folder, 0).await, with_folder);
    let with_bare = [overlap(named, &["src/b.rs"], Certainty::Named)];
    assert_eq!(bed.shares(bare, 0).await, with_bare);
    assert_eq!(bed.shares(apart, 0).await, []);
    // The same before there is a task.
    assert_eq!(bed.would_share(&["src/a.rs"], None).await, [named, folder]);
    assert_eq!(bed.would_share(&["b.rs"], None).await, [named, bare]);
    assert_eq!(bed.would_share(&["src/sub/x"], None).await, [folder]);
    assert_eq!(bed.would_share(&["doc"], None).await, []);
    assert_eq!(bed.would_share(&["a_%'\"ü"], None).await, []);
    let elsewhere = Intent {
        repository: "/srv/other".to_owned(),
        branch: None,
        paths: owned(&["src/a.rs"]),
    };
    let found = bed
        .store
        .overlaps_of_intent(bed.workspace, &elsewhere, at(0));
    assert_eq!(found.await.expect("works"), []);
    let stranger = bed.other_workspace().await;
    assert_eq!(stranger.would_share(&["src/a.rs"], None).await, []);
    assert_eq!(stranger.shares(named, 0).await, []);
}

async fn what_was_changed_counts(bed: Bed) {
    let first = bed.begun("fix src/named.rs", 0).await;
    let second = bed.begun("fix it", 0).await;
    let (one, other) = (first.task.id, second.task.id);
    assert_eq!(bed.shares(one, 0).await, []);
    // What it had done by a checkpoint.
    let checkpoint = async |paths: &[&str]| {
        let handed_in = HandedIn {
            result: result(&first.attempt),
            touched: vec![touched(None, paths)],
        };
        let id = first.attempt.id;
        let kept = bed.store.checkpoint(bed.workspace, id, handed_in, at(1));
        kept.await.expect("held");
    };
    checkpoint(&["src/x.rs", "src/y.rs"]).await;
    bed.finish(
        &second,
        &["src/x.rs", "src/named.rs"],
        Outcome::Succeeded,
        2,
    )
    .await;
    let seen = [overlap(
        one,
        &["src/named.rs", "src/x.rs"],
        Certainty::Touched,
    )];
    assert_eq!(bed.shares(other, 3).await, seen);
    // The next replaces it.
    checkpoint(&["src/y.rs"]).await;
    let seen = [overlap(one, &["src/named.rs"], Certainty::Named)];
    assert_eq!(bed.shares(other, 3).await, seen);
    let back = [overlap(other, &["src/named.rs"], Certainty::Touched)];
    assert_eq!(bed.shares(one, 3).await, back);
    // It did not touch what was named.
    bed.finish(&first, &["src/y.rs"], Outcome::Succeeded, 4)
        .await;
    assert_eq!(bed.shares(one, 5).await, []);
    assert_eq!(bed.would_share(&["src/named.rs"], None).await, [other]);
    assert_eq!(bed.would_share(&["src"], None).await, [one, other]);
}

async fn a_turn_goes_on_from_what_was_done(bed: Bed) {
    let first = bed.ended(&["a", "b"], 0).await;
    let other = bed.ended(&["a", "c"], 0).await.task.id;
    let task = first.task.id;
    let turn = bed.turn(task, 2, at(10));
    let attempts = bed.attempts(&turn, 2, at(10));
    bed.store
        .add_turn(bed.workspace, turn, attempts, None)
        .await
        .expect("ended");
    // Until it has done something, what was done before holds.
    let seen = [overlap(other, &["a"], Certainty::Touched)];
    assert_eq!(bed.shares(task, 11).await, seen);
    let claims = bed.claim_many(bed.worker(), 2, at(11)).await;
    bed.finish(&claims[0], &["c"], Outcome::Succeeded, 12).await;
    let seen = [overlap(other, &["c"], Certainty::Touched)];
    assert_eq!(bed.shares(task, 13).await, seen);
    bed.finish(&claims[1], &["a"], Outcome::Succeeded, 12).await;
    let seen = [overlap(other, &["a", "c"], Certainty::Touched)];
    assert_eq!(bed.shares(task, 13).await, seen);
}

async fn who_is_done_does_not_count(bed: Bed) {
    let task = bed.ended(&["a"], 0).await.task.id;
    let other = bed.ended(&["a"], 0).await;
    let id = other.task.id;
    let seen = [overlap(id, &["a"], Certainty::Touched)];
    assert_eq!(bed.shares(task, 1).await, seen);
    // Of another branch.
    assert_eq!(bed.would_share(&["a"], Some("main")).await, [task, id]);
    assert_eq!(bed.would_share(&["a"], Some("old")).await, []);
    // Stopped.
    let stopped = bed.begun("do it", 0).await;
    bed.finish(&stopped, &["a"], Outcome::Cancelled, 1).await;
    assert_eq!(bed.shares(task, 1).await, seen);
    // Dismissed, and not any more.
    let stranger = bed.other_workspace().await;
    let by = Some(bed.principal);
    let foreign = stranger
        .store
        .set_dismissed(stranger.workspace, id, by, at(2));
    assert!(matches!(foreign.await, Err(StoreError::NotFound)));
    let dismiss = async |by, now| {
        let set = bed
            .store
            .set_dismissed(bed.workspace, id, by, at(now))
            .await;
        set.expect("it is there");
        bed.store
            .is_dismissed(bed.workspace, id)
            .await
            .expect("works")
    };
    assert!(dismiss(by, 2).await);
    assert_eq!(bed.shares(task, 3).await, []);
    assert_eq!(bed.shares(id, 3).await, []);
    assert!(!dismiss(None, 3).await);
    assert_eq!(bed.shares(task, 4).await, seen);
    assert!(dismiss(by, 5).await);
    let turn = bed.turn(id, 2, at(6));
    let attempts = bed.attempts(&turn, 1, at(6));
    bed.store
        .add_turn(bed.workspace, turn, attempts, None)
        .await
        .expect("ended");
    assert!(
        !bed.store
            .is_dismissed(bed.workspace, id)
            .await
            .expect("works")
    );
    assert_eq!(bed.shares(task, 7).await, seen);
    // Long ago: only who still runs counts.
    let later = 1 + i64::try_from(OPEN_FOR.as_millis()).expect("a while");
    assert_eq!(bed.shares(task, later).await, []);
    assert_eq!(bed.shares(id, later).await, []);
    let forgotten = bed.store.expire_paths(at(1)).await.expect("works");
    assert_eq!(forgotten, 2, "the stopped one's is younger");
    assert_eq!(bed.store.expire_paths(at(1)).await.expect("works"), 0);
    assert_eq!(bed.would_share(&["a"], None).await, []);
}

async fn who_is_merged_does_not_count(bed: Bed) {
    let task = bed.ended(&["a"], 0).await.task.id;
    let other = bed.ended(&["a"], 0).await;
    assert_eq!(bed.shares(task, 1).await.len(), 1);
    let publication = Publication {
        id: PublicationId::from_uuid(bed.uuid()),
        workspace_id: bed.workspace,
        task_id: other.task.id,
        attempt_id: other.attempt.id,
        repository: "repository".to_owned(),
        asked: Asked {
            branch: "outwork/x".to_owned(),
            base: None,
            title: None,
            body: None,
            draft: false,
            author: None,
        },
        created_by: bed.principal,
        created_at: at(1),
        deadline_at: at(1) + DEADLINE,
        epoch: Epoch::ZERO,
        tries: 0,
        commit: None,
        state: State::Queued {
            visible_at: at(1),
            trouble: None,
        },
    };
    let new = NewPublication {
        publication,
        request: None,
    };
    bed.store.publish(new).await.expect("new");
    let claimed = bed.store.claim_publication(at(2)).await.expect("works");
    let claimed = claimed.expect("it waits");
    let finish = Publishing::Finish {
        epoch: claimed.epoch,
        pull_request: Some(PullRequest {
            url: "https://forge.example/1".to_owned(),
            number: 1,
            state: "merged".to_owned(),
        }),
        note: None,
    };
    assert_eq!(bed.shares(task, 3).await.len(), 1, "not yet");
    let moved = bed.store.move_publication(claimed.id, finish, at(3)).await;
    moved.expect("held");
    assert_eq!(bed.shares(task, 4).await, []);
}

async fn repositories_are_told_apart(bed: Bed) {
    let mut submission = bed.submission(1, at(0));
    let further = outwork_domain::task::FurtherBase {
        name: "web".into(),
        url: "https://example.com/team/web.git".into(),
        branch: Some("release".into()),
        commit: "12".into(),
    };
    submission.task.base.further = vec![further];
    submission.turn.prompt = "fix web/src/a.rs and src/b.rs".into();
    bed.store.submit(submission, None).await.expect("taken");
    let claimed = bed.claim(bed.worker(), at(0)).await;
    let id = claimed.task.id;
    let in_web = async |paths: &[&str]| {
        let intent = Intent {
            repository: "git@example.com:team/web".to_owned(),
            branch: Some("release".into()),
            paths: owned(paths),
        };
        let since = at(0) - Duration::from_secs(1);
        let found = bed
            .store
            .overlaps_of_intent(bed.workspace, &intent, since)
            .await;
        found.expect("works").len()
    };
    let branch = Some("main");
    assert_eq!(bed.would_share(&["src/b.rs"], branch).await, [id]);
    assert_eq!(bed.would_share(&["src/a.rs"], branch).await, []);
    assert_eq!(in_web(&["src/a.rs"]).await, 1);
    let handed_in = HandedIn {
        result: result(&claimed.attempt),
        touched: vec![touched(None, &["one"]), touched(Some("web"), &["two"])],
    };
    let (attempt, epoch) = (claimed.attempt.id, claimed.attempt.epoch);
    let outcome = Outcome::Succeeded;
    let done = bed
        .store
        .finish(bed.workspace, attempt, epoch, outcome, handed_in, 0, at(1));
    done.await.expect("held");
    assert_eq!(bed.would_share(&["one"], branch).await, [id]);
    assert_eq!(bed.would_share(&["two"], branch).await, []);
    assert_eq!(in_web(&["two"]).await, 1);
    assert_eq!(in_web(&["one"]).await, 0);
}

async fn many_paths_are_counted_and_some_shown(bed: Bed) {
    let many: Vec<String> = (0..3_000).map(|number| format!("f{number:04}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let task = bed.ended(&many, 0).await.task.id;
    let few = bed.ended(&many[..2], 0).await.task.id;
    let most = bed.ended(&many[..2_500], 0).await.task.id;
    let found = bed.shares(task, 1).await;
    let seen: Vec<_> = found
        .iter()
        .map(|it| (it.task_id, it.path_count, it.paths.len()))
        .collect();
    assert_eq!(seen, [(most, 2_500, SHOWN), (few, 2, 2)]);
    assert_eq!(found[0].paths, owned(&many[..SHOWN]));
}

on_both!(
    what_is_named_meets,
    what_was_changed_counts,
    a_turn_goes_on_from_what_was_done,
    who_is_done_does_not_count,
    who_is_merged_does_not_count,
    repositories_are_told_apart,
    many_paths_are_counted_and_some_shown,
);
