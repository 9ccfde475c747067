//! `outwork session`: a task's conversation, taken home.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use outwork_agents::codex::rollout::{Carried, Rollout};
use outwork_api::session as wire;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::codex_home::{self, CodexHome, Put, unusable};
use crate::error::CliError;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

/// Take a task's conversation home
#[derive(Subcommand, Clone, Debug)]
pub enum SessionCommand {
    Export(ExportArgs),
}

/// Put a task's conversation where `codex resume` finds it
///
/// Of an attempt that has ended or asks something. Only the conversation comes: model, approvals and
/// sandbox are those of your own configuration. Nothing is overwritten: a session that is here already
/// stays, and the task's is put beside it under an id of its own. `outwork apply` brings the changes.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork session export 0192c3f0
  outwork session export 0192c3f0 --attempt 2 --output session.jsonl

The other way: outwork exec --session last \"go on\"")]
pub struct ExportArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// After this attempt
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// After this turn instead of the newest
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub turn: Option<u32>,
    /// Write the rollout to this file, or into this folder, instead of Codex' own folder
    #[arg(short, long, value_name = "FILE|DIR")]
    pub output: Option<PathBuf>,
    /// Put it into $CODEX_HOME [default: ~/.codex], as without --output
    #[arg(long)]
    pub install: bool,
    /// Print where it is as JSON
    #[arg(long)]
    pub json: bool,
}

impl SessionCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Export(args) => args.json,
        }
    }
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Exported {
    thread_id: String,
    /// Where it was put.
    paths: Vec<PathBuf>,
    /// What goes on with it; nothing where it was only written to a file.
    command: Option<String>,
}

pub(crate) async fn run(command: SessionCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        SessionCommand::Export(args) => export(args, session).await,
    }
}

async fn export(args: ExportArgs, session: &mut Session) -> Result<(), CliError> {
    let ExportArgs {
        task,
        attempt,
        turn,
        output,
        install,
        json,
    } = args;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let rollout = rollout(&client.task_session(&id, turn, attempt).await?)?;
    let cwd = folder(session).await?;
    let mut exported = Exported {
        thread_id: rollout.thread_id().to_owned(),
        paths: Vec::new(),
        command: None,
    };
    if let Some(output) = &output {
        let carried = rollout.carried(&cwd, None).map_err(unusable)?;
        let path = place(&session.current_dir.join(output), &carried);
        let put = codex_home::write_new(&path, &carried.contents)?;
        exported.paths.push(noted(session, put));
    }
    if install || output.is_none() {
        let home = CodexHome::of(&session.variables)?;
        let carried = free(&home, &rollout, &cwd, session)?;
        let put = home.put(&carried)?;
        exported.paths.push(noted(session, put));
        exported.command = Some(format!("codex resume {}", carried.thread_id));
        exported.thread_id = carried.thread_id;
    }
    if json {
        return session.out.json(&exported);
    }
    match exported.command {
        Some(command) => session.out.line(&command),
        None => Ok(()),
    }
}

/// The conversation in a session as the server hands it out. An agent wrote it: all is checked.
fn rollout(bytes: &[u8]) -> Result<Rollout, CliError> {
    let failed = |text: String| CliError::failed(text).code("session_unusable");
    let session = wire::unpack(bytes)
        .map_err(|error| failed(format!("the task's session cannot be used: {error}")))?;
    if session.agent != "codex" {
        let agent = plain(&session.agent);
        return Err(failed(format!(
            "the session is of the agent `{agent}`, and only those of `codex` can be taken home"
        ))
        .hint("run the task in an environment with the agent `codex`"));
    }
    let [file] = session.files.as_slice() else {
        return Err(failed(
            "the task's session is not one rollout file of Codex".to_owned(),
        ));
    };
    Rollout::read(&file.contents).map_err(unusable)
}

/// Where the conversation is to go on: the clone around this folder.
async fn folder(session: &mut Session) -> Result<String, CliError> {
    let folder = match session.repository().await {
        Ok(repository) => repository.top_level().to_owned(),
        Err(_) => {
            let here = session.current_dir.display().to_string();
            session.out.note(&format!(
                "this folder is in no git repository; the session goes on in {}",
                plain(&here)
            ));
            session.current_dir.clone()
        }
    };
    folder.into_os_string().into_string().map_err(|_| {
        CliError::failed("the name of this folder is not UTF-8").code("folder_not_utf8")
    })
}

/// As it can be put there. Under its own id, unless there is a session with it: the one that the task went on from, or one
/// that was exported before and has gone on. Then the id is made from what it holds, so that the same one is put there once.
fn free(
    home: &CodexHome,
    rollout: &Rollout,
    cwd: &str,
    session: &mut Session,
) -> Result<Carried, CliError> {
    let carried = rollout.carried(cwd, None).map_err(unusable)?;
    let Some(there) = home.find(&carried.thread_id)? else {
        return Ok(carried);
    };
    if std::fs::read(&there).is_ok_and(|contents| contents == carried.contents) {
        return Ok(carried);
    }
    let id = id_of(&carried.contents);
    session.out.note(&format!(
        "session {} is here already and stays as it is; this one is put beside it",
        carried.thread_id
    ));
    rollout.carried(cwd, Some(&id)).map_err(unusable)
}

/// A UUID of version 8 from a digest.
fn id_of(contents: &[u8]) -> String {
    let mut bytes: [u8; 16] = Sha256::digest(contents)[..16]
        .try_into()
        .expect("a digest has 32 bytes");
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

fn place(output: &Path, carried: &Carried) -> PathBuf {
    match output.is_dir() {
        true => output.join(carried.path.rsplit('/').next().unwrap_or_default()),
        false => output.to_owned(),
    }
}

fn noted(session: &mut Session, put: Put) -> PathBuf {
    let (path, what) = match put {
        Put::New(path) => (path, "written to"),
        Put::There(path) => (path, "already in"),
    };
    let shown = plain(&path.display().to_string());
    session.out.note(&format!("{what} {shown}"));
    path
}
