//! Who sees everything: what each verb was answered, what each commit changed, at which true time. It says so as soon as a promise
//! is broken.

mod ending;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use outwork_api::event::EventBody;
use outwork_api::problem::Code;
use outwork_api::worker::{AppendAnswer, Desired as Wished, Finish, HeartbeatAnswer, WorkerError};
use outwork_domain::status::{TaskOutcome, TaskStatus, task_status};
use outwork_domain::{Attempt, AttemptId, Desired, Epoch, FailureCode, State, TaskId, Timestamp};
use outwork_worker::stepped::ClaimId;

use crate::cluster::Cluster;
use crate::message::{Answer, Reply, Request};

/// A promise that was not kept.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which, in a few words.
    pub promise: &'static str,
    /// What happened instead.
    pub detail: String,
    /// When, in milliseconds since the simulation began.
    pub at_ms: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            promise,
            detail,
            at_ms,
        } = self;
        write!(f, "at {at_ms} ms: {promise}: {detail}")
    }
}

/// Whether all promises are kept so far.
pub type Kept = Result<(), Violation>;

/// Who changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A worker asked for work.
    Acquire,
    /// A verb about that attempt was accepted or refused.
    Verb(AttemptId, &'static str),
    /// A verb that changes no attempt's state.
    Other,
    /// A server found that a time had passed.
    Step,
    /// A person.
    Person,
}

/// An attempt whose worker was given up.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// The claim that was lost.
    pub claim: ClaimId,
    /// Which worker had it.
    pub worker: usize,
}

/// What was seen of all attempts.
#[derive(Default)]
pub struct Observer {
    now_ms: u64,
    attempts: BTreeMap<AttemptId, Seen>,
    tasks: BTreeMap<TaskId, Vec<AttemptId>>,
}

struct Seen {
    name: String,
    /// As it stood after the last commit.
    attempt: Attempt,
    claims: Vec<SeenClaim>,
    released: u32,
    finished: Option<(Epoch, Finish)>,
    is_cancelled: bool,
    /// What workers said, by claim and number.
    said: BTreeMap<(i64, i64), String>,
    /// The last event of each claim that was acknowledged.
    acknowledged: BTreeMap<i64, i64>,
    uploaded: BTreeMap<i64, Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
struct SeenClaim {
    epoch: Epoch,
    worker: usize,
    /// When the server last accepted something of it, by the clock of the server that did.
    heard_at: Timestamp,
    /// When it ended, in whatever way; true milliseconds.
    over_at_ms: Option<u64>,
}

impl Observer {
    /// It is that time now.
    pub fn wake(&mut self, true_ms: u64) {
        self.now_ms = true_ms;
    }

    fn broken<T>(&self, promise: &'static str, detail: impl Into<String>) -> Result<T, Violation> {
        Err(Violation {
            promise,
            detail: detail.into(),
            at_ms: self.now_ms,
        })
    }

    /// A person submitted a task.
    pub fn submitted(&mut self, task: TaskId, attempts: Vec<Attempt>) {
        let ids = attempts.iter().map(|attempt| attempt.id).collect();
        for (index, attempt) in attempts.into_iter().enumerate() {
            let id = attempt.id;
            let seen = Seen {
                name: format!("t{}.{}", self.tasks.len(), index + 1),
                attempt,
                claims: Vec::new(),
                released: 0,
                finished: None,
                is_cancelled: false,
                said: BTreeMap::new(),
                acknowledged: BTreeMap::new(),
                uploaded: BTreeMap::new(),
            };
            self.attempts.insert(id, seen);
        }
        self.tasks.insert(task, ids);
    }

    /// All attempts.
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.values().map(|seen| &seen.attempt)
    }

    /// The attempt as it stands.
    pub fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempts.get(&id).map(|seen| &seen.attempt)
    }

    /// Tasks in the order of their ids, with their attempts.
    pub fn tasks(&self) -> Vec<(TaskId, Vec<AttemptId>)> {
        let tasks = self.tasks.iter();
        tasks
            .map(|(task, attempts)| (*task, attempts.clone()))
            .collect()
    }

    /// Which worker has the attempt's newest claim.
    pub fn holder(&self, id: AttemptId) -> Option<usize> {
        self.attempts
            .get(&id)?
            .claims
            .last()
            .map(|claim| claim.worker)
    }

    /// A short name for the trace.
    pub fn name(&self, id: AttemptId) -> String {
        let seen = self.attempts.get(&id);
        seen.map_or_else(|| id.to_string(), |seen| seen.name.clone())
    }

    /// A text with attempts by their short names.
    pub fn brief(&self, text: &str) -> String {
        let attempts = self.attempts.iter();
        attempts.fold(text.to_owned(), |text, (id, seen)| {
            text.replace(&id.to_string(), &seen.name)
        })
    }

    /// A server did a request of a worker and gave that answer, at `now` by its clock.
    pub fn performed(
        &mut self,
        worker: usize,
        request: &Request,
        answer: &Answer,
        now: Timestamp,
    ) -> Kept {
        match (request, answer) {
            (Request::Acquire(_), Ok(Reply::Acquired(assignments))) => {
                for assignment in assignments {
                    let claim = ClaimId::parse(&assignment.attempt, assignment.epoch);
                    self.claimed(worker, claim.expect("an id"), now)?;
                }
                Ok(())
            }
            (Request::Heartbeat(_), Ok(Reply::Heartbeat(answer))) => {
                self.renewed(worker, answer, now)
            }
            (request, answer) => match request.claim() {
                Some((attempt, epoch)) => {
                    let claim = ClaimId::parse(attempt, epoch).expect("an id");
                    match answer {
                        Ok(reply) => self.accepted(claim, request, reply, now),
                        Err(error) => self.refused(claim, request.name(), error),
                    }
                }
                None => Ok(()),
            },
        }
    }

    fn claimed(&mut self, worker: usize, claim: ClaimId, now: Timestamp) -> Kept {
        let seen = &self.attempts[&claim.attempt];
        let last = seen.claims.last().map_or(Epoch::ZERO, |last| last.epoch);
        if claim.epoch.get() != last.get() + 1 {
            let detail = format!("{}: after {last:?} came {:?}", seen.name, claim.epoch);
            return self.broken("each claim raises the epoch by one", detail);
        }
        if !matches!(seen.attempt.state, State::Queued { .. }) {
            let detail = format!("{} was {}", seen.name, seen.attempt.state.as_str());
            return self.broken("only what is queued is given out", detail);
        }
        let seen = self.seen(claim.attempt);
        seen.claims.push(SeenClaim {
            epoch: claim.epoch,
            worker,
            heard_at: now,
            over_at_ms: None,
        });
        Ok(())
    }

    fn renewed(&mut self, worker: usize, answer: &HeartbeatAnswer, now: Timestamp) -> Kept {
        for lease in &answer.leases {
            let claim = ClaimId::parse(&lease.attempt, lease.epoch).expect("an id");
            let is_held = self.holds(claim);
            let name = self.name(claim.attempt);
            match lease.desired {
                Wished::Abandon if is_held && self.holder(claim.attempt) == Some(worker) => {
                    let detail = format!("a heartbeat for {name} {:?}", claim.epoch);
                    return self.broken("a claim that holds is not refused", detail);
                }
                Wished::Abandon => {}
                Wished::Run | Wished::Cancel => {
                    self.current(claim, "heartbeat")?;
                    if self.holder(claim.attempt) != Some(worker) {
                        let detail = format!("worker {worker} renewed {name}");
                        return self.broken("only the holder renews a lease", detail);
                    }
                    self.heard(claim, now);
                }
            }
        }
        Ok(())
    }

    fn accepted(
        &mut self,
        claim: ClaimId,
        request: &Request,
        reply: &Reply,
        now: Timestamp,
    ) -> Kept {
        self.current(claim, request.name())?;
        // An upload renews nothing.
        if !matches!(request, Request::Upload(..)) {
            self.heard(claim, now);
        }
        let epoch = claim.epoch.get();
        match request {
            Request::Append(_, append) => {
                let Reply::Progress(AppendAnswer {
                    acknowledged_seq, ..
                }) = reply
                else {
                    return self.broken("events are answered with a number", format!("{reply:?}"));
                };
                let seen = self.seen(claim.attempt);
                for (seq, event) in (append.first_seq..).zip(&append.events) {
                    if let EventBody::Message { text } = &event.body {
                        seen.said.insert((epoch, seq), text.clone());
                    }
                }
                seen.acknowledged.insert(epoch, *acknowledged_seq);
            }
            Request::Upload(_, upload) => {
                let content = upload.content.clone();
                self.seen(claim.attempt).uploaded.insert(epoch, content);
            }
            Request::Finish(_, finish) => {
                let seen = self.seen(claim.attempt);
                let before = seen.finished.replace((claim.epoch, finish.clone()));
                if let Some((before, _)) = before {
                    let detail = format!("{}: {before:?}, then {:?}", seen.name, claim.epoch);
                    return self.broken("an attempt is finished once", detail);
                }
            }
            Request::Release(..) => self.seen(claim.attempt).released += 1,
            Request::Advance(..)
            | Request::Register(_)
            | Request::Acquire(_)
            | Request::Heartbeat(_)
            | Request::Deregister(_) => {}
        }
        Ok(())
    }

    fn refused(&self, claim: ClaimId, verb: &'static str, error: &WorkerError) -> Kept {
        let WorkerError::Problem(problem) = error else {
            return Ok(());
        };
        let name = self.name(claim.attempt);
        let text = format!("{verb} of {name} {:?}: {}", claim.epoch, problem.detail);
        let is_lost = problem.is(Code::StaleLease) || problem.is(Code::AttemptEnded);
        if is_lost && self.holds(claim) {
            return self.broken("a claim that holds is not refused", text);
        }
        if is_lost || problem.is(Code::OutOfOrder) {
            return Ok(());
        }
        self.broken("a server has no other reason to refuse", text)
    }

    /// Whether that claim holds the attempt.
    fn holds(&self, claim: ClaimId) -> bool {
        let seen = &self.attempts[&claim.attempt];
        match seen.attempt.state {
            State::Held { lease, .. } => lease.epoch == claim.epoch,
            State::Queued { .. }
            | State::AwaitingInput { .. }
            | State::Succeeded { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => false,
        }
    }

    fn current(&self, claim: ClaimId, verb: &'static str) -> Kept {
        if self.holds(claim) {
            return Ok(());
        }
        let seen = &self.attempts[&claim.attempt];
        let detail = format!(
            "{verb} of {} {:?} was accepted while it was {} at {:?}",
            seen.name,
            claim.epoch,
            seen.attempt.state.as_str(),
            seen.attempt.epoch
        );
        self.broken("nothing is accepted from a stale claim", detail)
    }

    fn heard(&mut self, claim: ClaimId, now: Timestamp) {
        if let Some(claim) = self.claim(claim) {
            claim.heard_at = now;
        }
    }

    fn claim(&mut self, claim: ClaimId) -> Option<&mut SeenClaim> {
        let claims = &mut self.seen(claim.attempt).claims;
        claims.iter_mut().find(|seen| seen.epoch == claim.epoch)
    }

    fn seen(&mut self, id: AttemptId) -> &mut Seen {
        self.attempts
            .get_mut(&id)
            .expect("workers know only what was submitted")
    }

    /// A person's wish to cancel was acknowledged.
    pub fn cancelled(&mut self, attempt: AttemptId) {
        self.seen(attempt).is_cancelled = true;
    }

    /// When the claim ended, in true milliseconds; `None` while it holds.
    pub fn over_at_ms(&self, claim: ClaimId) -> Option<u64> {
        let claims = &self.attempts[&claim.attempt].claims;
        claims
            .iter()
            .find(|seen| seen.epoch == claim.epoch)?
            .over_at_ms
    }

    /// Reads what was committed, and looks whether it may have. Answers the attempts whose workers were given up.
    pub async fn refresh(
        &mut self,
        cluster: &Cluster,
        changed: &BTreeSet<AttemptId>,
        cause: Cause,
        now: Timestamp,
    ) -> Result<Vec<Lost>, Violation> {
        let mut lost = Vec::new();
        for id in changed {
            let after = read(cluster, *id).await;
            let before = std::mem::replace(&mut self.seen(*id).attempt, after.clone());
            self.changed(&before, &after, cause)?;
            if let Some(found) = self.given_up(&before, &after, now)? {
                lost.push(found);
            }
            self.check_task(after.task_id)?;
        }
        Ok(lost)
    }

    fn changed(&mut self, before: &Attempt, after: &Attempt, cause: Cause) -> Kept {
        let name = self.name(after.id);
        let (from, to) = (before.state.as_str(), after.state.as_str());
        let text = format!("{name} went from {from} to {to} by {cause:?}");
        if before.state.is_final() && before.state != after.state {
            return self.broken("what has ended stays as it is", text);
        }
        let is_claim = cause == Cause::Acquire;
        if after.epoch.get() != before.epoch.get() + i64::from(is_claim) {
            let detail = format!("{text}, {:?} became {:?}", before.epoch, after.epoch);
            return self.broken("each claim raises the epoch by one", detail);
        }
        if !is_allowed(before, after, cause) {
            return self.broken("only these commands change an attempt", text);
        }
        let cancel = matches!(before.desired, Desired::Cancel { .. });
        let is_stopped = matches!(after.state, State::Held { .. } | State::Cancelled { .. });
        if cancel && !is_stopped {
            return self.broken("what was cancelled is never shown otherwise", text);
        }
        self.count_tries(after)?;
        let now_ms = self.now_ms;
        let is_held = matches!(after.state, State::Held { .. });
        if let Some(claim) = self.seen(after.id).claims.last_mut()
            && !is_held
        {
            claim.over_at_ms.get_or_insert(now_ms);
        }
        Ok(())
    }

    fn count_tries(&self, attempt: &Attempt) -> Kept {
        let seen = &self.attempts[&attempt.id];
        let claims = u32::try_from(seen.claims.len()).expect("few");
        let tries = claims - seen.released;
        // What is given back because of a cancel ends, and counts.
        let is_cancelled = matches!(attempt.state, State::Cancelled { .. });
        if tries != attempt.tries && !is_cancelled || tries > attempt.limits.tries {
            let detail = format!(
                "{}: {claims} claims, {} given back, {} tries counted, {} allowed",
                seen.name, seen.released, attempt.tries, attempt.limits.tries
            );
            return self.broken("tries are counted, and capped", detail);
        }
        Ok(())
    }

    /// A lease that ran out must have had its time.
    fn given_up(
        &self,
        before: &Attempt,
        after: &Attempt,
        now: Timestamp,
    ) -> Result<Option<Lost>, Violation> {
        /// Two servers' clocks differ.
        const SKEW_MS: i64 = 250;
        let State::Held { lease, .. } = before.state else {
            return Ok(None);
        };
        let is_lost = match &after.state {
            State::Queued { visible_at, .. } => *visible_at > now,
            State::Failed { failure, .. } => failure.code == FailureCode::Lost,
            State::Held { .. }
            | State::AwaitingInput { .. }
            | State::Succeeded { .. }
            | State::Cancelled { .. } => false,
        };
        if !is_lost {
            return Ok(None);
        }
        let seen = &self.attempts[&after.id];
        let claim = seen.claims.last().expect("it was held");
        let silent_ms = now.as_millis() - claim.heard_at.as_millis();
        let lease_ms = i64::try_from(after.limits.lease.as_millis()).expect("short");
        if silent_ms + SKEW_MS < lease_ms {
            let detail = format!("{} was heard of {silent_ms} ms before", seen.name);
            return self.broken("a lease runs out only after its time", detail);
        }
        Ok(Some(Lost {
            claim: ClaimId {
                attempt: after.id,
                epoch: lease.epoch,
            },
            worker: claim.worker,
        }))
    }

    /// The status that people see, against what the attempts say.
    fn check_task(&self, task: TaskId) -> Kept {
        let attempts = self.tasks.get(&task).into_iter().flatten();
        let states: Vec<_> = attempts
            .map(|id| &self.attempts[id].attempt.state)
            .collect();
        if states.is_empty() {
            return Ok(());
        }
        let (status, outcome) = task_status(states.iter().copied());
        let ended = states.iter().all(|state| state.is_final());
        let succeeded = states
            .iter()
            .any(|state| matches!(state, State::Succeeded { .. }));
        let is_right = match status {
            TaskStatus::Completed => ended && succeeded,
            TaskStatus::Failed => ended && !succeeded,
            TaskStatus::Pending | TaskStatus::Running | TaskStatus::NeedsInput => !ended,
        };
        if is_right && (outcome == Some(TaskOutcome::Succeeded)) == (ended && succeeded) {
            return Ok(());
        }
        let names: Vec<_> = states.iter().map(|state| state.as_str()).collect();
        let detail = format!("{status:?} for {names:?}");
        self.broken("a task's status is that of its attempts", detail)
    }
}

/// What may lead from where to where.
fn is_allowed(before: &Attempt, after: &Attempt, cause: Cause) -> bool {
    use State::{AwaitingInput, Cancelled, Failed, Held, Queued, Succeeded};
    if before.state == after.state {
        return true;
    }
    match (&before.state, &after.state, cause) {
        (Queued { .. }, Held { .. }, Cause::Acquire) => true,
        (Held { .. }, Held { .. }, Cause::Verb(id, _)) => id == after.id,
        (Held { .. }, Held { .. }, Cause::Person | Cause::Other) => true,
        (
            Held { .. },
            Succeeded { .. } | Failed { .. } | AwaitingInput { .. } | Cancelled { .. },
            Cause::Verb(id, "finish"),
        ) => id == after.id,
        (Held { .. }, Queued { .. } | Cancelled { .. }, Cause::Verb(id, "release")) => {
            id == after.id
        }
        (Queued { .. } | AwaitingInput { .. }, Cancelled { .. }, Cause::Person) => true,
        (Held { .. }, Queued { .. } | Failed { .. } | Cancelled { .. }, Cause::Step) => true,
        (Queued { .. } | AwaitingInput { .. }, Failed { .. }, Cause::Step) => true,
        (_, _, _) => false,
    }
}

async fn read(cluster: &Cluster, id: AttemptId) -> Attempt {
    let record = cluster.store.attempt(cluster.workspace(), id).await;
    let record = record.expect("the database works");
    record.expect("nothing is deleted").attempt
}
