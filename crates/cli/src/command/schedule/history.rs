//! What became of a schedule's times, and one by hand.

use std::time::{Duration, Instant};

use clap::Args;
use outwork_api::page::PageQuery;
use outwork_api::schedule::Firing;
use serde::Serialize;

use super::{local, resolve};
use crate::error::{CliError, Kind};
use crate::render::table;
use crate::session::Session;
use crate::terminal::plain::plain;

/// How long the task is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Submit a schedule's task now
///
/// Also while it is paused, and while the task before still runs. Prints the task's id.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The schedule: its id, or the first or last digits of it
    #[arg(value_name = "SCHEDULE")]
    pub schedule: String,
    /// Print what became of it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Show what became of a schedule's times
///
/// The newest first. A time gave a task, was skipped, or its task was refused; it says why.
#[derive(Args, Clone, Debug)]
pub struct HistoryArgs {
    /// The schedule: its id, or the first or last digits of it
    #[arg(value_name = "SCHEDULE")]
    pub schedule: String,
    /// How many, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Go on where the list before ended
    #[arg(long)]
    pub cursor: Option<String>,
    /// Print `{"firings":[…],"cursor":…}`
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    firings: &'a [Firing],
    cursor: Option<&'a str>,
}

pub(super) async fn run(args: RunArgs, session: &mut Session) -> Result<(), CliError> {
    let RunArgs { schedule, json } = args;
    let client = session.client()?;
    let id = resolve(&client, &schedule).await?;
    let key = session.idempotency_key();
    let mut firing = client.run_schedule(&id, &key).await?;
    let begun = Instant::now();
    let mut pause = FIRST_LOOK;
    while firing.task_id.is_none() && matches!(firing.state.as_str(), "waiting" | "working") {
        if begun.elapsed() >= PATIENCE {
            let why = firing.message.as_deref().map(plain);
            let error = CliError::new(Kind::TimedOut, "the task is not submitted yet");
            let error = why
                .into_iter()
                .fold(error, |error, why| error.details([why]));
            return Err(error.hint(format!(
                "the server goes on trying; `outwork schedule history {id}` says what came of it"
            )));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_LOOK);
        firing = match client.firing(&firing.id).await {
            Ok(now) => now,
            // The server may be restarted meanwhile; it takes it up again.
            Err(fault) if fault.is_transient() => firing,
            Err(fault) => return Err(fault.into()),
        };
    }
    if let Some(failure) = &firing.failure {
        let message = plain(failure.message.trim_end_matches('.'));
        let error = CliError::failed(message).code(&failure.code);
        return Err(match &failure.hint {
            Some(hint) => error.hint(plain(hint)),
            None => error,
        });
    }
    if json {
        return session.out.json(&firing);
    }
    match &firing.task_id {
        Some(task) => session.out.line(&plain(task)),
        None => {
            session.out.note(&plain(&became(&firing)));
            Ok(())
        }
    }
}

pub(super) async fn history(args: HistoryArgs, session: &mut Session) -> Result<(), CliError> {
    let HistoryArgs {
        schedule,
        limit,
        cursor,
        json,
    } = args;
    let client = session.client()?;
    let id = resolve(&client, &schedule).await?;
    let query = PageQuery {
        limit: Some(limit),
        cursor,
    };
    let page = client.firings(&id, &query).await?;
    if json {
        return session.out.json(&Listed {
            firings: &page.items,
            cursor: page.next_cursor.as_deref(),
        });
    }
    if page.items.is_empty() {
        session.out.note("none of its times has come yet");
        return Ok(());
    }
    let schedule = client.schedule(&id).await?;
    let row = |firing: &Firing| {
        let by = firing.by.as_ref().map(|by| by.name.clone());
        vec![
            local(&schedule, firing.planned_at),
            firing.state.clone(),
            by.unwrap_or_else(|| "timetable".to_owned()),
            became(firing),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let headers = ["TIME", "STATE", "BY", "WHAT BECAME OF IT"];
    table::print(&mut session.out, &headers, rows)?;
    if let Some(cursor) = page.next_cursor.filter(|_| session.out.stdout_is_terminal) {
        let cursor = plain(&cursor);
        session
            .out
            .note(&format!("there are more; go on with --cursor {cursor}"));
    }
    Ok(())
}

/// In a line: the task, or why there is none; and what else there is to say.
pub(super) fn became(firing: &Firing) -> String {
    let failure = firing.failure.as_ref().map(|why| why.message.as_str());
    let said = failure.or(firing.message.as_deref());
    let missed = match firing.missed_before {
        0 => None,
        999.. => Some("999 or more times before it were missed".to_owned()),
        1 => Some("1 time before it was missed".to_owned()),
        many => Some(format!("{many} times before it were missed")),
    };
    let parts = [firing.task_id.clone(), said.map(str::to_owned), missed];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ")
}
