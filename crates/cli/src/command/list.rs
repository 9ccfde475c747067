//! `outwork list`: the recent tasks.

use clap::Args;
use outwork_api::client::TaskQuery;
use outwork_api::page::PageQuery;
use outwork_api::task::{TaskKind, TaskSummary};
use serde::Serialize;

use crate::environment_ref;
use crate::error::CliError;
use crate::render::{table, task};
use crate::session::Session;
use crate::terminal::style::Style;

/// List the recent tasks
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only those of this environment (label or id)
    #[arg(short, long)]
    pub env: Option<String>,
    /// Only code reviews
    #[arg(long)]
    pub review: bool,
    /// How many, 1 to 20
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub limit: u32,
    /// Go on where the list before ended
    #[arg(long)]
    pub cursor: Option<String>,
    /// Print `{"tasks":[…],"cursor":…}`
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    tasks: &'a [TaskSummary],
    cursor: Option<&'a str>,
}

pub(crate) async fn run(args: ListArgs, session: &mut Session) -> Result<(), CliError> {
    let ListArgs {
        env,
        review,
        limit,
        cursor,
        json,
    } = args;
    let client = session.client()?;
    let environment = match env {
        Some(name) => Some(environment_ref::find(&client, &name).await?.id),
        None => None,
    };
    let page = PageQuery {
        limit: Some(limit),
        cursor,
    };
    let query = TaskQuery {
        environment,
        kind: review.then_some(TaskKind::Review),
        page,
    };
    let page = client.tasks(&query).await?;
    if json {
        return session.out.json(&Listed {
            tasks: &page.items,
            cursor: page.next_cursor.as_deref(),
        });
    }
    if page.items.is_empty() {
        session.out.note("no tasks");
        return Ok(());
    }
    let is_terminal = session.out.stdout_is_terminal;
    let now = (session.now)();
    let rows = page.items.iter().map(|item| {
        let updated = match is_terminal {
            true => task::age(item.updated_at, now),
            false => item.updated_at.to_string(),
        };
        vec![
            table::id(&session.out, &item.id),
            task::status(item, Style::PLAIN),
            item.environment_label.clone(),
            updated,
            task::changes(item),
            item.title.clone(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let headers = ["ID", "STATUS", "ENVIRONMENT", "UPDATED", "CHANGES", "TITLE"];
    table::print(&mut session.out, &headers, rows)?;
    // A script reads `cursor` of --json; to it, the note would be noise at each call.
    if let Some(cursor) = page.next_cursor.filter(|_| is_terminal) {
        let cursor = crate::terminal::plain::plain(&cursor);
        session
            .out
            .note(&format!("there are more; go on with --cursor {cursor}"));
    }
    Ok(())
}
