//! `outwork webhook`: who is told what happens.

mod deliveries;
mod verify;

use clap::{Args, Subcommand};
use outwork_api::client::Client;
use outwork_api::webhook::{MadeWebhook, NewWebhook, Webhook, WebhookChange};
use outwork_domain::WebhookId;
use serde::Serialize;

use crate::error::CliError;
use crate::render::{table, task};
use crate::session::Session;
use crate::terminal::plain::plain;

/// Tell others what happens to tasks
///
/// A webhook is an address that is told each event by a signed request, at least once and in the order of each
/// task. Its secret is printed once; receivers check signatures with it.
#[derive(Subcommand, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork webhook add https://example.com/hook --event task.finished --event task.needs_input
  outwork webhook test https://example.com/hook
  outwork webhook deliveries https://example.com/hook
  outwork webhook replay https://example.com/hook --since 2h")]
pub enum WebhookCommand {
    /// Make a webhook; prints its id, and its secret this once
    Add(AddArgs),
    /// List the webhooks
    List(ListArgs),
    /// Show a webhook
    Show(ShowArgs),
    /// Change a webhook, pause it or resume it
    Edit(EditArgs),
    /// Remove a webhook
    #[command(visible_alias = "rm")]
    Remove(RemoveArgs),
    /// List what a webhook was told, and what came of it
    Deliveries(deliveries::DeliveriesArgs),
    /// Deliver again what a webhook was told
    Replay(deliveries::ReplayArgs),
    /// Tell a webhook something that did not happen
    Test(deliveries::TestArgs),
    /// Give a webhook another secret; the old one signs, too, for 24 hours
    Rotate(RotateArgs),
    Verify(verify::VerifyArgs),
}

/// Make a webhook; prints its id, and its secret this once
#[derive(Args, Clone, Debug)]
pub struct AddArgs {
    /// Where it is told, such as https://example.com/hook
    pub address: String,
    /// What it is told, such as task.finished; can be given several times; everything when left out
    #[arg(long = "event", value_name = "TYPE")]
    pub events: Vec<String>,
    /// Print the webhook with its secret as JSON
    #[arg(long)]
    pub json: bool,
}

/// List the webhooks
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Print `{"webhooks":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Show a webhook
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Its id or address
    #[arg(value_name = "WEBHOOK")]
    pub webhook: String,
    /// Print the webhook as JSON
    #[arg(long)]
    pub json: bool,
}

/// Change a webhook, pause it or resume it
///
/// What happens while it is paused is not told later. Resuming also begins anew with one that the server had given
/// up, because nothing could be delivered for five days or the receiver said that it is gone.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub struct EditArgs {
    /// Its id or address
    #[arg(value_name = "WEBHOOK")]
    pub webhook: String,
    /// Where it is told from now on
    #[arg(long, value_name = "ADDRESS", group = "change")]
    pub to: Option<String>,
    /// What it is told from now on; can be given several times
    #[arg(long = "event", value_name = "TYPE", group = "change")]
    pub events: Vec<String>,
    /// It is told everything from now on
    #[arg(long, conflicts_with = "events", group = "change")]
    pub all_events: bool,
    /// It is told nothing from now on
    #[arg(long, group = "change")]
    pub pause: bool,
    /// It is told again
    #[arg(long, conflicts_with = "pause", group = "change")]
    pub resume: bool,
    /// Print the webhook as JSON
    #[arg(long)]
    pub json: bool,
}

/// Remove a webhook
#[derive(Args, Clone, Debug)]
pub struct RemoveArgs {
    /// Its id or address
    #[arg(value_name = "WEBHOOK")]
    pub webhook: String,
}

/// Give a webhook another secret; the old one signs, too, for 24 hours
#[derive(Args, Clone, Debug)]
pub struct RotateArgs {
    /// Its id or address
    #[arg(value_name = "WEBHOOK")]
    pub webhook: String,
    /// Print the webhook with its secret as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    webhooks: &'a [Webhook],
}

impl WebhookCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Add(args) => args.json,
            Self::List(args) => args.json,
            Self::Show(args) => args.json,
            Self::Edit(args) => args.json,
            Self::Deliveries(args) => args.json,
            Self::Replay(args) => args.json,
            Self::Test(args) => args.json,
            Self::Rotate(args) => args.json,
            Self::Remove(_) | Self::Verify(_) => false,
        }
    }
}

pub(crate) async fn run(command: WebhookCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        WebhookCommand::Add(args) => add(args, session).await,
        WebhookCommand::List(args) => list(args, session).await,
        WebhookCommand::Show(args) => show(args, session).await,
        WebhookCommand::Edit(args) => edit(args, session).await,
        WebhookCommand::Remove(args) => remove(args, session).await,
        WebhookCommand::Deliveries(args) => deliveries::list(args, session).await,
        WebhookCommand::Replay(args) => deliveries::replay(args, session).await,
        WebhookCommand::Test(args) => deliveries::test(args, session).await,
        WebhookCommand::Rotate(args) => rotate(args, session).await,
        WebhookCommand::Verify(args) => verify::run(args, session).await,
    }
}

async fn add(args: AddArgs, session: &mut Session) -> Result<(), CliError> {
    let AddArgs {
        address,
        events,
        json,
    } = args;
    let new = NewWebhook {
        url: address,
        events: (!events.is_empty()).then_some(events),
    };
    let made = session.client()?.add_webhook(&new).await?;
    made_one(&made, json, session)
}

/// The secret is alone on its line, behind the id.
fn made_one(made: &MadeWebhook, json: bool, session: &mut Session) -> Result<(), CliError> {
    if json {
        return session.out.json(made);
    }
    session.out.line(&plain(&made.webhook.id))?;
    session.out.line(&plain(made.secret.reveal()))?;
    session
        .out
        .note("keep the secret, with which the receiver checks signatures: it is not shown again");
    Ok(())
}

async fn list(args: ListArgs, session: &mut Session) -> Result<(), CliError> {
    let webhooks = session.client()?.webhooks().await?.items;
    if args.json {
        return session.out.json(&Listed {
            webhooks: &webhooks,
        });
    }
    if webhooks.is_empty() {
        session
            .out
            .note("no webhooks; make one with `outwork webhook add ADDRESS`");
        return Ok(());
    }
    let row = |webhook: &Webhook| {
        vec![
            table::id(&session.out, &webhook.id),
            state(webhook),
            webhook.url.clone(),
            events(webhook),
        ]
    };
    let rows: Vec<_> = webhooks.iter().map(row).collect();
    table::print(
        &mut session.out,
        &["ID", "STATE", "ADDRESS", "EVENTS"],
        rows,
    )
}

fn state(webhook: &Webhook) -> String {
    match webhook.failing_since {
        // It is tried on.
        Some(_) if webhook.state == "active" => "active, fails".to_owned(),
        Some(_) | None => webhook.state.clone(),
    }
}

fn events(webhook: &Webhook) -> String {
    match &webhook.events {
        None => "all".to_owned(),
        Some(events) => events.join(" "),
    }
}

async fn show(args: ShowArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let webhook = resolve(&client, &args.webhook).await?;
    print(&webhook, args.json, session)
}

fn print(webhook: &Webhook, json: bool, session: &mut Session) -> Result<(), CliError> {
    if json {
        return session.out.json(webhook);
    }
    let now = (session.now)();
    let mut lines = vec![
        ("id", webhook.id.clone()),
        ("address", webhook.url.clone()),
        ("events", events(webhook)),
        ("state", webhook.state.clone()),
        ("made by", webhook.created_by.name.clone()),
        ("made", task::age(webhook.created_at, now)),
    ];
    let ago = |since: outwork_api::Time| task::age(since, now);
    lines.extend(webhook.failing_since.map(|at| ("fails since", ago(at))));
    lines.extend(webhook.disabled_at.map(|at| ("told nothing", ago(at))));
    let until = webhook.old_secret_until;
    lines.extend(until.map(|at| ("old secret", format!("signs, too, until {at}"))));
    for (name, value) in lines {
        session.out.line(&format!("{name:<14}{}", plain(&value)))?;
    }
    Ok(())
}

async fn edit(args: EditArgs, session: &mut Session) -> Result<(), CliError> {
    let EditArgs {
        webhook,
        to,
        events,
        all_events,
        pause,
        resume,
        json,
    } = args;
    let client = session.client()?;
    let id = resolve(&client, &webhook).await?.id;
    let change = WebhookChange {
        url: to,
        events: (all_events || !events.is_empty()).then_some(events),
        paused: (pause || resume).then_some(pause),
    };
    let changed = client.change_webhook(&id, &change).await?;
    if json {
        return session.out.json(&changed);
    }
    let (url, state) = (plain(&changed.url), plain(&changed.state));
    session.out.note(&format!("{url} is {state}"));
    Ok(())
}

async fn remove(args: RemoveArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let webhook = resolve(&client, &args.webhook).await?;
    client.remove_webhook(&webhook.id).await?;
    session
        .out
        .note(&format!("removed {}", plain(&webhook.url)));
    Ok(())
}

async fn rotate(args: RotateArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let id = resolve(&client, &args.webhook).await?.id;
    let made = client.rotate_webhook(&id).await?;
    made_one(&made, args.json, session)
}

/// A webhook that was named by its id or its address.
pub(super) async fn resolve(client: &Client, name: &str) -> Result<Webhook, CliError> {
    let is_id = name.parse::<WebhookId>().is_ok();
    let is_meant = |webhook: &Webhook| match is_id {
        true => webhook.id == name,
        false => webhook.url.trim_end_matches('/') == name.trim_end_matches('/'),
    };
    let all = client.webhooks().await?.items;
    let mut found: Vec<Webhook> = all.into_iter().filter(is_meant).collect();
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(CliError::failed(format!(
            "there is no webhook with the id or address `{}`",
            plain(name)
        ))
        .code("not_found")
        .hint("`outwork webhook list` shows the webhooks")),
        (Some(one), _) => Err(CliError::failed(format!(
            "there are several webhooks with the address `{}`",
            plain(name)
        ))
        .code("ambiguous")
        .details(found.iter().chain([&one]).map(|one| plain(&one.id)))
        .hint("name one by its id")),
    }
}
