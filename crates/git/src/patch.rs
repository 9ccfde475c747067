//! What `git apply` says when a patch does not fit, and the parts of a patch.

pub(crate) mod parts;
pub(crate) mod quoted;
pub(crate) mod touched;

use std::fmt;

/// One reason why a patch does not apply, from git's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Lossy where it is not UTF-8; empty when git names no file.
    pub path: String,
    pub reason: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

/// The reasons with which the messages of `git apply` end, after `<path>: `.
const REASONS: [&str; 10] = [
    "patch does not apply",
    "already exists in working directory",
    "already exists in index",
    "does not exist in index",
    "does not match index",
    "No such file or directory",
    "wrong type",
    "is not a directory",
    "Not a directory",
    "Permission denied",
];

/// The conflicts in the standard error of `git apply`, in its order, each once.
pub(crate) fn conflicts_in(stderr: &str) -> Vec<Conflict> {
    let mut conflicts: Vec<Conflict> = Vec::new();
    for line in stderr.lines() {
        let Some(text) = line
            .strip_prefix("error: ")
            .or_else(|| line.strip_prefix("fatal: "))
        else {
            continue;
        };
        // "patch failed: file:12" comes before "file: patch does not apply", which says the same.
        let is_said_again = text.starts_with("patch failed: ")
            // Of a binary file.
            || text.ends_with("which does not match the current contents.");
        if is_said_again {
            continue;
        }
        let split = REASONS.iter().find_map(|reason| {
            let path = text.strip_suffix(reason)?.strip_suffix(": ")?;
            Some(Conflict {
                path: path.to_owned(),
                reason: (*reason).to_owned(),
            })
        });
        let conflict = split.unwrap_or_else(|| Conflict {
            path: String::new(),
            reason: text.to_owned(),
        });
        if !conflicts.contains(&conflict) {
            conflicts.push(conflict);
        }
    }
    conflicts
}

pub(crate) fn list(conflicts: &[Conflict]) -> String {
    let lines: Vec<String> = conflicts.iter().take(20).map(Conflict::to_string).collect();
    lines.join("; ")
}
