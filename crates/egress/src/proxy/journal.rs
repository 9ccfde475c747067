//! What was asked and what became of it: one [`Decision`] for each request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::refusal::{Refusal, RefusalCode};
use crate::policy::Rule;
use crate::policy::target::Target;

/// One request, when it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// As asked for, in printable ASCII; empty if the request could not be read so far.
    pub host: String,
    /// 0 if the request could not be read so far.
    pub port: u16,
    /// `CONNECT` for a tunnel whose bytes pass unread, or that was refused.
    pub method: Option<String>,
    /// Without the query, which may hold secrets. `None` for a tunnel.
    pub path: Option<String>,
    pub verdict: Verdict,
    /// What decided: `preset common: npmjs.org`, `allow: example.com`, `mode: all`, `methods: read_only`. `None` where no rule did, but what
    /// was asked could not be read, or failed.
    pub rule: Option<String>,
    /// For a refusal: what to type to allow it.
    pub hint: Option<String>,
    /// From the client to the server, all that was sent for this request.
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub duration: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allowed {
        /// What was dialled; `None` if the operator's own proxy did.
        address: Option<SocketAddr>,
    },
    Refused {
        code: RefusalCode,
        /// A sentence.
        reason: String,
    },
}

/// Sums over the life of a proxy; complete even if decisions were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub allowed: u64,
    pub refused: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// Decisions that found the channel full.
    pub decisions_dropped: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Journal {
    sums: Arc<Sums>,
    decisions: mpsc::Sender<Decision>,
}

#[derive(Debug, Default)]
struct Sums {
    allowed: AtomicU64,
    refused: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
    dropped: AtomicU64,
}

/// Bytes that passed between the proxy and a server.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
}

impl Journal {
    pub(super) fn new(capacity: usize) -> (Self, mpsc::Receiver<Decision>) {
        let (decisions, receiver) = mpsc::channel(capacity);
        let sums = Arc::default();
        (Self { sums, decisions }, receiver)
    }

    pub(super) fn totals(&self) -> Totals {
        let get = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        Totals {
            allowed: get(&self.sums.allowed),
            refused: get(&self.sums.refused),
            bytes_up: get(&self.sums.bytes_up),
            bytes_down: get(&self.sums.bytes_down),
            decisions_dropped: get(&self.sums.dropped),
        }
    }

    /// Begins the entry of a request.
    pub(super) fn open(&self) -> Entry {
        Entry {
            journal: self.clone(),
            passed: Arc::default(),
            begun: Instant::now(),
            is_discarded: false,
            decision: Decision {
                host: String::new(),
                port: 0,
                method: None,
                path: None,
                verdict: Verdict::Refused {
                    code: RefusalCode::ClientGone,
                    reason: "The client left before anything was decided.".to_owned(),
                },
                rule: None,
                hint: None,
                bytes_up: 0,
                bytes_down: 0,
                duration: Duration::ZERO,
            },
        }
    }

    fn record(&self, decision: Decision) {
        let add = |sum: &AtomicU64, n| sum.fetch_add(n, Ordering::Relaxed);
        add(&self.sums.bytes_up, decision.bytes_up);
        add(&self.sums.bytes_down, decision.bytes_down);
        let room = self.decisions.capacity();
        let has_room = match decision.verdict {
            Verdict::Allowed { .. } => {
                add(&self.sums.allowed, 1);
                room > 0
            }
            Verdict::Refused { .. } => {
                add(&self.sums.refused, 1);
                // They are free to provoke, and must not push out the others.
                room > self.decisions.max_capacity() / 2
            }
        };
        let sent = match has_room {
            true => self.decisions.try_send(decision),
            false => Err(mpsc::error::TrySendError::Full(decision)),
        };
        match sent {
            // Nobody listens any more: the totals remain.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                add(&self.sums.dropped, 1);
            }
        }
    }
}

/// The entry of one request. It is recorded when it is dropped, which is when the last byte passed, however that came about.
#[derive(Debug)]
pub(super) struct Entry {
    journal: Journal,
    passed: Arc<Passed>,
    begun: Instant,
    is_discarded: bool,
    decision: Decision,
}

impl Entry {
    pub(super) fn asked(&mut self, method: &str, path: Option<&str>) {
        self.decision.method = Some(printable(method, 32));
        self.decision.path = path.map(|path| printable(path, 1024));
    }

    /// For a destination that may not even be one.
    pub(super) fn towards(&mut self, host: &str) {
        self.decision.host = printable(host, 260);
    }

    pub(super) fn to(&mut self, target: &Target) {
        self.decision.host = target.host.to_string();
        self.decision.port = target.port;
    }

    pub(super) fn allowed(&mut self, address: Option<SocketAddr>) {
        self.decision.verdict = Verdict::Allowed { address };
    }

    /// The rule by which it may pass; a refusal later names its own.
    pub(super) fn ruled(&mut self, rule: &Rule) {
        self.decision.rule = Some(rule.to_string());
    }

    pub(super) fn refused(&mut self, refusal: Refusal) {
        let Refusal {
            code,
            reason,
            rule,
            hint,
            told: _,
        } = refusal;
        self.decision.verdict = Verdict::Refused { code, reason };
        self.decision.rule = rule;
        self.decision.hint = hint;
    }

    /// Nothing to record: what comes of it has entries of its own.
    pub(super) fn discard(mut self) {
        self.is_discarded = true;
    }

    pub(super) fn passed(&self) -> Arc<Passed> {
        Arc::clone(&self.passed)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.is_discarded {
            return;
        }
        let mut decision = self.decision.clone();
        decision.bytes_up = self.passed.up.load(Ordering::Relaxed);
        decision.bytes_down = self.passed.down.load(Ordering::Relaxed);
        decision.duration = self.begun.elapsed();
        self.journal.record(decision);
    }
}

/// What a client wrote, so that it cannot write into a terminal or fill a log.
pub(super) fn printable(text: &str, limit: usize) -> String {
    let shown = |byte: u8| match byte {
        0x20..=0x7e => char::from(byte),
        _ => '?',
    };
    text.bytes().take(limit).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(journal: &Journal) {
        let mut entry = journal.open();
        entry.refused(Refusal::new(RefusalCode::BadRequest, "No."));
    }

    #[test]
    fn refusals_leave_room_for_what_was_allowed() {
        let (journal, mut decisions) = Journal::new(4);
        (0..10).for_each(|_| refuse(&journal));
        (0..3).for_each(|_| journal.open().allowed(None));
        let mut allowed = Vec::new();
        while let Ok(decision) = decisions.try_recv() {
            allowed.push(matches!(decision.verdict, Verdict::Allowed { .. }));
        }
        assert_eq!(allowed, [false, false, true, true]);
        let totals = journal.totals();
        assert_eq!((totals.allowed, totals.refused), (3, 10));
        assert_eq!(totals.decisions_dropped, 9);
    }

    #[test]
    fn what_a_client_wrote_is_shown_plainly() {
        assert_eq!(printable("a\u{1b}[2J\u{fc}", 20), "a?[2J??");
        assert_eq!(printable("abc", 2), "ab");
    }
}
