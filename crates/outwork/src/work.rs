//! `outwork worker`, and the worker inside `outwork up`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outwork_api::client::{Client, HttpWorkerApi, Token};
use outwork_api::problem::Code;
use outwork_api::worker::WorkerApi;
use outwork_worker::{GitProgram, Timing, Worker, WorkerConfig, WorkerHandle};
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, FailureExt, HintExt};
use crate::system;

/// How long running attempts may go on after a request to stop; then they are given back.
pub(crate) const DRAIN_GRACE: Duration = Duration::from_secs(10);

/// The first host id that sandboxes of a worker with root's rights use; 65536 for each slot.
const UID_BASE: u32 = 1_000_000;

/// `outwork worker`.
#[derive(clap::Args, Debug)]
pub(crate) struct WorkArgs {
    /// A file with a worker's token: DATA_DIR/worker.token of the server
    #[arg(long, value_name = "FILE", env = "OUTWORK_WORKER_TOKEN_FILE")]
    token_file: PathBuf,
    /// Where mirrors and running attempts are kept
    #[arg(long, value_name = "DIR", env = "OUTWORK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where agents are installed [default: DATA_DIR/agents]
    #[arg(long, value_name = "DIR", env = "OUTWORK_AGENTS_DIR")]
    agents_dir: Option<PathBuf>,
    /// What people call the worker [default: the host's name]
    #[arg(long)]
    name: Option<String>,
    /// How many attempts run at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    slots: u32,
    /// Print one JSON line when ready, instead of text
    #[arg(long)]
    json: bool,
}

/// A worker, wherever its control plane is.
pub(crate) struct WorkerArgs {
    pub(crate) data_dir: PathBuf,
    pub(crate) name: String,
    pub(crate) agents_dir: PathBuf,
    pub(crate) slots: u32,
}

/// A worker that runs.
pub(crate) struct Working {
    worker: WorkerHandle,
    shutdown: CancellationToken,
}

#[allow(clippy::print_stdout, reason = "this is what the command prints")]
pub(crate) async fn worker(args: WorkArgs, url: Option<String>) -> Result<(), Failure> {
    let url = url
        .or_else(|| system::variable("OUTWORK_URL"))
        .ok_or_else(|| {
            Failure::new("no server is named").with_hint("Name it with --url http://HOST:7420.")
        })?;
    let data_dir = match args.data_dir {
        Some(dir) => dir,
        None => system::default_data_dir()?,
    };
    let token = std::fs::read_to_string(&args.token_file)
        .failure(format!("{} cannot be read", args.token_file.display()))
        .hint(
            "Copy worker.token from the server's data directory, and name it with --token-file.",
        )?;
    let token = Token::parse(token.trim())
        .failure(format!("{} holds no token", args.token_file.display()))?;
    let client = Client::new(&url, token)
        .failure(format!("{url} is not a server's address"))
        .hint("It looks like http://HOST:7420.")?;
    let is_there = check_token(&client, &args.token_file).await?;
    let api = HttpWorkerApi::new(client);
    let name = args.name.unwrap_or_else(system::host_name);
    let agents_dir = args.agents_dir.unwrap_or_else(|| data_dir.join("agents"));
    let worker = WorkerArgs {
        data_dir,
        name: name.clone(),
        agents_dir,
        slots: args.slots,
    };
    let working = start(worker, Arc::new(api)).await?;
    if args.json {
        println!(
            "{}",
            serde_json::json!({"event": "ready", "url": url, "name": name})
        );
    } else {
        println!(
            "Worker {name} works for {url} ({} attempts at once).",
            args.slots
        );
        if !is_there {
            println!("The server cannot be reached yet; the worker goes on trying.");
        }
    }
    system::stop_signal().await?;
    tracing::info!(
        "stopping: running attempts have {} s to end",
        DRAIN_GRACE.as_secs()
    );
    stop(working).await
}

/// Whether the server is there. A token that it will never take is an error now: a worker goes on
/// trying for as long as it runs.
async fn check_token(client: &Client, file: &Path) -> Result<bool, Failure> {
    const HINT: &str = "Copy worker.token from the server's data directory.";
    let wrong = |what: &str| {
        Failure::new(format!("{} holds {what}", file.display()))
            .with_hint(HINT)
            .signed_out()
    };
    match client.me().await {
        Ok(me) if me.kind == "worker" => Ok(true),
        Ok(_) => Err(wrong("a token for people, not one for workers")),
        Err(error) => match error.problem() {
            Some(problem) if problem.is(Code::Unauthorized) => {
                Err(wrong("no token of this server"))
            }
            // The worker's own calls tell more.
            Some(_) => Ok(true),
            None => Ok(false),
        },
    }
}

/// Starts a worker on that control plane.
pub(crate) async fn start(args: WorkerArgs, api: Arc<dyn WorkerApi>) -> Result<Working, Failure> {
    let shutdown = CancellationToken::new();
    let config = config(args)?;
    let worker = Worker::start(config, api, shutdown.clone())
        .await
        .failure("the worker cannot start")?;
    Ok(Working { worker, shutdown })
}

/// What a worker is set up with on this machine.
pub(crate) fn config(args: WorkerArgs) -> Result<WorkerConfig, Failure> {
    let WorkerArgs {
        data_dir,
        name,
        agents_dir,
        slots,
    } = args;
    let launcher = std::env::current_exe().failure("the path of this program is unknown")?;
    Ok(WorkerConfig {
        data_dir,
        name,
        slots,
        agents_dir,
        launcher,
        git: git_program()?,
        uid_base: UID_BASE,
        now: Arc::new(system::now),
        drain_grace: DRAIN_GRACE,
        timing: Timing::default(),
    })
}

/// Git and what it needs of this process' environment.
pub(crate) fn git_program() -> Result<GitProgram, Failure> {
    Ok(GitProgram {
        program: system::find_program("git")?,
        search_path: system::search_path(),
        environment: std::env::vars_os().collect(),
    })
}

/// Asks a worker to stop, and waits.
pub(crate) async fn stop(working: Working) -> Result<(), Failure> {
    let Working { worker, shutdown } = working;
    shutdown.cancel();
    worker.join().await.failure("the worker broke off")
}
