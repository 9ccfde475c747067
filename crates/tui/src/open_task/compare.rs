//! All attempts of a turn at once: how they ended, which files they touched, and their diffs, two beside each other or,
//! where there is no room for that, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use outwork_api::task::{Attempt, Turn};

use super::{Diff, Mark};
use crate::event::DiffKey;
use crate::model::sentence;
use crate::patch::{FileLines, Patch};
use crate::plain::plain;
use crate::task_row::{Status, age, stat};

/// From so many columns of screen on two attempts stand beside each other.
const WIDE: usize = 120;

/// One half of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Half {
    #[default]
    Blank,
    /// Fit to be shown.
    Text(Mark, String),
    /// That line of that attempt's diff, by their indices.
    Line(usize, usize),
}

/// What is seen of the attempts.
#[derive(Debug, Default)]
pub(crate) struct Compare {
    /// Of each attempt of the turn, in their order.
    pub diffs: Vec<Diff>,
    pub is_wide: bool,
    /// What stands in a row; the second half only where it is wide.
    pub rows: Vec<[Half; 2]>,
    /// The rows that files begin at.
    files: Vec<usize>,
    /// How many attempts the right one is after the left one, less one.
    further: usize,
}

impl Compare {
    /// Another attempt on the right.
    pub fn step_right(&mut self) {
        self.further += 1;
    }

    /// What is not there of these and not on its way; it is then.
    pub fn wants(&mut self, keys: Vec<DiffKey>) -> Vec<DiffKey> {
        self.diffs.truncate(keys.len());
        self.diffs.resize_with(keys.len(), || Diff::Unknown);
        let missing = keys.into_iter().zip(&mut self.diffs);
        let missing = missing.filter(|(key, diff)| diff.key() != Some(key));
        let asked = missing.map(|(key, diff)| {
            *diff = Diff::Loading(key.clone());
            key
        });
        asked.collect()
    }

    /// Forgets what is not on its way.
    pub fn forget(&mut self, is_meant: impl Fn(usize) -> bool) {
        for (index, diff) in self.diffs.iter_mut().enumerate() {
            if is_meant(index) && !matches!(diff, Diff::Loading(_)) {
                *diff = Diff::Unknown;
            }
        }
    }

    pub fn patch(&self, attempt: usize) -> Option<&Patch> {
        match self.diffs.get(attempt)? {
            Diff::Loaded(_, patch) => Some(patch),
            Diff::Unknown | Diff::Loading(_) | Diff::Failed(..) => None,
        }
    }

    /// Looks at the code of these rows, for its colours.
    pub fn look(&mut self, top: usize, height: usize) {
        for half in self.rows.iter().skip(top).take(height).flatten() {
            if let Half::Line(attempt, line) = half
                && let Some(Diff::Loaded(_, patch)) = self.diffs.get_mut(*attempt)
            {
                patch.look_at(*line..line + 1);
            }
        }
    }

    /// The row that the next or the previous file begins at.
    pub fn step_file(&self, is_forward: bool, row: usize) -> Option<usize> {
        let mut files = self.files.iter().copied();
        match is_forward {
            true => files.find(|start| *start > row),
            false => files.rfind(|start| *start < row),
        }
    }

    /// Puts the rows together, with that attempt on the left.
    pub fn arrange(&mut self, turn: &Turn, left: usize, columns: usize) {
        let count = turn.attempts.len();
        // The last column stays free otherwise.
        self.is_wide = columns + 1 >= WIDE && count > 1;
        (self.rows, self.files) = Default::default();
        if self.is_wide {
            let right = (left + 1 + self.further % (count - 1)) % count;
            self.put(turn, [Some(left), Some(right)], left);
            return;
        }
        for attempt in 0..count {
            self.put(turn, [Some(attempt), None], left);
            self.rows.push(Default::default());
        }
    }

    /// What these attempts did, beside each other.
    fn put(&mut self, turn: &Turn, pair: [Option<usize>; 2], seen: usize) {
        let attempt = |index: usize| Some((index, turn.attempts.get(index)?));
        let known = pair.map(|index| index.and_then(attempt));
        let heads = known.map(|it| {
            it.map_or_else(Vec::new, |(index, attempt)| {
                self.head(turn, attempt, index, index == seen)
            })
        });
        self.put_beside(heads);
        let files = pair.map(|index| match index.and_then(|it| self.patch(it)) {
            Some(patch) => patch.file_lines(),
            None => Vec::new(),
        });
        let files = files.map(|files| {
            let by_path = files.into_iter().map(|file| (file.path.clone(), file));
            by_path.collect::<BTreeMap<String, FileLines>>()
        });
        let paths: BTreeSet<&String> = files.iter().flat_map(BTreeMap::keys).collect();
        let of = |side: usize, path: &str| files[side].get(path);
        let has_patch = pair.map(|index| index.is_some_and(|it| self.patch(it).is_some()));
        let named = |side: usize, path: &str, mark| match of(side, path) {
            Some(file) => Half::Text(mark, told(file)),
            None if has_patch[side] => Half::Text(Mark::Dim, format!("{} unchanged", plain(path))),
            None => Half::Blank,
        };
        for path in paths.iter().copied() {
            let names = [0, 1].map(|side| named(side, path, Mark::Text));
            self.rows.push(names);
        }
        for path in paths.iter().copied() {
            self.rows.push(Default::default());
            self.files.push(self.rows.len());
            let names = [0, 1].map(|side| named(side, path, Mark::Heading));
            self.rows.push(names);
            let lines = [0, 1].map(|side| {
                let lines = of(side, path).map_or(0..0, |file| file.body.clone());
                let attempt = pair[side].unwrap_or_default();
                lines.map(|line| Half::Line(attempt, line)).collect()
            });
            self.put_beside(lines);
        }
    }

    fn put_beside(&mut self, [left, right]: [Vec<Half>; 2]) {
        let len = left.len().max(right.len());
        let (mut left, mut right) = (left.into_iter(), right.into_iter());
        let rows =
            (0..len).map(|_| [&mut left, &mut right].map(|it| it.next().unwrap_or_default()));
        self.rows.extend(rows);
    }

    /// How it stands with an attempt.
    fn head(&self, turn: &Turn, attempt: &Attempt, index: usize, is_seen: bool) -> Vec<Half> {
        let pointer = if is_seen { ">" } else { " " };
        let state = Mark::Status(Status::of_attempt(&attempt.state));
        let mut head = vec![(
            state,
            format!("{pointer} Attempt {}: {}", attempt.number, attempt.state),
        )];
        let none = match attempt.ended_at {
            Some(_) => "no diff",
            None => "no diff yet",
        };
        let size = attempt.diff.as_ref().map_or(none.to_owned(), stat);
        head.push((Mark::Text, format!("  {size}")));
        if let Some(ended) = attempt.ended_at {
            let took = age(turn.created_at.timestamp(), ended.timestamp());
            head.push((Mark::Dim, format!("  ended {took} after it was asked for")));
        }
        if let Some(tokens) = &attempt.tokens {
            let more = if tokens.uncounted_calls == 0 {
                ""
            } else {
                " at least"
            };
            let used = format!("  tokens:{more} {} in, {} out", tokens.input, tokens.output);
            head.push((Mark::Dim, used));
        }
        if let Some(failure) = &attempt.failure {
            head.push((
                Mark::Trouble,
                format!("  {}: {}", failure.code, failure.message),
            ));
        }
        if let Some(question) = &attempt.question {
            head.push((Mark::Asks, format!("  asks: {question}")));
        }
        let said = attempt.message.iter().flat_map(|message| message.lines());
        if let Some(line) = said.map(str::trim).find(|line| !line.is_empty()) {
            head.push((Mark::Text, format!("  {line}")));
        }
        match self.diffs.get(index) {
            Some(Diff::Failed(_, trouble)) => head.push((Mark::Trouble, sentence(trouble))),
            Some(Diff::Loaded(..)) => {}
            Some(Diff::Unknown | Diff::Loading(_)) | None => {
                head.push((Mark::Dim, "  loading its diff…".to_owned()));
            }
        }
        let halves = head
            .into_iter()
            .map(|(mark, text)| Half::Text(mark, plain(&text)));
        halves.chain([Half::Blank]).collect()
    }
}

/// `src/main.rs +3 -1`.
fn told(file: &FileLines) -> String {
    format!("{} +{} -{}", plain(&file.path), file.added, file.removed)
}
