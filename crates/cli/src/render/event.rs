//! An attempt's log as readable lines.

mod network;
mod snapshot;

use std::time::Duration;

use outwork_api::event::{Event, EventBody, PlanEntry};
use outwork_api::task::{Failure, Tokens};
use outwork_domain::Timestamp;

use self::network::Hints;
use super::task::{diff_stat, failure_lines, tokens};
use crate::duration;
use crate::terminal::plain::{plain, plain_code};
use crate::terminal::style::{Paint, Style};

/// Turns the events of one attempt, in their order, into lines.
///
/// Text that arrives in pieces is held until its line is whole, so that lines of several attempts
/// can stand below each other.
pub(crate) struct EventLines {
    style: Style,
    prefix: String,
    detail: Detail,
    started_at: Option<Timestamp>,
    building_since: Option<Timestamp>,
    unfinished: Option<(Source, String)>,
    has_message_pieces: bool,
    hints: Hints,
}

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What somebody wants to know who follows a task.
    Usual,
    /// All of it: also the requests that went well.
    All,
}

/// Whose text arrives in pieces.
#[derive(Clone, PartialEq, Eq)]
enum Source {
    Message,
    Command(String),
    Output(String),
}

impl EventLines {
    /// `prefix` stands before each line: the attempt, if there are several.
    pub fn new(style: Style, prefix: impl Into<String>, detail: Detail) -> Self {
        Self {
            style,
            prefix: prefix.into(),
            detail,
            started_at: None,
            building_since: None,
            unfinished: None,
            has_message_pieces: false,
            hints: Hints::default(),
        }
    }

    /// The lines that the event completes.
    pub fn push(&mut self, event: &Event) -> Vec<String> {
        let at = event.at.timestamp();
        let since = at.since(*self.started_at.get_or_insert(at));
        let time = self
            .style
            .paint(Paint::Dim, &format!("{:>6}", duration::show(since)));
        let mut lines = self.body(&event.body, at);
        for line in &mut lines {
            *line = format!("{}{time}  {line}", self.prefix)
                .trim_end()
                .to_owned();
        }
        lines
    }

    fn body(&mut self, body: &EventBody, at: Timestamp) -> Vec<String> {
        match body {
            EventBody::MessageDelta { text } => {
                self.has_message_pieces = true;
                self.piece(Source::Message, text)
            }
            EventBody::CommandOutput { id, text } => self.piece(Source::Command(id.clone()), text),
            EventBody::Output { stream, text } => self.piece(Source::Output(stream.clone()), text),
            EventBody::Unknown => Vec::new(),
            EventBody::NetworkRequest { verdict, .. }
                if verdict == "allowed" && self.detail == Detail::Usual =>
            {
                Vec::new()
            }
            whole => {
                let mut lines = self.flush();
                lines.extend(self.whole(whole, at));
                lines
            }
        }
    }

    fn whole(&mut self, body: &EventBody, at: Timestamp) -> Vec<String> {
        let style = self.style;
        let dim = |text: String| vec![style.paint(Paint::Dim, &text)];
        let warn = |text: String| vec![style.paint(Paint::Yellow, &text)];
        match body {
            EventBody::State {
                state,
                worker,
                failure,
                question,
            } => {
                let mut lines = self.state_lines(state, worker.as_deref(), failure.as_ref());
                let question = question.iter().flat_map(|question| question.lines());
                lines.extend(question.map(|line| format!("  {}", plain_code(line))));
                lines
            }
            EventBody::CancelRequested {} => warn("asked to stop".to_owned()),
            EventBody::Answered { text } => said("answer", text),
            EventBody::Steered { number, text } => said(&format!("message {number}"), text),
            EventBody::SteerTaken { number, accepted } => match accepted {
                true => dim(format!("the agent has message {number}")),
                false => warn(format!(
                    "message {number} did not reach the agent; follow up with it"
                )),
            },
            EventBody::InterruptRequested {} => warn("asked to stop its turn".to_owned()),
            EventBody::Checkpoint { summary } => {
                dim(format!("saved so far: {}", diff_stat(summary)))
            }
            EventBody::WorkerLost { worker, tries } => warn(format!(
                "worker {} was lost; the attempt waits for another (tried {tries} times)",
                plain(worker)
            )),
            EventBody::StepStarted { step } => vec![format!("{}: started", plain(step))],
            EventBody::StepFinished {
                step,
                duration_ms,
                detail,
            } => vec![step_finished(step, *duration_ms, detail.as_deref())],
            EventBody::Message { text } => {
                // Its pieces have been shown already.
                match std::mem::take(&mut self.has_message_pieces) {
                    true => Vec::new(),
                    false => text.lines().map(plain_code).collect(),
                }
            }
            EventBody::Reasoning { text } => text
                .lines()
                .map(|line| style.paint(Paint::Dim, &format!("thinking: {}", plain(line))))
                .collect(),
            EventBody::CommandStarted { id: _, command } => {
                vec![style.paint(Paint::Bold, &format!("$ {}", plain(command)))]
            }
            EventBody::CommandFinished {
                id: _,
                exit_code,
                duration_ms,
            } => dim(command_finished(*exit_code, *duration_ms)),
            EventBody::FileChanged { path, kind } => {
                vec![format!("{}: {}", file_verb(kind), plain(path))]
            }
            EventBody::Plan { entries } => entries.iter().map(plan_entry).collect(),
            EventBody::ModelCallStarted { number } => dim(format!("model call {number}: started")),
            EventBody::ModelCallFinished {
                number,
                status,
                duration_ms,
                tokens: used,
            } => dim(model_call(*number, *status, *duration_ms, used.as_ref())),
            EventBody::Session { thread_id, resumed } => {
                let verb = if *resumed { "resumed" } else { "started" };
                dim(format!("session {} {verb}", plain(thread_id)))
            }
            EventBody::Retrying { message } => warn(format!("trying again: {}", plain(message))),
            EventBody::Warning { message } => warn(format!("warning: {}", plain(message))),
            EventBody::Publication {
                state,
                branch,
                url,
                message,
                ..
            } => {
                let what = url.as_deref().unwrap_or(branch);
                let message = message.as_ref().map(|text| format!(": {}", plain(text)));
                let line = format!(
                    "pull request {} {}{}",
                    plain(what),
                    plain(state),
                    message.unwrap_or_default()
                );
                match state.as_str() {
                    "failed" => warn(line),
                    _ => vec![line],
                }
            }
            EventBody::DiffReady {
                repository,
                summary,
                size_bytes,
            } => {
                let of = repository
                    .as_ref()
                    .map(|name| format!(" of {}", plain(name)));
                vec![format!(
                    "diff{}: {} ({size_bytes} bytes)",
                    of.unwrap_or_default(),
                    diff_stat(summary)
                )]
            }
            EventBody::Snapshot { state, .. } => {
                let line = snapshot::line(body, self.build_time(state, at));
                match state.as_str() {
                    "broken" => warn(line),
                    _ => vec![line],
                }
            }
            EventBody::NetworkRequest { verdict, .. } => {
                let paint = match verdict.as_str() {
                    "allowed" => Paint::Dim,
                    _ => Paint::Yellow,
                };
                let lines = self.hints.lines(body).into_iter();
                lines.map(|line| style.paint(paint, &line)).collect()
            }
            EventBody::LimitHit { limit, message } => {
                warn(format!("limit of {}: {}", plain(limit), plain(message)))
            }
            EventBody::MessageDelta { .. }
            | EventBody::CommandOutput { .. }
            | EventBody::Output { .. }
            | EventBody::Unknown => Vec::new(),
        }
    }

    fn state_lines(
        &self,
        state: &str,
        worker: Option<&str>,
        failure: Option<&Failure>,
    ) -> Vec<String> {
        // The steps say the same, in the worker's own time.
        if matches!(state, "preparing" | "setting_up" | "running" | "collecting") {
            return Vec::new();
        }
        let failure = failure.into_iter().flat_map(failure_lines);
        std::iter::once(self.state(state, worker))
            .chain(failure.map(|line| format!("  {line}")))
            .collect()
    }

    /// How long a snapshot took, when it is built.
    fn build_time(&mut self, state: &str, at: Timestamp) -> Option<Duration> {
        match state {
            "building" => {
                self.building_since = Some(at);
                None
            }
            "built" => self.building_since.take().map(|since| at.since(since)),
            _ => None,
        }
    }

    fn state(&self, state: &str, worker: Option<&str>) -> String {
        let paint = match state {
            "succeeded" => Paint::Green,
            "failed" => Paint::Red,
            "cancelled" | "awaiting_input" => Paint::Yellow,
            _ => Paint::Cyan,
        };
        let on = worker
            .map(|worker| format!(" on {}", plain(worker)))
            .unwrap_or_default();
        format!("{}{on}", self.style.paint(paint, &plain(state)))
    }

    /// Takes a piece of flowing text and gives the lines that are whole now.
    fn piece(&mut self, source: Source, text: &str) -> Vec<String> {
        let mut lines = match &self.unfinished {
            Some((other, _)) if *other != source => self.flush(),
            Some(_) | None => Vec::new(),
        };
        let mut held = self
            .unfinished
            .take()
            .map(|(_, held)| held)
            .unwrap_or_default();
        held.push_str(text);
        while let Some(end) = held.find('\n') {
            let line: String = held.drain(..=end).collect();
            lines.push(self.flowing(&source, line.trim_end_matches('\n')));
        }
        if !held.is_empty() {
            self.unfinished = Some((source, held));
        }
        lines
    }

    /// The line that was not whole yet.
    fn flush(&mut self) -> Vec<String> {
        let unfinished = self.unfinished.take();
        unfinished
            .map(|(source, text)| self.flowing(&source, &text))
            .into_iter()
            .collect()
    }

    fn flowing(&self, source: &Source, line: &str) -> String {
        let line = plain_code(line);
        match source {
            Source::Message => line,
            Source::Command(_) | Source::Output(_) => {
                self.style.paint(Paint::Dim, &format!("| {line}"))
            }
        }
    }
}

fn ms(duration_ms: u64) -> String {
    match duration_ms {
        0..1000 => format!("{duration_ms}ms"),
        _ => duration::show(Duration::from_millis(duration_ms)),
    }
}

/// What a person said, below each other.
fn said(what: &str, text: &str) -> Vec<String> {
    let lines = text.lines().map(plain_code);
    lines.map(|line| format!("{what}: {line}")).collect()
}

fn step_finished(step: &str, duration_ms: u64, detail: Option<&str>) -> String {
    // What the diff holds has been told by the event before.
    let detail = detail
        .filter(|_| step != "diff")
        .map(|text| format!(", {}", plain(text)));
    format!(
        "{}: finished in {}{}",
        plain(step),
        ms(duration_ms),
        detail.unwrap_or_default()
    )
}

fn model_call(number: u64, status: Option<u16>, duration_ms: u64, used: Option<&Tokens>) -> String {
    let status = status.map_or("no answer".to_owned(), |status| format!("status {status}"));
    let used = used.map(|used| format!(", {}", tokens(used)));
    format!(
        "model call {number}: {status} in {}{}",
        ms(duration_ms),
        used.unwrap_or_default()
    )
}

fn command_finished(exit_code: Option<i64>, duration_ms: Option<u64>) -> String {
    let how = match exit_code {
        Some(code) => format!("exit {code}"),
        None => "did not end by itself".to_owned(),
    };
    let time = duration_ms.map(|duration_ms| format!(" after {}", ms(duration_ms)));
    format!("{how}{}", time.unwrap_or_default())
}

fn file_verb(kind: &str) -> String {
    match kind {
        "add" => "added".to_owned(),
        "update" => "changed".to_owned(),
        "delete" => "deleted".to_owned(),
        other => plain(other),
    }
}

fn plan_entry(entry: &PlanEntry) -> String {
    let PlanEntry { text, status } = entry;
    let mark = match status.as_str() {
        "completed" => "[x]",
        "in_progress" => "[>]",
        _ => "[ ]",
    };
    format!("{mark} {}", plain(text))
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
