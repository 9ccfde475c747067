//! Random verbs in random order, on the store and on a model that has nothing but the domain's
//! state machine and lists in memory. After each verb both must have answered the same; at the end
//! both must hold the same. With the same seeds on both engines, the engines agree.

use std::collections::BTreeMap;

use outwork_domain::attempt::{Outcome, Refused};
use outwork_domain::{
    Attempt, AttemptId, Command, Desired, Epoch, State, Step, Timestamp, WorkerId,
};
use outwork_store::StoreError;

use crate::bed::{Bed, at, events, result};

const SEEDS: u64 = 12;
const STEPS: u64 = 120;

/// SplitMix64: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.below(choices.len() as u64);
        choices[usize::try_from(index).expect("small")]
    }

    fn number(&mut self, end: u64) -> i64 {
        i64::try_from(self.below(end)).expect("small")
    }
}

#[derive(Clone, Debug)]
struct Kept {
    attempt: Attempt,
    acked: i64,
    /// How many events the log has.
    events: usize,
    /// The bodies that workers sent.
    sent: Vec<String>,
    result: Option<Epoch>,
}

/// What the store should hold.
#[derive(Default)]
struct Model(BTreeMap<AttemptId, Kept>);

/// An answer, reduced to what both can give.
#[derive(Debug, PartialEq)]
enum Answer {
    Done(Option<Desired>, i64),
    Refused(Refused),
    Gap(i64),
}

fn answer(answer: Result<(Desired, i64), StoreError>) -> Answer {
    match answer {
        Ok((desired, acked)) => Answer::Done(Some(desired), acked),
        Err(error) => failed(error),
    }
}

fn done(answer: Result<(), StoreError>) -> Answer {
    match answer {
        Ok(()) => Answer::Done(None, 0),
        Err(error) => failed(error),
    }
}

fn failed(error: StoreError) -> Answer {
    match error {
        StoreError::Refused(refused) => Answer::Refused(refused),
        StoreError::Gap { expected } => Answer::Gap(expected),
        other => panic!("{other:?}"),
    }
}

impl Kept {
    fn apply(&mut self, command: Command, now: Timestamp) -> Result<(), Refused> {
        let (attempt, events) = self.attempt.clone().apply(command, now)?;
        if attempt.epoch != self.attempt.epoch {
            self.acked = 0;
        }
        self.attempt = attempt;
        self.events += events.len();
        Ok(())
    }

    fn verb(&mut self, command: Command, now: Timestamp) -> Answer {
        match self.apply(command, now) {
            Ok(()) => Answer::Done(Some(self.attempt.desired), self.acked),
            Err(refused) => Answer::Refused(refused),
        }
    }

    fn append(&mut self, epoch: Epoch, first: i64, number: i64, now: Timestamp) -> Answer {
        let before = self.clone();
        let answer = self.verb(Command::Renew { epoch }, now);
        if let Answer::Refused(_) = answer {
            return answer;
        }
        if first < 1 || first > self.acked + 1 {
            let expected = self.acked + 1;
            *self = before;
            return Answer::Gap(expected);
        }
        for event in events(first, number) {
            if event.at > at(self.acked) {
                self.sent.push(event.json);
                self.acked += 1;
                self.events += 1;
            }
        }
        Answer::Done(Some(self.attempt.desired), self.acked)
    }

    fn finish(&mut self, epoch: Epoch, outcome: Outcome, last: i64, now: Timestamp) -> Answer {
        let before = self.clone();
        if let Err(refused) = self.apply(Command::Finish { epoch, outcome }, now) {
            return Answer::Refused(refused);
        }
        if before.acked < last {
            *self = before;
            return Answer::Gap(self.acked + 1);
        }
        self.result = Some(epoch);
        Answer::Done(None, 0)
    }
}

impl Model {
    fn add(&mut self, attempt: Attempt) {
        let kept = Kept {
            attempt,
            acked: 0,
            events: 1,
            sent: Vec::new(),
            result: None,
        };
        self.0.insert(kept.attempt.id, kept);
    }

    fn claim(&mut self, worker: WorkerId, max: usize, now: Timestamp) -> Vec<Attempt> {
        let mut visible: Vec<_> = self
            .0
            .values()
            .filter_map(|kept| match kept.attempt.state {
                State::Queued { visible_at, .. } if visible_at <= now => {
                    Some((kept.attempt.created_at, kept.attempt.id))
                }
                _ => None,
            })
            .collect();
        visible.sort();
        visible.truncate(max);
        let mut claimed = Vec::new();
        for (_, id) in visible {
            let kept = self.0.get_mut(&id).expect("it was found");
            kept.apply(Command::Claim { worker }, now)
                .expect("it is visible");
            claimed.push(kept.attempt.clone());
        }
        claimed
    }

    fn reap(&mut self, now: Timestamp) -> Vec<AttemptId> {
        let mut moved = Vec::new();
        for kept in self.0.values_mut() {
            if kept.apply(Command::Reap, now).is_ok() {
                moved.push(kept.attempt.id);
            }
        }
        moved
    }
}

/// One run: the store and the model side by side.
struct Run<'b> {
    bed: &'b Bed,
    dice: Dice,
    model: Model,
    now: Timestamp,
    workers: [WorkerId; 3],
}

impl Run<'_> {
    /// An attempt, mostly a held one, and an epoch that is mostly the right one.
    fn any(&mut self) -> Option<(AttemptId, Epoch)> {
        let held = |kept: &&Kept| matches!(kept.attempt.state, State::Held { .. });
        let kept = self.model.0.values();
        let mut all: Vec<_> = kept.filter(held).map(|kept| kept.attempt.id).collect();
        if all.is_empty() || self.dice.below(5) == 0 {
            all = self.model.0.keys().copied().collect();
        }
        if all.is_empty() {
            return None;
        }
        let id = self.dice.of(&all);
        let epoch = self.model.0[&id].attempt.epoch.get();
        let off = self.dice.of(&[0, 0, 0, 0, 0, -1, 1]);
        Some((id, Epoch::new(epoch + off)))
    }

    async fn step(&mut self) {
        let pause = self.dice.of(&[0, 1, 10, 1_000, 5_000, 40_000]);
        self.now = self.now + std::time::Duration::from_millis(pause);
        match self.dice.below(16) {
            0 => self.submit().await,
            1 | 2 => self.claim().await,
            3 => self.reap().await,
            4 => self.renew().await,
            _ => {
                if let Some((id, epoch)) = self.any() {
                    self.verb(id, epoch).await;
                }
            }
        }
    }

    async fn submit(&mut self) {
        let number = 1 + self.dice.below(3);
        let submission = self
            .bed
            .submit(u32::try_from(number).expect("small"), self.now)
            .await;
        for attempt in submission.attempts {
            self.model.add(attempt);
        }
    }

    async fn claim(&mut self) {
        let worker = self.dice.of(&self.workers);
        let max = self.dice.of(&[1_u32, 2, 5]);
        let claimed = self.bed.claim_many(worker, max, self.now).await;
        let claimed: Vec<_> = claimed.into_iter().map(|claimed| claimed.attempt).collect();
        assert_eq!(claimed, self.model.claim(worker, max as usize, self.now));
    }

    async fn reap(&mut self) {
        let mut moved = self.bed.store.reap(self.now, 1_000).await.expect("works");
        moved.sort();
        assert_eq!(moved, self.model.reap(self.now));
    }

    async fn renew(&mut self) {
        let worker = self.dice.of(&self.workers);
        let claims: Vec<_> = (0..3).filter_map(|_| self.any()).collect();
        let answers = self
            .bed
            .store
            .renew(worker, &claims, self.now)
            .await
            .expect("works");
        for ((id, epoch), answer) in claims.into_iter().zip(answers) {
            let kept = self.model.0.get_mut(&id).expect("known");
            let own =
                matches!(kept.attempt.state, State::Held { lease, .. } if lease.worker == worker);
            match kept.attempt.state {
                State::Held { .. } if !own => {
                    assert!(
                        matches!(answer, Err(Refused::StaleLease { .. })),
                        "{answer:?}"
                    );
                }
                _ => match kept.verb(Command::Renew { epoch }, self.now) {
                    Answer::Done(desired, _) => assert_eq!(answer.ok(), desired),
                    Answer::Refused(_) => assert!(answer.is_err(), "{answer:?}"),
                    Answer::Gap(_) => panic!("renewing has no gap"),
                },
            }
        }
    }

    async fn verb(&mut self, id: AttemptId, epoch: Epoch) {
        let (store, ws, now) = (&self.bed.store, self.bed.workspace, self.now);
        let choice = self.dice.below(10);
        let step = self.dice.of(&Step::ALL);
        let (back, number) = (self.dice.number(4) - 2, self.dice.number(5));
        let outcomes = [
            Outcome::Succeeded,
            Outcome::Cancelled,
            Outcome::AwaitingInput {
                question: "?".into(),
            },
        ];
        let outcome = outcomes[usize::try_from(self.dice.below(3)).expect("small")].clone();
        let kept = self.model.0.get_mut(&id).expect("known");
        let acked = kept.acked;
        let (got, wanted) = match choice {
            0 => (
                answer(store.advance(ws, id, epoch, step, now).await),
                kept.verb(Command::Advance { epoch, step }, now),
            ),
            1..=5 => {
                let first = acked + back;
                let rows = events(first, number);
                (
                    answer(store.append(ws, id, epoch, first, rows, now).await),
                    kept.append(epoch, first, number, now),
                )
            }
            6 => {
                let last = acked + back;
                let mut parts = result(&kept.attempt);
                parts.epoch = epoch;
                (
                    done(
                        store
                            .finish(ws, id, epoch, outcome.clone(), parts, last, now)
                            .await,
                    ),
                    kept.finish(epoch, outcome, last, now),
                )
            }
            7 | 8 => (
                done(store.release(ws, id, epoch, now).await),
                no_detail(kept.verb(Command::Release { epoch }, now)),
            ),
            _ => (
                done(store.cancel(ws, id, now).await.map(drop)),
                no_detail(kept.verb(Command::Cancel, now)),
            ),
        };
        assert_eq!(got, wanted, "verb {choice} on {kept:?}");
    }

    /// The store holds what the model holds.
    async fn compare(&self) {
        for (id, kept) in &self.model.0 {
            let record = self.bed.store.attempt(self.bed.workspace, *id).await;
            let record = record.expect("works").expect("it exists");
            assert_eq!(record.attempt, kept.attempt);
            assert_eq!(record.result.map(|result| result.epoch), kept.result);
            let log = self.bed.log(*id).await;
            assert_eq!(log.len(), kept.events, "{log:?}");
            let sent: Vec<_> = log
                .into_iter()
                .filter(|body| body.contains("number "))
                .collect();
            assert_eq!(sent, kept.sent);
        }
        let due = self
            .model
            .0
            .values()
            .filter_map(|kept| kept.attempt.due_at())
            .min();
        assert_eq!(self.bed.store.next_due().await.expect("works"), due);
    }
}

fn no_detail(answer: Answer) -> Answer {
    match answer {
        Answer::Done(_, _) => Answer::Done(None, 0),
        other => other,
    }
}

async fn random_schedules_give_what_the_model_gives(bed: Bed) {
    for seed in 0..SEEDS {
        let workers = [bed.worker(), bed.worker(), bed.worker()];
        let beginning = i64::try_from(seed).expect("small") * 10_000_000_000;
        let mut run = Run {
            bed: &bed,
            dice: Dice(seed),
            model: Model::default(),
            now: at(beginning),
            workers,
        };
        for _ in 0..STEPS {
            run.step().await;
        }
        // Nothing is left for the next seed.
        run.now = at(beginning + 5_000_000_000);
        for _ in 0..2 {
            run.reap().await;
        }
        run.compare().await;
    }
}

on_both!(random_schedules_give_what_the_model_gives);
