//! Making, changing, pausing and removing schedules.

use clap::{Args, ValueEnum};
use outwork_api::schedule::{MissedPolicy, NewSchedule, OverlapPolicy, Schedule, SchedulePatch};
use outwork_api::task::{Priority, TaskKind};

use super::{local, resolve};
use crate::command::exec::priorities;
use crate::command::prompt;
use crate::environment_ref;
use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// What becomes of times at which no server ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MissedName {
    Skip,
    Once,
}

/// What becomes of a time at which the task before still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OverlapName {
    Skip,
    Queue,
    Allow,
}

impl From<MissedName> for MissedPolicy {
    fn from(name: MissedName) -> Self {
        match name {
            MissedName::Skip => Self::Skip,
            MissedName::Once => Self::Once,
        }
    }
}

impl From<OverlapName> for OverlapPolicy {
    fn from(name: OverlapName) -> Self {
        match name {
            OverlapName::Skip => Self::Skip,
            OverlapName::Queue => Self::Queue,
            OverlapName::Allow => Self::Allow,
        }
    }
}

/// Make a schedule
///
/// Of each time comes one task, in your name. What the agent would ask it decides by itself.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork schedule add '0 7 * * 1-5' --tz Europe/Vienna --env web 'Update the dependencies'
  outwork schedule add '*/30 9-17 * * mon-fri' --env web --missed once 'Look at the new reports'
  outwork schedule add @weekly --env web --pr --paused - < prompt.md")]
pub struct AddArgs {
    /// Five fields, minute to day of the week, such as '0 7 * * 1-5'; or @hourly, @daily, @weekly, @monthly, @yearly
    #[arg(value_name = "TIMETABLE")]
    pub timetable: String,
    /// The time zone it is read in, such as Europe/Vienna
    #[arg(long = "tz", value_name = "ZONE", default_value = "UTC")]
    pub time_zone: String,
    /// The environment's label or id; the one for this folder's repository when left out
    #[arg(short, long)]
    pub env: Option<String>,
    /// Start from this branch
    #[arg(long)]
    pub branch: Option<String>,
    /// How many attempts to run at once
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempts: Option<u32>,
    /// How urgent its tasks are, against those that wait for a worker
    #[arg(long, default_value = "normal", value_parser = priorities())]
    pub priority: Priority,
    /// Its tasks are code reviews
    #[arg(long)]
    pub review: bool,
    /// What becomes of times at which no server ran: skip, or once for the last of them
    #[arg(
        long,
        value_name = "HOW",
        default_value = "skip",
        hide_possible_values = true
    )]
    pub missed: MissedName,
    /// What becomes of a time at which the task before still runs: skip, queue or allow
    #[arg(
        long,
        value_name = "HOW",
        default_value = "skip",
        hide_possible_values = true
    )]
    pub overlap: OverlapName,
    /// Open a pull request when a task has ended well and changed something
    #[arg(long)]
    pub pr: bool,
    /// Begin paused
    #[arg(long)]
    pub paused: bool,
    /// What is to be done; `-` for standard input; an editor opens when left out on a terminal
    pub prompt: Option<String>,
    /// Print the schedule as JSON
    #[arg(long)]
    pub json: bool,
}

/// Change a schedule
///
/// It holds for the tasks that are submitted from then on, which stay those of whoever made the schedule.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork schedule edit SCHEDULE --timetable '30 6 * * *' --tz America/New_York
  outwork schedule edit SCHEDULE --prompt - < prompt.md
  outwork schedule edit SCHEDULE --overlap queue --no-pr")]
pub struct EditArgs {
    /// The schedule: its id, or the first or last digits of it
    #[arg(value_name = "SCHEDULE")]
    pub schedule: String,
    /// Five fields, minute to day of the week, or a name such as @daily
    #[arg(long, value_name = "TIMETABLE")]
    pub timetable: Option<String>,
    /// The time zone it is read in
    #[arg(long = "tz", value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// The environment's label or id
    #[arg(short, long)]
    pub env: Option<String>,
    /// What is to be done; `-` for standard input
    #[arg(long, value_name = "PROMPT")]
    pub prompt: Option<String>,
    /// Start from this branch; '' for the environment's
    #[arg(long)]
    pub branch: Option<String>,
    /// How many attempts to run at once
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempts: Option<u32>,
    /// How urgent its tasks are
    #[arg(long, value_parser = priorities())]
    pub priority: Option<Priority>,
    /// What becomes of times at which no server ran: skip or once
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub missed: Option<MissedName>,
    /// What becomes of a time at which the task before still runs: skip, queue or allow
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub overlap: Option<OverlapName>,
    /// Open pull requests
    #[arg(long, conflicts_with = "no_pr")]
    pub pr: bool,
    /// Open no pull requests
    #[arg(long)]
    pub no_pr: bool,
    /// Print the schedule as JSON
    #[arg(long)]
    pub json: bool,
}

/// Let a schedule go on with its next time
///
/// Times that passed while it was paused are not made up for.
#[derive(Args, Clone, Debug)]
pub struct PauseArgs {
    /// The schedule: its id, or the first or last digits of it
    #[arg(value_name = "SCHEDULE")]
    pub schedule: String,
    /// Print the schedule as JSON
    #[arg(long)]
    pub json: bool,
}

/// Remove a schedule and its history; its tasks stay
#[derive(Args, Clone, Debug)]
pub struct RemoveArgs {
    /// The schedule: its id, or the first or last digits of it
    #[arg(value_name = "SCHEDULE")]
    pub schedule: String,
}

pub(super) async fn add(args: AddArgs, session: &mut Session) -> Result<(), CliError> {
    let AddArgs {
        timetable,
        time_zone,
        env,
        branch,
        attempts,
        priority,
        review,
        missed,
        overlap,
        pr,
        paused,
        prompt,
        json,
    } = args;
    let client = session.client()?;
    let environment = match env {
        Some(environment) => environment,
        None => {
            let guessed = environment_ref::guess(&client, session).await?;
            let guessed = guessed.ok_or_else(environment_ref::none_here)?;
            session
                .out
                .note(&format!("environment: {}", plain(&guessed.label)));
            guessed.id
        }
    };
    let prompt = prompt::read(session, prompt.as_deref(), &[]).await?;
    let new = NewSchedule {
        timetable,
        time_zone,
        environment,
        prompt,
        branch,
        attempts,
        priority,
        kind: match review {
            true => TaskKind::Review,
            false => TaskKind::Code,
        },
        missed: missed.into(),
        overlap: overlap.into(),
        pull_request: pr,
        paused,
    };
    let key = session.idempotency_key();
    let made = client.add_schedule(&new, &key).await?;
    if json {
        return session.out.json(&made);
    }
    session.out.line(&plain(&made.id))?;
    tell(session, &made);
    Ok(())
}

/// When it goes on.
fn tell(session: &mut Session, schedule: &Schedule) {
    let note = match (schedule.state.as_str(), schedule.next_times.first()) {
        ("paused", _) => {
            let id = plain(&schedule.id);
            format!("it is paused; `outwork schedule resume {id}` lets it go on")
        }
        (_, Some(next)) => format!("next: {}", plain(&local(schedule, *next))),
        (_, None) => "it has no further time".to_owned(),
    };
    session.out.note(&note);
}

pub(super) async fn edit(args: EditArgs, session: &mut Session) -> Result<(), CliError> {
    let EditArgs {
        schedule,
        timetable,
        time_zone,
        env,
        prompt,
        branch,
        attempts,
        priority,
        missed,
        overlap,
        pr,
        no_pr,
        json,
    } = args;
    let client = session.client()?;
    let id = resolve(&client, &schedule).await?;
    let prompt = match prompt {
        Some(prompt) => Some(prompt::read(session, Some(&prompt), &[]).await?),
        None => None,
    };
    let patch = SchedulePatch {
        timetable,
        time_zone,
        environment: env,
        prompt,
        branch,
        attempts,
        priority,
        kind: None,
        missed: missed.map(Into::into),
        overlap: overlap.map(Into::into),
        pull_request: (pr || no_pr).then_some(pr),
        paused: None,
    };
    if patch == SchedulePatch::default() {
        return Err(CliError::usage("there is nothing to change")
            .hint("`outwork schedule edit --help` shows what can be changed"));
    }
    changed(session, &client, &id, &patch, json).await
}

pub(super) async fn pause(
    args: PauseArgs,
    paused: bool,
    session: &mut Session,
) -> Result<(), CliError> {
    let PauseArgs { schedule, json } = args;
    let client = session.client()?;
    let id = resolve(&client, &schedule).await?;
    let patch = SchedulePatch {
        paused: Some(paused),
        ..SchedulePatch::default()
    };
    changed(session, &client, &id, &patch, json).await
}

async fn changed(
    session: &mut Session,
    client: &outwork_api::client::Client,
    id: &str,
    patch: &SchedulePatch,
    json: bool,
) -> Result<(), CliError> {
    let changed = client.change_schedule(id, patch).await?;
    if json {
        return session.out.json(&changed);
    }
    tell(session, &changed);
    Ok(())
}

pub(super) async fn remove(args: RemoveArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let id = resolve(&client, &args.schedule).await?;
    client.remove_schedule(&id).await?;
    session.out.note(&format!("removed {id}"));
    Ok(())
}
