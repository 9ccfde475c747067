//! An attempt that a worker has: its work, what the server has heard of it, and how it ends.

use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outwork_api::event::EventBody;
use outwork_api::task::{DiffStat, Failure, RepositoryDiff};
use outwork_api::worker::{
    Advance, Append, AppendAnswer, Assignment, Finish, Outcome, OutputKind, Release,
};
use outwork_domain::Step;
use outwork_worker::stepped::{
    Backoff, ClaimId, LeaseGuard, Outbox, Portion, Position, Source, Verdict, Wish, outbox, verdict,
};

use super::{Effect, Pending, Process, REQUEST_TIMEOUT, Timer, Worker, clock};
use crate::cluster::REPOSITORY;
use crate::dice::Dice;
use crate::message::{Answer, Reply, Request, Upload};

/// See `attempt` in `crates/worker`.
const LAST_WORDS: Duration = Duration::from_secs(3);
const RELEASES: u32 = 4;

pub(super) struct Run {
    /// When the server last renewed it, as the worker knows.
    pub(super) renewed_at: Instant,
    /// For a time or for the next contact, before something is sent again.
    pub(super) is_waiting: bool,
    lease: LeaseGuard,
    outbox: Arc<Outbox>,
    position: Position,
    sending: Option<(Portion, u64)>,
    backoff: Backoff,
    phase: Phase,
    takes_slot: bool,
}

enum Phase {
    /// Its sandbox runs.
    Working {
        acts: VecDeque<(Duration, Act)>,
        said: u32,
        is_cancelled: bool,
    },
    /// It has ended, and the server has not heard all.
    LastWords { is_limited: bool },
    /// It is given back.
    Releasing { asked: u32 },
}

#[derive(Clone, Debug)]
enum Act {
    Step(Step),
    Say,
    Diff,
    End(Outcome),
}

impl Run {
    /// What an earlier process left.
    pub(super) fn leftover(lease: LeaseGuard, outbox: Outbox, now: Instant) -> Self {
        Self {
            renewed_at: now,
            is_waiting: false,
            lease,
            outbox: Arc::new(outbox),
            position: Position::default(),
            sending: None,
            backoff: Backoff::default(),
            phase: Phase::LastWords { is_limited: false },
            takes_slot: false,
        }
    }

    pub(super) fn is_working(&self) -> bool {
        matches!(self.phase, Phase::Working { .. })
    }
}

impl Process {
    pub(super) fn used_slots(&self) -> usize {
        self.runs.values().filter(|run| run.takes_slot).count()
    }
}

impl Worker {
    pub(super) fn begin(&mut self, assignment: &Assignment, asked_at: Instant) {
        let claim = ClaimId::parse(&assignment.attempt, assignment.epoch).expect("an id");
        let lease = Duration::from_millis(assignment.lease_ms);
        let directory = self.outbox_directory(claim);
        fs::create_dir_all(&directory).expect("a directory for an outbox");
        self.disk.outboxes.insert(claim);
        let acts = work(&mut self.dice, lease);
        let first = acts.front().map_or(Duration::ZERO, |(wait, _)| *wait);
        let process = self.process();
        let run = Run {
            renewed_at: asked_at,
            is_waiting: false,
            lease: process.leases.hold(claim, lease, asked_at),
            outbox: Arc::new(outbox(&directory, clock())),
            position: Position::default(),
            sending: None,
            backoff: Backoff::default(),
            phase: Phase::Working {
                acts,
                said: 0,
                is_cancelled: false,
            },
            takes_slot: true,
        };
        process.runs.insert(claim, run);
        self.after(first, Timer::Act(claim));
    }

    /// The next thing that the attempt does.
    pub(super) fn act(&mut self, claim: ClaimId) {
        let Some(run) = self.process().runs.get_mut(&claim) else {
            return;
        };
        let Phase::Working { acts, said, .. } = &mut run.phase else {
            return;
        };
        let Some((_, act)) = acts.pop_front() else {
            return;
        };
        let next = acts.front().map(|(wait, _)| *wait);
        match act {
            Act::Step(step) => run.outbox.step(step),
            Act::Say => {
                *said += 1;
                let text = said.to_string();
                run.outbox
                    .event(Source::Worker, EventBody::Message { text });
            }
            Act::Diff => {
                let content = format!("what {claim} made");
                let kept = run
                    .outbox
                    .result(OutputKind::Diff, None, content.as_bytes());
                kept.expect("a result can be kept");
            }
            Act::End(outcome) => {
                run.outbox.finish(end(claim, outcome));
                run.phase = Phase::LastWords { is_limited: false };
            }
        }
        if let Some(next) = next {
            self.after(next, Timer::Act(claim));
        }
        self.deliver(claim);
    }

    /// Does what is wanted of the attempt.
    pub(super) fn heed(&mut self, claim: ClaimId) {
        let is_deaf = self.is_deaf;
        let lease = self.lease;
        let Some(run) = self.process().runs.get_mut(&claim) else {
            return;
        };
        match (&mut run.phase, run.lease.wish()) {
            (_, Wish::Run) => {}
            (Phase::Working { .. }, Wish::Abandon) if is_deaf => {}
            (Phase::Working { .. } | Phase::LastWords { .. }, Wish::Abandon) => {
                self.note(format!("abandons {claim}"));
                self.forget(claim);
            }
            (
                Phase::Working {
                    acts, is_cancelled, ..
                },
                Wish::Cancel,
            ) if !*is_cancelled => {
                *is_cancelled = true;
                let begun = acts
                    .iter()
                    .any(|(_, act)| matches!(act, Act::Step(Step::Collecting)));
                *acts = stop(lease, begun);
                self.after(lease / 100, Timer::Act(claim));
            }
            (Phase::Working { .. }, Wish::Release) => {
                run.phase = Phase::Releasing { asked: 0 };
                run.backoff = Backoff::default();
                self.release(claim);
            }
            (Phase::LastWords { is_limited }, Wish::Release) if !*is_limited => {
                *is_limited = true;
                self.after(LAST_WORDS, Timer::Keep(claim));
            }
            (Phase::Working { .. }, Wish::Cancel)
            | (Phase::LastWords { .. }, Wish::Release | Wish::Cancel)
            | (Phase::Releasing { .. }, _) => {}
        }
    }

    /// The worker ends before the server heard the end.
    pub(super) fn keep(&mut self, claim: ClaimId) {
        // Only the outbox stays.
        self.process().runs.remove(&claim);
    }

    pub(super) fn release(&mut self, claim: ClaimId) {
        let Some(run) = self.process().runs.get_mut(&claim) else {
            return;
        };
        let Phase::Releasing { asked } = &mut run.phase else {
            return;
        };
        *asked += 1;
        let epoch = claim.epoch.get();
        let release = Release {
            epoch,
            resume: false,
        };
        let request = Request::Release(claim.attempt.to_string(), release);
        self.send(Pending::Release(claim), request, REQUEST_TIMEOUT);
    }

    pub(super) fn released(&mut self, claim: ClaimId, answer: Answer) {
        let Some(run) = self.process().runs.get_mut(&claim) else {
            return;
        };
        let Phase::Releasing { asked } = run.phase else {
            return;
        };
        let is_again = matches!(&answer, Err(error) if verdict(error) == Verdict::Again);
        let wait = run.backoff.next();
        if is_again {
            // It waits also after the last time, and then gives up.
            if asked < RELEASES {
                self.after(wait, Timer::Release(claim));
                return;
            }
        }
        self.forget(claim);
    }

    /// Sends what the server has not heard, if nothing is on its way.
    pub(super) fn deliver(&mut self, claim: ClaimId) {
        let Some(run) = self.process().runs.get_mut(&claim) else {
            return;
        };
        let is_releasing = matches!(run.phase, Phase::Releasing { .. });
        if run.sending.is_some() || run.is_waiting || is_releasing {
            return;
        }
        let next = run.position.next(&run.outbox);
        let Some((portion, end)) = next.expect("an outbox can be read") else {
            return;
        };
        let request = request(claim, &portion);
        run.sending = Some((portion, end));
        self.send(Pending::Deliver(claim), request, REQUEST_TIMEOUT);
    }

    pub(super) fn deliver_again(&mut self, claim: ClaimId) {
        if let Some(run) = self.process().runs.get_mut(&claim) {
            run.is_waiting = false;
            self.deliver(claim);
        }
    }

    pub(super) fn delivered(&mut self, claim: ClaimId, answer: Answer) {
        let process = self.process.as_mut().expect("a process runs");
        let Some(run) = process.runs.get_mut(&claim) else {
            return;
        };
        let Some((portion, end)) = run.sending.take() else {
            return;
        };
        if let Phase::Releasing { .. } = run.phase {
            return;
        }
        let error = match answer {
            Ok(reply) => {
                run.backoff = Backoff::default();
                let mut acknowledged = None;
                if let Reply::Progress(AppendAnswer {
                    acknowledged_seq,
                    desired,
                }) = reply
                {
                    process.leases.raise(claim, desired.into());
                    let is_events = matches!(portion, Portion::Events { .. });
                    acknowledged = is_events.then_some(acknowledged_seq);
                }
                let is_whole = run.position.delivered(&portion, end, acknowledged);
                if let Portion::Finish(_) = portion {
                    self.forget(claim);
                } else if is_whole {
                    self.deliver(claim);
                } else {
                    self.wait_to_deliver(claim);
                }
                return;
            }
            Err(error) => error,
        };
        match verdict(&error) {
            Verdict::Again | Verdict::Refused | Verdict::Revoked => self.wait_to_deliver(claim),
            Verdict::OutOfOrder => {
                run.position.rewind();
                self.wait_to_deliver(claim);
            }
            Verdict::Ended | Verdict::Stale | Verdict::Unknown | Verdict::Rejected => {
                process.leases.raise(claim, Wish::Abandon);
                self.effects
                    .push(Effect::Note(format!("hears that {claim} is over: {error}")));
            }
        }
    }

    fn wait_to_deliver(&mut self, claim: ClaimId) {
        let run = self
            .process()
            .runs
            .get_mut(&claim)
            .expect("it is being delivered");
        run.is_waiting = true;
        let wait = run.backoff.next();
        self.after(wait, Timer::Deliver(claim));
    }
}

fn request(claim: ClaimId, portion: &Portion) -> Request {
    let attempt = claim.attempt.to_string();
    let epoch = claim.epoch.get();
    match portion.clone() {
        Portion::Events { first_seq, events } => Request::Append(
            attempt,
            Append {
                epoch,
                first_seq,
                events,
            },
        ),
        Portion::Step(step) => Request::Advance(attempt, Advance { epoch, step }),
        Portion::Upload(kind, _, content) => Request::Upload(
            attempt,
            Upload {
                epoch,
                kind,
                content,
            },
        ),
        Portion::Finish(finish) => Request::Finish(attempt, *finish),
    }
}

fn end(claim: ClaimId, outcome: Outcome) -> Finish {
    Finish {
        epoch: claim.epoch.get(),
        outcome,
        diffs: vec![RepositoryDiff {
            repository: REPOSITORY.to_owned(),
            summary: DiffStat::default(),
        }],
        has_session: false,
        message: Some(format!("{claim} is done")),
        tokens: None,
        verification: None,
        agent_ms: None,
        paths: Vec::new(),
        changed_tests: Vec::new(),
        last_seq: 0,
    }
}

/// What an attempt does, each after a time.
fn work(dice: &mut Dice, lease: Duration) -> VecDeque<(Duration, Act)> {
    let percent = |from: u64, to: u64, dice: &mut Dice| {
        lease * u32::try_from(dice.between(from, to)).expect("a percentage") / 100
    };
    let mut acts = vec![(percent(0, 3, dice), Act::Step(Step::Preparing))];
    if dice.chance(50) {
        acts.push((percent(5, 60, dice), Act::Say));
        acts.push((percent(1, 20, dice), Act::Step(Step::SettingUp)));
    }
    acts.push((percent(5, 60, dice), Act::Step(Step::Running)));
    for _ in 0..dice.below(4) {
        acts.push((percent(0, 40, dice), Act::Say));
    }
    // Long enough that a lease runs out if nobody renews it.
    let most = dice.of(&[40, 220]);
    acts.push((percent(5, most, dice), Act::Say));
    acts.push((percent(0, 20, dice), Act::Step(Step::Collecting)));
    acts.push((percent(1, 15, dice), Act::Diff));
    acts.push((percent(0, 10, dice), Act::End(outcome(dice))));
    acts.into()
}

fn outcome(dice: &mut Dice) -> Outcome {
    match dice.below(100) {
        0..5 => Outcome::AwaitingInput {
            question: "which?".to_owned(),
        },
        5..15 => Outcome::Failed {
            failure: Failure {
                code: "agent_failed".to_owned(),
                message: "It gave up.".to_owned(),
                hint: None,
            },
        },
        _ => Outcome::Succeeded {},
    }
}

/// What an attempt does that is cancelled; `collects`: it has not begun to.
fn stop(lease: Duration, collects: bool) -> VecDeque<(Duration, Act)> {
    let mut acts = VecDeque::new();
    if collects {
        acts.push_back((lease / 100, Act::Step(Step::Collecting)));
    }
    acts.push_back((lease / 100, Act::Diff));
    acts.push_back((lease / 50, Act::End(Outcome::Cancelled {})));
    acts
}
