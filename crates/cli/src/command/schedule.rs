//! `outwork schedule`: tasks that are submitted again and again.

mod change;
mod history;
mod list;

use clap::Subcommand;
use outwork_api::client::Client;
use outwork_api::schedule::Schedule;
use outwork_api::time::Time;
use outwork_domain::ScheduleId;
use outwork_domain::timetable::Timetable;

use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// The fewest digits that count as a part of an id.
const FEWEST_DIGITS: usize = 4;

/// Submit a task again and again, by a timetable
///
/// A timetable is the five fields of a crontab, minute, hour, day of the month, month and day of the week, or a name such as
/// @daily. It is read in a time zone, and its tasks are yours.
#[derive(Subcommand, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork schedule add '0 7 * * 1-5' --tz Europe/Vienna --env web 'Update the dependencies'
  outwork schedule add @daily --env web --pr --overlap queue - < prompt.md
  outwork schedule show SCHEDULE
  outwork schedule run SCHEDULE
  outwork schedule history SCHEDULE")]
pub enum ScheduleCommand {
    Add(change::AddArgs),
    /// List the schedules
    List(list::ListArgs),
    /// Show a schedule, with its next five times
    Show(list::ShowArgs),
    Edit(change::EditArgs),
    /// Pause a schedule
    Pause(change::PauseArgs),
    Resume(change::PauseArgs),
    Run(history::RunArgs),
    /// Remove a schedule and its history; its tasks stay
    #[command(visible_alias = "rm")]
    Remove(change::RemoveArgs),
    History(history::HistoryArgs),
}

impl ScheduleCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Add(args) => args.json,
            Self::List(args) => args.json,
            Self::Show(args) => args.json,
            Self::Edit(args) => args.json,
            Self::Pause(args) | Self::Resume(args) => args.json,
            Self::Run(args) => args.json,
            Self::Remove(_) => false,
            Self::History(args) => args.json,
        }
    }
}

pub(crate) async fn run(command: ScheduleCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        ScheduleCommand::Add(args) => change::add(args, session).await,
        ScheduleCommand::List(args) => list::list(args, session).await,
        ScheduleCommand::Show(args) => list::show(args, session).await,
        ScheduleCommand::Edit(args) => change::edit(args, session).await,
        ScheduleCommand::Pause(args) => change::pause(args, true, session).await,
        ScheduleCommand::Resume(args) => change::pause(args, false, session).await,
        ScheduleCommand::Run(args) => history::run(args, session).await,
        ScheduleCommand::Remove(args) => change::remove(args, session).await,
        ScheduleCommand::History(args) => history::history(args, session).await,
    }
}

/// The id of a schedule that was named by it, or by the first or last of its digits.
async fn resolve(client: &Client, name: &str) -> Result<String, CliError> {
    if let Ok(id) = name.parse::<ScheduleId>() {
        return Ok(id.to_string());
    }
    let part = name.strip_prefix("sch_").unwrap_or(name);
    let is_part = (FEWEST_DIGITS..32).contains(&part.len())
        && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let part = part.to_ascii_lowercase();
    let shown = plain(name);
    if !is_part {
        return Err(CliError::usage(format!("`{shown}` names no schedule"))
            .hint("`outwork schedule list` shows the ids; four or more digits of one are enough"));
    }
    let mut found = client.schedules().await?.items;
    found.retain(|one| {
        let digits = one.id.strip_prefix("sch_").unwrap_or(&one.id);
        digits.starts_with(&part) || digits.ends_with(&part)
    });
    match &found[..] {
        [one] => Ok(one.id.clone()),
        [] => Err(
            CliError::failed(format!("no schedule's id begins or ends with `{shown}`"))
                .code("not_found")
                .hint("`outwork schedule list` shows the schedules"),
        ),
        several => Err(CliError::failed(format!(
            "the ids of {} schedules begin or end with `{shown}`",
            several.len()
        ))
        .code("ambiguous")
        .details(several.iter().map(|one| plain(&one.id)))
        .hint("give more digits")),
    }
}

/// The time as the schedule's time zone has it; as it was sent where this program does not know the zone.
fn local(schedule: &Schedule, at: Time) -> String {
    match Timetable::parse(&schedule.timetable, &schedule.time_zone) {
        Ok(timetable) => timetable.local(at.timestamp()),
        Err(_) => at.to_string(),
    }
}
