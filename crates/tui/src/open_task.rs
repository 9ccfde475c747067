//! The task that is looked at: its attempts, its log, its diff.

mod compare;
mod overview;
mod turns;

use outwork_api::task::{Attempt, Task};
use outwork_domain::Timestamp;

pub(crate) use self::compare::{Compare, Half};
pub(crate) use self::overview::{Mark, OverviewLine};
use crate::event::{DiffKey, Effect, Trouble};
use crate::log::Log;
use crate::patch::Patch;
use crate::task_row::{Status, TaskRow};

/// How often a task that runs is asked for, in milliseconds; one that has ended changes by follow-ups only.
const REFRESH_MS: i64 = 1000;
const REFRESH_ENDED_MS: i64 = 5000;

/// What of it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Log,
    Diff,
    /// All attempts at once.
    Attempts,
}

/// The diff that is seen.
#[derive(Debug)]
pub(crate) enum Diff {
    /// Nobody asked yet.
    Unknown,
    Loading(DiffKey),
    Loaded(DiffKey, Patch),
    Failed(DiffKey, Trouble),
}

impl Diff {
    pub fn key(&self) -> Option<&DiffKey> {
        match self {
            Self::Unknown => None,
            Self::Loading(key) | Self::Loaded(key, _) | Self::Failed(key, _) => Some(key),
        }
    }
}

/// A task that is looked at.
#[derive(Debug)]
pub(crate) struct OpenTask {
    pub id: String,
    /// From the list, until the task itself is there.
    pub row: Option<TaskRow>,
    pub task: Option<Task>,
    pub tab: Tab,
    /// The number of the turn that is seen, if it is not the newest.
    older: Option<u32>,
    /// Index into its attempts.
    attempt: usize,
    /// Index into the attempt's diffs.
    repository: usize,
    pub overview: Vec<OverviewLine>,
    pub log: Log,
    pub diff: Diff,
    pub compare: Compare,
    /// The first row seen, of each tab.
    tops: [usize; 4],
    /// The first column seen of the diff.
    pub left: usize,
    /// Whether the log is to stay at its end.
    pub follows: bool,
    /// Whether it is to be applied as soon as it is there.
    pub wants_apply: bool,
    is_asked: bool,
    asked_at: Option<Timestamp>,
}

impl OpenTask {
    pub fn new(id: String, row: Option<TaskRow>) -> Self {
        Self {
            id,
            row,
            task: None,
            tab: Tab::Overview,
            older: None,
            attempt: 0,
            repository: 0,
            overview: Vec::new(),
            log: Log::default(),
            diff: Diff::Unknown,
            compare: Compare::default(),
            tops: [0; 4],
            left: 0,
            follows: true,
            wants_apply: false,
            is_asked: false,
            asked_at: None,
        }
    }

    pub fn attempts(&self) -> &[Attempt] {
        self.turn().map_or(&[], |turn| &turn.attempts)
    }

    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts().get(self.attempt)
    }

    /// The attempt of the newest turn that asks: the one that is seen, if it does, or else the first.
    pub fn asking(&self) -> Option<&Attempt> {
        let asks = |attempt: &&Attempt| attempt.question.is_some();
        let seen = self.attempt().filter(|_| self.is_newest()).filter(asks);
        let newest = self.task.as_ref()?.turns.last()?;
        seen.or_else(|| newest.attempts.iter().find(asks))
    }

    pub fn status(&self) -> Status {
        match (&self.task, &self.row) {
            (Some(task), _) => Status::of_task(&task.summary.status),
            (None, Some(row)) => row.status,
            (None, None) => Status::Unknown,
        }
    }

    /// The name of the repository whose diff is seen, if the attempt has several.
    pub fn repository(&self) -> Option<&str> {
        let diffs = &self.attempt()?.diffs;
        let seen = diffs.get(self.repository).or(diffs.first())?;
        (diffs.len() > 1).then_some(seen.repository.as_str())
    }

    /// What names the diff that is to be seen.
    pub fn diff_key(&self) -> Option<DiffKey> {
        self.diff_key_of(self.attempt()?)
    }

    /// Of the same repository, for any attempt of the turn.
    fn diff_key_of(&self, attempt: &Attempt) -> Option<DiffKey> {
        Some(DiffKey {
            task: self.id.clone(),
            turn: self.turn()?.number,
            attempt: attempt.number,
            repository: self.repository().map(str::to_owned),
        })
    }

    /// Takes the task as it is now.
    pub fn take(&mut self, task: Task, columns: usize) -> Vec<Effect> {
        self.is_asked = false;
        let turn_before = self.turn().map(|turn| turn.number);
        let running_before = self.running();
        self.row = Some(TaskRow::from(&task.summary));
        self.task = Some(task);
        if self.turn().map(|turn| turn.number) != turn_before {
            let shown = self.turn().and_then(|turn| turn.shown);
            let mut attempts = self.attempts().iter();
            let stands = attempts.position(|attempt| Some(attempt.number) == shown);
            (self.attempt, self.repository) = (stands.unwrap_or(0), 0);
        }
        self.attempt = self.attempt.min(self.attempts().len().saturating_sub(1));
        let running = self.running();
        let ended: Vec<_> = running_before
            .iter()
            .filter(|id| !running.contains(id))
            .collect();
        let has_ended: Vec<bool> = self
            .attempts()
            .iter()
            .map(|it| ended.contains(&&it.id))
            .collect();
        if has_ended.get(self.attempt) == Some(&true) {
            // What was seen of its diff was a checkpoint.
            self.diff = Diff::Unknown;
        }
        self.compare
            .forget(|index| has_ended.get(index) == Some(&true));
        self.wrap(columns);
        self.settle(columns)
    }

    /// The attempts that have not ended, by id.
    fn running(&self) -> Vec<String> {
        let attempts = self.attempts().iter();
        let running = attempts.filter(|attempt| attempt.ended_at.is_none());
        running.map(|attempt| attempt.id.clone()).collect()
    }

    /// Asks for what is seen again: the diff of an attempt that runs becomes another one.
    pub fn reload(&mut self, columns: usize) -> Vec<Effect> {
        self.asked_at = None;
        if !matches!(self.diff, Diff::Loading(_)) {
            self.diff = Diff::Unknown;
        }
        self.compare.forget(|_| true);
        self.settle(columns)
    }

    /// A request for the task did not come back.
    pub fn missed(&mut self) {
        self.is_asked = false;
    }

    /// What is to be loaded for what is seen.
    pub fn settle(&mut self, columns: usize) -> Vec<Effect> {
        let mut effects = Vec::new();
        let attempt = self.attempt().map(|attempt| attempt.id.clone());
        if attempt.is_some() && self.log.attempt != attempt {
            self.log = Log::of(attempt.clone(), columns);
            self.tops[Tab::Log as usize] = 0;
            self.follows = true;
            effects.push(Effect::FollowLog { attempt });
        }
        let key = self.diff_key();
        if let Some(key) = key
            && self.tab == Tab::Diff
            && self.diff.key() != Some(&key)
        {
            if !matches!(self.diff, Diff::Unknown) {
                self.tops[Tab::Diff as usize] = 0;
                self.left = 0;
            }
            self.diff = Diff::Loading(key.clone());
            effects.push(Effect::LoadDiff(key));
        }
        if self.tab == Tab::Attempts {
            let keys = self
                .attempts()
                .iter()
                .filter_map(|it| self.diff_key_of(it))
                .collect();
            effects.extend(self.compare.wants(keys).into_iter().map(Effect::LoadDiff));
            self.arrange(columns);
        }
        effects
    }

    fn arrange(&mut self, columns: usize) {
        let mut compare = std::mem::take(&mut self.compare);
        if let Some(turn) = self.turn() {
            compare.arrange(turn, self.attempt, columns);
        }
        self.compare = compare;
    }

    /// Takes a diff, if it is one that is seen.
    pub fn take_diff(&mut self, key: DiffKey, result: Result<Vec<u8>, Trouble>, columns: usize) {
        let taken = |result| match result {
            Ok(bytes) => Diff::Loaded(key.clone(), Patch::new(bytes)),
            Err(trouble) => Diff::Failed(key.clone(), trouble),
        };
        let is_it = |diff: &Diff| diff.key() == Some(&key);
        let beside = self.compare.diffs.iter().position(is_it);
        match (beside, is_it(&self.diff)) {
            (Some(at), true) => {
                self.compare.diffs[at] = taken(result.clone());
                self.diff = taken(result);
            }
            (Some(at), false) => self.compare.diffs[at] = taken(result),
            (None, true) => self.diff = taken(result),
            (None, false) => {}
        }
        if self.tab == Tab::Attempts {
            self.arrange(columns);
        }
    }

    /// Another attempt beside the one that is seen.
    pub fn step_right(&mut self, columns: usize) -> Vec<Effect> {
        self.compare.step_right();
        self.settle(columns)
    }

    pub fn open_tab(&mut self, tab: Tab, columns: usize) -> Vec<Effect> {
        self.tab = tab;
        if matches!(self.diff, Diff::Failed(..)) {
            self.diff = Diff::Unknown;
        }
        let compare = &mut self.compare;
        for diff in &mut compare.diffs {
            if matches!(diff, Diff::Failed(..)) {
                *diff = Diff::Unknown;
            }
        }
        self.settle(columns)
    }

    /// Goes to another attempt, round and round.
    pub fn step_attempt(&mut self, by: isize, columns: usize) -> Vec<Effect> {
        let count = self.attempts().len();
        if count > 1 {
            let next = self.attempt as isize + by;
            self.attempt = next.rem_euclid(count as isize) as usize;
            self.repository = 0;
            self.wrap(columns);
        }
        self.settle(columns)
    }

    /// Goes to another repository's diff, round and round.
    pub fn step_repository(&mut self, columns: usize) -> Vec<Effect> {
        let count = self.attempt().map_or(0, |attempt| attempt.diffs.len());
        if count > 1 {
            self.repository = (self.repository + 1) % count;
        }
        self.settle(columns)
    }

    /// Whether it is time to ask for it again.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        let every = match self.status().has_ended() {
            true => REFRESH_ENDED_MS,
            false => REFRESH_MS,
        };
        let is_due = !self.is_asked
            && self
                .asked_at
                .is_none_or(|at| now.as_millis() - at.as_millis() >= every);
        if is_due {
            (self.is_asked, self.asked_at) = (true, Some(now));
        }
        is_due
    }

    /// Wraps what is wrapped to so many columns.
    pub fn wrap(&mut self, columns: usize) {
        self.log.resize(columns);
        self.overview = overview::lines(self, columns);
        if self.tab == Tab::Attempts {
            self.arrange(columns);
        }
    }

    /// How many rows the tab has.
    pub fn len(&self) -> usize {
        match self.tab {
            Tab::Overview => self.overview.len(),
            Tab::Log => self.log.len(),
            Tab::Diff => match &self.diff {
                Diff::Loaded(_, patch) => patch.len(),
                Diff::Unknown | Diff::Loading(_) | Diff::Failed(..) => 0,
            },
            Tab::Attempts => self.compare.rows.len(),
        }
    }

    /// The first row seen, with `height` rows.
    pub fn top(&self, height: usize) -> usize {
        let lowest = self.len().saturating_sub(height);
        match self.tab {
            Tab::Log if self.follows => lowest,
            tab => self.tops[tab as usize].min(lowest),
        }
    }

    /// Looks at the code that is seen, for its colours.
    pub fn look(&mut self, height: usize) {
        let top = self.top(height);
        match (self.tab, &mut self.diff) {
            (Tab::Diff, Diff::Loaded(_, patch)) => patch.look_at(top..top + height),
            (Tab::Attempts, _) => self.compare.look(top, height),
            _ => {}
        }
    }

    /// Scrolls to a row.
    pub fn scroll_to(&mut self, row: usize, height: usize) {
        let lowest = self.len().saturating_sub(height);
        self.tops[self.tab as usize] = row.min(lowest);
        if self.tab == Tab::Log {
            self.follows = row >= lowest;
        }
    }

    pub fn scroll(&mut self, by: isize, height: usize) {
        let top = self.top(height).saturating_add_signed(by);
        self.scroll_to(top, height);
    }

    /// Goes to the next or the previous file of the diff.
    pub fn step_file(&mut self, is_forward: bool, height: usize) {
        let top = self.top(height);
        let found = match (self.tab, &self.diff) {
            (Tab::Attempts, _) => self.compare.step_file(is_forward, top),
            (Tab::Diff, Diff::Loaded(_, patch)) if is_forward => patch.next_file(top),
            (Tab::Diff, Diff::Loaded(_, patch)) => patch.previous_file(top),
            _ => None,
        };
        if let Some(row) = found {
            self.scroll_to(row, height);
        }
    }

    /// Takes lines of the log.
    pub fn take_log(&mut self, attempt: &str, lines: &[String]) {
        if self.log.attempt.as_deref() == Some(attempt) {
            self.log.is_away = false;
            let dropped = self.log.push(lines);
            let top = &mut self.tops[Tab::Log as usize];
            *top = top.saturating_sub(dropped);
        }
    }
}
