//! `outwork exec`: submits a task.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use outwork_api::client::Client;
use outwork_api::environment::Environment;
use outwork_api::task::{NewTask, Priority, TaskKind};
use outwork_domain::Priority as Named;

use super::agents::AgentsArgs;
use super::conflicts;
use super::environment::init::{self, InitArgs};
use super::output_schema::OutputSchemaArgs;
use super::prompt;
use super::submitted::SubmittedArgs;
use crate::codex_home::{self, CodexHome};
use crate::environment_ref;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::size;
use crate::terminal::plain::plain;

/// Submit a task
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork exec --env demo \"fix the failing test\"
  outwork exec --wait --attempts 3 \"make the parser faster\"
  outwork exec --agent codex --agent codex:MODEL --wait \"make the parser faster\"
  outwork exec --env demo --priority low \"look for dead code\"
  git log -5 | outwork exec --env demo --json -
  outwork exec --apply --context plan.md \"do what the plan says\"
  outwork exec --session last --with-changes \"go on with the parser\"
  outwork exec --env demo --path src/parser --path Cargo.toml \"tidy up\"
  outwork exec --wait --output-schema risk.json \"how risky is this?\" | jq .risk

`outwork help exit-codes` explains the exit codes.")]
pub struct ExecArgs {
    /// The environment's label or id; the one for this folder's repository when left out
    #[arg(short, long)]
    pub env: Option<String>,
    /// Start from this branch
    #[arg(long)]
    pub branch: Option<String>,
    /// Start from this commit
    #[arg(long, value_name = "SHA")]
    pub commit: Option<String>,
    /// Start from the folder's commit with its uncommitted changes, untracked files included; they
    /// are not part of the result
    #[arg(long)]
    pub with_changes: bool,
    /// Go on from a conversation of the Codex on this machine: its id, its rollout file, or `last` for
    /// the newest one of this folder's repository. Uploaded with the task, without its settings
    #[arg(long, value_name = "ID|FILE|last")]
    pub session: Option<String>,
    /// Give the agent this file along with the prompt, such as a plan; may be repeated
    #[arg(long, value_name = "FILE")]
    pub context: Vec<PathBuf>,
    /// How many attempts to run at once
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempts: Option<u32>,
    /// A file or folder that it is about, from the repository's root, so that others are told of overlaps; may be
    /// repeated. Those that the prompt names count anyway
    #[arg(long = "path", value_name = "PATH")]
    pub paths: Vec<String>,
    #[command(flatten)]
    pub agents: AgentsArgs,
    #[command(flatten)]
    pub output_schema: OutputSchemaArgs,
    /// Let the agent decide by itself instead of asking: the task never needs input
    #[arg(long)]
    pub non_interactive: bool,
    /// How urgent it is, against the other tasks that wait for a worker
    #[arg(long, default_value = "normal", value_parser = priorities())]
    pub priority: Priority,
    #[command(flatten)]
    pub submitted: SubmittedArgs,
    /// What is to be done; `-` for standard input; an editor opens when left out on a terminal
    pub prompt: Option<String>,
}

pub(super) fn priorities() -> impl TypedValueParser<Value = Priority> {
    let names = Named::ALL.map(Named::as_str);
    PossibleValuesParser::new(names)
        .map(|name| Named::parse(&name).map(Priority::from).unwrap_or_default())
}

pub(crate) async fn run(args: ExecArgs, session: &mut Session) -> Result<ExitStatus, CliError> {
    let ExecArgs {
        env,
        branch,
        commit,
        with_changes,
        session: conversation,
        context,
        attempts,
        agents,
        paths,
        output_schema,
        non_interactive,
        priority,
        submitted,
        prompt,
    } = args;
    submitted.check(session).await?;
    let agents = agents.choices()?;
    let output_schema = output_schema.read(session)?;
    let client = session.client()?;
    let environment = match env {
        Some(environment) => environment,
        None => {
            let guessed = match environment_ref::guess(&client, session).await? {
                Some(environment) => environment,
                None => offered(&client, session, prompt.as_deref()).await?,
            };
            session
                .out
                .note(&format!("environment: {}", plain(&guessed.label)));
            guessed.id
        }
    };
    let starting_session = match conversation {
        Some(wanted) => Some(taken_along(session, &wanted).await?),
        None => None,
    };
    let prompt = prompt::read(session, prompt.as_deref(), &context).await?;
    let (starting_diff, commit) = match with_changes {
        true => local_changes(session, branch.is_none(), commit).await?,
        false => {
            let diff = session.variables.text("CODEX_STARTING_DIFF");
            (diff.filter(|diff| !diff.is_empty()), commit)
        }
    };
    let task = NewTask {
        environment,
        prompt,
        branch,
        commit,
        attempts,
        agents,
        starting_diff,
        starting_session,
        interactive: !non_interactive,
        priority,
        kind: TaskKind::Code,
        output_schema,
        paths,
    };
    conflicts::foretell(session, &client, &task).await;
    let key = session.idempotency_key();
    let task = client.submit(&task, &key).await?;
    submitted.go_on(session, &client, &task).await
}

/// The environment that is made now, if somebody is there who wants it.
async fn offered(
    client: &Client,
    session: &mut Session,
    prompt: Option<&str>,
) -> Result<Environment, CliError> {
    const QUESTION: &str = "No environment is for this repository yet. Make one now? [Y/n] ";
    // What is typed is the prompt already.
    let can_ask = session.stdin_is_terminal && prompt != Some("-");
    if !can_ask || !session.confirm(QUESTION, true).await? {
        return Err(environment_ref::none_here());
    }
    // A future of this size does not go into that of each submission.
    let made = Box::pin(init::make(InitArgs::plain(), client, session)).await?;
    Ok(made.environment)
}

/// A conversation of the Codex here, as a task takes it.
pub(super) async fn taken_along(session: &mut Session, wanted: &str) -> Result<String, CliError> {
    let home = CodexHome::of(&session.variables)?;
    // Whoever is in no repository has this folder.
    let here = match session.repository().await {
        Ok(repository) => repository.top_level().to_owned(),
        Err(_) => session.current_dir.clone(),
    };
    let rollout = home.rollout(wanted, &session.current_dir, &here)?;
    let id = rollout.thread_id().to_owned();
    let packed = codex_home::packed(&rollout)?;
    let note = format!("session: {id} ({})", size::show(packed.len() as u64));
    session.out.note(&note);
    Ok(packed)
}

/// The uncommitted changes here, and the commit that they are against unless the person named where
/// to start.
pub(super) async fn local_changes(
    session: &Session,
    no_branch: bool,
    commit: Option<String>,
) -> Result<(Option<String>, Option<String>), CliError> {
    let failed = |error: outwork_git::GitError| {
        CliError::failed("the uncommitted changes cannot be read")
            .code("git")
            .source(error)
    };
    let repository = session.repository().await?;
    let changes = repository.changes().await.map_err(failed)?;
    let changes = String::from_utf8(changes).map_err(|_| {
        CliError::failed("the uncommitted changes contain text that is not UTF-8")
            .code("changes_not_utf8")
            .hint("commit and push them to a branch, and name it with --branch")
    })?;
    let commit = match commit {
        None if no_branch => {
            let head = repository.head().await.map_err(failed)?;
            head.map(|head| head.as_str().to_owned())
        }
        given => given,
    };
    Ok(((!changes.is_empty()).then_some(changes), commit))
}
