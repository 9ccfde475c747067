//! A diff in parts that can be taken one by one, and what is made of parts of several.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The parts of a diff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffParts {
    /// Its files, in the diff's order.
    pub files: Vec<DiffFile>,
}

/// A file of a diff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffFile {
    /// A hash of all that the diff says of the file: the same in two attempts of a task that do the same to it.
    pub id: String,
    /// What it is called after the diff; before it, where it is deleted. Lossy where that is not UTF-8.
    pub path: String,
    /// What it was called, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_path: Option<String>,
    /// `added`, `deleted`, `modified`, `renamed` or `copied`.
    pub status: String,
    /// Lines added.
    pub additions: u64,
    /// Lines taken away.
    pub deletions: u64,
    /// Whether its content is not text; then it has no hunks and is taken whole.
    pub binary: bool,
    /// Its hunks. A file without any is empty, binary, or only moved or given other rights.
    pub hunks: Vec<DiffHunk>,
}

/// A hunk of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffHunk {
    /// A hash of the file's names, of where the hunk begins before the diff, and of its lines: the same in two attempts of a task that do the same.
    pub id: String,
    /// Its `@@` line.
    pub header: String,
    /// Its first line before the diff, from 1; the line before it, where it has none there.
    pub old_start: u64,
    /// How many lines it has before the diff.
    pub old_lines: u64,
    /// Its first line after the diff, likewise.
    pub new_start: u64,
    /// How many lines it has after the diff.
    pub new_lines: u64,
}

/// Parts of attempts, to be made one result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComposition {
    /// The turn whose attempts are meant; the newest when left out. It has to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub turn: Option<u32>,
    /// What is taken, 1 to 64 times an attempt and a repository.
    #[schema(min_items = 1, max_items = 64)]
    pub parts: Vec<PartsOfAttempt>,
    /// Whether the environment's verification runs on it, if it has one; `true` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// Answer with the diff that it would start as (`text/x-diff`; of several repositories one after the other), and make nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What is taken of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartsOfAttempt {
    /// Its number within the turn.
    #[schema(minimum = 1)]
    pub attempt: u32,
    /// The repository's name; the environment's first when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The ids of files that are taken whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The ids of hunks. A file of which one is taken is also moved or given other rights as the attempt did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hunks: Vec<String>,
}

/// What a composition took of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComposedFrom {
    /// The number of the attempt's turn.
    pub turn: u32,
    /// The attempt's number within it.
    pub attempt: u32,
    /// The repository's name; absent for the environment's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The ids of the files taken whole.
    pub files: Vec<String>,
    /// The ids of the hunks.
    pub hunks: Vec<String>,
}
