//! Showing schedules.

use clap::Args;
use outwork_api::schedule::Schedule;
use serde::Serialize;

use super::history::became;
use super::{local, resolve};
use crate::error::CliError;
use crate::render::table;
use crate::session::Session;
use crate::terminal::plain::plain;

/// List the schedules
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Print `{"schedules":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Show a schedule, with its next five times
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The schedule: its id, or the first or last digits of it
    #[arg(value_name = "SCHEDULE")]
    pub schedule: String,
    /// Print the schedule as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    schedules: &'a [Schedule],
}

pub(super) async fn list(args: ListArgs, session: &mut Session) -> Result<(), CliError> {
    let schedules = session.client()?.schedules().await?.items;
    if args.json {
        return session.out.json(&Listed {
            schedules: &schedules,
        });
    }
    if schedules.is_empty() {
        session.out.note("no schedules");
        return Ok(());
    }
    let row = |one: &Schedule| {
        let next = match one.state.as_str() {
            "paused" => "paused".to_owned(),
            _ => one
                .next_times
                .first()
                .map_or_else(|| "never".to_owned(), |next| local(one, *next)),
        };
        vec![
            table::id(&session.out, &one.id),
            format!("{} {}", one.timetable, one.time_zone),
            next,
            one.environment_label.clone().unwrap_or_default(),
            one.created_by.name.clone(),
            one.title.clone(),
        ]
    };
    let rows: Vec<_> = schedules.iter().map(row).collect();
    let headers = ["ID", "TIMETABLE", "NEXT", "ENVIRONMENT", "OF", "TITLE"];
    table::print(&mut session.out, &headers, rows)
}

pub(super) async fn show(args: ShowArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let id = resolve(&client, &args.schedule).await?;
    let schedule = client.schedule(&id).await?;
    if args.json {
        return session.out.json(&schedule);
    }
    for line in lines(&schedule) {
        session.out.line(&line)?;
    }
    Ok(())
}

fn lines(schedule: &Schedule) -> Vec<String> {
    let mut lines = vec![
        format!("{}  {}", plain(&schedule.id), plain(&schedule.title)),
        format!(
            "  timetable    {} {}",
            plain(&schedule.timetable),
            plain(&schedule.time_zone)
        ),
    ];
    let mut add = |name: &str, value: &str| lines.push(format!("  {name:<12} {}", plain(value)));
    let label = schedule.environment_label.as_deref();
    add("environment", label.unwrap_or("deleted"));
    if let Some(branch) = &schedule.branch {
        add("branch", branch);
    }
    add("of", &schedule.created_by.name);
    add("missed", &schedule.missed);
    add("overlap", &schedule.overlap);
    if schedule.pull_request {
        add("result", "a pull request");
    }
    match (&schedule.paused_reason, schedule.state.as_str()) {
        (Some(why), "paused") => add("paused", why),
        (None, "paused") => add("paused", "by hand"),
        (_, _) => {}
    }
    if let Some(last) = &schedule.last_firing {
        let at = local(schedule, last.planned_at);
        add("last", &format!("{at}  {}", became(last)));
    }
    let next = match schedule.state.as_str() {
        "paused" => "if resumed",
        _ => "next",
    };
    for (number, at) in schedule.next_times.iter().enumerate() {
        let name = if number == 0 { next } else { "" };
        add(name, &local(schedule, *at));
    }
    lines
}
