//! What must be true when everything has ended: compares what people were told with what is stored.

use std::collections::HashMap;

use anyhow::{Context, Result};
use outwork_api::client::{Client, EventQuery, EventRecord, TaskQuery};
use outwork_api::event::EventBody;
use outwork_api::page::{MAX_LIMIT, PageQuery};
use outwork_api::task::{Attempt, Task};

use crate::people::{Told, TurnSeen};
use crate::record::Record;
use crate::work::{Work, added_by};

/// Events of one answer.
const EVENTS: u32 = 1000;

/// How tasks and attempts ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) tasks: usize,
    pub(crate) turns: usize,
    pub(crate) attempts: usize,
    pub(crate) events: usize,
    /// By state, and for failures by their code.
    pub(crate) ended: std::collections::BTreeMap<String, usize>,
    /// Claims beyond the first of each attempt.
    pub(crate) run_again: usize,
}

pub(crate) struct Check<'a> {
    pub(crate) client: &'a Client,
    pub(crate) record: &'a Record,
}

impl Check<'_> {
    /// Looks at every task. Gives which task each attempt belongs to, too.
    pub(crate) async fn all(&self, told: &[Told]) -> Result<(Counts, HashMap<String, String>)> {
        let mut counts = Counts::default();
        let mut tasks_of = HashMap::new();
        self.nothing_twice(told).await?;
        for told in told {
            let task = self.client.task(&told.task).await;
            let Ok(task) = task else {
                self.find("lost", &told.task, "an acknowledged task is not there");
                continue;
            };
            counts.tasks += 1;
            for turn in &task.turns {
                counts.turns += 1;
                for attempt in &turn.attempts {
                    tasks_of.insert(attempt.id.clone(), told.task.clone());
                }
            }
            self.task(told, &task, &mut counts).await?;
        }
        self.no_lease_is_held().await?;
        Ok((counts, tasks_of))
    }

    fn find(&self, kind: &'static str, of: &str, text: impl Into<String>) {
        let text = format!("{of}: {}", text.into());
        self.record.find(kind, Some(of), text);
    }

    /// As many tasks as were acknowledged, and each of them once.
    async fn nothing_twice(&self, told: &[Told]) -> Result<()> {
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut query = TaskQuery {
            environment: None,
            kind: None,
            page: PageQuery {
                limit: Some(MAX_LIMIT),
                cursor: None,
            },
        };
        loop {
            let page = self.client.tasks(&query).await?;
            for task in page.items {
                *known.entry(task.id).or_default() += 1;
            }
            match page.next_cursor {
                Some(cursor) => query.page.cursor = Some(cursor),
                None => break,
            }
        }
        for (task, times) in &known {
            let is_ours = told.iter().any(|told| &told.task == task);
            if *times != 1 {
                self.find("wrong", task, format!("is listed {times} times"));
            }
            if !is_ours {
                self.find("run twice", task, "a submission made a second task");
            }
        }
        for told in told.iter().filter(|told| !known.contains_key(&told.task)) {
            self.find("lost", &told.task, "is not listed");
        }
        Ok(())
    }

    async fn no_lease_is_held(&self) -> Result<()> {
        for worker in self.client.workers().await?.items {
            for attempt in &worker.attempts {
                self.find(
                    "left behind",
                    attempt,
                    format!("{} still holds it", worker.id),
                );
            }
        }
        Ok(())
    }

    async fn task(&self, told: &Told, task: &Task, counts: &mut Counts) -> Result<()> {
        let Told {
            task: id,
            turns,
            cancelled,
        } = told;
        if task.turns.len() != turns.len() {
            let text = format!(
                "has {} turns, {} were acknowledged",
                task.turns.len(),
                turns.len()
            );
            self.find("lost", id, text);
            return Ok(());
        }
        let mut carried = Vec::new();
        for (seen, turn) in turns.iter().zip(&task.turns) {
            if turn.prompt != seen.work.prompt() || turn.attempts.len() != seen.attempts as usize {
                self.find(
                    "wrong",
                    id,
                    format!("turn {} is not the one submitted", seen.number),
                );
                continue;
            }
            let before = std::mem::take(&mut carried);
            for attempt in &turn.attempts {
                let added = self.attempt(seen, attempt, &before, counts).await?;
                if attempt.number == 1 {
                    carried = added;
                }
            }
        }
        let first = task.turns.first().context("a turn")?;
        for then in cancelled {
            let now = first.attempts.iter().find(|now| now.id == then.id);
            let state = now.map_or("gone", |attempt| attempt.state.as_str());
            let wanted = if then.cancelling {
                "cancelled"
            } else {
                &then.state
            };
            if state != wanted {
                let text = format!("an acknowledged cancel: {wanted} was promised, it is {state}");
                self.find("lost", &then.id, text);
            }
        }
        Ok(())
    }

    /// Gives the lines of its diff.
    async fn attempt(
        &self,
        turn: &TurnSeen,
        attempt: &Attempt,
        before: &[String],
        counts: &mut Counts,
    ) -> Result<Vec<String>> {
        let id = attempt.id.as_str();
        counts.attempts += 1;
        let ended = match &attempt.failure {
            Some(failure) => format!("{}: {}", attempt.state, failure.code),
            None => attempt.state.clone(),
        };
        *counts.ended.entry(ended).or_default() += 1;
        if !matches!(attempt.state.as_str(), "succeeded" | "failed" | "cancelled") {
            let text = format!("is {} (deadline {:?})", attempt.state, attempt.deadline_at);
            self.find("stuck", id, text);
            return Ok(Vec::new());
        }
        let events = self.events(id).await?;
        counts.events += events.len();
        let story = Story::read(&events, &turn.work);
        for fault in &story.faults {
            self.find(fault.0, id, fault.1.clone());
        }
        counts.run_again += usize::try_from(story.claims.saturating_sub(1)).unwrap_or(0);
        if story.last_state.as_deref() != Some(&attempt.state) {
            let text = format!(
                "its log ends with {:?}, it is {}",
                story.last_state, attempt.state
            );
            self.find("wrong", id, text);
        }
        self.followed(turn, id, &events);
        self.failure(attempt, &story);
        self.diff(turn, attempt, before).await
    }

    async fn events(&self, attempt: &str) -> Result<Vec<EventRecord>> {
        let mut all: Vec<EventRecord> = Vec::new();
        loop {
            let after = all.last().map_or(0, |record| record.event.seq);
            let query = EventQuery {
                after,
                limit: Some(EVENTS),
            };
            let page = self.client.events(attempt, query).await?;
            if page.items.is_empty() {
                return Ok(all);
            }
            all.extend(page.items);
        }
    }

    /// Who followed saw what is stored, all of it and once.
    fn followed(&self, turn: &TurnSeen, id: &str, events: &[EventRecord]) {
        let Some(seen) = turn.seen.iter().find(|seen| seen.attempt == id) else {
            self.find("wrong", id, "nobody followed it: it was not in the answer");
            return;
        };
        if let Some(fault) = &seen.fault {
            self.find("lost", id, format!("following failed: {fault}"));
            return;
        }
        let is_same = |pair: (&EventRecord, &EventRecord)| pair.0.json == pair.1.json;
        if seen.events.len() != events.len() || !seen.events.iter().zip(events).all(is_same) {
            let text = format!(
                "its follower saw {} events, stored are {}, or others",
                seen.events.len(),
                events.len()
            );
            self.find("lost", id, text);
        }
    }

    /// A failure is one only if it was caused.
    fn failure(&self, attempt: &Attempt, story: &Story) {
        let Some(failure) = &attempt.failure else {
            return;
        };
        let is_caused = match failure.code.as_str() {
            "agent_failed" | "agent_crashed" => self.record.was_agent_killed(&attempt.id),
            // Its outbox was refused a line, as by a full disk.
            "disk_full" => self.record.was_outbox_refused(&attempt.id),
            "lost" => story.workers_lost + 1 >= attempt.tries && attempt.tries >= 3,
            _ => false,
        };
        if !is_caused {
            let text = format!(
                "failed without a cause: {} ({})",
                failure.code, failure.message
            );
            self.find("wrong", &attempt.id, text);
        }
    }

    async fn diff(
        &self,
        turn: &TurnSeen,
        attempt: &Attempt,
        before: &[String],
    ) -> Result<Vec<String>> {
        let id = attempt.id.as_str();
        let succeeded = attempt.state == "succeeded";
        if attempt.diff.is_none() {
            if succeeded {
                self.find("lost", id, "succeeded, and has no diff");
            }
            return Ok(Vec::new());
        }
        let patch = match self.client.attempt_diff(id, None).await {
            Ok(patch) => String::from_utf8_lossy(&patch).into_owned(),
            Err(error) => {
                self.find("lost", id, format!("its diff cannot be read: {error}"));
                return Ok(Vec::new());
            }
        };
        let added = match added_by(&patch) {
            Ok(added) => added,
            Err(text) => {
                self.find("wrong", id, text);
                return Ok(Vec::new());
            }
        };
        let whole = [before, &turn.work.added(turn.number, attempt.number)].concat();
        let is_right = match succeeded {
            true => added == whole,
            // It was stopped on the way.
            false => whole.starts_with(&added),
        };
        if !is_right {
            self.find(
                "lost",
                id,
                format!("its diff adds {added:?}, not {whole:?}"),
            );
        }
        Ok(added)
    }
}

/// A log, read from its beginning to its end.
#[derive(Default)]
struct Story {
    faults: Vec<(&'static str, String)>,
    claims: i64,
    workers_lost: u32,
    last_state: Option<String>,
    holds: Option<i64>,
    said: String,
    finals: u32,
}

impl Story {
    fn read(events: &[EventRecord], work: &Work) -> Self {
        let mut story = Self::default();
        let whole = work.said();
        for (index, record) in events.iter().enumerate() {
            let event = &record.event;
            if usize::try_from(event.seq) != Ok(index + 1) {
                story.fault(
                    "lost",
                    format!("event {} is number {}", index + 1, event.seq),
                );
            }
            if story.finals > 0 {
                story.fault(
                    "run twice",
                    format!("event {} comes after the end", event.seq),
                );
            }
            match &event.body {
                EventBody::State { state, .. } => story.state(state, event.epoch),
                EventBody::WorkerLost { .. } => story.workers_lost += 1,
                EventBody::CancelRequested {} => {}
                EventBody::Output { stream, text } => {
                    story.by_worker(event.epoch);
                    if stream == "stdout" {
                        story.said.push_str(text);
                        if !whole.starts_with(&story.said) {
                            let text = format!("the agent said {:?}", story.said);
                            story.fault("lost", text);
                        }
                    }
                }
                _ => story.by_worker(event.epoch),
            }
        }
        if story.last_state.as_deref() == Some("succeeded") && story.said != whole {
            let text = format!("of what the agent said there is only {:?}", story.said);
            story.fault("lost", text);
        }
        if story.finals != 1 {
            story.fault("wrong", format!("has {} ends", story.finals));
        }
        story
    }

    fn fault(&mut self, kind: &'static str, text: String) {
        self.faults.push((kind, text));
    }

    fn state(&mut self, state: &str, epoch: i64) {
        match state {
            "queued" => self.holds = None,
            "leased" => {
                if epoch != self.claims + 1 || self.holds.is_some() {
                    self.fault(
                        "run twice",
                        format!("claim {epoch} follows {}", self.claims),
                    );
                }
                self.claims = epoch;
                self.holds = Some(epoch);
                self.said.clear();
            }
            "succeeded" | "failed" | "cancelled" => self.finals += 1,
            _ => self.by_worker(epoch),
        }
        self.last_state = Some(state.to_owned());
    }

    /// Only the claim that holds the attempt may say something.
    fn by_worker(&mut self, epoch: i64) {
        if self.holds != Some(epoch) {
            let text = format!("claim {epoch} spoke while {:?} held it", self.holds);
            self.fault("run twice", text);
        }
    }
}
