//! `outwork env cache`: the snapshots that tasks start from.

use clap::{Args, Subcommand};
use outwork_api::cache::{Cache, CacheReset, CacheUse, ResetCache, Snapshot};
use outwork_api::client::Client;

use crate::environment_ref;
use crate::error::CliError;
use crate::render::{table, task};
use crate::session::Session;
use crate::size;
use crate::terminal::plain::plain;

/// How many digits of a key a terminal shows.
const KEY_DIGITS: usize = 12;

/// List and reset the snapshots that tasks start from
#[derive(Subcommand, Clone, Debug)]
pub enum CacheCommand {
    /// List the snapshots of all workers, and how often they were found
    List(ListArgs),
    Reset(ResetArgs),
}

/// List the snapshots of all workers, and how often they were found
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only those of this environment (label or id)
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: Option<String>,
    /// Print `{"snapshots":[…],"environments":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Make the next task build a new snapshot
///
/// For everyone in the workspace. Attempts that run are not disturbed. Without an environment it
/// concerns them all, and is asked about first.
#[derive(Args, Clone, Debug)]
pub struct ResetArgs {
    /// The environment's label or id; all of the workspace when left out
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Print `{"snapshots":…,"size_bytes":…}`
    #[arg(long)]
    pub json: bool,
}

impl CacheCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::List(args) => args.json,
            Self::Reset(args) => args.json,
        }
    }
}

pub(crate) async fn run(command: CacheCommand, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    match command {
        CacheCommand::List(args) => list(args, &client, session).await,
        CacheCommand::Reset(args) => reset(args, &client, session).await,
    }
}

/// The id of the environment, if one is named.
async fn id(client: &Client, name: Option<&str>) -> Result<Option<String>, CliError> {
    match name {
        Some(name) => Ok(Some(environment_ref::find(client, name).await?.id)),
        None => Ok(None),
    }
}

async fn list(args: ListArgs, client: &Client, session: &mut Session) -> Result<(), CliError> {
    let ListArgs { environment, json } = args;
    let id = id(client, environment.as_deref()).await?;
    let cache = client.cache(id.as_deref()).await?;
    if json {
        return session.out.json(&cache);
    }
    let Cache {
        snapshots,
        environments,
    } = cache;
    let is_terminal = session.out.stdout_is_terminal;
    if snapshots.is_empty() {
        session
            .out
            .note("no snapshots; the first task of an environment builds one");
    } else {
        let rows: Vec<_> = snapshots.iter().map(|one| row(one, session)).collect();
        let headers = [
            "KEY",
            "ENVIRONMENT",
            "WORKER",
            "BUILT",
            "USED",
            "SIZE",
            "HITS",
            "IN USE",
            "WHY BUILT",
        ];
        table::print(&mut session.out, &headers, rows)?;
    }
    // In a pipe each line is a snapshot; programs read the rest with --json.
    for (number, one) in environments.iter().enumerate().filter(|_| is_terminal) {
        if number == 0 {
            session.out.line("")?;
        }
        session.out.line(&rate(one))?;
    }
    Ok(())
}

fn row(snapshot: &Snapshot, session: &Session) -> Vec<String> {
    let Snapshot {
        key,
        environment_id: _,
        environment_label,
        worker: _,
        worker_name,
        reason,
        built_at,
        last_used_at,
        size_bytes,
        hits,
        in_use,
    } = snapshot;
    let now = (session.now)();
    let is_terminal = session.out.stdout_is_terminal;
    let time = |at: outwork_api::Time| match is_terminal {
        true => task::age(at, now),
        false => at.to_string(),
    };
    let (key, size) = match is_terminal {
        true => (short_key(key).to_owned(), size::show(*size_bytes)),
        false => (key.clone(), size_bytes.to_string()),
    };
    vec![
        key,
        environment_label.clone(),
        worker_name.clone(),
        time(*built_at),
        time(*last_used_at),
        size,
        hits.to_string(),
        in_use.to_string(),
        reason.clone(),
    ]
}

/// The first digits, which tell snapshots apart for people.
pub(crate) fn short_key(key: &str) -> &str {
    key.get(..KEY_DIGITS).unwrap_or(key)
}

/// `web: 14 of 16 starts found a snapshot (87 %)`.
fn rate(one: &CacheUse) -> String {
    let CacheUse {
        environment_id: _,
        environment_label,
        hits,
        builds,
    } = one;
    let starts = hits + builds;
    let label = plain(environment_label);
    match (hits * 100).checked_div(starts) {
        Some(percent) => {
            format!("{label}: {hits} of {starts} starts found a snapshot ({percent} %)")
        }
        None => format!("{label}: not used yet"),
    }
}

async fn reset(args: ResetArgs, client: &Client, session: &mut Session) -> Result<(), CliError> {
    let ResetArgs {
        environment,
        yes,
        json,
    } = args;
    let environment = id(client, environment.as_deref()).await?;
    if environment.is_none() && !yes && !agreed(client, session).await? {
        session.out.note("nothing was reset");
        return Ok(());
    }
    let done = client.reset_cache(&ResetCache { environment }).await?;
    if json {
        return session.out.json(&done);
    }
    let CacheReset {
        snapshots,
        size_bytes,
    } = done;
    session.out.line(&match snapshots {
        0 => "no snapshot is known of; the next task builds a new one".to_owned(),
        _ => format!("reset {}", counted(snapshots, size_bytes)),
    })
}

/// Whether the person wants to reset the whole workspace.
async fn agreed(client: &Client, session: &mut Session) -> Result<bool, CliError> {
    if !session.stdin_is_terminal {
        return Err(CliError::usage(
            "without an environment, all snapshots of the workspace are reset",
        )
        .hint("name an environment, or add --yes"));
    }
    let snapshots = client.cache(None).await?.snapshots;
    let size_bytes = snapshots.iter().map(|one| one.size_bytes).sum();
    let count = snapshots.len() as u64;
    let question = format!(
        "Reset {} of the workspace, for everyone in it? [y/N] ",
        counted(count, size_bytes)
    );
    session.confirm(&question, false).await
}

fn counted(snapshots: u64, size_bytes: u64) -> String {
    let noun = if snapshots == 1 {
        "snapshot"
    } else {
        "snapshots"
    };
    format!("{snapshots} {noun} ({})", size::show(size_bytes))
}
