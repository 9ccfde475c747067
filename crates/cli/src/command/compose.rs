//! `outwork compose`: one result of parts of a task's attempts.

mod take;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use clap::Args;
use outwork_api::client::Client;
use outwork_api::parts::{DiffFile, DiffParts, NewComposition, PartsOfAttempt};
use outwork_api::task::{Task, Turn};
use serde_json::json;

use self::take::{Named, Taken};
use super::submitted::SubmittedArgs;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::render::diff;
use crate::repository_ref;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

const EXAMPLES: &str = "\
Examples:
  outwork compose TASK --list
  outwork compose TASK --take 1:src/a.rs --take 2:src/b.rs#2
  outwork compose TASK --take 1 --drop 1:docs/ --take 2:docs/ --wait
  outwork compose TASK --drop '1:src/**/*.snap' --dry-run | git apply --check";

/// Make one result of parts of a task's attempts
///
/// A part is ATTEMPT, ATTEMPT:PATH or ATTEMPT:PATH#HUNKS: all of an attempt, of a file, folder or pattern, or
/// some hunks of a file by their numbers in it (1,3-4); --list shows them. It becomes a new turn whose result is
/// exactly these parts: no agent runs, and it is verified, applied, published and followed up as any other. Hunks
/// of several attempts of one file are put together; where they contradict each other, nothing is made.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ComposeArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// Take this part; may be given several times
    #[arg(long, value_name = "PART")]
    pub take: Vec<Named>,
    /// Leave this part out of what is taken; of an attempt of which nothing is taken, take all the rest
    #[arg(long, value_name = "PART")]
    pub drop: Vec<Named>,
    /// Of the attempts of this turn instead of the newest
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub turn: Option<u32>,
    /// In this repository of the environment instead of the first
    #[arg(long, value_name = "NAME")]
    pub repo: Option<String>,
    /// Do not run the environment's verification on it
    #[arg(long)]
    pub no_verify: bool,
    /// Print its diff, and make nothing
    #[arg(long, conflicts_with_all = ["wait", "apply", "json"])]
    pub dry_run: bool,
    /// List the parts of all attempts, and make nothing
    #[arg(long, conflicts_with_all = ["take", "drop", "dry_run", "no_verify", "wait", "apply"])]
    pub list: bool,
    #[command(flatten)]
    pub submitted: SubmittedArgs,
}

pub(crate) async fn run(args: ComposeArgs, session: &mut Session) -> Result<ExitStatus, CliError> {
    let ComposeArgs {
        task,
        take,
        drop,
        turn,
        repo,
        no_verify,
        dry_run,
        list,
        submitted,
    } = args;
    if take.is_empty() && drop.is_empty() && !list {
        return Err(CliError::usage("nothing is taken")
            .hint("name parts with --take, such as --take 1:src/a.rs; --list shows them"));
    }
    submitted.check(session).await?;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let task = client.task(&id).await?;
    let repository = repository_ref::named(&task, repo.as_deref())?.name;
    let turn = turn_of(&task, turn)?;
    let source = Source {
        client: &client,
        turn,
        repository: repository.as_deref(),
    };
    if list {
        return print_list(session, &source, submitted.json)
            .await
            .map(|()| ExitStatus::Ok);
    }
    let mut taken: BTreeMap<u32, Taken> = BTreeMap::new();
    for named in take.iter().chain(&drop) {
        if let Entry::Vacant(place) = taken.entry(named.attempt) {
            let parts = source.parts(named.attempt).await?;
            place.insert(Taken::nothing(parts));
        }
    }
    for named in &take {
        of(&mut taken, named).set(named, true)?;
    }
    for named in &drop {
        let of_attempt = of(&mut taken, named);
        if !take.iter().any(|it| it.attempt == named.attempt) && of_attempt.is_untouched() {
            of_attempt.take_all();
        }
        of_attempt.set(named, false)?;
    }
    let parts = taken.into_iter().map(|(attempt, taken)| {
        let (files, hunks) = taken.ids();
        PartsOfAttempt {
            attempt,
            repository: repository.clone(),
            files,
            hunks,
        }
    });
    let parts: Vec<_> = parts
        .filter(|part| !part.files.is_empty() || !part.hunks.is_empty())
        .collect();
    if parts.is_empty() {
        return Err(CliError::failed("nothing is left of what was taken").code("no_such_part"));
    }
    let new = NewComposition {
        turn: Some(turn.number),
        parts,
        verify: no_verify.then_some(false),
        dry_run,
    };
    if dry_run {
        let bytes = client.compose_dry_run(&id, &new).await?;
        if session.out.stdout_is_terminal {
            let text = diff::for_terminal(&bytes, session.out.stdout_style);
            session.out.bytes(text.as_bytes())?;
        } else {
            session.out.bytes(&bytes)?;
        }
        return Ok(ExitStatus::Ok);
    }
    let key = session.idempotency_key();
    let task = client.compose(&id, &new, &key).await?;
    submitted.go_on(session, &client, &task).await
}

fn of<'a>(taken: &'a mut BTreeMap<u32, Taken>, named: &Named) -> &'a mut Taken {
    taken.get_mut(&named.attempt).expect("it was read")
}

fn turn_of(task: &Task, number: Option<u32>) -> Result<&Turn, CliError> {
    let turn = match number {
        None => task.turns.last(),
        Some(number) => task.turns.iter().find(|turn| turn.number == number),
    };
    turn.ok_or_else(|| {
        let count = task.turns.len();
        CliError::failed(format!("the task has no such turn; it has {count}")).code("not_found")
    })
}

/// Where parts are read from.
struct Source<'a> {
    client: &'a Client,
    turn: &'a Turn,
    repository: Option<&'a str>,
}

impl Source<'_> {
    async fn parts(&self, number: u32) -> Result<DiffParts, CliError> {
        let mut attempts = self.turn.attempts.iter();
        let Some(attempt) = attempts.find(|attempt| attempt.number == number) else {
            let (turn, count) = (self.turn.number, self.turn.attempts.len());
            let message = format!("turn {turn} has no attempt {number}; it has {count}");
            return Err(CliError::failed(message).code("not_found"));
        };
        let parts = self.client.attempt_parts(&attempt.id, self.repository);
        Ok(parts.await?)
    }
}

/// The parts of all attempts that have a diff, as they are named.
async fn print_list(
    session: &mut Session,
    source: &Source<'_>,
    is_json: bool,
) -> Result<(), CliError> {
    let attempts = source.turn.attempts.iter();
    let with_diff = attempts.filter(|attempt| attempt.diff.is_some());
    let numbers: Vec<u32> = with_diff.map(|attempt| attempt.number).collect();
    let mut all = Vec::new();
    for number in numbers {
        let DiffParts { files } = source.parts(number).await?;
        if is_json {
            all.push(json!({"attempt": number, "files": files}));
            continue;
        }
        for line in files.iter().flat_map(|file| lines(number, file)) {
            session.out.line(&line)?;
        }
    }
    match is_json {
        true => session.out.json(&json!({"attempts": all})),
        false => Ok(()),
    }
}

fn lines(attempt: u32, file: &DiffFile) -> Vec<String> {
    let path = plain(&file.path);
    if file.hunks.is_empty() {
        let what = match file.binary {
            true => "binary",
            false => file.status.as_str(),
        };
        return vec![format!("{attempt}:{path}  {}", plain(what))];
    }
    (1..)
        .zip(&file.hunks)
        .map(|(number, hunk)| format!("{attempt}:{path}#{number}  {}", plain(&hunk.header)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_listed_as_they_are_named() {
        let parts = take::fixture();
        let listed: Vec<_> = parts.files.iter().flat_map(|file| lines(2, file)).collect();
        assert_eq!(
            listed,
            [
                "2:src/a.rs#1  @@ 1 @@",
                "2:src/a.rs#2  @@ 2 @@",
                "2:logo.png  binary"
            ]
        );
    }
}
