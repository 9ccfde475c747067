//! What a run gives in the end: the diff, or the files that it was put into.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outwork_api::client::Client;
use outwork_api::task::{Attempt, Failure, Task};
use outwork_git::{ApplyError, Repository, ThreeWay};
use serde_json::{Value, json};

use super::Came;
use crate::command::apply;
use crate::error::{CliError, Kind};
use crate::exit::ExitStatus;
use crate::phrase;
use crate::render::{diff, task};
use crate::repository_ref;
use crate::session::Session;
use crate::terminal::plain::plain;
use crate::wait;

/// What becomes of the diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Print,
    Apply,
}

/// Tells how it came out, and prints or applies the diff.
pub(super) async fn give(
    session: &mut Session,
    client: &Client,
    clone: &Repository,
    came: Came,
    is_applied: bool,
    is_json: bool,
) -> Result<ExitStatus, CliError> {
    let Came { task, is_over } = came;
    let status = match is_over {
        true => wait::exit_status(&task, true),
        false => ExitStatus::TimedOut,
    };
    let patch = patch(client, &task, None).await?;
    if !is_json {
        tell(session, &task);
    }
    // What did not come to a good end is for people to look at first.
    let usage = match is_applied && status == ExitStatus::Ok {
        true => Use::Apply,
        false => Use::Print,
    };
    if is_applied && usage == Use::Print && !patch.is_empty() {
        session
            .out
            .note("the diff was not applied, because the task did not succeed");
    }
    let applied = match usage {
        Use::Print => Ok(None),
        Use::Apply => applied(clone, &task.summary.id, &patch).await.map(Some),
    };
    let printed = match is_json {
        true => print_json(session, client, &task, &patch, &applied, status).await,
        false => print(session, &patch, &applied),
    };
    // A result that nobody reads any more does not change how the task came out.
    if let Err(error) = printed
        && error.kind != Kind::BrokenPipe
    {
        return Err(error);
    }
    let _ = applied?;
    match status {
        ExitStatus::TimedOut => {
            let message = "the time is over; the task was cancelled";
            Err(CliError::new(Kind::TimedOut, message).hint("give it more with --timeout"))
        }
        status => Ok(status),
    }
}

/// The diff of the first repository, or of that one.
async fn patch(client: &Client, task: &Task, name: Option<&str>) -> Result<Vec<u8>, CliError> {
    let has_diff = attempt(task).is_some_and(|attempt| attempt.diff.is_some());
    match has_diff {
        true => Ok(client.task_diff(&task.summary.id, None, None, name).await?),
        // It came to none, such as one whose setup failed.
        false => Ok(Vec::new()),
    }
}

fn attempt(task: &Task) -> Option<&Attempt> {
    task.turns.last()?.attempts.first()
}

/// Puts it into the files; their paths.
async fn applied(clone: &Repository, id: &str, patch: &[u8]) -> Result<Vec<String>, CliError> {
    if patch.is_empty() {
        return Ok(Vec::new());
    }
    match clone.apply(patch, ThreeWay::No, id).await {
        Ok(applied) => Ok(applied.files.iter().map(|path| text(path)).collect()),
        Err(error) => {
            let is_conflict = matches!(error, ApplyError::Conflicts { .. });
            let error = apply::refusal(error, id);
            Err(match is_conflict {
                true => error.hint(
                    "the diff is on standard output: commit or stash what you changed in these files, \
                     then give it to `git apply --3way`; with --with-changes the agent would have started from your changes",
                ),
                false => error,
            })
        }
    }
}

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// How it came out, on standard error: the result itself is the diff.
fn tell(session: &mut Session, task: &Task) {
    let summary = &task.summary;
    let stat = task::diff_stat(&summary.summary);
    let status = task::status(summary, session.out.stderr_style);
    session.out.note(&format!("{status}, {stat}"));
    let Some(attempt) = attempt(task) else { return };
    for line in attempt.message.iter().flat_map(|message| message.lines()) {
        session.out.note(&plain(line));
    }
    if let Some(failure) = &attempt.failure {
        session.out.error(&told(failure), false);
    }
    for other in repository_ref::further_changed(task) {
        let name = plain(&other.repository);
        let stat = task::diff_stat(&other.summary);
        session.out.note(&format!(
            "{name} changed, too ({stat}); --json prints its diff"
        ));
    }
}

/// As an error of this command.
fn told(failure: &Failure) -> CliError {
    let Failure {
        code,
        message,
        hint,
    } = failure;
    let mut lines = message.lines();
    let first = phrase::after_colon(lines.next().unwrap_or_default());
    let error = CliError::failed(format!("{code}: {first}"))
        .code(code)
        .details(lines.map(str::to_owned));
    let hint = match code.as_str() {
        // It has just been shown.
        "agent_failed" => None,
        code => advice(code).or(hint.as_deref()),
    };
    match hint {
        Some(hint) => error.hint(phrase::after_colon(hint)),
        None => error,
    }
}

/// What to do here, where the server's own hint speaks of environments that have to be edited.
fn advice(code: &str) -> Option<&'static str> {
    match code {
        "setup_failed" => Some("give the right script with --setup FILE, or none with --no-setup"),
        "maintenance_failed" => Some("correct it in .outwork.toml"),
        "runtime_unavailable" => Some(
            "leave the pins out with --no-runtimes, pin another with --runtime NAME=VERSION, \
             or name an image that has it with --image",
        ),
        "base_image_unavailable" => Some("name another with --image"),
        "agent_not_installed" => Some("run `outwork agent install codex`"),
        _ => None,
    }
}

/// The diff, byte for byte unless it is a person who reads it; or the files that have it now.
fn print(
    session: &mut Session,
    patch: &[u8],
    applied: &Result<Option<Vec<String>>, CliError>,
) -> Result<(), CliError> {
    match applied {
        Ok(Some(files)) => files
            .iter()
            .try_for_each(|path| session.out.line(&plain(path))),
        Ok(None) | Err(_) if session.out.stdout_is_terminal => {
            let text = diff::for_terminal(patch, session.out.stdout_style);
            session.out.bytes(text.as_bytes())
        }
        Ok(None) | Err(_) => session.out.bytes(patch),
    }
}

async fn print_json(
    session: &mut Session,
    client: &Client,
    task: &Task,
    bytes: &[u8],
    applied: &Result<Option<Vec<String>>, CliError>,
    status: ExitStatus,
) -> Result<(), CliError> {
    let mut further = Vec::new();
    for other in repository_ref::further_changed(task) {
        let bytes = patch(client, task, Some(&other.repository)).await?;
        further.push(with_diff(&bytes, json!({"repository": other.repository})));
    }
    let status = match applied {
        Ok(_) => status,
        Err(error) => error.kind.exit_status(),
    };
    let result = json!({
        "type": "result",
        "exit_code": status.code(),
        "applied": applied.as_ref().ok().and_then(Option::as_ref),
        "further": further,
        "task": task,
    });
    session.out.json(&with_diff(bytes, result))
}

/// The same with `diff`, a text, or with `diff_base64`, where it is not UTF-8 and so can be no text in JSON.
fn with_diff(bytes: &[u8], mut value: Value) -> Value {
    let (name, text) = match std::str::from_utf8(bytes) {
        Ok(text) => ("diff", text.to_owned()),
        Err(_) => ("diff_base64", STANDARD.encode(bytes)),
    };
    value[name] = json!(text);
    value
}
