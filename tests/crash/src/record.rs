//! What was done to the site, whom it concerned, and what was found wrong.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A kind of fault, as a row of the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) times: u64,
    /// Tasks (`task_…`) and attempts (`att_…`) that were under way where it struck.
    pub(crate) affected: BTreeSet<String>,
}

/// Something that must not be.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) kind: &'static str,
    /// Whom it concerns, if that is known.
    pub(crate) of: Option<String>,
    pub(crate) text: String,
}

/// Shared by all who do something to the site.
#[derive(Default)]
pub(crate) struct Record {
    rows: Mutex<BTreeMap<String, Row>>,
    findings: Mutex<Vec<Finding>>,
    /// Tasks that were acknowledged and have not ended.
    open: Mutex<BTreeSet<String>>,
    /// Attempts whose agent was killed.
    agents_killed: Mutex<HashSet<String>>,
    /// Where each worker keeps its attempts.
    attempts: Mutex<BTreeMap<String, PathBuf>>,
    /// Attempts whose outbox was refused a line.
    outboxes_refused: Mutex<HashSet<String>>,
    calm: AtomicBool,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Record {
    /// From now on nothing is done to the site any more.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    pub(crate) fn injected(&self, kind: &str, affected: BTreeSet<String>) {
        let mut rows = lock(&self.rows);
        let row = rows.entry(kind.to_owned()).or_default();
        row.times += 1;
        row.affected.extend(affected);
    }

    pub(crate) fn find(&self, kind: &'static str, of: Option<&str>, text: String) {
        eprintln!("FOUND {kind}: {text}");
        lock(&self.findings).push(Finding {
            kind,
            of: of.map(str::to_owned),
            text,
        });
    }

    pub(crate) fn rows(&self) -> BTreeMap<String, Row> {
        lock(&self.rows).clone()
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        lock(&self.findings).clone()
    }

    pub(crate) fn opened(&self, task: &str) {
        lock(&self.open).insert(task.to_owned());
    }

    pub(crate) fn closed(&self, task: &str) {
        lock(&self.open).remove(task);
    }

    pub(crate) fn open(&self) -> BTreeSet<String> {
        lock(&self.open).clone()
    }

    pub(crate) fn agent_killed(&self, attempt: &str) {
        lock(&self.agents_killed).insert(attempt.to_owned());
    }

    pub(crate) fn was_agent_killed(&self, attempt: &str) -> bool {
        lock(&self.agents_killed).contains(attempt)
    }

    pub(crate) fn outbox_refused(&self, attempt: &str) {
        lock(&self.outboxes_refused).insert(attempt.to_owned());
    }

    pub(crate) fn was_outbox_refused(&self, attempt: &str) -> bool {
        lock(&self.outboxes_refused).contains(attempt)
    }

    pub(crate) fn worker_keeps_attempts_in(&self, worker: &str, dir: PathBuf) {
        lock(&self.attempts).insert(worker.to_owned(), dir);
    }

    /// Whom a fault there concerns: of a worker the attempts that it has on its disk, else every task that is open.
    pub(crate) fn affected_at(&self, name: &str) -> BTreeSet<String> {
        let Some(dir) = lock(&self.attempts).get(name).cloned() else {
            return self.open();
        };
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }
}
