//! What happened so far and which gates are open: the state that requests and
//! tests share. It lives in a watch channel, so both can wait for any condition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

/// One request as it came, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct RequestRecord {
    pub method: String,
    pub path: String,
    /// Names in lower case. Nothing is redacted: the keys are test data.
    pub headers: Vec<(String, String)>,
    /// `null` if it was not JSON.
    pub body: Value,
    /// The agent's own name for its session, or `-`.
    pub conversation: String,
    pub script: Option<String>,
    /// From 0.
    pub step: Option<usize>,
    /// How often this conversation asked for this step, from 1.
    pub attempt: u32,
    pub outcome: Outcome,
    /// Why the scenario has no answer to this request, if so.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    InFlight,
    Answered {
        status: u16,
    },
    /// The scenario broke the answer off.
    Broken,
    /// The client closed the connection before the end of the answer.
    ClientGone,
}

impl RequestRecord {
    /// `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(n, value)| (n == name).then_some(value.as_str()))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Board {
    pub requests: Vec<RequestRecord>,
    pub open_gates: BTreeSet<String>,
    /// Requests that wait, by gate.
    pub waiting: BTreeMap<String, usize>,
    attempts: BTreeMap<String, u32>,
}

impl Board {
    pub(crate) fn next_attempt(&mut self, key: String) -> u32 {
        let attempts = self.attempts.entry(key).or_default();
        *attempts += 1;
        *attempts
    }
}

pub(crate) type SharedBoard = Arc<watch::Sender<Board>>;

/// A request on its way. Dropped without a verdict, the client has gone: hyper
/// drops the handler or the body when the connection closes.
pub(crate) struct InFlight {
    board: SharedBoard,
    index: usize,
}

impl InFlight {
    pub(crate) fn new(board: SharedBoard, record: RequestRecord) -> Self {
        let mut index = 0;
        board.send_modify(|board| {
            index = board.requests.len();
            board.requests.push(record);
        });
        Self { board, index }
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut RequestRecord)) {
        self.board
            .send_modify(|board| change(&mut board.requests[self.index]));
    }

    pub(crate) fn end(&self, outcome: Outcome) {
        self.note(|record| record.outcome = outcome);
    }

    pub(crate) async fn pass_gate(&self, gate: &str) {
        let waiting = Waiting::new(&self.board, gate);
        let mut changes = self.board.subscribe();
        // The sender is in `self`, so the channel cannot close.
        let _ = changes
            .wait_for(|board| board.open_gates.contains(gate))
            .await;
        drop(waiting);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.note(|record| {
            if record.outcome == Outcome::InFlight {
                record.outcome = Outcome::ClientGone;
            }
        });
    }
}

struct Waiting<'a> {
    board: &'a SharedBoard,
    gate: &'a str,
}

impl<'a> Waiting<'a> {
    fn new(board: &'a SharedBoard, gate: &'a str) -> Self {
        board.send_modify(|board| *board.waiting.entry(gate.to_owned()).or_default() += 1);
        Self { board, gate }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.board.send_modify(|board| {
            if let Some(count) = board.waiting.get_mut(self.gate) {
                *count -= 1;
            }
        });
    }
}
