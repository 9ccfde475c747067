//! `outwork-conformance`: checks a control plane, or a worker, against the worker protocol.

#![allow(clippy::print_stdout, reason = "this is what the program prints")]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use outwork_conformance::check::{self, Check};
use outwork_conformance::{Report, report, server, worker};

/// Checks a control plane, or a worker, against the worker protocol (docs/worker-protocol.md).
///
/// Ends with 0 if no check failed, with 1 if one did, with 2 if nothing could be checked.
#[derive(Parser, Debug)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  outwork-conformance worker -- python3 worker.py --url {url} --token-file {token_file} --data-dir {dir} --no-isolation
  outwork-conformance server --url http://127.0.0.1:7420 --worker-token @worker.token --admin-token @admin.token
  outwork-conformance worker --list";

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Plays workers against a control plane
    ///
    /// It makes environments and tasks of its own, whose label `conformance` no other worker has, and removes
    /// the environments where that is possible. Lease time decides how long it takes: 10 s are about a minute.
    Server(ServerArguments),
    /// Plays a control plane against a worker, which it starts anew for each check
    ///
    /// In the command `{url}`, `{token}`, `{token_file}` and `{dir}` are replaced: the server's address, the
    /// worker's token, a file that holds it, and a directory that a restarted worker finds again.
    Worker(WorkerArguments),
}

#[derive(clap::Args, Debug)]
struct Common {
    /// Run this check only; can be given several times
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// List the checks, and run none
    #[arg(long)]
    list: bool,
    /// Print one JSON object at the end instead of lines
    #[arg(long)]
    json: bool,
    /// How long anything may take for which the protocol has no bound, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
}

#[derive(clap::Args, Debug)]
struct ServerArguments {
    /// Where the control plane is
    #[arg(long, required_unless_present = "list")]
    url: Option<String>,
    /// A worker's token, or @FILE that holds it
    #[arg(long, value_name = "TOKEN", required_unless_present = "list")]
    worker_token: Option<String>,
    /// A person's token, or @FILE that holds it
    #[arg(long, value_name = "TOKEN", required_unless_present = "list")]
    admin_token: Option<String>,
    /// Where the suite serves the repository that tasks work on; the control plane must reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How many checks run at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    jobs: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args, Debug)]
struct WorkerArguments {
    /// Where the control plane listens; port 0 takes a free one for each check
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How long a lease holds, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1000..=60_000))]
    lease_ms: u64,
    /// How many checks run at once, each with a worker of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    #[command(flatten)]
    common: Common,
    /// The worker's command
    #[arg(last = true, required_unless_present = "list")]
    command: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    // An error means that it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(Arguments::parse().command).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("outwork-conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(command: Command) -> Result<bool> {
    match command {
        Command::Server(arguments) => {
            let ServerArguments {
                url,
                worker_token,
                admin_token,
                listen,
                jobs,
                common,
            } = arguments;
            let Some(checks) = chosen(server::checks(), &common)? else {
                return Ok(true);
            };
            let options = server::Options {
                url: url.context("--url is needed")?,
                worker_token: token(worker_token)?,
                admin_token: token(admin_token)?,
                listen,
                patience: Duration::from_secs(common.patience),
            };
            let scene = Arc::new(server::Scene::new(options).await?);
            let kept = told(Arc::clone(&scene), checks, jobs, &common).await;
            scene.clean().await;
            kept
        }
        Command::Worker(arguments) => {
            let WorkerArguments {
                listen,
                lease_ms,
                jobs,
                common,
                command,
            } = arguments;
            let Some(checks) = chosen(worker::checks(), &common)? else {
                return Ok(true);
            };
            let scene = worker::Scene {
                template: worker::Template::new(command)?,
                listen,
                lease: Duration::from_millis(lease_ms),
                patience: Duration::from_secs(common.patience),
            };
            told(Arc::new(scene), checks, jobs, &common).await
        }
    }
}

/// The checks that are wanted; none if they are only listed.
fn chosen<S>(mut checks: Vec<Check<S>>, common: &Common) -> Result<Option<Vec<Check<S>>>> {
    for id in &common.only {
        let is_known = checks.iter().any(|check| check.id == id);
        ensure!(is_known, "there is no check `{id}`; --list names them");
    }
    if !common.only.is_empty() {
        checks.retain(|check| common.only.iter().any(|id| id == check.id));
    }
    if common.list {
        for Check {
            id, title, section, ..
        } in &checks
        {
            println!("{id:42} {title} [{section}]");
        }
        return Ok(None);
    }
    Ok(Some(checks))
}

async fn told<S: Send + Sync>(
    scene: Arc<S>,
    checks: Vec<Check<S>>,
    jobs: usize,
    common: &Common,
) -> Result<bool> {
    let tell = |done: &check::Done| {
        if !common.json {
            print!("{}", report::line(done));
        }
    };
    let report = Report(check::run(scene, checks, jobs, tell).await);
    match common.json {
        true => println!("{}", report.json()),
        false => println!("{}", report.sum()),
    }
    Ok(report.is_success())
}

fn token(text: Option<String>) -> Result<String> {
    let text = text.context("a token is needed")?;
    let token = match text.strip_prefix('@') {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?
        }
        None => text,
    };
    match token.trim() {
        "" => bail!("a token is empty"),
        token => Ok(token.to_owned()),
    }
}
