//! `outwork integration`: forges and chats that give tasks.

pub(crate) mod add;
pub(crate) mod deliveries;
pub(crate) mod edit;
pub(crate) mod link;

use clap::{Args, Subcommand};
use outwork_api::client::Client;
use outwork_api::integration::Integration;
use outwork_domain::IntegrationId;
use serde::Serialize;

use crate::error::CliError;
use crate::render::table;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Let forges and chats give tasks
///
/// An integration takes what happens in another system, makes tasks of what it is asked for there, and
/// tells what came of them. It acts as a member of its name, or as who is linked.
#[derive(Subcommand, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork integration list
  outwork integration deliveries github
  outwork integration link slack U024BE7LH Ada")]
pub enum IntegrationCommand {
    /// Connect a forge or a chat
    #[command(subcommand)]
    Add(add::AddCommand),
    /// List the integrations
    List(ListArgs),
    /// Show an integration, and the address that the other system sends to
    Show(ShowArgs),
    Edit(edit::EditArgs),
    /// Remove an integration; its tasks stay
    #[command(visible_alias = "rm")]
    Remove(RemoveArgs),
    Deliveries(deliveries::DeliveriesArgs),
    Replay(deliveries::ReplayArgs),
    Link(link::LinkArgs),
    Unlink(link::UnlinkArgs),
    /// List who of the other system is which member
    Links(link::LinksArgs),
}

/// List the integrations
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Print `{"integrations":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Show an integration, and the address that the other system sends to
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The integration's name or id
    #[arg(value_name = "INTEGRATION")]
    pub integration: String,
    /// Print the integration as JSON
    #[arg(long)]
    pub json: bool,
}

/// Remove an integration; its tasks stay
#[derive(Args, Clone, Debug)]
pub struct RemoveArgs {
    /// The integration's name or id
    #[arg(value_name = "INTEGRATION")]
    pub integration: String,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    integrations: &'a [Integration],
}

impl IntegrationCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Add(command) => command.common().json,
            Self::List(args) => args.json,
            Self::Show(args) => args.json,
            Self::Edit(args) => args.json,
            Self::Deliveries(args) => args.json,
            Self::Replay(args) => args.json,
            Self::Link(args) => args.json,
            Self::Links(args) => args.json,
            Self::Remove(_) | Self::Unlink(_) => false,
        }
    }

    pub(crate) fn is_paged(&self) -> bool {
        matches!(self, Self::Deliveries(_))
    }
}

pub(crate) async fn run(
    command: IntegrationCommand,
    session: &mut Session,
) -> Result<(), CliError> {
    match command {
        IntegrationCommand::Add(command) => add::run(command, session).await,
        IntegrationCommand::List(args) => list(args, session).await,
        IntegrationCommand::Show(args) => show(args, session).await,
        IntegrationCommand::Edit(args) => edit::run(args, session).await,
        IntegrationCommand::Remove(args) => remove(args, session).await,
        IntegrationCommand::Deliveries(args) => deliveries::list(args, session).await,
        IntegrationCommand::Replay(args) => deliveries::replay(args, session).await,
        IntegrationCommand::Link(args) => link::link(args, session).await,
        IntegrationCommand::Unlink(args) => link::unlink(args, session).await,
        IntegrationCommand::Links(args) => link::list(args, session).await,
    }
}

async fn list(args: ListArgs, session: &mut Session) -> Result<(), CliError> {
    let integrations = session.client()?.integrations().await?.items;
    if args.json {
        return session.out.json(&Listed {
            integrations: &integrations,
        });
    }
    let row = |it: &Integration| {
        vec![
            table::id(&session.out, &it.id),
            it.name.clone(),
            it.kind.clone(),
            state(it).to_owned(),
            it.hook_url.clone(),
        ]
    };
    let rows: Vec<_> = integrations.iter().map(row).collect();
    table::print(
        &mut session.out,
        &["ID", "NAME", "KIND", "STATE", "ADDRESS"],
        rows,
    )
}

fn state(it: &Integration) -> &'static str {
    match it.is_active {
        true => "active",
        false => "off",
    }
}

async fn show(args: ShowArgs, session: &mut Session) -> Result<(), CliError> {
    let it = resolve(&session.client()?, &args.integration).await?;
    print(&it, args.json, session)
}

/// All that is known of it, but for secrets.
fn print(it: &Integration, json: bool, session: &mut Session) -> Result<(), CliError> {
    if json {
        return session.out.json(it);
    }
    let environments = match it.environments.as_slice() {
        [] => "all".to_owned(),
        some => some.join(", "),
    };
    let mut rows = vec![
        ("id", it.id.clone()),
        ("name", it.name.clone()),
        ("kind", it.kind.clone()),
        ("state", state(it).to_owned()),
        ("address", it.hook_url.clone()),
        ("environments", environments),
    ];
    if let Some(label) = &it.default_environment {
        rows.push(("default", label.clone()));
    }
    if let Some(settings) = it.settings.as_object() {
        let text = |value: &serde_json::Value| match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        };
        rows.extend(
            settings
                .iter()
                .map(|(name, value)| (name.as_str(), text(value))),
        );
    }
    if !it.secrets.is_empty() {
        rows.push(("secrets", it.secrets.join(", ")));
    }
    for (name, value) in rows {
        session
            .out
            .line(&format!("{:<14}{}", plain(name), plain(&value)))?;
    }
    Ok(())
}

async fn remove(args: RemoveArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let it = resolve(&client, &args.integration).await?;
    client.remove_integration(&it.id).await?;
    session.out.note(&format!("removed {}", plain(&it.name)));
    Ok(())
}

/// An integration that was named by its id, or by its name in upper or lower case, which is one's alone.
async fn resolve(client: &Client, name: &str) -> Result<Integration, CliError> {
    let folded = name.to_lowercase();
    let is_id = name.parse::<IntegrationId>().is_ok();
    let is_meant = |it: &Integration| match is_id {
        true => it.id == name,
        false => it.name.to_lowercase() == folded,
    };
    let found = client
        .integrations()
        .await?
        .items
        .into_iter()
        .find(is_meant);
    found.ok_or_else(|| {
        CliError::failed(format!(
            "there is no integration with the name or id `{}`",
            plain(name)
        ))
        .code("not_found")
        .hint("`outwork integration list` shows the integrations")
    })
}
