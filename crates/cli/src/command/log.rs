//! `outwork log`: what happened in a task.

use clap::Args;
use outwork_api::client::{Client, EventQuery, EventRecord};
use outwork_api::task::Task;
use serde_json::{Value, json};

use crate::error::CliError;
use crate::render::event::Detail;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::wait::{self, Followee, LogLines, Progress};

/// Show what happened in a task
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// Only this attempt
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// This turn instead of the newest
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub turn: Option<u32>,
    /// Go on until the attempts end
    #[arg(short, long)]
    pub follow: bool,
    /// Show all of it: also the requests to the network that were allowed
    #[arg(short, long)]
    pub verbose: bool,
    /// Print each event as one line of JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: LogArgs, session: &mut Session) -> Result<(), CliError> {
    let LogArgs {
        task,
        attempt,
        turn,
        follow,
        verbose,
        json,
    } = args;
    let detail = match verbose {
        true => Detail::All,
        false => Detail::Usual,
    };
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let task = client.task(&id).await?;
    let followees = chosen(&task, turn, attempt)?;
    let mut lines = LogLines::new(session.out.stdout_style, &followees, detail);
    let show = |session: &mut Session, number: u32, progress: Progress<'_>| match (json, progress) {
        (true, Progress::Reconnecting) => Ok(()),
        (true, Progress::Event(record)) => session.out.json(&numbered(record, number)),
        (false, progress) => lines
            .lines(number, progress)
            .iter()
            .try_for_each(|line| session.out.line(line)),
    };
    match follow {
        true => wait::follow(session, &client, &followees, None, show)
            .await
            .map(drop),
        false => read(session, &client, &followees, show).await,
    }
}

/// The attempts that are meant.
fn chosen(task: &Task, turn: Option<u32>, attempt: Option<u32>) -> Result<Vec<Followee>, CliError> {
    let missing = |what: String, hint: String| CliError::failed(what).code("not_found").hint(hint);
    let found = match turn {
        None => task.turns.last(),
        Some(number) => task.turns.iter().find(|turn| turn.number == number),
    };
    let turn = found.ok_or_else(|| {
        let what = format!("the task has no turn {}", turn.unwrap_or(1));
        missing(what, counted(task.turns.len(), "turn"))
    })?;
    let followees = wait::followees(turn);
    let Some(number) = attempt else {
        return Ok(followees);
    };
    let total = followees.len();
    let found = followees.into_iter().find(|one| one.number == number);
    found.map(|one| vec![one]).ok_or_else(|| {
        missing(
            format!("turn {} has no attempt {number}", turn.number),
            counted(total, "attempt"),
        )
    })
}

fn counted(total: usize, noun: &str) -> String {
    match total {
        1 => format!("it has one {noun}"),
        _ => format!("it has {total} {noun}s"),
    }
}

async fn read(
    session: &mut Session,
    client: &Client,
    followees: &[Followee],
    mut show: impl FnMut(&mut Session, u32, Progress<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    for followee in followees {
        let mut after = 0;
        loop {
            let page = client
                .events(&followee.id, EventQuery { after, limit: None })
                .await?;
            for record in &page.items {
                after = record.event.seq;
                show(session, followee.number, Progress::Event(record))?;
            }
            if page.next_cursor.is_none() || page.items.is_empty() {
                break;
            }
        }
    }
    Ok(())
}

/// The event as it came, with the number of its attempt.
pub(super) fn numbered(record: &EventRecord, number: u32) -> Value {
    let mut json = record.json.clone();
    if let Value::Object(fields) = &mut json {
        fields.insert("attempt".to_owned(), json!(number));
    }
    json
}
