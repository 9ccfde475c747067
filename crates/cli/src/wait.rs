//! Following the attempts of a task's newest turn until they end.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use outwork_api::client::{Client, ClientError, EventRecord, Follow, Followed};
use outwork_api::event::EventBody;
use outwork_api::task::{Attempt, Task, Turn};
use tokio::time::Instant;

use crate::error::{CliError, Kind};
use crate::exit::ExitStatus;
use crate::render::event::{Detail, EventLines};
use crate::render::task;
use crate::repository_ref;
use crate::session::Session;
use crate::terminal::plain::plain;
use crate::terminal::style::Style;

/// How long the server may be away before waiting ends with an error; the task goes on meanwhile.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How long the status may lag behind the log.
const STATUS_LAG: Duration = Duration::from_secs(10);
const STATUS_INTERVAL: Duration = Duration::from_millis(100);

/// Waits for the task, tells the result, and says how the process is to end.
pub(crate) async fn wait(
    session: &mut Session,
    client: &Client,
    submitted: &Task,
    timeout: Option<Duration>,
    is_json: bool,
) -> Result<ExitStatus, CliError> {
    let id = submitted.summary.id.clone();
    let advice = format!(
        "the task goes on; follow it with `outwork log {id} --follow`, stop it with `outwork cancel {id}`"
    );
    session.advise_on_interruption(Some(advice.clone()));
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let followed = follow_newest_turn(session, client, submitted, deadline).await;
    let is_over = followed.map_err(|error| match error.kind {
        Kind::Unreachable => error.hint(advice.clone()),
        _ => error,
    })?;
    let task = if is_over {
        settled(client, &id).await?
    } else {
        client.task(&id).await?
    };
    session.advise_on_interruption(None);
    let status = exit_status(&task, is_over);
    let told = match (is_json, wants_output(&task)) {
        (true, _) => session.out.json(&task),
        (false, true) => tell_output(session, &task),
        (false, false) => tell(session, &task),
    };
    // A result that nobody reads any more does not change how the task came out.
    if let Err(error) = told
        && error.kind != Kind::BrokenPipe
    {
        return Err(error);
    }
    if status == ExitStatus::TimedOut {
        let message = "the time to wait is over";
        return Err(CliError::new(Kind::TimedOut, message).hint(advice));
    }
    Ok(status)
}

/// One attempt whose log is to be shown.
pub(crate) struct Followee {
    pub number: u32,
    pub id: String,
}

/// The attempts of a turn.
pub(crate) fn followees(turn: &Turn) -> Vec<Followee> {
    turn.attempts
        .iter()
        .map(|attempt| Followee {
            number: attempt.number,
            id: attempt.id.clone(),
        })
        .collect()
}

/// What following brings, for whoever shows it.
pub(crate) enum Progress<'a> {
    Event(&'a EventRecord),
    Reconnecting,
}

/// Whether all attempts ended or ask; `false` when the deadline came first.
pub(crate) async fn follow(
    session: &mut Session,
    client: &Client,
    followees: &[Followee],
    deadline: Option<Instant>,
    mut show: impl FnMut(&mut Session, u32, Progress<'_>) -> Result<(), CliError>,
) -> Result<bool, CliError> {
    type Items = Pin<Box<dyn Stream<Item = (u32, Result<Followed, ClientError>)> + Send>>;
    let streams = followees.iter().map(|followee| -> Items {
        let number = followee.number;
        let follow = Follow {
            attempt: followee.id.clone(),
            after: 0,
            patience: PATIENCE,
            jitter: session.jitter(),
        };
        Box::pin(client.follow(follow).map(move |item| (number, item)))
    });
    let mut items = stream::select_all(streams.collect::<Vec<_>>());
    let mut open: BTreeSet<u32> = followees.iter().map(|one| one.number).collect();
    while !open.is_empty() {
        let next = match deadline {
            None => items.next().await,
            Some(deadline) => match tokio::time::timeout_at(deadline, items.next()).await {
                Ok(next) => next,
                Err(_) => return Ok(false),
            },
        };
        let Some((number, item)) = next else { break };
        match item? {
            Followed::Reconnecting(_) => show(session, number, Progress::Reconnecting)?,
            Followed::Event(record) => {
                show(session, number, Progress::Event(&record))?;
                match rest_of(&record.event.body) {
                    Rest::Nothing => _ = open.remove(&number),
                    Rest::More => _ = open.insert(number),
                    Rest::Same => {}
                }
            }
        }
    }
    Ok(true)
}

/// What an event says about how long there is something to wait for.
enum Rest {
    Nothing,
    More,
    Same,
}

fn rest_of(body: &EventBody) -> Rest {
    match body {
        EventBody::State { state, .. } if state == "awaiting_input" => Rest::Nothing,
        EventBody::State { .. } if body.final_state().is_some() => Rest::Nothing,
        EventBody::State { .. } => Rest::More,
        _ => Rest::Same,
    }
}

async fn follow_newest_turn(
    session: &mut Session,
    client: &Client,
    task: &Task,
    deadline: Option<Instant>,
) -> Result<bool, CliError> {
    let Some(turn) = task.turns.last() else {
        return Ok(true);
    };
    let followees = followees(turn);
    let style = session.out.stderr_style;
    let mut log = LogLines::new(style, &followees, Detail::Usual);
    follow(
        session,
        client,
        &followees,
        deadline,
        |session, number, progress| {
            for line in log.lines(number, progress) {
                session.out.note(&line);
            }
            Ok(())
        },
    )
    .await
}

/// The logs of several attempts below each other.
pub(crate) struct LogLines {
    renderers: BTreeMap<u32, EventLines>,
    is_away: bool,
}

impl LogLines {
    pub fn new(style: Style, followees: &[Followee], detail: Detail) -> Self {
        let prefix = |number: u32| match followees.len() {
            1 => String::new(),
            _ => format!("[{number}] "),
        };
        let renderers = followees
            .iter()
            .map(|one| {
                (
                    one.number,
                    EventLines::new(style, prefix(one.number), detail),
                )
            })
            .collect();
        Self {
            renderers,
            is_away: false,
        }
    }

    pub fn lines(&mut self, number: u32, progress: Progress<'_>) -> Vec<String> {
        let was_away = std::mem::replace(
            &mut self.is_away,
            matches!(progress, Progress::Reconnecting),
        );
        match progress {
            Progress::Reconnecting if was_away => Vec::new(),
            Progress::Reconnecting => vec!["connection lost; trying again".to_owned()],
            Progress::Event(record) => match self.renderers.get_mut(&number) {
                Some(renderer) => renderer.push(&record.event),
                None => Vec::new(),
            },
        }
    }
}

/// The task once its status says what its logs said.
pub(crate) async fn settled(client: &Client, id: &str) -> Result<Task, CliError> {
    let started_at = Instant::now();
    loop {
        let task = client.task(id).await?;
        let is_settled = matches!(
            task.summary.status.as_str(),
            "completed" | "failed" | "needs_input"
        );
        if is_settled || started_at.elapsed() > STATUS_LAG {
            return Ok(task);
        }
        tokio::time::sleep(STATUS_INTERVAL).await;
    }
}

pub(crate) fn exit_status(task: &Task, is_over: bool) -> ExitStatus {
    match task.summary.status.as_str() {
        "completed" => ExitStatus::Ok,
        _ if is_over => ExitStatus::Failed,
        "failed" => ExitStatus::Failed,
        _ => ExitStatus::TimedOut,
    }
}

/// Whether the newest turn has a schema, so that its answer is the result.
pub(crate) fn wants_output(task: &Task) -> bool {
    let newest = task.turns.last();
    newest.is_some_and(|turn| turn.output_schema.is_some())
}

/// The answer of the first attempt that has one; all else is said beside it.
fn tell_output(session: &mut Session, task: &Task) -> Result<(), CliError> {
    let style = session.out.stderr_style;
    let output = attempts(task).iter().find_map(|one| one.output.as_ref());
    let told = match output {
        Some(output) => session.out.json(output),
        None => {
            for line in lines(task, style) {
                session.out.outcome(&line);
            }
            Ok(())
        }
    };
    advise(session, task);
    told
}

fn tell(session: &mut Session, task: &Task) -> Result<(), CliError> {
    for line in lines(task, session.out.stdout_style) {
        session.out.line(&line)?;
    }
    advise(session, task);
    Ok(())
}

/// The attempts of the newest turn.
fn attempts(task: &Task) -> &[Attempt] {
    let newest = task.turns.last();
    newest
        .map(|turn| turn.attempts.as_slice())
        .unwrap_or_default()
}

/// How the task came out.
fn lines(task: &Task, style: Style) -> Vec<String> {
    let summary = &task.summary;
    let stat = task::diff_stat(&summary.summary);
    let mut lines = vec![format!("{}, {stat}", task::status(summary, style))];
    let attempts = attempts(task);
    let several = attempts.len() > 1;
    if let Some(turn) = task.turns.last().filter(|_| several) {
        let standing = task::standing(turn).into_iter();
        lines.extend(standing.map(|line| line.trim_start().to_owned()));
    }
    for attempt in attempts {
        let indent = if several {
            format!("[{}] ", attempt.number)
        } else {
            String::new()
        };
        for line in attempt.question.iter().flat_map(|asks| asks.lines()) {
            lines.push(format!("{indent}asks: {}", plain(line)));
        }
        for line in attempt.failure.iter().flat_map(task::failure_lines) {
            lines.push(format!("{indent}{line}"));
        }
        for line in attempt.message.iter().flat_map(|message| message.lines()) {
            lines.push(format!("{indent}{}", plain(line)));
        }
    }
    lines
}

/// What can be done next.
fn advise(session: &mut Session, task: &Task) {
    let summary = &task.summary;
    let id = plain(&summary.id);
    match (summary.status.as_str(), summary.summary.files_changed) {
        ("needs_input", _) => session
            .out
            .note(&format!("answer it:  outwork answer {id} \"…\"")),
        (_, 0) => {}
        _ => {
            session.out.note(&format!("read it:  outwork diff {id}"));
            session.out.note(&format!("take it:  outwork apply {id}"));
            for other in repository_ref::further_changed(task) {
                let name = plain(&other.repository);
                session.out.note(&format!("and {name}: with --repo {name}"));
            }
        }
    }
}
