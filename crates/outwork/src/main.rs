//! # outwork: the one binary
//!
//! The composition root. It reads the command line, the environment, the clock and randomness, and
//! hands them to the crates that do the work; nothing else reads them.
//!
//! * [`serve`]: `outwork up`, `outwork server`
//! * [`work`], [`containment`]: `outwork worker`
//! * [`local`]: `outwork run`, which is all of that for one command
//! * [`agent`]: `outwork agent …`
//! * [`backup`], [`restore`]: `outwork backup`, `outwork restore`
//! * [`client`]: everything that talks to a server, which is `outwork-cli`'s
//! * [`data_dir`], [`system`], [`logging`], [`failure`], [`say`]: what those stand on

mod enrol;
mod failure;
mod say;
mod system;

mod data_dir;
mod logging;

mod agent;
mod backup;
mod client;
mod containment;
mod local;
mod restore;
mod serve;
mod work;

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use outwork_cli::{ClientCommand, CloudArgs, ExitStatus, GlobalArgs};

use crate::failure::Failure;
use crate::logging::LogFormat;

/// A self-hosted cloud for coding agents
#[derive(Parser, Debug)]
#[command(name = "outwork", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    globals: GlobalArgs,
    /// Open the picker, as `outwork cloud` does; CODEX_CLOUD_DEFAULT=1 means the same
    #[arg(long)]
    cloud: bool,
    /// The picker at a terminal when left out.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Run everything here: server, store and a worker
    Up(serve::UpArgs),
    Run(Box<local::LocalArgs>),
    /// Run the server alone
    Server(serve::ServeArgs),
    /// Run a worker for a server
    Worker(work::WorkArgs),
    /// Install and list agents for the worker on this machine
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    #[command(flatten)]
    Client(ClientCommand),
}

fn main() -> ExitCode {
    // The sandbox's launcher must come before any thread and any allocation worth the name.
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new(outwork_sandbox::LAUNCHER_ARGUMENT))
    {
        return outwork_sandbox::launcher_main();
    }
    // So must the proxy of a sandbox, which is to know nothing of this process's arguments and variables.
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new(outwork_egress::PROCESS_ARGUMENT)) {
        return outwork_egress::process_main();
    }
    outwork_failpoint::arm(|| system::variable(outwork_failpoint::VARIABLE));
    client::complete();
    let Cli {
        globals,
        cloud,
        command,
    } = Cli::try_parse().unwrap_or_else(|error| misread(&error));
    let Some(command) = command.or_else(|| picker(cloud)) else {
        say::error(Cli::command().render_help());
        return ExitStatus::Usage.into();
    };
    // The one that is compiled in; a second call would fail, and there is none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command {
        Command::Client(command) => client::run(command, globals),
        Command::Run(args) => with_all_processors("error", client::run_here(*args, globals)),
        Command::Up(args) => service(serve::up(args)),
        Command::Server(args) => service(serve::server(args)),
        Command::Worker(args) => service(work::worker(args, globals.url)),
        Command::Backup(args) => service(backup::run(args)),
        Command::Restore(args) => service(restore::run(args)),
        Command::Agent(command) => service(agent::run(command)),
    }
}

/// Help, or what is wrong with the command line. That quotes it, and it may hold what others wrote.
fn misread(error: &clap::Error) -> ! {
    let text = error.render().to_string();
    let shown: Vec<String> = text.trim_end().split('\n').map(say::shown).collect();
    let shown = shown.join("\n");
    if !error.use_stderr() || shown == text.trim_end() {
        error.exit();
    }
    say::error(shown);
    std::process::exit(error.exit_code());
}

/// What no command on the command line means: the picker, where somebody wants it or is there to see it.
fn picker(cloud: bool) -> Option<Command> {
    let default = system::variable(outwork_cli::CLOUD_DEFAULT);
    let is_wanted = cloud || default.is_some_and(|value| outwork_cli::is_yes(&value));
    let is_seen = io::stdin().is_terminal() && io::stdout().is_terminal();
    (is_wanted || is_seen).then(|| Command::Client(ClientCommand::Cloud(CloudArgs::default())))
}

/// Runs what stays up, and says why it failed.
fn service(run: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    with_all_processors("warn,outwork=info", async {
        match run.await {
            Ok(()) => ExitStatus::Ok,
            Err(failure) => {
                let report = failure.report();
                report.lines().map(say::shown).for_each(say::error);
                failure.exit_status()
            }
        }
    })
}

/// Runs it with all processors, and with a log that holds `log` unless somebody wants it otherwise.
fn with_all_processors(log: &str, run: impl Future<Output = ExitStatus>) -> ExitCode {
    let format = match system::variable("OUTWORK_LOG_FORMAT").as_deref() {
        Some("json") => LogFormat::Json,
        Some(_) | None => LogFormat::Text,
    };
    logging::start(
        format,
        &system::variable("OUTWORK_LOG").unwrap_or_else(|| log.to_owned()),
    );
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            say::error(format_args!("error: the runtime cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run);
    // Blocking calls that nobody waits for any more must not hold the process.
    runtime.shutdown_background();
    ended.into()
}
