//! `outwork env init`: an environment for the clone one stands in, found out, tried, and kept.

mod asked;
mod found;
pub(crate) mod proposal;
mod trial;
mod tried;

use std::path::{Path, PathBuf};

use clap::Args;
use outwork_api::client::Client;
use outwork_api::environment::{Agent, Environment};
use outwork_api::settings::Worker;
use outwork_api::task::Task;
use serde::Serialize;

use self::proposal::Proposal;
use super::values::{self, AgentName, SecretFlag};
use crate::error::CliError;
use crate::project::FILE_NAME;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Make an environment for the clone you stand in
///
/// Reads `.outwork.toml` if there is one, guesses the rest from lock files and the like, and shows what
/// comes of it. Then it is tried: the setup script and the verification command run once, in a sandbox.
/// What works is kept, and so is the result of the setup; what does not is removed again.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork env init
  outwork env init web --yes --agent codex --secret NPM_TOKEN
  outwork env init --verify 'make check' --write

The format of `.outwork.toml` is in docs/cli.md. It is read here, from your clone, and by
`outwork env sync`; never when a task runs.")]
pub struct InitArgs {
    /// What people will call it; what `.outwork.toml` says or the repository's name when left out
    pub label: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Do not try it
    #[arg(long)]
    pub no_check: bool,
    /// Keep the environment though the check fails
    #[arg(long, conflicts_with = "no_check")]
    pub keep: bool,
    /// Write `.outwork.toml` into the clone when the environment is made
    #[arg(long)]
    pub write: bool,
    /// Which agent: codex, or command for any program whose standard input is the prompt
    #[arg(long, hide_possible_values = true)]
    pub agent: Option<AgentName>,
    /// The program, run by bash
    #[arg(long, value_name = "COMMAND")]
    pub agent_command: Option<String>,
    /// Where tasks start from; the repository's default branch when left out
    #[arg(long)]
    pub branch: Option<String>,
    /// The image that tasks run on, such as debian:12
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
    /// This verification command instead of a guessed one
    #[arg(long, value_name = "COMMAND")]
    pub verify: Option<String>,
    /// A secret for the scripts: its value from the variable NAME, from NAME=@FILE, or from standard
    /// input with NAME=-; may be given several times
    #[arg(long = "secret", value_name = "NAME[=VALUE]", value_parser = values::parse_secret)]
    pub secrets: Vec<SecretFlag>,
    /// Print `{"environment":…,"check":…}`; the check is the task that tried it, or null
    #[arg(long)]
    pub json: bool,
}

impl InitArgs {
    /// As if nothing but the command had been typed.
    pub(crate) fn plain() -> Self {
        Self {
            label: None,
            yes: false,
            no_check: false,
            keep: false,
            write: false,
            agent: None,
            agent_command: None,
            branch: None,
            image: None,
            runtimes: Vec::new(),
            no_runtimes: false,
            setup: None,
            verify: None,
            secrets: Vec::new(),
            json: false,
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    environment: &'a Environment,
    check: Option<&'a Task>,
}

/// What has been made.
pub(crate) struct Made {
    pub environment: Environment,
    check: Option<Task>,
}

pub(crate) async fn run(args: InitArgs, session: &mut Session) -> Result<(), CliError> {
    let json = args.json;
    let client = session.client()?;
    let Made { environment, check } = make(args, &client, session).await?;
    session.out.note(&format!(
        "give it a task:  outwork exec --env {} \"…\"",
        plain(&environment.label)
    ));
    match json {
        true => session.out.json(&Printed {
            environment: &environment,
            check: check.as_ref(),
        }),
        false => session.out.line(&plain(&environment.id)),
    }
}

/// How the environment is made, once it is clear what is to be made.
struct Manner {
    agent: Agent,
    asks: bool,
    checks: bool,
    keeps: bool,
}

/// Finds out, asks, tries.
pub(crate) async fn make(
    args: InitArgs,
    client: &Client,
    session: &mut Session,
) -> Result<Made, CliError> {
    let agent = values::choose_agent(args.agent, args.agent_command.clone())?;
    let manner = Manner {
        agent: agent.unwrap_or(Agent::Codex {}),
        asks: !args.yes && session.stdin_is_terminal,
        checks: !args.no_check,
        keeps: args.keep,
    };
    let clone = session.repository().await?;
    let top = clone.top_level().to_owned();
    if args.write && top.join(FILE_NAME).exists() {
        return Err(CliError::usage(format!("there is a {FILE_NAME} already"))
            .hint("leave --write out; `outwork env sync` takes the file over"));
    }
    let mut proposal = found::propose(&args, &clone, client, session).await?;
    asked::show(session, &proposal);
    if !args.yes && !manner.asks {
        return Err(CliError::usage("nothing was made: there is nobody to ask")
            .hint("if this is right, run the command again with --yes"));
    }
    let mut secrets = values::secrets(session, args.secrets).await?;
    loop {
        if manner.asks && !asked::agreed(session, &mut proposal, &top).await? {
            return Err(CliError::failed("nothing was made").code("declined"));
        }
        asked::for_secrets(session, &manner, &proposal, &mut secrets).await?;
        let made = match manner.checks {
            true => tried::checked(session, client, &manner, &proposal, &secrets).await?,
            false => Some(tried::unchecked(session, client, &manner, &proposal, &secrets).await?),
        };
        let Some(made) = made else { continue };
        if args.write {
            write(session, &top, &proposal)?;
        }
        tell(session, client, &made.environment).await;
        return Ok(made);
    }
}

fn write(session: &mut Session, top: &Path, proposal: &Proposal) -> Result<(), CliError> {
    let path = top.join(FILE_NAME);
    std::fs::write(&path, proposal.file().to_toml()).map_err(|error| {
        CliError::failed(format!("{} cannot be written", path.display()))
            .code("not_written")
            .source(error)
            .hint("the environment is made all the same")
    })?;
    session
        .out
        .note(&format!("wrote {FILE_NAME}; commit it for the others"));
    Ok(())
}

/// What is left to do until the first task can run.
async fn tell(session: &mut Session, client: &Client, environment: &Environment) {
    if environment.agent != (Agent::Codex {}) {
        return;
    }
    if matches!(client.model().await, Ok(None)) {
        session.out.note(
                "no model is set; set one with `outwork model set --base-url URL --name NAME --key-file FILE`",
            );
    }
    let workers = client.workers().await.map(|page| page.items);
    let has_codex = |worker: &Worker| worker.agents.iter().any(|agent| agent == "codex");
    if workers.is_ok_and(|workers| !workers.iter().any(has_codex)) {
        session
            .out
            .note("no worker has codex; install it there with `outwork agent install codex`");
    }
}
