//! A diff in parts that can be taken one by one: its files, their hunks, and the changes within a hunk.
//!
//! Whether a part applies, `git apply` decides. Here a diff is only read, and a smaller one written that means the same for
//! what was chosen.

mod choose;
mod compose;
mod edits;
mod files;
mod header;
pub(crate) mod lines;
pub(in crate::patch) mod read;

pub use compose::{ComposeError, ContradictingPart, Contradiction, Selection, compose};
pub use files::{FilePart, HunkPart};
pub use header::FileStatus;

use crate::wildmatch::wildmatch;

/// For all paths of one diff.
const PATTERN_STEPS: usize = 10_000_000;

/// The text is not what `git diff` writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the diff is not what `git diff` writes there")]
pub struct MalformedPatch {
    /// From 1.
    pub line: usize,
}

/// A diff, read.
#[derive(Debug)]
pub struct Patch<'p> {
    files: Vec<PatchFile<'p>>,
}

#[derive(Debug)]
struct PatchFile<'p> {
    path: Vec<u8>,
    /// What comes before its first hunk; all of it where there is none.
    header: &'p [u8],
    hunks: Vec<Hunk<'p>>,
}

#[derive(Debug)]
struct Hunk<'p> {
    old: Lines,
    new: Lines,
    /// What stands after the second `@@`, with its line's end.
    heading: &'p [u8],
    /// Without the line that begins with `@@`.
    body: Vec<&'p [u8]>,
    text: &'p [u8],
}

/// As in a hunk's first line: where they begin, from 1, and how many there are.
#[derive(Debug, Clone, Copy)]
pub(in crate::patch) struct Lines {
    pub(in crate::patch) start: u64,
    pub(in crate::patch) count: u64,
}

/// What can be taken or left: a hunk; or a file without hunks, which is empty, binary, or only moved or given other rights.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// From 1, through the whole diff.
    pub number: u32,
    /// Of the file after the diff (before it, where it is deleted); bytes, since git's paths need not be UTF-8.
    pub path: &'a [u8],
    /// What the diff says of the file before its first hunk.
    pub header: &'a [u8],
    /// The text of the hunk, with its `@@` line.
    pub hunk: Option<&'a [u8]>,
    /// How many changes it has that can be taken one by one; 1 without a hunk.
    pub changes: usize,
}

/// What is taken of a [`Part`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    All,
    Nothing,
    /// Of each change of the hunk, in order, whether it is taken.
    Changes(Vec<bool>),
}

impl Patch<'_> {
    /// All parts, in the diff's order.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let each = self.files.iter().flat_map(|file| {
            let whole = file.hunks.is_empty().then_some((file, None));
            let hunks = file.hunks.iter().map(move |hunk| (file, Some(hunk)));
            whole.into_iter().chain(hunks)
        });
        (1..)
            .zip(each)
            .map(|(number, (file, hunk))| Part {
                number,
                path: &file.path,
                header: file.header,
                hunk: hunk.map(|hunk| hunk.text),
                changes: hunk.map_or(1, |hunk| hunk.changes().len()),
            })
            .collect()
    }

    /// A diff of what is chosen: one choice for each of [`Patch::parts`]; what has none is left out. A file of which something is
    /// taken is also moved, made or given other rights as the diff says.
    pub fn chosen(&self, choices: &[Choice]) -> Vec<u8> {
        let mut choices = choices.iter();
        let mut chosen = Vec::new();
        for file in &self.files {
            let number = file.hunks.len().max(1);
            let of_file: Vec<&Choice> = choices.by_ref().take(number).collect();
            if file.hunks.is_empty() {
                if matches!(of_file.first(), Some(Choice::All)) {
                    chosen.extend_from_slice(file.header);
                }
                continue;
            }
            let mut hunks = Vec::new();
            // By how many lines what is left out would have moved the rest.
            let mut moved = 0;
            for (hunk, choice) in file.hunks.iter().zip(of_file) {
                moved += hunk.write(choice, moved, &mut hunks);
            }
            if !hunks.is_empty() {
                chosen.extend_from_slice(file.header);
                chosen.extend_from_slice(&hunks);
            }
        }
        chosen
    }
}

impl Part<'_> {
    /// Whether the path is that file, lies in that folder, or fits that pattern (`*` stops at a slash, `**` does not).
    pub fn is_at(&self, pattern: &[u8]) -> bool {
        is_at(self.path, pattern)
    }
}

/// Whether a path is that file, lies in that folder, or fits that pattern (`*` stops at a slash, `**` does not).
pub fn is_at(path: &[u8], pattern: &[u8]) -> bool {
    let pattern = pattern.strip_prefix(b"./").unwrap_or(pattern);
    let folder = pattern.strip_suffix(b"/").unwrap_or(pattern);
    let below = path.strip_prefix(folder);
    let is_named = below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    let is_all = folder.is_empty() || folder == b".";
    is_all || is_named || wildmatch(pattern, path, true, &mut PATTERN_STEPS.clone())
}

#[cfg(test)]
mod tests;
