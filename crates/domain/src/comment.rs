//! What people say about a result: about a file of its diff, or lines of it.

use std::fmt::Write as _;

use crate::id::{AttemptId, CommentId, PrincipalId, TaskId, WorkspaceId};
use crate::time::Timestamp;

/// Before or after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// As it was.
    Old,
    /// As the attempt left it.
    New,
}

impl Side {
    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    /// The side of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Old, Self::New]
            .into_iter()
            .find(|side| side.as_str() == name)
    }
}

/// Lines of a file, from 1; the last one, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The first.
    pub first: u32,
    /// The last; not before the first.
    pub last: u32,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its id.
    pub id: CommentId,
    /// The tenant.
    pub workspace_id: WorkspaceId,
    /// The task.
    pub task_id: TaskId,
    /// The attempt whose diff it is about.
    pub attempt_id: AttemptId,
    /// The repository's name.
    pub repository: String,
    /// The file as the diff calls it.
    pub path: String,
    /// Whose line numbers these are.
    pub side: Side,
    /// Which lines; `None`: the file.
    pub lines: Option<Lines>,
    /// The lines, as the diff has them.
    pub excerpt: String,
    /// What is said.
    pub text: String,
    /// Who says it.
    pub created_by: PrincipalId,
    /// When it was said.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Since when it is settled.
    pub resolved_at: Option<Timestamp>,
    /// The number of the turn whose prompt it is a part of.
    pub sent_in_turn: Option<u32>,
}

impl Comment {
    /// Whether it waits to be sent to the agent.
    pub fn is_open(&self) -> bool {
        self.resolved_at.is_none() && self.sent_in_turn.is_none()
    }
}

/// A prompt that hands comments to the agent. `first` is the name of the task's first repository, which need not be told.
pub fn prompt(asked: &str, comments: &[Comment], first: &str) -> String {
    let asked = match asked.trim() {
        "" => "Go through these comments on your changes, and do what they ask for.",
        asked => asked,
    };
    let mut prompt = format!("{asked}\n\nComments on your changes:\n");
    for (number, comment) in (1..).zip(comments) {
        // Into memory: it cannot fail.
        let _ = write!(prompt, "\n{number}. {}\n", place(comment, first));
        if !comment.excerpt.is_empty() {
            for line in comment.excerpt.lines() {
                let _ = writeln!(prompt, "   > {line}");
            }
            prompt.push('\n');
        }
        for line in comment.text.trim().lines() {
            let line = format!("   {line}");
            let _ = writeln!(prompt, "{}", line.trim_end());
        }
    }
    prompt
}

fn place(comment: &Comment, first: &str) -> String {
    let mut place = comment.path.clone();
    match comment.lines {
        None => {}
        Some(Lines { first, last }) if first == last => place += &format!(", line {first}"),
        Some(Lines { first, last }) => place += &format!(", lines {first}-{last}"),
    }
    if comment.lines.is_some() && comment.side == Side::Old {
        place += " of the version before your changes";
    }
    if comment.repository != first {
        place += &format!(" (repository {})", comment.repository);
    }
    place + ":"
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn comment(path: &str, lines: Option<(u32, u32)>, excerpt: &str, text: &str) -> Comment {
        Comment {
            id: CommentId::from_uuid(Uuid::nil()),
            workspace_id: WorkspaceId::from_uuid(Uuid::nil()),
            task_id: TaskId::from_uuid(Uuid::nil()),
            attempt_id: AttemptId::from_uuid(Uuid::nil()),
            repository: "app".to_owned(),
            path: path.to_owned(),
            side: Side::New,
            lines: lines.map(|(first, last)| Lines { first, last }),
            excerpt: excerpt.to_owned(),
            text: text.to_owned(),
            created_by: PrincipalId::from_uuid(Uuid::nil()),
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
            resolved_at: None,
            sent_in_turn: None,
        }
    }

    #[test]
    fn the_agent_is_told_place_lines_and_text() {
        let old = Comment {
            side: Side::Old,
            ..comment("src/b.rs", Some((7, 7)), "}", "Why is this gone?")
        };
        let elsewhere = Comment {
            repository: "docs".to_owned(),
            ..comment("README.md", None, "", "Say so\n\nhere, too.\n")
        };
        let lines = comment(
            "src/a.rs",
            Some((3, 4)),
            "let x = 1;\n\tlet y;",
            "Rename x.",
        );
        let all = [lines, old, elsewhere];
        let expected = "Also the docs.

Comments on your changes:

1. src/a.rs, lines 3-4:
   > let x = 1;
   > \tlet y;

   Rename x.

2. src/b.rs, line 7 of the version before your changes:
   > }

   Why is this gone?

3. README.md (repository docs):
   Say so

   here, too.
";
        assert_eq!(prompt("Also the docs.\n", &all, "app"), expected);
        let alone = prompt(" ", &all[..1], "app");
        assert!(alone.starts_with("Go through these comments"), "{alone}");
    }
}
