//! Which open tasks are about the same files, and which of their results merge, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A task that somebody is about to submit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOverlaps {
    /// The environment's id or label.
    pub environment: String,
    /// What is to be done; the files and folders that it names count.
    pub prompt: String,
    /// Files and folders that it is about, from the repository's root, at most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 200)]
    pub paths: Vec<String>,
    /// The branch to start from; the environment's when left out. Tasks that started from another one do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// Another open task that is about the same files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Overlap {
    /// `task_…`.
    pub task_id: String,
    /// The first line of its prompt.
    pub title: String,
    /// `pending`, `running`, `needs_input`, `completed` or `failed`.
    pub status: String,
    /// Where people look at it.
    pub url: String,
    /// The first 20 of the paths that both are about.
    #[schema(max_items = 20)]
    pub paths: Vec<String>,
    /// How many there are.
    pub path_count: u64,
    /// How sure it is that it changes them.
    pub certainty: Certainty,
}

/// How sure it is that a task changes a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// It names them: as declared, or in its prompt.
    Named,
    /// It has changed at least one of them.
    Touched,
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}

/// Results that are to be merged, to see which of them conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMerges {
    /// The tasks whose results these are, 2 to 20, of the same repository: `task_…`.
    #[schema(min_items = 2, max_items = 20)]
    pub tasks: Vec<String>,
    /// The repository's name; the first of each task's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}

/// What came of merging results with each other. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Merges {
    /// The commit that they are merged into: of those that they started from that which contains the others.
    pub base: String,
    /// All the tasks, in the order in which to merge them: first those that merge, then those that conflict.
    pub order: Vec<String>,
    /// Those that merge, one after the other in this order.
    pub clean: Vec<String>,
    /// Those that conflict with what was merged before them.
    pub conflicts: Vec<MergeConflict>,
    /// How each two of them merge.
    pub pairs: Vec<MergePair>,
    /// How the order was found.
    pub method: MergeMethod,
}

/// A result that does not merge with those that do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MergeConflict {
    /// `task_…`.
    pub task_id: String,
    /// With which of `clean` it conflicts; none if it conflicts with the base.
    pub with: Vec<String>,
    /// The files that conflict, at most 100.
    #[schema(max_items = 100)]
    pub paths: Vec<String>,
}

/// How two results merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MergePair {
    /// The one that was named earlier.
    pub a: String,
    /// The other.
    pub b: String,
    /// Whether they merge.
    pub clean: bool,
    /// The files that conflict, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub paths: Vec<String>,
}

/// How an order was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MergeMethod {
    /// No larger set of them merges; for up to 8.
    Exact,
    /// Those first that conflict with the fewest others; for more than 8.
    Greedy,
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}
