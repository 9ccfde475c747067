//! What is there.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// That answer, and nothing is done.
    Answer(u16, Vec<(&'static str, String)>, Value),
    /// It is done, and this is the answer all the same.
    DoneBut(u16),
    /// It is done, and no answer ever comes.
    DoneAndSilent,
}

/// Where a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Before,
    /// It was done; the answer is not sent.
    After,
}

/// An issue or pull request.
#[derive(Clone, Debug)]
pub struct Issue {
    pub number: u64,
    pub title: String,
    pub body: String,
    pub by: String,
    pub at: String,
    pub open: bool,
    pub comments: Vec<Said>,
    pub reviews: Vec<Value>,
    pub line_comments: Vec<Value>,
    pub pull: Option<Refs>,
}

/// Of a pull request.
#[derive(Clone, Debug)]
pub struct Refs {
    pub head: String,
    pub commit: String,
    pub base: String,
    pub draft: bool,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub id: u64,
    pub by: String,
    pub body: String,
    pub at: String,
    /// How often it was edited.
    pub edits: usize,
}

#[derive(Default)]
pub struct State {
    pub people: BTreeMap<String, (u64, String)>,
    pub issues: BTreeMap<u64, Issue>,
    pub reactions: Vec<String>,
    pub suites: BTreeMap<u64, Value>,
    pub faults: VecDeque<(String, String, Fault)>,
    pub stops: VecDeque<(String, String, Stop)>,
    pub seen: Vec<String>,
    pub wrong: Vec<String>,
    pub app: Option<(u64, Vec<u8>)>,
    pub tokens: Vec<String>,
    pub token_seconds: i64,
    next: u64,
}

pub struct Shared {
    pub host: String,
    pub root: PathBuf,
    state: Mutex<State>,
    /// Whether a request stands at a stop.
    stands: Mutex<bool>,
    moved: Condvar,
    pub released: tokio::sync::Notify,
}

/// The machine may be slow.
const PATIENCE: Duration = Duration::from_secs(120);

impl Shared {
    pub fn new(host: String, root: PathBuf) -> Self {
        let state = State {
            next: 1_000,
            token_seconds: 3_600,
            ..State::default()
        };
        Self {
            host,
            root,
            state: Mutex::new(state),
            stands: Mutex::new(false),
            moved: Condvar::new(),
            released: tokio::sync::Notify::new(),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub async fn stand(&self) {
        *self.stands.lock().expect("no panic") = true;
        self.moved.notify_all();
        self.released.notified().await;
    }

    pub fn reached(&self) {
        let stands = self.stands.lock().expect("no panic");
        let (mut stands, waited) = self
            .moved
            .wait_timeout_while(stands, PATIENCE, |stands| !*stands)
            .expect("no panic");
        let seen = || self.state().seen.clone();
        assert!(
            !waited.timed_out(),
            "nobody came to the stop: {:#?}",
            seen()
        );
        *stands = false;
    }

    pub fn go_on(&self) {
        self.released.notify_waiters();
    }
}

/// As GitHub writes it.
pub fn now() -> String {
    #[expect(clippy::disallowed_methods, reason = "GitHub has a clock of its own")]
    let now = jiff::Timestamp::now();
    format!("{now:.0}")
}

impl State {
    pub fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn open(&mut self, by: &str, title: &str, body: &str, pull: Option<Refs>) -> u64 {
        let number = 1 + self.issues.len() as u64;
        let issue = Issue {
            number,
            title: title.to_owned(),
            body: body.to_owned(),
            by: by.to_owned(),
            at: now(),
            open: true,
            comments: Vec::new(),
            reviews: Vec::new(),
            line_comments: Vec::new(),
            pull,
        };
        self.issues.insert(number, issue);
        number
    }

    pub fn say(&mut self, number: u64, by: &str, body: &str) -> u64 {
        let id = self.id();
        let issue = self.issues.get_mut(&number).expect("an issue");
        issue.comments.push(Said {
            id,
            by: by.to_owned(),
            // GitHub takes no more.
            body: body.chars().take(65_536).collect(),
            at: now(),
            edits: 0,
        });
        id
    }
}
