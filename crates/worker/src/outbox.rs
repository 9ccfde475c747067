//! Everything that the server has to hear about one attempt, in one order, in a file.
//!
//! Writers never wait for the server. [`delivery`](crate::outbox::delivery) reads the file behind them. One JSON object a
//! line: an event with its number, a step, a result that lies beside the file, and last the end. What is not acknowledged
//! when the worker is killed is there for the next one: an outbox that ends with [`Entry::Finish`] can be delivered.

pub(crate) mod delivery;
mod log;
mod pieces;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use outwork_api::event::EventBody;
use outwork_api::task::{Failure, Verification};
use outwork_api::worker::{Finish, NewEvent, Outcome, OutputKind};
use outwork_domain::limits::EVENT_BYTES;
use outwork_failpoint as failpoint;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::config::Clock;
use crate::mask::{EventMasker, Masker};
use log::Log;
use pieces::{JOINED_BYTES, joins, size_of};

/// What an event costs besides its text, so that a flood of tiny events is bounded, too.
const EVENT_COST_BYTES: u64 = 100;

/// One line of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    Event {
        seq: i64,
        event: NewEvent,
    },
    Step {
        step: String,
    },
    Upload {
        kind: OutputKind,
        /// Whose diff.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repository: Option<String>,
    },
    Finish(Finish),
}

/// Who caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The worker: few, always kept.
    Worker,
    /// Agent or script: hostile amounts are possible.
    Inside,
}

/// What the server has to hear about one attempt.
pub struct Outbox {
    state: Mutex<State>,
    now: Clock,
    masker: Masker,
    directory: PathBuf,
    log_bytes: u64,
    changed: Notify,
    urgent: Notify,
}

struct State {
    log: Log,
    /// Nothing is written that did not pass it.
    masks: EventMasker,
    last_seq: i64,
    /// An event that may still grow.
    open: Option<NewEvent>,
    inside_bytes: u64,
    is_finished: bool,
}

impl Outbox {
    /// An empty outbox in `directory`, which must exist. If nothing can be written there, the outbox lives in memory.
    pub(crate) fn create(directory: &Path, log_bytes: u64, now: Clock, masker: Masker) -> Self {
        let log = Log::create(&directory.join("entries"));
        Self::with(directory, log, 0, log_bytes, now, masker)
    }

    /// The outbox that a worker left in `directory`, if the attempt had ended.
    pub fn reopen(directory: &Path, now: Clock) -> io::Result<Option<Self>> {
        let log = Log::reopen(&directory.join("entries"))?;
        let mut last_seq = 0;
        let mut is_finished = false;
        let mut offset = 0;
        loop {
            let batch = log.read(offset)?;
            let Some((_, end)) = batch.last() else { break };
            offset = *end;
            for (entry, _) in &batch {
                match entry {
                    Entry::Event { seq, event: _ } => last_seq = *seq,
                    Entry::Step { step: _ } | Entry::Upload { .. } => {}
                    Entry::Finish(_) => is_finished = true,
                }
            }
        }
        Ok(is_finished.then(|| {
            // What is in it was masked when it was written.
            let outbox = Self::with(
                directory,
                log,
                last_seq,
                0,
                now,
                Masker::new([] as [(&str, &str); 0]),
            );
            outbox.lock().is_finished = true;
            outbox
        }))
    }

    fn with(
        directory: &Path,
        log: Log,
        last_seq: i64,
        log_bytes: u64,
        now: Clock,
        masker: Masker,
    ) -> Self {
        let state = State {
            log,
            masks: EventMasker::new(masker.clone()),
            last_seq,
            open: None,
            inside_bytes: 0,
            is_finished: false,
        };
        Self {
            state: Mutex::new(state),
            now,
            masker,
            directory: directory.to_owned(),
            log_bytes,
            changed: Notify::new(),
            urgent: Notify::new(),
        }
    }

    /// Adds an event, without secrets. After the end it is dropped.
    pub fn event(&self, source: Source, body: EventBody) {
        let mut state = self.lock();
        if state.is_finished {
            return;
        }
        for body in state.masks.mask_event(body) {
            self.add(&mut state, source, body);
        }
        drop(state);
        self.changed.notify_one();
    }

    fn add(&self, state: &mut State, source: Source, body: EventBody) {
        let event = NewEvent {
            at: (self.now)().into(),
            body,
        };
        if source == Source::Inside {
            let left = self.log_bytes.saturating_sub(state.inside_bytes);
            if left == 0 {
                return;
            }
            state.inside_bytes += EVENT_COST_BYTES + size_of(&event.body);
            if state.inside_bytes >= self.log_bytes {
                state.add(event);
                let message = format!(
                    "The log is full ({} MiB): what the agent writes from here on is left out. The work itself goes on.",
                    self.log_bytes >> 20
                );
                state.add(NewEvent {
                    at: (self.now)().into(),
                    body: EventBody::Warning { message },
                });
                return;
            }
        }
        state.add(event);
    }

    /// Says which step the attempt is in.
    pub fn step(&self, step: outwork_domain::Step) {
        self.put(Entry::Step {
            step: step.as_str().to_owned(),
        });
    }

    /// Keeps a result until the server has it. On the disk before the entry that names it: a machine that loses its power must
    /// not hand in a part of it later.
    pub fn result(
        &self,
        kind: OutputKind,
        repository: Option<String>,
        content: &[u8],
    ) -> io::Result<()> {
        let mut file = File::create(self.result_path(kind, repository.as_deref()))?;
        file.write_all(content)?;
        file.sync_all()?;
        failpoint::pass("worker.result.kept");
        self.put(Entry::Upload { kind, repository });
        Ok(())
    }

    /// The end: the last event's number is filled in, and nothing can be added after it.
    pub fn finish(&self, finish: Finish) {
        let mut state = self.lock();
        if state.is_finished {
            return;
        }
        for body in state.masks.finish() {
            self.add(&mut state, Source::Inside, body);
        }
        state.close();
        let last_seq = state.last_seq;
        let finish = self.masked_finish(finish);
        state
            .log
            .append(&Entry::Finish(Finish { last_seq, ..finish }));
        state.is_finished = true;
        let file = state.log.file();
        drop(state);
        failpoint::pass("worker.finish.noted");
        self.urgent.notify_one();
        self.changed.notify_one();
        // Not under the lock: the delivery goes on meanwhile.
        if let Some(Err(error)) = file.map(|file| file.sync_data()) {
            tracing::warn!(%error, "an outbox could not be synchronised");
        }
    }

    /// Knows the attempt's secrets.
    pub(crate) fn masker(&self) -> &Masker {
        &self.masker
    }

    fn masked(&self, text: &str) -> String {
        self.masker.mask(text).into_owned()
    }

    /// What the end says in words.
    fn masked_finish(&self, finish: Finish) -> Finish {
        let outcome = match finish.outcome {
            Outcome::Failed { failure } => Outcome::Failed {
                failure: Failure {
                    code: failure.code,
                    message: self.masked(&failure.message),
                    hint: failure.hint.as_deref().map(|hint| self.masked(hint)),
                },
            },
            Outcome::AwaitingInput { question } => Outcome::AwaitingInput {
                question: self.masked(&question),
            },
            Outcome::Succeeded {} => Outcome::Succeeded {},
            Outcome::Cancelled {} => Outcome::Cancelled {},
        };
        Finish {
            outcome,
            message: finish.message.as_deref().map(|text| self.masked(text)),
            verification: finish.verification.map(|verification| {
                Box::new(Verification {
                    command: self.masked(&verification.command),
                    tail: self.masked(&verification.tail),
                    ..*verification
                })
            }),
            ..finish
        }
    }

    /// Whether the disk refused something; what came after it is in memory only.
    pub(crate) fn is_broken(&self) -> bool {
        self.lock().log.is_broken()
    }

    fn put(&self, entry: Entry) {
        let mut state = self.lock();
        if state.is_finished {
            return;
        }
        state.close();
        state.log.append(&entry);
        drop(state);
        self.urgent.notify_one();
        self.changed.notify_one();
    }

    /// The names of repositories are checked by the server and again where an attempt begins: plain ones.
    fn result_path(&self, kind: OutputKind, repository: Option<&str>) -> PathBuf {
        let name = match repository {
            Some(repository) => format!("{}.{repository}", kind.as_str()),
            None => kind.as_str().to_owned(),
        };
        self.directory.join(name)
    }

    /// Entries from `offset` on, each with the offset behind it; closes the event that may still grow if nothing else is left.
    fn read(&self, offset: u64) -> io::Result<Vec<(Entry, u64)>> {
        let mut state = self.lock();
        let batch = state.log.read(offset)?;
        if !batch.is_empty() || state.open.is_none() {
            return Ok(batch);
        }
        state.close();
        state.log.read(offset)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, event: NewEvent) {
        if let Some(open) = &mut self.open
            && joins(&mut open.body, &event.body)
        {
            return;
        }
        self.close();
        self.open = Some(event);
    }

    /// Gives the open event its number and writes it.
    fn close(&mut self) {
        let Some(mut event) = self.open.take() else {
            return;
        };
        if size_of(&event.body) > JOINED_BYTES as u64
            && serde_json::to_vec(&event).is_ok_and(|json| json.len() > EVENT_BYTES)
        {
            let message = "An event of the agent was too large and is left out.".to_owned();
            event.body = EventBody::Warning { message };
        }
        self.last_seq += 1;
        self.log.append(&Entry::Event {
            seq: self.last_seq,
            event,
        });
    }
}

#[cfg(test)]
mod tests;
