//! The first tab: what was asked, how it stands, what came of it.

use outwork_api::task::{Attempt, Failure, Task, Turn};

use super::OpenTask;
use crate::plain::plain;
use crate::task_row::{Status, stat};
use crate::wrap::{shown, wrap};

/// The most bytes of one text that are shown here.
const MOST_BYTES: usize = 64 * 1024;

/// How a line stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Text,
    Heading,
    Dim,
    Asks,
    Trouble,
    Status(Status),
}

/// A line, wrapped and fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OverviewLine {
    pub mark: Mark,
    pub text: String,
}

/// All of it in so many columns.
pub(super) fn lines(open: &OpenTask, columns: usize) -> Vec<OverviewLine> {
    let mut page = Page {
        columns,
        lines: Vec::new(),
    };
    let Some(task) = &open.task else {
        return page.lines;
    };
    for attempt in open.attempts() {
        if let Some(question) = &attempt.question {
            page.heading(&format!("Attempt {} asks", attempt.number));
            page.text(Mark::Asks, question);
            page.blank();
        }
    }
    facts(&mut page, task);
    let seen = open.attempt().map(|attempt| attempt.number);
    if let Some(turn) = open.turn() {
        attempts(&mut page, turn, seen);
    }
    conversation(&mut page, task, open.turn());
    page.lines
}

/// What was asked and what was answered, the oldest first. What came of the turn that is seen stands above.
fn conversation(page: &mut Page, task: &Task, seen: Option<&Turn>) {
    let seen = seen.map(|turn| turn.number);
    for turn in &task.turns {
        page.heading(&match (task.turns.len(), seen == Some(turn.number)) {
            (1, _) => "Prompt".to_owned(),
            (_, true) => format!("> Turn {}", turn.number),
            (_, false) => format!("  Turn {}", turn.number),
        });
        page.text(Mark::Text, &turn.prompt);
        if seen != Some(turn.number) {
            page.blank();
            outcome(page, task, turn);
        }
        page.blank();
    }
}

/// What came of a turn: the attempt that the next one goes on from, or else the one that is shown for it, or the first.
fn outcome(page: &mut Page, task: &Task, turn: &Turn) {
    let next = task.turns.iter().find(|it| it.number > turn.number);
    let continued = next.and_then(|next| next.continues.as_ref());
    let attempts = || turn.attempts.iter();
    let stands = attempts()
        .find(|attempt| Some(&attempt.id) == continued)
        .or_else(|| attempts().find(|attempt| Some(attempt.number) == turn.shown))
        .or_else(|| attempts().find(|attempt| attempt.state == "succeeded"))
        .or(attempts().next());
    let Some(attempt) = stands else { return };
    let mark = Mark::Status(Status::of_attempt(&attempt.state));
    page.text(mark, &format!("{}{}", line(attempt), others(turn)));
    if let Some(failure) = &attempt.failure {
        page.text(
            Mark::Trouble,
            &format!("{}: {}", failure.code, failure.message),
        );
    }
    if let Some(message) = &attempt.message {
        page.text(Mark::Text, message);
    }
}

fn others(turn: &Turn) -> String {
    match turn.attempts.len() {
        0 | 1 => String::new(),
        count => format!(" (of {count})"),
    }
}

/// `Attempt 1: succeeded, 1 file, +3 -1`.
fn line(attempt: &Attempt) -> String {
    let diff = attempt
        .diff
        .as_ref()
        .map(|diff| format!(", {}", stat(diff)));
    let diff = diff.unwrap_or_default();
    format!("Attempt {}: {}{diff}", attempt.number, told(attempt))
}

fn facts(page: &mut Page, task: &Task) {
    let summary = &task.summary;
    page.text(Mark::Dim, &format!("Task         {}", summary.id));
    let environment = format!(
        "Environment  {} ({})",
        summary.environment_label, summary.environment_id
    );
    page.text(Mark::Dim, &environment);
    let branch = task.branch.as_deref().unwrap_or("commit");
    let commit: String = task.commit.chars().take(12).collect();
    page.text(Mark::Dim, &format!("Started from {branch} {commit}"));
    page.text(Mark::Dim, &format!("Page         {}", summary.url));
    if let Some(waits) = &summary.waiting_for {
        page.text(Mark::Dim, &format!("Waits for    {}", waits.text));
    }
    page.blank();
}

/// Which attempt stands for the turn, and why, where there are several.
fn standing(page: &mut Page, turn: &Turn) {
    let ranking = turn.ranking.iter();
    let mut ranking = ranking.filter(|it| it.verdict != "pending" && turn.attempts.len() > 1);
    if let Some(ranking) = ranking.next() {
        page.text(Mark::Text, &ranking.summary);
    }
    if let Some(chosen) = &turn.chosen {
        page.text(
            Mark::Text,
            &format!("Attempt {} was chosen.", chosen.attempt),
        );
    }
}

/// What speaks for an attempt and against it.
fn reasons(page: &mut Page, turn: &Turn, attempt: u32) {
    let mut places = turn.ranking.iter().flat_map(|ranking| &ranking.places);
    let Some(place) = places.find(|place| place.attempt == attempt) else {
        return;
    };
    if turn.attempts.len() > 1 {
        page.text(Mark::Dim, &format!("  place {}", place.place));
    }
    for reason in &place.reasons {
        let (mark, sign) = match reason.good {
            true => (Mark::Dim, '+'),
            false => (Mark::Trouble, '-'),
        };
        page.text(mark, &format!("  {sign} {}", reason.text));
    }
}

fn attempts(page: &mut Page, turn: &Turn, seen: Option<u32>) {
    standing(page, turn);
    for attempt in &turn.attempts {
        let pointer = match (turn.attempts.len(), seen == Some(attempt.number)) {
            (1, _) => "",
            (_, true) => "> ",
            (_, false) => "  ",
        };
        let line = format!("{pointer}{}", line(attempt));
        page.text(Mark::Status(Status::of_attempt(&attempt.state)), &line);
        if seen == Some(attempt.number) {
            reasons(page, turn, attempt.number);
            details(page, attempt);
        }
    }
    page.blank();
}

fn details(page: &mut Page, attempt: &Attempt) {
    if let Some(Failure {
        code,
        message,
        hint,
    }) = &attempt.failure
    {
        page.text(Mark::Trouble, &format!("  {code}: {message}"));
        if let Some(hint) = hint {
            page.text(Mark::Text, &format!("  {hint}"));
        }
    }
    if let Some(tokens) = &attempt.tokens {
        let more = match tokens.uncounted_calls {
            0 => "",
            _ => " at least",
        };
        let text = format!("  tokens:{more} {} in, {} out", tokens.input, tokens.output);
        page.text(Mark::Dim, &text);
    }
    if attempt.diffs.len() > 1 {
        for diff in &attempt.diffs {
            let text = format!("  {}: {}", diff.repository, stat(&diff.summary));
            page.text(Mark::Dim, &text);
        }
    }
    if let Some(message) = &attempt.message {
        page.text(Mark::Text, message);
    }
}

fn told(attempt: &Attempt) -> String {
    match attempt.cancelling {
        true => format!("{} (asked to stop)", plain(&attempt.state)),
        false => plain(&attempt.state),
    }
}

struct Page {
    columns: usize,
    lines: Vec<OverviewLine>,
}

impl Page {
    fn heading(&mut self, text: &str) {
        self.text(Mark::Heading, text);
    }

    fn blank(&mut self) {
        self.text(Mark::Text, "");
    }

    /// Somebody's text, wrapped.
    fn text(&mut self, mark: Mark, text: &str) {
        let end = text.floor_char_boundary(MOST_BYTES.min(text.len()));
        let rest = (end < text.len()).then_some("… (the rest is on the task's page)");
        // An empty text is one line too.
        for line in text[..end].split('\n').chain(rest) {
            let line = shown(line);
            for part in wrap(&line, self.columns) {
                self.lines.push(OverviewLine {
                    mark,
                    text: line[part].to_owned(),
                });
            }
        }
    }
}
