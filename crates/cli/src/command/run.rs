//! `outwork run`: a task on this machine, without a server that stays.
//!
//! A control plane and a worker are started for it, and talked to as by every other command: what runs is the
//! same, and so is what comes of it.

mod environment;
mod result;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use outwork_api::client::Client;
use outwork_api::environment::Agent;
use outwork_api::task::{NewTask, Task};
use outwork_git::{GitError, Repository};
use tokio::time::Instant;

use super::environment::network::NetworkFlags;
use super::environment::resources::ResourceFlags;
use super::environment::values::{self, AgentName, SecretFlag};
use super::{exec, log, prompt};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::event::Detail;
use crate::session::{OnInterrupt, Session};
use crate::wait::{self, LogLines, Progress};

/// What a run takes, but for what only the program that starts its control plane knows.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// What is to be done; `-` for standard input; an editor opens when left out on a terminal
    pub prompt: Option<String>,
    /// If it succeeds, put the diff into your files, all or nothing, instead of printing it
    #[arg(long)]
    pub apply: bool,
    /// Start from this branch of the clone instead of the commit that you stand on
    #[arg(long)]
    pub branch: Option<String>,
    /// Start from this commit
    #[arg(long, value_name = "SHA")]
    pub commit: Option<String>,
    /// Start with your uncommitted changes, untracked files included; they are not part of the result
    #[arg(long)]
    pub with_changes: bool,
    /// Go on from a conversation of the Codex on this machine: its id, its rollout file, or `last`
    #[arg(long, value_name = "ID|FILE|last")]
    pub session: Option<String>,
    /// Give the agent this file along with the prompt, such as a plan; may be repeated
    #[arg(long, value_name = "FILE")]
    pub context: Vec<PathBuf>,
    /// How long it may take, such as 30m; then it is cancelled, and what it did until then is given
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub timeout: Option<Duration>,
    /// Print each event as a line of JSON, and the result as the last one
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub environment: EnvironmentFlags,
    #[command(flatten)]
    pub network: NetworkFlags,
    #[command(flatten)]
    pub resources: ResourceFlags,
}

/// What `.outwork.toml` and guesses say, where it is to be otherwise.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Environment")]
pub struct EnvironmentFlags {
    /// Which agent: codex, or command for any program whose standard input is the prompt [default:
    /// codex, or command when --agent-command is given]
    #[arg(long, hide_possible_values = true)]
    pub agent: Option<AgentName>,
    /// The program, run by bash
    #[arg(long, value_name = "COMMAND")]
    pub agent_command: Option<String>,
    /// The image to run on, such as debian:12; this machine's own system when left out
    #[arg(long, value_name = "REFERENCE")]
    pub image: Option<String>,
    /// Pin this version, such as node=22, and no guessed ones; may be given several times
    #[arg(long = "runtime", value_name = "NAME=VERSION", value_parser = values::parse_runtime)]
    pub runtimes: Vec<(String, String)>,
    /// Pin no versions
    #[arg(long, conflicts_with = "runtimes")]
    pub no_runtimes: bool,
    /// This setup script instead of a guessed one; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub setup: Option<PathBuf>,
    /// No setup script
    #[arg(long, conflicts_with = "setup")]
    pub no_setup: bool,
    /// How long the setup may run, such as 10m [default: 20m]
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub setup_timeout: Option<Duration>,
    /// Run the setup again though its result is kept
    #[arg(long)]
    pub fresh: bool,
    /// The command that tells whether the work is right, such as 'npm test'
    #[arg(long, value_name = "COMMAND")]
    pub verify: Option<String>,
    /// A variable for the setup and the agent; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = values::parse_variable)]
    pub variables: Vec<(String, String)>,
    /// A secret for the setup, not for the agent: its value from the variable NAME, from NAME=@FILE, or
    /// from standard input with NAME=-; may be given several times
    #[arg(long = "secret", value_name = "NAME[=VALUE]", value_parser = values::parse_secret)]
    pub secrets: Vec<SecretFlag>,
}

/// Everything that is known before anything is started.
struct Wanted {
    clone: Repository,
    environment: environment::Wanted,
    prompt: String,
    branch: Option<String>,
    commit: Option<String>,
    starting_diff: Option<String>,
    starting_session: Option<String>,
    timeout: Option<Duration>,
    is_fresh: bool,
}

pub(crate) async fn run(args: RunArgs, session: &mut Session) -> Result<ExitStatus, CliError> {
    if session.url_flag.is_some() {
        return Err(
            CliError::usage("`outwork run` uses no server, and --url names one").hint(
                "give the task to that server with `outwork exec --wait`, or leave --url out",
            ),
        );
    }
    let (is_applied, is_json) = (args.apply, args.json);
    let wanted = wanted(args, session).await?;
    let starting = session.local.take().expect("it is started once");
    let local = starting.await?;
    session.on_interrupt = OnInterrupt {
        advice: Some("cancelling; once more to not wait for that".to_owned()),
        undo: Some(local.stop),
    };
    let client = local.client;
    let agents = Agents {
        installed: local.agents,
        dir: local.agents_dir,
    };
    let came = came_of(session, &client, &agents, &wanted, is_json).await;
    let given = match came {
        Ok(came) => result::give(session, &client, &wanted.clone, came, is_applied, is_json).await,
        Err(error) => Err(error),
    };
    // It has ended, but for an error on the way: then it is cancelled here.
    let stop = std::mem::take(&mut session.on_interrupt).undo;
    let stopped = match stop {
        Some(stop) => stop.await,
        None => Ok(()),
    };
    match (given, stopped) {
        (Ok(status), Ok(())) => Ok(status),
        (Ok(_), Err(error)) | (Err(error), Ok(())) => Err(error),
        (Err(error), Err(also)) => {
            session.out.error(&also, is_json);
            Err(error)
        }
    }
}

/// Reads all that can be wrong before anything is started.
async fn wanted(args: RunArgs, session: &mut Session) -> Result<Wanted, CliError> {
    let clone = clone(session).await?;
    let head = head(&clone).await?;
    let environment = environment::wanted(session, &clone, &args).await?;
    let RunArgs {
        prompt,
        apply: _,
        branch,
        commit,
        with_changes,
        session: conversation,
        context,
        timeout,
        json: _,
        environment: EnvironmentFlags { fresh, .. },
        network: _,
        resources: _,
    } = args;
    let starting_session = match conversation {
        Some(wanted) => Some(exec::taken_along(session, &wanted).await?),
        None => None,
    };
    let prompt = prompt::read(session, prompt.as_deref(), &context).await?;
    let (starting_diff, commit) = match with_changes {
        true => exec::local_changes(session, branch.is_none(), commit).await?,
        false => (None, commit),
    };
    if !with_changes && clone.has_changes().await.map_err(unreadable)? {
        session
            .out
            .note("note: your uncommitted changes are not sent; --with-changes sends them");
    }
    let commit = match (&branch, commit) {
        (None, None) => Some(head),
        (_, commit) => commit,
    };
    Ok(Wanted {
        clone,
        environment,
        prompt,
        branch,
        commit,
        starting_diff,
        starting_session,
        timeout,
        is_fresh: fresh,
    })
}

async fn clone(session: &Session) -> Result<Repository, CliError> {
    session
        .repository()
        .await
        .map_err(|error| match error.code.as_str() {
            "no_repository" => error.hint(
                "go to a clone, or make this folder one: `git init`, `git add`, `git commit`",
            ),
            _ => error,
        })
}

async fn head(clone: &Repository) -> Result<String, CliError> {
    let head = clone.head().await.map_err(unreadable)?;
    head.map(|head| head.as_str().to_owned()).ok_or_else(|| {
        CliError::failed("this repository has no commit yet")
            .code("no_commit")
            .hint("commit something first: the agent starts from a commit")
    })
}

fn unreadable(error: GitError) -> CliError {
    CliError::failed("the clone cannot be read")
        .code("git")
        .source(error)
}

/// A task that was followed to its end.
struct Came {
    task: Task,
    /// Whether it ended by itself.
    is_over: bool,
}

async fn came_of(
    session: &mut Session,
    client: &Client,
    agents: &Agents,
    wanted: &Wanted,
    is_json: bool,
) -> Result<Came, CliError> {
    let deadline = wanted.timeout.map(|timeout| Instant::now() + timeout);
    expect_the_agent(client, agents, &wanted.environment.agent).await?;
    let environment = environment::kept(session, client, &wanted.environment).await?;
    if wanted.is_fresh {
        environment::forget_setup(client, &environment).await?;
    }
    let task = NewTask {
        environment: environment.id,
        prompt: wanted.prompt.clone(),
        branch: wanted.branch.clone(),
        commit: wanted.commit.clone(),
        attempts: None,
        agents: Vec::new(),
        starting_diff: wanted.starting_diff.clone(),
        starting_session: wanted.starting_session.clone(),
        // The control plane ends with this command: nobody could answer later.
        interactive: false,
        priority: Default::default(),
        kind: Default::default(),
        output_schema: None,
        paths: Vec::new(),
    };
    let key = session.idempotency_key();
    let task = client.submit(&task, &key).await?;
    let is_over = follow(session, client, &task, deadline, is_json).await?;
    if !is_over {
        session.out.note("the time is over; it is cancelled");
        client.cancel_task(&task.summary.id).await?;
    }
    let task = wait::settled(client, &task.summary.id).await?;
    Ok(Came { task, is_over })
}

/// The agents on this machine.
struct Agents {
    installed: Vec<String>,
    dir: PathBuf,
}

/// What would else be waited for in vain.
async fn expect_the_agent(client: &Client, agents: &Agents, agent: &Agent) -> Result<(), CliError> {
    match agent {
        Agent::Command { .. } | Agent::None {} => return Ok(()),
        Agent::Codex {} => {}
    }
    if !agents.installed.iter().any(|agent| agent == "codex") {
        let dir = agents.dir.display();
        return Err(CliError::failed(format!("codex is not installed in {dir}"))
            .code("agent_not_installed")
            .hint(
                format!("run `outwork agent install codex --agents-dir {dir}`, or name another program with --agent-command"),
            ));
    }
    match client.model().await? {
        Some(_) => Ok(()),
        None => Err(CliError::failed("no model is set")
            .code("model_not_configured")
            .hint(
                "set OUTWORK_MODEL_BASE_URL, OUTWORK_MODEL_NAME and OUTWORK_MODEL_API_KEY, \
                 or give --model-base-url, --model and --model-key-file",
            )),
    }
}

/// Shows what happens; `false` when the deadline came first.
async fn follow(
    session: &mut Session,
    client: &Client,
    task: &Task,
    deadline: Option<Instant>,
    is_json: bool,
) -> Result<bool, CliError> {
    let Some(turn) = task.turns.last() else {
        return Ok(true);
    };
    let followees = wait::followees(turn);
    let mut lines = LogLines::new(session.out.stderr_style, &followees, Detail::Usual);
    let show = |session: &mut Session, number: u32, progress: Progress<'_>| {
        if let (true, Progress::Event(record)) = (is_json, &progress) {
            return session.out.json(&log::numbered(record, number));
        }
        for line in lines.lines(number, progress) {
            session.out.note(&line);
        }
        Ok(())
    };
    wait::follow(session, client, &followees, deadline, show).await
}
