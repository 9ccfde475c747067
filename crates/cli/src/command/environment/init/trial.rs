//! The throw-away run that shows whether an environment is right.

use std::collections::VecDeque;
use std::time::Duration;

use outwork_api::client::{Client, ClientError, IdempotencyKey, TaskQuery};
use outwork_api::environment::{Environment, NewEnvironment};
use outwork_api::event::EventBody;
use outwork_api::page::PageQuery;
use outwork_api::problem::Code;
use outwork_api::task::{NewTask, Task};
use tokio::time::Instant;

use crate::error::CliError;
use crate::render::event::Detail;
use crate::render::task;
use crate::session::Session;
use crate::terminal::plain::plain;
use crate::wait::{self, LogLines, Progress};

/// How many lines of output are told again when the run fails.
const LAST_LINES: usize = 15;
/// How long it may take until what runs in an environment has stopped.
const STOPPING: Duration = Duration::from_secs(60);
const STOPPING_INTERVAL: Duration = Duration::from_millis(200);

/// How the run came out.
pub(super) struct Ran {
    pub task: Task,
    /// How long the setup script took, if it ran.
    pub setup: Option<Duration>,
    /// Why it is not good; `None` when it is.
    pub fault: Option<CliError>,
}

/// Runs `command` in the environment, whose agent it is.
pub(super) async fn run(
    session: &mut Session,
    client: &Client,
    environment: &Environment,
    command: &str,
) -> Result<Ran, CliError> {
    let task = NewTask {
        environment: environment.id.clone(),
        prompt: format!("Check the environment: {command}"),
        branch: None,
        commit: None,
        attempts: None,
        agents: Vec::new(),
        starting_diff: None,
        starting_session: None,
        // Nobody is there to answer.
        interactive: false,
        priority: Default::default(),
        kind: Default::default(),
        output_schema: None,
        paths: Vec::new(),
    };
    let key = session.idempotency_key();
    let task = client.submit(&task, &key).await?;
    session
        .out
        .note(&format!("checking it: {}", plain(&task.summary.url)));
    let mut watched = Watched::default();
    watch(session, client, &task, &mut watched).await?;
    let task = wait::settled(client, &task.summary.id).await?;
    let fault = (task.summary.status != "completed").then(|| fault(&task, command, &watched));
    Ok(Ran {
        task,
        setup: watched.setup,
        fault,
    })
}

/// What is remembered of the log.
#[derive(Default)]
struct Watched {
    setup: Option<Duration>,
    output: VecDeque<String>,
    unfinished: String,
}

impl Watched {
    fn see(&mut self, body: &EventBody) {
        match body {
            EventBody::StepFinished {
                step, duration_ms, ..
            } if step == "setup" => self.setup = Some(Duration::from_millis(*duration_ms)),
            // What the setup wrote is not why the agent failed; the diff comes in any case.
            EventBody::StepStarted { step } if step != "diff" => self.output.clear(),
            EventBody::Output { text, .. } => {
                self.unfinished.push_str(text);
                while let Some(end) = self.unfinished.find('\n') {
                    let line: String = self.unfinished.drain(..=end).collect();
                    self.push(line.trim_end().to_owned());
                }
            }
            EventBody::State { .. } if !self.unfinished.is_empty() => {
                let line = std::mem::take(&mut self.unfinished);
                self.push(line);
            }
            _ => {}
        }
    }

    fn push(&mut self, line: String) {
        self.output.push_back(line);
        if self.output.len() > LAST_LINES {
            self.output.pop_front();
        }
    }
}

async fn watch(
    session: &mut Session,
    client: &Client,
    task: &Task,
    watched: &mut Watched,
) -> Result<(), CliError> {
    let Some(turn) = task.turns.last() else {
        return Ok(());
    };
    let followees = wait::followees(turn);
    let mut log = LogLines::new(session.out.stderr_style, &followees, Detail::Usual);
    let show = |session: &mut Session, number: u32, progress: Progress<'_>| {
        if let Progress::Event(record) = &progress {
            watched.see(&record.event.body);
        }
        for line in log.lines(number, progress) {
            session.out.note(&line);
        }
        Ok(())
    };
    wait::follow(session, client, &followees, None, show)
        .await
        .map(drop)
}

/// What did not go well, the last lines of it, and what to do.
fn fault(task: &Task, command: &str, watched: &Watched) -> CliError {
    let attempts = task.turns.last().map(|turn| turn.attempts.as_slice());
    let failure = attempts.and_then(|attempts| attempts.first()?.failure.as_ref());
    let Some(failure) = failure else {
        let status = task::status(&task.summary, crate::terminal::style::Style::PLAIN);
        return CliError::failed(format!("the check ended otherwise: {status}"))
            .code("check_failed");
    };
    // The environment is about to go: the server's hints speak of editing it.
    let (message, advice) = match failure.code.as_str() {
        "setup_failed" => (
            "the setup script failed".to_owned(),
            Some("give the right one with --setup FILE, or change it in the editor at a terminal"),
        ),
        "maintenance_failed" => (
            "the maintenance script failed".to_owned(),
            Some("correct it in .outwork.toml"),
        ),
        "agent_failed" => (
            format!("the verification command failed: {command}"),
            Some("give the right one with --verify COMMAND"),
        ),
        "runtime_unavailable" => (
            "a pinned runtime is not there".to_owned(),
            Some(
                "leave the pins out with --no-runtimes, pin another with --runtime NAME=VERSION, \
                 or name an image that has it with --image",
            ),
        ),
        "base_image_unavailable" => (
            "the image cannot be had".to_owned(),
            Some("name another with --image"),
        ),
        _ => ("the check failed".to_owned(), None),
    };
    let mut details: Vec<String> = watched.output.iter().cloned().collect();
    // The scripts' failures have their last lines in them already.
    let first = failure.message.lines().next().unwrap_or("");
    details.push(format!("{}: {first}", failure.code));
    let hint = missing_program(&watched.output)
        .or_else(|| advice.map(str::to_owned))
        .or_else(|| failure.hint.clone());
    let error = CliError::failed(message)
        .code("check_failed")
        .details(details);
    match hint {
        Some(hint) => error.hint(crate::phrase::after_colon(&hint)),
        None => error,
    }
}

/// What to do about a program that is not there: `bash: line 2: cargo: command not found`.
fn missing_program(output: &VecDeque<String>) -> Option<String> {
    let lines = output.iter().rev();
    let before = lines
        .filter_map(|line| line.strip_suffix(": command not found"))
        .next()?;
    let program = before.rsplit(": ").next()?;
    Some(format!(
        "{program} is not there: name an image that has it with --image REFERENCE, or install it in the setup script"
    ))
}

/// Takes back an environment that may have been made, or is being made: the same request again
/// tells which one it is.
pub(super) async fn take_back(
    client: Client,
    environment: NewEnvironment,
    key: IdempotencyKey,
) -> Result<(), CliError> {
    match client.create_environment(&environment, &key).await {
        Ok(made) => remove(&client, &made.id, &made.label).await,
        // It was refused, so it is not there.
        Err(ClientError::Problem(_)) => Ok(()),
        Err(error) => Err(left(error.into(), &environment.label)),
    }
}

/// Stops what runs in an environment, and removes it.
pub(super) async fn remove(client: &Client, id: &str, label: &str) -> Result<(), CliError> {
    let started_at = Instant::now();
    loop {
        let is_late = started_at.elapsed() > STOPPING;
        match remove_once(client, id).await {
            Ok(()) => return Ok(()),
            Err(ClientError::Problem(problem)) if problem.is(Code::NotFound) => return Ok(()),
            Err(ClientError::Problem(problem)) if problem.is(Code::Conflict) && !is_late => {}
            Err(error) => return Err(left(error.into(), label)),
        }
        tokio::time::sleep(STOPPING_INTERVAL).await;
    }
}

async fn remove_once(client: &Client, id: &str) -> Result<(), ClientError> {
    let query = TaskQuery {
        environment: Some(id.to_owned()),
        kind: None,
        page: PageQuery::default(),
    };
    for task in client.tasks(&query).await?.items {
        if !matches!(task.status.as_str(), "completed" | "failed") {
            // It may have ended meanwhile; whether it has is what the next call tells.
            let _ = client.cancel_task(&task.id).await;
        }
    }
    client.delete_environment(id).await
}

fn left(error: CliError, label: &str) -> CliError {
    CliError::new(
        error.kind,
        format!("the environment {label} could not be removed"),
    )
    .source(error)
    .hint(format!("remove it with `outwork env rm {label}`"))
}
