//! `outwork env secret`: what only the scripts of an environment may know.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use outwork_api::client::Client;
use outwork_api::environment::{Environment, EnvironmentPatch, SecretName};
use serde::Serialize;

use super::edit::has_secret;
use super::values::{self, SecretSource};
use crate::environment_ref;
use crate::error::CliError;
use crate::render::{table, task};
use crate::session::Session;
use crate::terminal::plain::plain;

/// Set, list and remove the secrets of an environment
#[derive(Subcommand, Clone, Debug)]
pub enum SecretCommand {
    Set(SetArgs),
    /// List the names of the secrets
    List(ListArgs),
    /// Remove a secret
    Rm(RmArgs),
}

/// Set a secret
///
/// The setup and maintenance scripts find it in a variable; the agent does not. It is encrypted on the
/// server, masked in logs, and never shown again.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Without a flag the value is asked for without being shown, or read from standard input:

  outwork env secret set web NPM_TOKEN < token.txt

Line breaks at its end are cut, as a shell's $(cat FILE) cuts them.")]
pub struct SetArgs {
    /// The environment's label or id
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
    /// The variable that the scripts find it in
    pub name: String,
    /// A file that holds the value
    #[arg(long, value_name = "FILE", conflicts_with = "from_env")]
    pub from_file: Option<PathBuf>,
    /// The variable of this process that holds the value [default: the same name]
    #[arg(long, value_name = "VARIABLE", num_args = 0..=1, require_equals = true)]
    pub from_env: Option<Option<String>>,
}

/// List the names of the secrets
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// The environment's label or id
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
    /// Print `{"secrets":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Remove a secret
#[derive(Args, Clone, Debug)]
pub struct RmArgs {
    /// The environment's label or id
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
    /// The variable that the scripts found it in
    pub name: String,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    secrets: &'a [SecretName],
}

pub(crate) async fn run(command: SecretCommand, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    match command {
        SecretCommand::Set(args) => set(args, &client, session).await,
        SecretCommand::List(args) => list(args, &client, session).await,
        SecretCommand::Rm(args) => remove(args, &client, session).await,
    }
}

async fn set(args: SetArgs, client: &Client, session: &mut Session) -> Result<(), CliError> {
    let SetArgs {
        environment,
        name,
        from_file,
        from_env,
    } = args;
    let environment = environment_ref::find(client, &environment).await?;
    let source = match (from_file, from_env) {
        (Some(file), _) => SecretSource::File(file),
        (None, Some(variable)) => SecretSource::Variable(variable.unwrap_or_else(|| name.clone())),
        (None, None) => SecretSource::Stdin,
    };
    let value = values::secret(session, &name, source).await?;
    let patch = EnvironmentPatch {
        secrets: BTreeMap::from([(name.clone(), Some(value))]),
        ..EnvironmentPatch::default()
    };
    update(client, &environment, &patch).await?;
    let label = plain(&environment.label);
    session.out.note(&format!(
        "set {} of {label}; the next task builds a new snapshot",
        plain(&name)
    ));
    Ok(())
}

async fn list(args: ListArgs, client: &Client, session: &mut Session) -> Result<(), CliError> {
    let environment = environment_ref::find(client, &args.environment).await?;
    let secrets = environment.secrets;
    if args.json {
        return session.out.json(&Listed { secrets: &secrets });
    }
    if secrets.is_empty() {
        let label = plain(&environment.label);
        session.out.note(&format!(
            "no secrets; set one with `outwork env secret set {label} NAME`"
        ));
        return Ok(());
    }
    let is_terminal = session.out.stdout_is_terminal;
    let now = (session.now)();
    let rows = secrets.into_iter().map(|SecretName { name, updated_at }| {
        let set = match is_terminal {
            true => task::age(updated_at, now),
            false => updated_at.to_string(),
        };
        vec![name, set]
    });
    table::print(&mut session.out, &["NAME", "SET"], rows)
}

async fn remove(args: RmArgs, client: &Client, session: &mut Session) -> Result<(), CliError> {
    let RmArgs { environment, name } = args;
    let environment = environment_ref::find(client, &environment).await?;
    has_secret(&environment, &name)?;
    let patch = EnvironmentPatch {
        secrets: BTreeMap::from([(name.clone(), None)]),
        ..EnvironmentPatch::default()
    };
    update(client, &environment, &patch).await?;
    session.out.note(&format!("removed {}", plain(&name)));
    Ok(())
}

/// A secret is set whatever else somebody edits at the same time: no revision is expected.
async fn update(
    client: &Client,
    environment: &Environment,
    patch: &EnvironmentPatch,
) -> Result<(), CliError> {
    client
        .update_environment(&environment.id, patch, None)
        .await?;
    Ok(())
}
