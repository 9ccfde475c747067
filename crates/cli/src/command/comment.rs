//! `outwork comment` and `outwork comments`: what is said about a result.

use clap::{Args, Subcommand, ValueEnum};
use outwork_api::comment::{Comment, CommentPatch, NewComment, Side};
use outwork_domain::CommentId;
use serde::Serialize;

use crate::error::CliError;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

/// Comment on a file of a task's diff, or on lines of it
///
/// `outwork follow-up TASK --comments` hands the open comments to the agent.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork comment TASK src/lib.rs:12-14 'Use the parser that we have'
  outwork comment TASK README.md 'Say how it is installed'
  outwork comment TASK src/lib.rs:9 --side old 'Why is this gone?'")]
pub struct CommentArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// The file as the diff calls it, and the line or lines that the comment is about
    #[arg(value_name = "PATH[:LINE[-END]]", value_parser = place)]
    pub place: Place,
    /// What is said
    pub text: String,
    /// On the diff of this attempt
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// On a diff of this turn instead of the newest
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub turn: Option<u32>,
    /// In this repository of the environment instead of the first
    #[arg(long, value_name = "NAME")]
    pub repo: Option<String>,
    /// Whose line numbers these are: new, or old for the file as it was
    #[arg(
        long,
        value_name = "SIDE",
        default_value = "new",
        hide_possible_values = true
    )]
    pub side: SideName,
    /// Print the comment as JSON
    #[arg(long)]
    pub json: bool,
}

/// List what was said about a task's results, and settle, change or remove it
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  outwork comments TASK
  outwork comments resolve com_0192c3f0a1b27def8123456789abcdef
  outwork comments edit com_0192c3f0a1b27def8123456789abcdef 'Use the parser that we have'"
)]
pub struct CommentsArgs {
    #[command(subcommand)]
    pub command: Option<CommentsCommand>,
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK", required = true)]
    pub task: Option<TaskRef>,
    /// Print `{"comments":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// What is done with comments.
#[derive(Subcommand, Clone, Debug)]
pub enum CommentsCommand {
    /// Settle comments: follow-ups hand them to the agent no more
    Resolve(ResolveArgs),
    /// Say something else in your own comment, as long as no agent was told it
    Edit(EditArgs),
    /// Remove your own comment, as long as no agent was told it
    #[command(visible_alias = "rm")]
    Remove(RemoveArgs),
}

/// Settle comments: follow-ups hand them to the agent no more
#[derive(Args, Clone, Debug)]
pub struct ResolveArgs {
    /// The comments' ids, as `outwork comments TASK` shows them
    #[arg(value_name = "COMMENT", required = true)]
    pub comments: Vec<CommentId>,
    /// Open them again
    #[arg(long)]
    pub reopen: bool,
    /// Print `{"comments":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Say something else in your own comment, as long as no agent was told it
#[derive(Args, Clone, Debug)]
pub struct EditArgs {
    /// The comment's id, as `outwork comments TASK` shows it
    #[arg(value_name = "COMMENT")]
    pub comment: CommentId,
    /// What it says from now on
    pub text: String,
    /// Print the comment as JSON
    #[arg(long)]
    pub json: bool,
}

/// Remove your own comment, as long as no agent was told it
#[derive(Args, Clone, Debug)]
pub struct RemoveArgs {
    /// The comment's id, as `outwork comments TASK` shows it
    #[arg(value_name = "COMMENT")]
    pub comment: CommentId,
}

impl CommentsArgs {
    pub(crate) fn is_json(&self) -> bool {
        match &self.command {
            None => self.json,
            Some(CommentsCommand::Resolve(args)) => args.json,
            Some(CommentsCommand::Edit(args)) => args.json,
            Some(CommentsCommand::Remove(_)) => false,
        }
    }
}

/// Before or after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SideName {
    Old,
    New,
}

/// A file, and lines of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    path: String,
    line: Option<u32>,
    end_line: Option<u32>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    comments: &'a [Comment],
}

/// Reads `PATH`, `PATH:LINE` or `PATH:LINE-END`. What follows the last colon and is no number belongs to the path.
fn place(text: &str) -> Result<Place, String> {
    let whole = Place {
        path: text.to_owned(),
        line: None,
        end_line: None,
    };
    let Some((path, numbers)) = text.rsplit_once(':') else {
        return Ok(whole);
    };
    let (first, last) = match numbers.split_once('-') {
        Some((first, last)) => (first, Some(last)),
        None => (numbers, None),
    };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u32>().unwrap_or(u32::MAX))
    };
    let (line, end_line) = match (number(first), last.map(number)) {
        (Some(line), None) => (line, None),
        (Some(line), Some(Some(last))) => (line, Some(last)),
        (_, _) => return Ok(whole),
    };
    if line == 0 || end_line.is_some_and(|last| last < line) {
        return Err("lines are counted from 1, and the last is not before the first".to_owned());
    }
    Ok(Place {
        path: path.to_owned(),
        line: Some(line),
        end_line,
    })
}

pub(crate) async fn run(args: CommentArgs, session: &mut Session) -> Result<(), CliError> {
    let CommentArgs {
        task,
        place,
        text,
        attempt,
        turn,
        repo,
        side,
        json,
    } = args;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let Place {
        path,
        line,
        end_line,
    } = place;
    let new = NewComment {
        turn,
        attempt,
        repository: repo,
        path,
        side: match side {
            SideName::Old => Side::Old,
            SideName::New => Side::New,
        },
        line,
        end_line,
        text,
    };
    let comment = client.comment(&id, &new).await?;
    if json {
        return session.out.json(&comment);
    }
    session.out.line(&plain(&comment.id))
}

pub(crate) async fn comments(args: CommentsArgs, session: &mut Session) -> Result<(), CliError> {
    let CommentsArgs {
        command,
        task,
        json,
    } = args;
    match (command, task) {
        (Some(CommentsCommand::Resolve(args)), _) => resolve(args, session).await,
        (Some(CommentsCommand::Edit(args)), _) => edit(args, session).await,
        (Some(CommentsCommand::Remove(args)), _) => remove(args, session).await,
        (None, Some(task)) => list(&task, json, session).await,
        (None, None) => Err(CliError::usage("name the task")),
    }
}

async fn resolve(args: ResolveArgs, session: &mut Session) -> Result<(), CliError> {
    let ResolveArgs {
        comments,
        reopen,
        json,
    } = args;
    let client = session.client()?;
    let patch = CommentPatch {
        text: None,
        resolved: Some(!reopen),
    };
    let mut changed = Vec::with_capacity(comments.len());
    for comment in comments {
        changed.push(client.change_comment(&comment.to_string(), &patch).await?);
    }
    if json {
        return session.out.json(&Listed { comments: &changed });
    }
    let what = if reopen { "opened" } else { "resolved" };
    for comment in &changed {
        session.out.note(&format!("{what} {}", plain(&comment.id)));
    }
    Ok(())
}

async fn edit(args: EditArgs, session: &mut Session) -> Result<(), CliError> {
    let EditArgs {
        comment,
        text,
        json,
    } = args;
    let patch = CommentPatch {
        text: Some(text),
        resolved: None,
    };
    let client = session.client()?;
    let changed = client.change_comment(&comment.to_string(), &patch).await?;
    if json {
        return session.out.json(&changed);
    }
    session.out.note(&format!("changed {}", plain(&changed.id)));
    Ok(())
}

async fn remove(args: RemoveArgs, session: &mut Session) -> Result<(), CliError> {
    let id = args.comment.to_string();
    session.client()?.delete_comment(&id).await?;
    session.out.note(&format!("removed {id}"));
    Ok(())
}

async fn list(task: &TaskRef, json: bool, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let comments = client.comments(&id).await?.items;
    if json {
        return session.out.json(&Listed {
            comments: &comments,
        });
    }
    if comments.is_empty() {
        session.out.note("no comments");
        return Ok(());
    }
    for (number, comment) in comments.iter().enumerate() {
        if number > 0 {
            session.out.line("")?;
        }
        for line in shown(comment) {
            session.out.line(&line)?;
        }
    }
    Ok(())
}

/// A comment in lines.
fn shown(comment: &Comment) -> Vec<String> {
    let mut place = plain(&comment.path);
    match (comment.line, comment.end_line) {
        (None, _) => {}
        (Some(line), Some(end)) if end != line => place += &format!(":{line}-{end}"),
        (Some(line), _) => place += &format!(":{line}"),
    }
    if comment.side == "old" && comment.line.is_some() {
        place += " (old)";
    }
    let state = match (&comment.resolved_at, comment.sent_in_turn) {
        (Some(_), _) => "resolved".to_owned(),
        (None, Some(turn)) => format!("sent in turn {turn}"),
        (None, None) => "open".to_owned(),
    };
    let head = format!(
        "{}  {place}  attempt {}.{}  {}, {state}",
        plain(&comment.id),
        comment.turn,
        comment.attempt,
        plain(&comment.author.name)
    );
    let quoted = comment.excerpt.lines();
    let quoted = quoted.map(|line| format!("  > {}", plain(line)));
    let said = comment.text.lines();
    let said = said.map(|line| format!("  {}", plain(line)));
    std::iter::once(head).chain(quoted).chain(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_and_lines() {
        let read = |text: &str| {
            let Place {
                path,
                line,
                end_line,
            } = place(text).expect("a place");
            (path, line, end_line)
        };
        let path = |text: &str| text.to_owned();
        assert_eq!(read("a.rs"), (path("a.rs"), None, None));
        assert_eq!(read("a.rs:3"), (path("a.rs"), Some(3), None));
        assert_eq!(read("a.rs:3-5"), (path("a.rs"), Some(3), Some(5)));
        assert_eq!(read("a:b"), (path("a:b"), None, None));
        assert_eq!(read("a:b:7"), (path("a:b"), Some(7), None));
        assert_eq!(read("a:3-"), (path("a:3-"), None, None));
        assert!(place("a.rs:0").is_err());
        assert!(place("a.rs:5-3").is_err());
    }
}
