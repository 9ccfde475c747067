//! `outwork audit`: who did what.

use clap::Args;
use outwork_api::audit::AuditEntry;
use outwork_api::page::PageQuery;
use serde::Serialize;

use crate::error::CliError;
use crate::render::table;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Show who did what, for admins
///
/// Each request of a member that changed something, the newest first. What agents and workers do is in the logs of tasks.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork audit --limit 100
  outwork audit --json | jq -r '.entries[] | select(.by.name == \"Ada\") | .action'")]
pub struct AuditArgs {
    /// How many, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Go on where the list before ended
    #[arg(long)]
    pub cursor: Option<String>,
    /// Print `{"entries":[…],"cursor":…}`
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    entries: &'a [AuditEntry],
    cursor: Option<&'a str>,
}

pub(crate) async fn run(args: AuditArgs, session: &mut Session) -> Result<(), CliError> {
    let AuditArgs {
        limit,
        cursor,
        json,
    } = args;
    let query = PageQuery {
        limit: Some(limit),
        cursor,
    };
    let page = session.client()?.audit(&query).await?;
    if json {
        return session.out.json(&Listed {
            entries: &page.items,
            cursor: page.next_cursor.as_deref(),
        });
    }
    if page.items.is_empty() {
        session.out.note("nothing was done yet");
        return Ok(());
    }
    let row = |entry: &AuditEntry| {
        // The method; the address says the rest.
        let method = entry.action.split(' ').next().unwrap_or_default();
        vec![
            entry.at.to_string(),
            entry.by.name.clone(),
            method.to_owned(),
            entry.object.clone(),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    table::print(&mut session.out, &["AT", "WHO", "METHOD", "WHAT"], rows)?;
    if let Some(cursor) = page.next_cursor.filter(|_| session.out.stdout_is_terminal) {
        let cursor = plain(&cursor);
        session
            .out
            .note(&format!("there are more; go on with --cursor {cursor}"));
    }
    Ok(())
}
