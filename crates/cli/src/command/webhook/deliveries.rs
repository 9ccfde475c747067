//! What webhooks were told, and telling it again.

use std::time::Duration;

use clap::Args;
use outwork_api::page::PageQuery;
use outwork_api::webhook::{Replayed, WebhookDelivery};
use serde::Serialize;

use super::resolve;
use crate::duration;
use crate::error::CliError;
use crate::render::{table, task};
use crate::session::Session;
use crate::terminal::plain::plain;

/// List what a webhook was told, and what came of it
#[derive(Args, Clone, Debug)]
pub struct DeliveriesArgs {
    /// The webhook's id or address
    #[arg(value_name = "WEBHOOK")]
    pub webhook: String,
    /// How many, the newest first: 1 to 100
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Print `{"deliveries":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Deliver again what a webhook was told
///
/// With the same id and body as before: a receiver that keeps the ids knows what it has seen.
#[derive(Args, Clone, Debug)]
#[command(
    group = clap::ArgGroup::new("which").required(true),
    after_help = "\
Examples:
  outwork webhook replay https://example.com/hook job_0192c3f0a1b27def8123456789abcdef
  outwork webhook replay https://example.com/hook --since 2h"
)]
pub struct ReplayArgs {
    /// The webhook's id or address
    #[arg(value_name = "WEBHOOK")]
    pub webhook: String,
    /// One delivery, as `outwork webhook deliveries` shows it
    #[arg(value_name = "DELIVERY", group = "which")]
    pub delivery: Option<String>,
    /// All that failed and were made no longer ago than this, such as 90m or 2d
    #[arg(long, value_name = "DURATION", group = "which", value_parser = duration::parse)]
    pub since: Option<Duration>,
    /// With --since: also those that were taken
    #[arg(long, requires = "since")]
    pub delivered: bool,
    /// Print what is done as JSON
    #[arg(long)]
    pub json: bool,
}

/// Tell a webhook something that did not happen
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// The webhook's id or address
    #[arg(value_name = "WEBHOOK")]
    pub webhook: String,
    /// Print the delivery as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    deliveries: &'a [WebhookDelivery],
}

pub(super) async fn list(args: DeliveriesArgs, session: &mut Session) -> Result<(), CliError> {
    let DeliveriesArgs {
        webhook,
        limit,
        json,
    } = args;
    let client = session.client()?;
    let id = resolve(&client, &webhook).await?.id;
    let page = PageQuery {
        limit: Some(limit),
        cursor: None,
    };
    let deliveries = client.webhook_deliveries(&id, &page).await?.items;
    if json {
        return session.out.json(&Listed {
            deliveries: &deliveries,
        });
    }
    if deliveries.is_empty() {
        session
            .out
            .note("it was told nothing yet; `outwork webhook test` tells it something");
        return Ok(());
    }
    let is_terminal = session.out.stdout_is_terminal;
    let now = (session.now)();
    let row = |delivery: &WebhookDelivery| {
        let made = match is_terminal {
            true => task::age(delivery.created_at, now),
            false => delivery.created_at.to_string(),
        };
        vec![
            table::id(&session.out, &delivery.id),
            delivery.kind.clone(),
            delivery.state.clone(),
            delivery.tries.to_string(),
            made,
            outcome(delivery),
        ]
    };
    let rows: Vec<_> = deliveries.iter().map(row).collect();
    let headers = ["ID", "TYPE", "STATE", "TRIES", "MADE", "ANSWER"];
    table::print(&mut session.out, &headers, rows)
}

/// What the last try came to, in few words.
fn outcome(delivery: &WebhookDelivery) -> String {
    let Some(answer) = &delivery.answer else {
        return String::new();
    };
    let status = answer.status.map(|status| status.to_string());
    let error = answer.error.clone().filter(|_| status.is_none());
    status.or(error).unwrap_or_default()
}

pub(super) async fn replay(args: ReplayArgs, session: &mut Session) -> Result<(), CliError> {
    let ReplayArgs {
        webhook,
        delivery,
        since,
        delivered,
        json,
    } = args;
    let client = session.client()?;
    let id = resolve(&client, &webhook).await?.id;
    if let Some(delivery) = delivery {
        let again = client.replay_webhook_delivery(&id, &delivery).await?;
        return told(&again, json, session);
    }
    let since = since.unwrap_or_default();
    let since = (session.now)() - since;
    let again = client
        .replay_webhook_deliveries(&id, since.into(), delivered)
        .await?;
    if json {
        return session.out.json(&again);
    }
    let Replayed { count } = again;
    session.out.note(&format!("{count} to be delivered again"));
    Ok(())
}

pub(super) async fn test(args: TestArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let id = resolve(&client, &args.webhook).await?.id;
    let delivery = client.test_webhook(&id).await?;
    told(&delivery, args.json, session)
}

fn told(delivery: &WebhookDelivery, json: bool, session: &mut Session) -> Result<(), CliError> {
    if json {
        return session.out.json(delivery);
    }
    session.out.line(&plain(&delivery.id))?;
    session
        .out
        .note("`outwork webhook deliveries` shows what comes of it");
    Ok(())
}
