//! Whose attempt is claimed next: principals, environments, priorities, limits.

use std::time::Duration;

use outwork_domain::agent::{AgentChoice, AgentName, AgentSpec};
use outwork_domain::attempt::Outcome;
use outwork_domain::schedule::AGED_SHARE;
use outwork_domain::{AttemptId, PrincipalId, Priority, State, Timestamp, WorkerId};
use outwork_store::{AttemptResult, Claimed, Telling};
use tokio::task::JoinSet;

use crate::bed::{Bed, at, token};

impl Bed {
    /// The same workspace, as somebody else.
    async fn somebody(&self, hash: u8) -> Self {
        let principal = PrincipalId::from_uuid(self.uuid());
        let token = token(self.workspace, principal, self.uuid(), [hash; 32]);
        self.store.add_token(token, at(0)).await.expect("it is new");
        Self {
            principal,
            ..self.clone()
        }
    }

    /// The same principal, in another environment of which at most `most` attempts are held.
    async fn elsewhere(&self, label: &str, most: Option<u32>) -> Self {
        let mut environment = self.new_environment(label);
        environment.spec.max_concurrent = most;
        let made = self.store.insert_environment(&environment, Vec::new());
        let made = made.await.expect("the label is free").environment;
        assert_eq!(made.spec.max_concurrent, most);
        Self {
            environment: made,
            ..self.clone()
        }
    }

    async fn submit_as(&self, priority: Priority, now: Timestamp) -> AttemptId {
        let mut submission = self.submission(1, now);
        submission.task.priority = priority;
        let id = submission.attempts[0].id;
        let task = submission.task.clone();
        self.store.submit(submission, None).await.expect("taken");
        assert_eq!(self.record(task.id).await.task, task);
        id
    }

    async fn end(&self, claimed: &Claimed, outcome: Outcome, now: Timestamp) {
        let (id, epoch) = (claimed.attempt.id, claimed.attempt.epoch);
        let result = AttemptResult {
            epoch,
            diff: None,
            further_diffs: Vec::new(),
            session: None,
            message: None,
            tokens: None,
            evidence: Default::default(),
        };
        let ended = self
            .store
            .finish(self.workspace, id, epoch, outcome, result, 0, now);
        ended.await.expect("held");
    }

    /// The next `number` attempts, claimed one after the other.
    async fn next(&self, number: usize, now: Timestamp) -> Vec<Claimed> {
        let mut all = Vec::new();
        for _ in 0..number {
            all.push(self.claim(self.worker(), now).await);
        }
        all
    }
}

/// Two attempts of one task: the first has an agent of its own, the second its environment's.
async fn an_attempt_goes_to_a_worker_with_its_own_agent(bed: Bed) {
    let mut submission = bed.submission(2, at(0));
    let own = AgentChoice {
        agent: AgentSpec::Codex,
        model: Some("gpt-big".into()),
    };
    submission.attempts[0].agent = Some(own.clone());
    bed.store
        .submit(submission.clone(), None)
        .await
        .expect("taken");
    let of_environment = bed.environment.spec.agent.name().to_owned();
    assert_eq!(of_environment, "command");
    let claim = |agent: &str| {
        let (worker, agents) = (bed.worker(), vec![agent.to_owned()]);
        let bed = &bed;
        async move {
            let claimed = bed
                .store
                .claim(bed.workspace, worker, &agents, 9, at(1))
                .await;
            claimed.expect("claiming works")
        }
    };
    let claimed = claim("codex").await;
    let agents: Vec<_> = claimed.iter().map(|it| it.attempt.agent.clone()).collect();
    assert_eq!(agents, [Some(own.clone())]);
    let claimed = claim("command").await;
    let agents: Vec<_> = claimed.iter().map(|it| it.attempt.agent.clone()).collect();
    assert_eq!(agents, [None]);
    // Shown is what it was given, and what its environment has.
    let record = bed.record(submission.task.id).await;
    let shown: Vec<_> = record.turns[0]
        .attempts
        .iter()
        .map(|it| (it.attempt.agent.clone(), it.environment_agent))
        .collect();
    assert_eq!(
        shown,
        [(Some(own), AgentName::Command), (None, AgentName::Command)]
    );
}

async fn who_queued_a_thousand_first_does_not_keep_the_others_back(bed: Bed) {
    let many = bed.clone();
    let few = bed.somebody(2).await;
    let mut submits = JoinSet::new();
    for _ in 0..250 {
        let many = many.clone();
        submits.spawn(async move { many.submit(4, at(0)).await });
    }
    submits.join_all().await;
    for number in 0..10 {
        few.submit(1, at(10 + number)).await;
    }
    // Both get the same, but for one in eight that goes to what has waited longest.
    let claimed = bed.next(20, at(100)).await;
    let few_got = of(&claimed, few.principal);
    assert!((8..=10).contains(&few_got), "{few_got} of 20");
    let claimed = bed.next(8, at(101)).await;
    assert_eq!(few_got + of(&claimed, few.principal), 10);
    // Who has nothing that waits leaves all to the other.
    assert_eq!(bed.claim_many(bed.worker(), 50, at(102)).await.len(), 50);
}

fn of(claimed: &[Claimed], principal: PrincipalId) -> usize {
    let its = |claimed: &&Claimed| claimed.turn.created_by == principal;
    claimed.iter().filter(its).count()
}

async fn what_somebody_holds_counts_not_how_much_is_asked(bed: Bed) {
    let other = bed.somebody(2).await;
    for number in 0..8 {
        bed.submit(1, at(number)).await;
        other.submit(1, at(number)).await;
    }
    // Only one of the two has ends: it gets its share of the places, and so the more of the turns.
    let mut turns = Vec::new();
    for number in 0..7 {
        let claimed = bed.claim(bed.worker(), at(100 + number)).await;
        let its = claimed.turn.created_by == bed.principal;
        if its {
            bed.end(&claimed, Outcome::Succeeded, at(100 + number))
                .await;
        }
        turns.push(its);
    }
    assert_eq!(turns.iter().filter(|its| !**its).count(), 1, "{turns:?}");
}

async fn a_full_environment_does_not_keep_the_others_back(bed: Bed) {
    let other = bed.elsewhere("other", None).await;
    for _ in 0..50 {
        bed.submit(4, at(0)).await;
    }
    for number in 0..10 {
        other.submit(1, at(10 + number)).await;
    }
    let claimed = bed.next(20, at(100)).await;
    let there = |claimed: &&Claimed| claimed.environment.id == other.environment.id;
    let got = claimed.iter().filter(there).count();
    assert!((8..=10).contains(&got), "{got} of 20");
}

async fn the_higher_priority_comes_first(bed: Bed) {
    let low = bed.submit_as(Priority::Low, at(0)).await;
    let normal = bed.submit_as(Priority::Normal, at(1)).await;
    let high = bed.submit_as(Priority::High, at(2)).await;
    let second = bed.submit_as(Priority::High, at(3)).await;
    let claimed = bed.claim_many(bed.worker(), 9, at(4)).await;
    let ids: Vec<_> = claimed.iter().map(|claimed| claimed.attempt.id).collect();
    assert_eq!(ids, [high, second, normal, low]);
    let priorities: Vec<_> = claimed.iter().map(|it| it.task.priority).collect();
    let expected = [
        Priority::High,
        Priority::High,
        Priority::Normal,
        Priority::Low,
    ];
    assert_eq!(priorities, expected);
    // A later turn keeps the task's.
    for claimed in &claimed {
        bed.end(claimed, Outcome::Succeeded, at(5)).await;
    }
    bed.submit_as(Priority::Normal, at(6)).await;
    let turn = bed.turn(claimed[0].task.id, 1, at(7));
    let attempts = bed.attempts(&turn, 1, at(7));
    let next = attempts[0].id;
    let added = bed.store.add_turn(bed.workspace, turn, attempts, None);
    added.await.expect("the turn has ended");
    assert_eq!(bed.claim(bed.worker(), at(8)).await.attempt.id, next);
}

/// The bound that the documentation states: with `k` older ones before it, within 8 (k + 1) picks.
async fn an_old_one_of_low_priority_gets_its_turn(bed: Bed) {
    let others = bed.elsewhere("others", None).await;
    let old = [
        bed.submit_as(Priority::Low, at(0)).await,
        bed.submit_as(Priority::Low, at(1)).await,
        bed.submit_as(Priority::Low, at(2)).await,
    ];
    let mut turns = Vec::new();
    for turn in 1..=3 * i64::from(AGED_SHARE) {
        // There is always something more urgent, of another environment and of the same.
        others.submit_as(Priority::High, at(10 + turn)).await;
        bed.submit_as(Priority::High, at(10 + turn)).await;
        let claimed = bed.claim(bed.worker(), at(100 + turn)).await;
        if old.contains(&claimed.attempt.id) {
            turns.push((turn, claimed.attempt.id));
        }
        bed.end(&claimed, Outcome::Succeeded, at(100 + turn)).await;
    }
    let taken: Vec<_> = turns.iter().map(|(_, id)| *id).collect();
    assert_eq!(taken, old, "{turns:?}");
    for (number, (turn, _)) in (1..).zip(&turns) {
        assert!(*turn <= i64::from(AGED_SHARE) * number, "{turns:?}");
    }
    assert!(turns[0].0 > 1, "priority counts: {turns:?}");
}

async fn what_is_given_back_keeps_its_place(bed: Bed) {
    let first = bed.submit(1, at(0)).await.attempts[0].id;
    let second = bed.submit(1, at(1)).await.attempts[0].id;
    let third = bed.submit(1, at(2)).await.attempts[0].id;
    let worker = bed.worker();
    let held = bed.claim(worker, at(10)).await.attempt;
    assert_eq!(held.id, first);
    let released = bed
        .store
        .release(bed.workspace, held.id, held.epoch, at(11));
    released.await.expect("held");
    let held = bed.claim(worker, at(12)).await.attempt;
    assert_eq!(held.id, first, "released");
    let due = held.due_at().expect("held");
    bed.store.reap(due, 9).await.expect("works");
    let State::Queued { visible_at, .. } = bed.state(first).await.state else {
        panic!("queued");
    };
    let next = bed.claim(worker, due).await;
    assert_eq!(next.attempt.id, second, "the first one pauses");
    let held = bed.claim(worker, visible_at).await;
    assert_eq!(held.attempt.id, first, "after a lost worker");
    let question = "?".to_owned();
    bed.end(&held, Outcome::AwaitingInput { question }, visible_at)
        .await;
    bed.store
        .tell(
            bed.workspace,
            first,
            bed.principal,
            Telling::Answer("!".into()),
            None,
            visible_at,
        )
        .await
        .expect("it asks");
    let held = bed.claim(worker, visible_at).await;
    assert_eq!(held.attempt.id, first, "answered");
    assert_eq!(bed.claim(worker, visible_at).await.attempt.id, third);
}

async fn an_environment_runs_as_many_at_once_as_it_may(bed: Bed) {
    let narrow = bed.elsewhere("narrow", Some(2)).await;
    for number in 0..4 {
        narrow.submit(1, at(number)).await;
    }
    let plain = bed.submit(1, at(10)).await.attempts[0].id;
    let worker = bed.worker();
    let claimed = bed.claim_many(worker, 9, at(20)).await;
    let there = |it: &&Claimed| it.environment.id == narrow.environment.id;
    assert_eq!(claimed.iter().filter(there).count(), 2);
    assert!(claimed.iter().any(|it| it.attempt.id == plain));
    assert!(bed.claim_many(worker, 9, at(21)).await.is_empty());
    let held: Vec<_> = claimed.iter().filter(there).collect();
    // A question that waits for its answer takes no place.
    let question = "?".to_owned();
    bed.end(held[0], Outcome::AwaitingInput { question }, at(22))
        .await;
    assert_eq!(bed.claim_many(worker, 9, at(23)).await.len(), 1);
    // Two again; the answered one waits for a place.
    let answer = Telling::Answer("!".into());
    bed.store
        .tell(
            bed.workspace,
            held[0].attempt.id,
            bed.principal,
            answer,
            None,
            at(24),
        )
        .await
        .expect("it asks");
    assert!(bed.claim_many(worker, 9, at(25)).await.is_empty());
    bed.end(held[1], Outcome::Succeeded, at(26)).await;
    let again = bed.claim_many(worker, 9, at(27)).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].attempt.id, held[0].attempt.id);
    // What is lost makes room, and what the limit is raised to is used at once.
    let mut wider = narrow.environment.clone();
    wider.spec.max_concurrent = Some(3);
    let edited = bed.store.update_environment(&wider, Vec::new(), None).await;
    assert_eq!(
        edited.expect("there").environment.spec.max_concurrent,
        Some(3)
    );
    assert_eq!(bed.claim_many(worker, 9, at(28)).await.len(), 1);
    assert!(bed.claim_many(worker, 9, at(29)).await.is_empty());
}

/// Several servers, each with several callers, claim at once; nobody ends anything meanwhile.
async fn a_limit_is_exact_under_concurrent_claims(bed: Bed) {
    const ROUNDS: i64 = 6;
    let narrow = bed.elsewhere("narrow", Some(3)).await;
    let other = bed.elsewhere("beside", Some(2)).await;
    let mut stores = vec![bed.store.clone()];
    if let crate::bed::Place::Postgres(_) = bed.place {
        for _ in 0..3 {
            stores.push(bed.place.open().await);
        }
    }
    for number in 0..30 {
        narrow.submit(1, at(number)).await;
        other.submit(1, at(number)).await;
    }
    for round in 1..=ROUNDS {
        let mut claimers = JoinSet::new();
        for number in 0..16 {
            let store = stores[number % stores.len()].clone();
            let bed = Bed {
                store,
                ..bed.clone()
            };
            claimers.spawn(async move {
                let most = 1 + u32::try_from(number % 4).expect("small");
                let now = at(10_000 * round);
                bed.claim_many(bed.worker(), most, now).await
            });
        }
        let claimed: Vec<_> = claimers.join_all().await.into_iter().flatten().collect();
        let of = |it: &Bed| {
            let its = |claimed: &&Claimed| claimed.environment.id == it.environment.id;
            claimed.iter().filter(its).count()
        };
        assert!(of(&narrow) <= 3 && of(&other) <= 2, "round {round}");
        // What one claim left because another held the lock is taken by the next.
        let late = bed.claim_many(bed.worker(), 9, at(10_000 * round + 5_000));
        let late = late.await;
        assert_eq!(claimed.len() + late.len(), 5, "round {round}");
        for claimed in claimed.iter().chain(&late) {
            bed.end(claimed, Outcome::Succeeded, at(10_000 * round + 6_000))
                .await;
        }
    }
    for store in &stores[1..] {
        store.close().await;
    }
}

/// What one server gives out counts for another.
async fn servers_share_the_schedule(bed: Bed) {
    let crate::bed::Place::Postgres(_) = bed.place else {
        return;
    };
    let other = bed.somebody(2).await;
    let second = Bed {
        store: bed.place.open().await,
        ..bed.clone()
    };
    for number in 0..12 {
        bed.submit(1, at(number)).await;
    }
    let mut claimed = Vec::new();
    for turn in 0..4 {
        claimed.push(second.claim(second.worker(), at(100 + turn)).await);
    }
    for number in 0..12 {
        other.submit(1, at(200 + number)).await;
    }
    // Seen at the latest after a second; then the one who has fewer comes first, on both.
    for turn in 0..3 {
        let server = if turn % 2 == 0 { &bed } else { &second };
        let now = at(2_000 + 1_500 * turn);
        let claimed = server.claim(server.worker(), now).await;
        assert_eq!(claimed.turn.created_by, other.principal, "turn {turn}");
    }
    second.store.close().await;
}

/// Random principals, environments, priorities and ends: whenever something waits that may run, a
/// claim gets it, and in the end nothing is left.
async fn nothing_starves(bed: Bed) {
    let mut seed = 7_u64;
    let mut below = |end: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % end
    };
    let mut places = Vec::new();
    for hash in 2..5 {
        let somebody = bed.somebody(hash).await;
        for number in 0..2_u8 {
            let most = [None, Some(2)][usize::from(number)];
            let label = format!("{hash}-{number}");
            places.push(somebody.elsewhere(&label, most).await);
        }
    }
    let worker: WorkerId = bed.worker();
    let (mut waiting, mut held) = (0_u32, Vec::new());
    let mut now = at(0);
    for step in 0..260 {
        now = now + Duration::from_millis(below(400));
        let choice = if step < 200 { below(5) } else { 2 + below(3) };
        match choice {
            0 | 1 => {
                let place = usize::try_from(below(6)).expect("small");
                let priority = Priority::ALL[usize::try_from(below(3)).expect("small")];
                places[place].submit_as(priority, now).await;
                waiting += 1;
            }
            2 | 3 => {
                let claimed = bed.claim_many(worker, 2, now).await;
                waiting -= u32::try_from(claimed.len()).expect("small");
                held.extend(claimed);
            }
            _ if held.is_empty() => {}
            _ => {
                let index = below(held.len() as u64);
                let claimed = held.swap_remove(usize::try_from(index).expect("small"));
                bed.end(&claimed, Outcome::Succeeded, now).await;
            }
        }
    }
    while waiting > 0 {
        now = now + Duration::from_millis(1);
        for claimed in held.drain(..) {
            bed.end(&claimed, Outcome::Succeeded, now).await;
        }
        held = bed.claim_many(worker, 5, now).await;
        assert!(!held.is_empty(), "{waiting} wait and are not given out");
        waiting -= u32::try_from(held.len()).expect("small");
    }
}

on_both!(
    an_attempt_goes_to_a_worker_with_its_own_agent,
    who_queued_a_thousand_first_does_not_keep_the_others_back,
    what_somebody_holds_counts_not_how_much_is_asked,
    a_full_environment_does_not_keep_the_others_back,
    the_higher_priority_comes_first,
    an_old_one_of_low_priority_gets_its_turn,
    what_is_given_back_keeps_its_place,
    an_environment_runs_as_many_at_once_as_it_may,
    a_limit_is_exact_under_concurrent_claims,
    servers_share_the_schedule,
    nothing_starves,
);
