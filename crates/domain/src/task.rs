//! What was asked: a task, and its turns.

use std::num::NonZeroU32;

use crate::choice::Choice;
use crate::id::{EnvironmentId, ObjectKey, PrincipalId, TaskId, TurnId, WorkspaceId};
use crate::priority::Priority;
use crate::time::Timestamp;

/// What a task is for. All its turns are of the same kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Changes to be applied.
    #[default]
    Code,
    /// An opinion on code; kept apart in lists.
    Review,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Code, Self::Review];

    /// The name in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Review => "review",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// What was asked, on one environment, from one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// Who asked.
    pub created_by: PrincipalId,
    /// Where it runs.
    pub environment_id: EnvironmentId,
    /// The first line of the first prompt.
    pub title: String,
    /// Where all attempts of all turns start from; diffs are against it.
    pub base: Base,
    /// What it is for.
    pub kind: TaskKind,
    /// Whether the agent may ask and wait for an answer.
    pub interactive: bool,
    /// How urgent it is.
    pub priority: Priority,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it or one of its attempts last changed.
    pub updated_at: Timestamp,
}

/// Where a task starts from. Fixed when the task is submitted, so that all attempts see the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The branch the person named, or the default branch; `None` for a bare commit.
    pub branch: Option<String>,
    /// The commit, as full hexadecimal id or the abbreviation that the person gave.
    pub commit: String,
    /// Uncommitted changes sent along; they belong to the base, not to the result.
    pub starting_diff: Option<ObjectKey>,
    /// A session of the agent sent along, which the first turn goes on from.
    pub starting_session: Option<ObjectKey>,
    /// Where the environment's further repositories stood.
    pub further: Vec<FurtherBase>,
}

/// Where a further repository stood when the task was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FurtherBase {
    /// The repository's name in the environment.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The branch; `None` for a bare commit.
    pub branch: Option<String>,
    /// The commit, as full hexadecimal id.
    pub commit: String,
}

/// One prompt and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its id.
    pub id: TurnId,
    /// The task.
    pub task_id: TaskId,
    /// 1, 2, … within the task.
    pub number: NonZeroU32,
    /// Who asked.
    pub created_by: PrincipalId,
    /// What.
    pub prompt: String,
    /// The JSON Schema that the agent's last message has to match, as JSON.
    pub output_schema: Option<String>,
    /// The attempt whose work and session it continues; `None` in a first turn.
    pub continues: Option<crate::AttemptId>,
    /// What it makes one result of, without an agent; `None`: it is a prompt.
    pub composition: Option<Composition>,
    /// When.
    pub created_at: Timestamp,
    /// The attempt that a person chose.
    pub chosen: Option<Choice>,
}

/// What a turn is made of that runs no agent: parts of the diffs of attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composition {
    /// What is taken, in the order in which it was named.
    pub parts: Vec<ComposedPart>,
    /// Whether the environment's verification runs on it.
    pub verify: bool,
}

/// What is taken of the diff of an attempt in one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposedPart {
    /// The number of the attempt's turn.
    pub turn: NonZeroU32,
    /// Its number within the turn.
    pub attempt: NonZeroU32,
    /// The repository's name; `None`: the first.
    pub repository: Option<String>,
    /// The files that are taken whole, by the ids of their parts.
    pub files: Vec<String>,
    /// The hunks, likewise.
    pub hunks: Vec<String>,
}

/// What stands for the prompt of a composition: of which attempts of which turn it is.
pub fn composition_title(turn: NonZeroU32, attempts: &[NonZeroU32]) -> String {
    let numbers: Vec<String> = attempts.iter().map(ToString::to_string).collect();
    match &numbers[..] {
        [one] => format!("Parts of attempt {one} of turn {turn}"),
        [first @ .., last] if !first.is_empty() => {
            format!(
                "Parts of attempts {} and {last} of turn {turn}",
                first.join(", ")
            )
        }
        _ => format!("Parts of turn {turn}"),
    }
}

/// The title of a task: the first line of its prompt that has text, without control characters,
/// at most 80 characters.
pub fn title(prompt: &str) -> String {
    const CHARS: usize = 80;
    let line = prompt
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("");
    let clean: String = line.chars().filter(|c| !c.is_control()).collect();
    if clean.chars().count() <= CHARS {
        return clean;
    }
    let mut short: String = clean.chars().take(CHARS - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::{composition_title, title};

    #[test]
    fn a_composition_says_what_it_is_of() {
        let number = |number| NonZeroU32::new(number).expect("not 0");
        let of = |attempts: &[u32]| {
            let attempts: Vec<_> = attempts.iter().copied().map(number).collect();
            composition_title(number(2), &attempts)
        };
        assert_eq!(of(&[3]), "Parts of attempt 3 of turn 2");
        assert_eq!(of(&[1, 3]), "Parts of attempts 1 and 3 of turn 2");
        assert_eq!(of(&[1, 2, 4]), "Parts of attempts 1, 2 and 4 of turn 2");
    }

    #[test]
    fn a_title_is_one_clean_short_line() {
        assert_eq!(title("\n  fix the\tbug \nand more"), "fix thebug");
        assert_eq!(title(" \n "), "");
        assert_eq!(title(&"x".repeat(100)).chars().count(), 80);
    }
}
