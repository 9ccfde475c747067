//! Claiming, and keeping what was claimed: renew, advance, release.

use outwork_domain::attempt::Refused;
use outwork_domain::environment::AgentSpec;
use outwork_domain::labels::Labels;
use outwork_domain::principal::Worker;
use outwork_domain::{AttemptId, Desired, Epoch, Lease, State, Step};
use outwork_store::ModelRecord;

use crate::bed::{Bed, at, events, limits};

async fn the_longest_waiting_is_claimed_first(bed: Bed) {
    let late = bed.submit(1, at(20)).await.attempts[0].id;
    let early = bed.submit(2, at(10)).await.attempts;
    let worker = bed.worker();
    assert!(
        bed.claim_many(worker, 10, at(9)).await.is_empty(),
        "not visible yet"
    );
    let two = bed.claim_many(worker, 2, at(30)).await;
    let ids: Vec<_> = two.iter().map(|claimed| claimed.attempt.id).collect();
    assert_eq!(ids, [early[0].id, early[1].id]);
    assert_eq!(bed.claim(worker, at(30)).await.attempt.id, late);
    assert!(bed.claim_many(worker, 10, at(31)).await.is_empty());
}

async fn a_claim_brings_all_that_is_needed(bed: Bed) {
    let model = ModelRecord {
        base_url: "http://127.0.0.1:1".into(),
        name: "m".into(),
        sealed_key: Some(vec![1, 2, 3]),
        context_window: 1,
        prices: None,
        updated_at: at(0),
    };
    bed.store
        .set_model(bed.workspace, model.clone())
        .await
        .expect("works");
    let submission = bed.submit(1, at(0)).await;
    let worker = bed.worker();
    let claimed = bed.claim(worker, at(5)).await;
    let mut task = submission.task.clone();
    task.updated_at = at(5);
    assert_eq!(claimed.task, task);
    assert_eq!(claimed.turn, submission.turn);
    assert_eq!(claimed.environment, bed.environment);
    assert_eq!(claimed.model, Some(model));
    assert_eq!(claimed.continues, None);
    let lease = Lease {
        worker,
        epoch: Epoch::new(1),
        until: at(5) + limits().lease,
    };
    let State::Held {
        lease: given,
        step: Step::Leased,
        ..
    } = claimed.attempt.state
    else {
        panic!("{:?}", claimed.attempt);
    };
    assert_eq!(given, lease);
    assert_eq!(
        (claimed.attempt.epoch, claimed.attempt.tries),
        (Epoch::new(1), 1)
    );
    assert_eq!(bed.state(claimed.attempt.id).await, claimed.attempt);
    let record = bed.record(submission.task.id).await;
    assert_eq!(record.turns[0].attempts[0].worker, Some(worker));
    // It never registered.
    assert_eq!(record.turns[0].attempts[0].isolation, None);
    assert_eq!(record.task.updated_at, at(5));
    let leased = format!(r#"{{"state":"leased","type":"state","worker":"{worker}"}}"#);
    assert_eq!(bed.log(claimed.attempt.id).await[1], leased);
}

async fn a_claim_keeps_how_its_worker_isolates(bed: Bed) {
    let register = async |id, isolation: &str, ms| {
        let worker = Worker {
            id,
            workspace_id: bed.workspace,
            name: "w".into(),
            slots: 1,
            agents: Vec::new(),
            isolation: Some(isolation.into()),
            labels: Default::default(),
            versions: Default::default(),
        };
        let registered = bed.store.register_worker(&worker, at(ms)).await;
        registered.expect("its own");
    };
    let (one, other) = (bed.worker(), bed.worker());
    register(one, "namespaces", 0).await;
    register(other, "oci:crun", 0).await;
    let task = bed.submit(1, at(0)).await.task.id;
    let isolation = async || {
        let record = bed.record(task).await;
        record.turns[0].attempts[0].isolation.clone()
    };
    assert_eq!(isolation().await, None);
    let held = bed.claim(one, at(1)).await.attempt;
    assert_eq!(isolation().await.as_deref(), Some("namespaces"));
    // What the worker says later is about later claims.
    register(one, "oci:runsc", 2).await;
    let released = bed
        .store
        .release(bed.workspace, held.id, held.epoch, at(3))
        .await;
    released.expect("held");
    assert_eq!(isolation().await.as_deref(), Some("namespaces"));
    bed.claim(other, at(4)).await;
    assert_eq!(isolation().await.as_deref(), Some("oci:crun"));
}

async fn labels_that_an_environment_asks_for_are_the_workers(bed: Bed) {
    let labels = |pairs: &[(&str, &str)]| -> Labels {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    let register = async |pairs: &[(&str, &str)]| {
        let worker = Worker {
            id: bed.worker(),
            workspace_id: bed.workspace,
            name: "w".into(),
            slots: 1,
            agents: Vec::new(),
            isolation: Some("namespaces".into()),
            labels: labels(pairs),
            versions: Default::default(),
        };
        let registered = bed.store.register_worker(&worker, at(0)).await;
        registered.expect("new");
        let stored = bed.store.worker(bed.workspace, worker.id).await;
        assert_eq!(stored.expect("works").expect("known").worker, worker);
        worker.id
    };
    let mut asking = bed.new_environment("gpu");
    asking.spec.required_labels = labels(&[("gpu", "true"), ("region", "eu")]);
    let made = bed.store.insert_environment(&asking, Vec::new()).await;
    assert_eq!(made.expect("new").environment, asking);
    let picky = Bed {
        environment: asking.clone(),
        ..bed.clone()
    };
    // It waits longest, and must not hide what waits behind it.
    let wanted = picky.submit(1, at(1)).await.attempts[0].id;
    let plain = bed.submit(1, at(2)).await.attempts[0].id;
    let ids = async |worker, ms| -> Vec<_> {
        let claimed = bed.claim_many(worker, 5, at(ms)).await;
        claimed.iter().map(|claimed| claimed.attempt.id).collect()
    };
    let half = register(&[("gpu", "true")]).await;
    let other = register(&[("gpu", "true"), ("region", "us")]).await;
    assert_eq!(ids(half, 3).await, [plain]);
    assert_eq!(ids(other, 4).await, []);
    // Unknown to the store: it has said nothing.
    assert_eq!(ids(bed.worker(), 5).await, []);
    let right = register(&[("disk", "ssd"), ("gpu", "true"), ("region", "eu")]).await;
    assert_eq!(ids(right, 6).await, [wanted]);

    // What an environment no longer asks for keeps nothing back.
    let wanted = picky.submit(1, at(7)).await.attempts[0].id;
    assert_eq!(ids(half, 8).await, []);
    asking.spec.required_labels = labels(&[("gpu", "true")]);
    let edited = bed
        .store
        .update_environment(&asking, Vec::new(), None)
        .await;
    assert_eq!(
        edited.expect("there").environment.spec.required_labels,
        asking.spec.required_labels
    );
    assert_eq!(ids(half, 9).await, [wanted]);
}

async fn only_agents_that_the_worker_has_are_claimed(bed: Bed) {
    let mut codex = bed.new_environment("codex");
    codex.spec.agent = AgentSpec::Codex;
    bed.store
        .insert_environment(&codex, Vec::new())
        .await
        .expect("new");
    bed.submit(1, at(0)).await;
    let with_codex = Bed {
        environment: codex,
        ..bed.clone()
    };
    let wanted = with_codex.submit(1, at(1)).await.attempts[0].id;
    let worker = bed.worker();
    for none in [vec![], vec!["other".to_owned()]] {
        let claimed = bed
            .store
            .claim(bed.workspace, worker, &none, 5, at(2))
            .await;
        assert!(claimed.expect("works").is_empty());
    }
    let claimed = bed
        .store
        .claim(bed.workspace, worker, &["codex".into()], 5, at(2))
        .await;
    let ids: Vec<_> = claimed
        .expect("works")
        .iter()
        .map(|c| c.attempt.id)
        .collect();
    assert_eq!(ids, [wanted]);
}

async fn renewing_moves_the_lease_and_says_what_is_wanted(bed: Bed) {
    let worker = bed.worker();
    bed.submit(2, at(0)).await;
    let held = bed.claim_many(worker, 2, at(0)).await;
    let [one, other] = [&held[0].attempt, &held[1].attempt];
    bed.store
        .cancel(bed.workspace, other.id, at(1))
        .await
        .expect("held");
    let unknown = AttemptId::from_uuid(bed.uuid());
    let foreign = {
        bed.submit(1, at(0)).await;
        bed.claim(bed.worker(), at(1)).await.attempt
    };
    let claims = [
        (unknown, Epoch::new(1)),
        (other.id, other.epoch),
        (one.id, one.epoch),
        (one.id, Epoch::new(7)),
        (foreign.id, foreign.epoch),
    ];
    let answers = bed
        .store
        .renew(worker, &claims, at(10))
        .await
        .expect("works");
    let stale = |spoke: Epoch, current: Epoch| Err(Refused::StaleLease { spoke, current });
    assert_eq!(
        answers,
        [
            stale(Epoch::new(1), Epoch::ZERO),
            Ok(Desired::Cancel { since: at(1) }),
            Ok(Desired::Run),
            stale(Epoch::new(7), Epoch::new(1)),
            stale(foreign.epoch, Epoch::ZERO),
        ]
    );
    let State::Held { lease, .. } = bed.state(one.id).await.state else {
        panic!("held");
    };
    assert_eq!(lease.until, at(10) + limits().lease);
    assert_eq!(
        bed.state(foreign.id).await,
        foreign,
        "another worker's is untouched"
    );
    let none = bed.store.renew(worker, &[], at(10)).await.expect("works");
    assert!(none.is_empty());
}

async fn steps_go_forward_and_are_logged_once(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    let advance = async |step, now| {
        bed.store
            .advance(bed.workspace, held.id, held.epoch, step, at(now))
            .await
    };
    assert_eq!(
        advance(Step::Preparing, 1).await.expect("works"),
        (Desired::Run, 0)
    );
    assert_eq!(
        advance(Step::Running, 2).await.expect("works"),
        (Desired::Run, 0)
    );
    let appended = bed
        .store
        .append(bed.workspace, held.id, held.epoch, 1, events(1, 2), at(3));
    assert_eq!(appended.await.expect("works"), (Desired::Run, 2));
    assert_eq!(
        advance(Step::Running, 4).await.expect("works"),
        (Desired::Run, 2)
    );
    // Said again, as after a lost answer: it renews and logs nothing.
    assert_eq!(
        advance(Step::Preparing, 5).await.expect("works"),
        (Desired::Run, 2)
    );
    let State::Held { lease, step, .. } = bed.state(held.id).await.state else {
        panic!("held");
    };
    assert_eq!((step, lease.until), (Step::Running, at(5) + limits().lease));
    let states: Vec<_> = bed
        .log(held.id)
        .await
        .into_iter()
        .filter(|body| body.contains(r#""type":"state""#))
        .filter_map(|body| Some(body.split('"').nth(3)?.to_owned()))
        .collect();
    assert_eq!(states, ["queued", "leased", "preparing", "running"]);
}

async fn what_is_released_waits_again_and_counts_no_try(bed: Bed) {
    let first = bed.held(at(0)).await.attempt;
    bed.store
        .append(bed.workspace, first.id, first.epoch, 1, events(1, 3), at(1))
        .await
        .expect("held");
    bed.store
        .release(bed.workspace, first.id, first.epoch, at(2))
        .await
        .expect("held");
    let waiting = bed.state(first.id).await;
    assert_eq!((waiting.state.as_str(), waiting.tries), ("queued", 0));
    let second = bed.claim(bed.worker(), at(3)).await.attempt;
    assert_eq!((second.id, second.epoch), (first.id, Epoch::new(2)));
    let answer = bed.store.append(
        bed.workspace,
        second.id,
        second.epoch,
        1,
        events(1, 2),
        at(4),
    );
    assert_eq!(
        answer.await.expect("works"),
        (Desired::Run, 2),
        "a claim counts from 1"
    );
}

on_both!(
    the_longest_waiting_is_claimed_first,
    a_claim_brings_all_that_is_needed,
    a_claim_keeps_how_its_worker_isolates,
    labels_that_an_environment_asks_for_are_the_workers,
    only_agents_that_the_worker_has_are_claimed,
    renewing_moves_the_lease_and_says_what_is_wanted,
    steps_go_forward_and_are_logged_once,
    what_is_released_waits_again_and_counts_no_try,
);
