//! What attempts used and cost, and how long they were held.

use std::time::Duration;

use outwork_domain::attempt::Outcome;
use outwork_domain::cost::Prices;
use outwork_domain::{AttemptId, Step, Timestamp};
use outwork_store::{ModelRecord, UsedAttempt};

use crate::bed::{Bed, at, result};

impl Bed {
    async fn set_prices(&self, input: &str) -> Prices {
        let price = |text: &str| text.parse().expect("a price");
        let prices = Prices {
            currency: "EUR".parse().expect("a currency"),
            input: price(input),
            cached_input: price("0.000000001"),
            output: price("10"),
        };
        let model = ModelRecord {
            base_url: "https://m/v1".into(),
            name: "m".into(),
            sealed_key: None,
            context_window: 1,
            prices: Some(prices),
            updated_at: at(0),
        };
        let set = self.store.set_model(self.workspace, model.clone()).await;
        set.expect("it is taken");
        let kept = self.store.model(self.workspace).await.expect("works");
        assert_eq!(kept, Some(model));
        prices
    }

    /// An attempt that was held from `from` to `to`.
    async fn used(&self, from: i64, to: i64) -> AttemptId {
        let claimed = self.held(at(from)).await.attempt;
        let (id, epoch) = (claimed.id, claimed.epoch);
        self.store
            .advance(self.workspace, id, epoch, Step::Running, at(from + 1))
            .await
            .expect("held");
        let (outcome, result) = (Outcome::Succeeded, result(&claimed));
        let done = self
            .store
            .finish(self.workspace, id, epoch, outcome, result, 0, at(to));
        done.await.expect("held");
        id
    }

    async fn usage(
        &self,
        from: i64,
        to: i64,
        after: Option<(Timestamp, AttemptId)>,
    ) -> Vec<UsedAttempt> {
        let within = (at(from), at(to));
        let used = self.store.used_attempts(self.workspace, within, after);
        used.await.expect("works")
    }
}

async fn prices_stay_as_they_were_at_the_end(bed: Bed) {
    let unknown = bed.used(0, 10).await;
    let prices = bed.set_prices("1.25").await;
    let known = bed.used(10, 20).await;
    let later = bed.set_prices("2.5").await;
    let newest = bed.used(20, 30).await;
    let of = async |attempt| {
        let record = bed.store.attempt(bed.workspace, attempt).await;
        record.expect("works").expect("there").prices
    };
    assert_eq!(of(unknown).await, None);
    assert_eq!(of(known).await, Some(prices));
    assert_eq!(of(newest).await, Some(later));
    bed.store.delete_model(bed.workspace).await.expect("works");
    assert_eq!(of(known).await, Some(prices));
    let seen = bed.usage(0, 100, None).await;
    let seen: Vec<_> = seen
        .iter()
        .map(|used| (used.attempt_id, used.prices))
        .collect();
    assert_eq!(
        seen,
        [
            (unknown, None),
            (known, Some(prices)),
            (newest, Some(later))
        ]
    );
    let claimed = bed.held(at(40)).await.attempt;
    let mut bare = result(&claimed);
    bare.tokens = None;
    bed.set_prices("1").await;
    let (id, epoch) = (claimed.id, claimed.epoch);
    let done = bed.store.finish(
        bed.workspace,
        id,
        epoch,
        Outcome::Succeeded,
        bare,
        0,
        at(50),
    );
    done.await.expect("held");
    assert_eq!(of(id).await, None, "nothing was counted");
}

async fn what_ended_within_a_time_is_told(bed: Bed) {
    let first = bed.used(0, 5_000).await;
    let second = bed.used(5_000, 7_000).await;
    let waits = bed.submit(1, at(7_000)).await;
    bed.store
        .cancel(bed.workspace, waits.attempts[0].id, at(8_000))
        .await
        .expect("it waits");
    let all = bed.usage(0, 10_000, None).await;
    let seen: Vec<_> = all
        .iter()
        .map(|used| (used.attempt_id, used.held, used.was_claimed))
        .collect();
    assert_eq!(
        seen,
        [
            (first, Duration::from_secs(5), true),
            (second, Duration::from_secs(2), true),
            (waits.attempts[0].id, Duration::ZERO, false),
        ]
    );
    let UsedAttempt {
        environment_label,
        agent,
        principal_id,
        principal_name,
        tokens,
        ended_at,
        epoch,
        ..
    } = &all[0];
    assert_eq!(
        (
            environment_label.as_str(),
            agent.as_str(),
            principal_name.as_str()
        ),
        ("main", "command", "ada")
    );
    assert_eq!(
        (*principal_id, *ended_at, epoch.get()),
        (bed.principal, at(5_000), 1)
    );
    assert_eq!(tokens.map(|tokens| tokens.input), Some(10));
    let ids = |used: Vec<UsedAttempt>| used.iter().map(|used| used.attempt_id).collect::<Vec<_>>();
    assert_eq!(
        ids(bed.usage(5_000, 7_000, None).await),
        [first],
        "the end is not part of it"
    );
    let after = Some((at(5_000), first));
    assert_eq!(ids(bed.usage(0, 7_001, after).await), [second]);
    let stranger = bed.other_workspace().await;
    assert_eq!(stranger.usage(0, 10_000, None).await, []);
}

async fn time_between_two_workers_is_not_held(bed: Bed) {
    let claimed = bed.held(at(0)).await.attempt;
    bed.store
        .release(bed.workspace, claimed.id, claimed.epoch, at(1_000))
        .await
        .expect("held");
    let again = bed.claim(bed.worker(), at(100_000)).await.attempt;
    let (id, epoch) = (again.id, again.epoch);
    let done = bed.store.finish(
        bed.workspace,
        id,
        epoch,
        Outcome::Cancelled,
        result(&again),
        0,
        at(103_000),
    );
    done.await.expect("held");
    let used = bed.usage(0, 200_000, None).await;
    assert_eq!(
        (used[0].held, used[0].epoch),
        (Duration::from_secs(4), epoch)
    );
}

on_both!(
    prices_stay_as_they_were_at_the_end,
    what_ended_within_a_time_is_told,
    time_between_two_workers_is_not_held,
);
