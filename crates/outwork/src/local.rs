//! `outwork run`: the control plane and the worker of `outwork up`, for one command.
//!
//! ```text
//! DATA_DIR/run/1/  a data directory as `up` has it, held by one command at a time
//! DATA_DIR/run/2/  the same, for a second one at the same time
//! ```
//!
//! The first that is free is taken, so that the next command finds the mirrors and snapshots of the one before.

mod place;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use outwork_api::client::{Client, ClientError, TaskQuery, Token};
use outwork_api::secret::Secret;
use outwork_cli::error::CliError;
use outwork_cli::{Local, RunArgs};
use outwork_domain::labels::Labels;
use outwork_server::ModelDefault;
use outwork_worker::install;

use crate::containment::ContainmentArgs;
use crate::failure::{Failure, FailureExt, HintExt};
use crate::serve::{self, Running, ServeArgs};
use crate::system;
use crate::work::{self, KeepingArgs, UID_BASE, WorkerArgs, Working};
use place::Place;

/// The host ids of one place, beyond those of the 1000 slots that a worker can have.
const IDS_PER_PLACE: u32 = 0x1_0000;
const SLOTS_OF_WORKERS: u32 = 1000;

/// How long what was cancelled may take to end, and how often it is looked at.
const ENDING: Duration = Duration::from_secs(30);
const ENDING_INTERVAL: Duration = Duration::from_millis(50);

/// Run a task here, without a server
///
/// In a clone, with nothing set up: the commit that you stand on is checked out in a sandbox on this
/// machine, the setup runs there with a network, and then the agent without one. What happens is shown on
/// standard error, and the diff comes on standard output; with --apply it is put into your files instead.
/// Your files are never in the sandbox, and what is not committed only with --with-changes.
///
/// What the setup needs is taken from the flags, from `.outwork.toml`, or guessed from lock files and the
/// like, and shown first. What it made is kept for the next time.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  outwork run \"fix the failing test\"
  outwork run --apply \"fix the failing test\"      # outwork apply --undo takes it back
  outwork run \"fix the failing test\" | git apply --check
  outwork run --with-changes --apply \"finish what I began\"
  outwork run --setup setup.sh --secret NPM_TOKEN --timeout 30m \"make the parser faster\"
  outwork run --agent-command \"sed -i 's/ *$//' *.md\" \"tidy up\" > tidy.diff
  outwork run --json \"look for dead code\" | jq -r 'select(.type == \"result\").diff'

`outwork agent install codex` puts the agent onto this machine. The model is named by the variables
OUTWORK_MODEL_BASE_URL, OUTWORK_MODEL_NAME and OUTWORK_MODEL_API_KEY, or by the flags.

Ctrl-C cancels the task. The exit codes are those of `outwork exec --wait`: `outwork help exit-codes`.
docs/run.md has the rest.")]
pub(crate) struct LocalArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

/// What of this machine is used.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct MachineArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Where mirrors, snapshots and what ran are kept, in DIR/run
    #[arg(
        long,
        value_name = "DIR",
        env = "OUTWORK_DATA_DIR",
        help_heading = "This machine"
    )]
    data_dir: Option<PathBuf>,
    /// Where agents are installed [default: DATA_DIR/agents]
    #[arg(
        long,
        value_name = "DIR",
        env = "OUTWORK_AGENTS_DIR",
        help_heading = "This machine"
    )]
    agents_dir: Option<PathBuf>,
    #[command(flatten, next_help_heading = "This machine")]
    keeping: KeepingArgs,
}

/// The model, where it is not the one that the variables name.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Model")]
struct ModelArgs {
    /// The model's name, as its endpoint knows it [default: $OUTWORK_MODEL_NAME]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Where its API is, with the version: https://host/v1 [default: $OUTWORK_MODEL_BASE_URL]
    #[arg(long, value_name = "URL")]
    model_base_url: Option<String>,
    /// A file that holds the key [default: $OUTWORK_MODEL_API_KEY]
    #[arg(long, value_name = "FILE")]
    model_key_file: Option<PathBuf>,
}

impl ModelArgs {
    /// What the flags say, and the variables where they say nothing.
    fn model(self) -> Result<Option<ModelDefault>, Failure> {
        let Self {
            model,
            model_base_url,
            model_key_file,
        } = self;
        if model.is_none() && model_base_url.is_none() && model_key_file.is_none() {
            return serve::model_default();
        }
        let base_url = model_base_url
            .clone()
            .or_else(|| system::variable("OUTWORK_MODEL_BASE_URL"));
        let name = model.or_else(|| system::variable("OUTWORK_MODEL_NAME"));
        let (Some(base_url), Some(name)) = (base_url, name) else {
            return Err(Failure::new("a model needs an address and a name").with_hint(
                "Give both: --model-base-url URL or OUTWORK_MODEL_BASE_URL, and --model NAME or OUTWORK_MODEL_NAME.",
            ).usage());
        };
        let api_key = match &model_key_file {
            Some(file) => Some(key(file)?),
            // A key is for the server that it was given for.
            None if model_base_url.is_some() => None,
            None => system::variable("OUTWORK_MODEL_API_KEY"),
        };
        Ok(Some(ModelDefault {
            base_url,
            name,
            api_key: api_key.map(Secret::new),
            context_window: serve::CONTEXT_WINDOW,
        }))
    }
}

fn key(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .failure(format!("the key file {} cannot be read", file.display()))
        .hint("Write the key into a file, and name it with --model-key-file.")?;
    match text.trim() {
        "" => Err(Failure::new("the key file is empty").usage()),
        key => Ok(key.to_owned()),
    }
}

/// Starts all that a command needs.
pub(crate) async fn start(args: MachineArgs) -> Result<Local, CliError> {
    started(args).await.map_err(CliError::from)
}

async fn started(args: MachineArgs) -> Result<Local, Failure> {
    let MachineArgs {
        model,
        data_dir,
        agents_dir,
        keeping,
    } = args;
    let model = model.model()?;
    let data_dir = match data_dir {
        Some(dir) => dir,
        None => system::default_data_dir()?,
    };
    let agents_dir = agents_dir.unwrap_or_else(|| data_dir.join("agents"));
    let ttl = keeping.snapshot_ttl;
    let (place, data) = Place::take(&data_dir)?;
    let running = Running::start_on(data, &ServeArgs::of_one_command(), model).await?;
    let url = running.local_url();
    let client = client(&url, &running.token_file)?;
    let left = cancel_what_is_left(&client)
        .await
        .failure("what an earlier command left cannot be cancelled")?;
    let worker = WorkerArgs {
        data_dir: running.data.join(""),
        name: system::host_name(),
        agents_dir: agents_dir.clone(),
        slots: 1,
        labels: Labels::new(),
        server_url: Some(url),
        uid_base: UID_BASE + (SLOTS_OF_WORKERS + place.number) * IDS_PER_PLACE,
    };
    let containment = ContainmentArgs::of_variables();
    let working = work::start(worker, keeping, containment, running.worker_api().await?).await?;
    let stopped = stopped(client.clone(), left, working, running);
    let stop = async move {
        let ended = stopped.await;
        place.clear_idle(ttl);
        ended.map_err(CliError::from)
    };
    let agents = install::list(&agents_dir).into_iter();
    Ok(Local {
        client,
        agents: agents.map(|agent| agent.name.to_owned()).collect(),
        agents_dir,
        stop: stop.boxed(),
    })
}

fn client(url: &str, token_file: &Path) -> Result<Client, Failure> {
    let unreadable = || format!("{} cannot be read", token_file.display());
    let token = std::fs::read_to_string(token_file).failure(unreadable())?;
    let token = Token::parse(token.trim()).failure(unreadable())?;
    Client::new(url, token).failure("the control plane of this command cannot be reached")
}

/// What a command that was killed left is not to run now: nobody is there any more who wants it. The ids of the tasks.
async fn cancel_what_is_left(client: &Client) -> Result<Vec<String>, ClientError> {
    let left = unfinished(client).await?;
    for task in &left {
        // It may have ended meanwhile.
        let _ = client.cancel_task(task).await;
    }
    Ok(left)
}

/// The tasks that have not ended. A command has one, so they are among the newest.
async fn unfinished(client: &Client) -> Result<Vec<String>, ClientError> {
    let tasks = client.tasks(&TaskQuery::default()).await?.items.into_iter();
    let unfinished = tasks.filter(|task| !matches!(task.status.as_str(), "completed" | "failed"));
    Ok(unfinished.map(|task| task.id).collect())
}

/// Cancels what has not ended, waits until nothing of it is there, and stops everything. `left` is what was cancelled
/// before, whose worker is not there to say that it has ended.
async fn stopped(
    client: Client,
    left: Vec<String>,
    working: Working,
    running: Running,
) -> Result<(), Failure> {
    let cancelled = cancelled(&client, &left).await;
    let worker = work::stop(working).await;
    running.stop().await?;
    worker?;
    cancelled
}

async fn cancelled(client: &Client, left: &[String]) -> Result<(), Failure> {
    let started_at = Instant::now();
    loop {
        let mut tasks = unfinished(client)
            .await
            .failure("the task cannot be cancelled")?;
        tasks.retain(|task| !left.contains(task));
        if tasks.is_empty() {
            return Ok(());
        }
        if started_at.elapsed() > ENDING {
            return Err(
                Failure::new("the task did not end in time").with_hint("Its sandbox is killed.")
            );
        }
        for task in &tasks {
            // It may have ended meanwhile; whether it has is what the next look tells.
            let _ = client.cancel_task(task).await;
        }
        tokio::time::sleep(ENDING_INTERVAL).await;
    }
}
