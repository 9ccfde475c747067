//! `outwork integration deliveries` and `replay`: what came in and went out.

use clap::{Args, ValueEnum};
use outwork_api::integration::Delivery;
use outwork_api::page::PageQuery;
use outwork_domain::JobId;
use serde::Serialize;

use super::resolve;
use crate::error::CliError;
use crate::render::table;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Show what came in from another system, and went out to it
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork integration deliveries github
  outwork integration deliveries slack --direction out --json")]
pub struct DeliveriesArgs {
    /// The integration's name or id
    #[arg(value_name = "INTEGRATION")]
    pub integration: String,
    /// `in` or `out`
    #[arg(long, value_enum, default_value_t = Direction::In, hide_possible_values = true)]
    pub direction: Direction,
    /// How many, 1 to 100
    #[arg(long, short = 'L', value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Go on where a page ended, with its `next_cursor`
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    /// Print `{"deliveries":[…],"next_cursor":…}`
    #[arg(long)]
    pub json: bool,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    In,
    Out,
}

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// Do an ended delivery once more; what it has done is not done twice
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The integration's name or id
    #[arg(value_name = "INTEGRATION")]
    pub integration: String,
    /// The delivery's id, `job_…`
    #[arg(value_name = "DELIVERY")]
    pub delivery: String,
    /// Print the delivery as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    deliveries: &'a [Delivery],
    next_cursor: Option<&'a str>,
}

pub(super) async fn list(args: DeliveriesArgs, session: &mut Session) -> Result<(), CliError> {
    let DeliveriesArgs {
        integration,
        direction,
        limit,
        cursor,
        json,
    } = args;
    let client = session.client()?;
    let it = resolve(&client, &integration).await?;
    let query = PageQuery {
        limit: Some(limit),
        cursor,
    };
    let page = client
        .deliveries(&it.id, direction.as_str(), &query)
        .await?;
    if json {
        return session.out.json(&Listed {
            deliveries: &page.items,
            next_cursor: page.next_cursor.as_deref(),
        });
    }
    let row = |it: &Delivery| {
        vec![
            it.id.clone(),
            it.created_at.to_string(),
            it.kind.clone(),
            it.state.clone(),
            it.tries.to_string(),
            it.message.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let headers = ["ID", "WHEN", "KIND", "STATE", "TRIES", "WHAT CAME OF IT"];
    table::print(&mut session.out, &headers, rows)?;
    if let Some(cursor) = page.next_cursor {
        session
            .out
            .note(&format!("more: --cursor {}", plain(&cursor)));
    }
    Ok(())
}

pub(super) async fn replay(args: ReplayArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    // It becomes a part of an address.
    let delivery: JobId = args.delivery.parse().map_err(|error| {
        CliError::usage(format!("{error}"))
            .hint("`outwork integration deliveries INTEGRATION` shows the ids")
    })?;
    let it = resolve(&client, &args.integration).await?;
    let delivery = client
        .replay_delivery(&it.id, &delivery.to_string())
        .await?;
    if args.json {
        return session.out.json(&delivery);
    }
    session.out.note(&format!(
        "{} is {}",
        plain(&delivery.id),
        plain(&delivery.state)
    ));
    Ok(())
}
