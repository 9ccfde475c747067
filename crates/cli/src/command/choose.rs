//! `outwork choose`: which attempt of a task is the one to go on with.

use clap::Args;
use outwork_api::task::{NewChoice, Task};

use crate::error::CliError;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

/// Choose an attempt: its diff is the one that is shown, applied, continued and published
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork choose TASK --attempt 2
  outwork choose TASK --none

`outwork status TASK` shows how the attempts rank, and why. What a person chooses comes before that.")]
pub struct ChooseArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// The attempt
    #[arg(long, value_name = "N", value_parser = crate::args::from_one,
        required_unless_present = "none", conflicts_with = "none")]
    pub attempt: Option<u32>,
    /// Let the ranking decide again
    #[arg(long)]
    pub none: bool,
    /// Of this turn instead of the newest
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub turn: Option<u32>,
    /// Print the task as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: ChooseArgs, session: &mut Session) -> Result<(), CliError> {
    let ChooseArgs {
        task,
        attempt,
        none: _,
        turn,
        json,
    } = args;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let task = match attempt {
        Some(attempt) => client.choose(&id, &NewChoice { turn, attempt }).await?,
        None => client.withdraw_choice(&id, turn).await?,
    };
    if json {
        return session.out.json(&task);
    }
    session.out.line(&line(&task, turn))
}

/// What is so now.
fn line(task: &Task, turn: Option<u32>) -> String {
    let turn = match turn {
        None => task.turns.last(),
        Some(number) => task.turns.iter().find(|turn| turn.number == number),
    };
    let Some(turn) = turn else {
        return "nothing is chosen".to_owned();
    };
    match (&turn.chosen, &turn.ranking) {
        (Some(chosen), _) => format!("attempt {} is chosen", chosen.attempt),
        (None, Some(ranking)) => format!("nothing is chosen: {}", plain(&ranking.summary)),
        (None, None) => "nothing is chosen".to_owned(),
    }
}
