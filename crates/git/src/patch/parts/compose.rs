//! One diff of parts of several.
//!
//! All of them are against the same base. What each says of it is true, since a diff is stored only if it applies; so what is written here
//! applies, too, unless two parts contradict each other, which is said.

use std::collections::{BTreeMap, BTreeSet};

use super::edits::{self, Clash};
use super::files::{file_id, hunk_id};
use super::header::{FileStatus, Header};
use super::{Hunk, Patch, PatchFile};

/// What is taken of a diff: files whole, and hunks of files, by the ids of [`Patch::files`].
#[derive(Debug, Clone, Copy)]
pub struct Selection<'s, 'p> {
    /// The diff.
    pub patch: &'s Patch<'p>,
    /// The ids of files.
    pub files: &'s BTreeSet<String>,
    /// The ids of hunks. A file of which a hunk is taken is also moved or given other rights as the diff says.
    pub hunks: &'s BTreeSet<String>,
}

/// Why the parts do not make a diff.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// A diff has no such part.
    #[error("diff {selection} has no part {id}")]
    Unknown {
        /// Which of the selections, from 0.
        selection: usize,
        /// What it names.
        id: String,
    },
    /// Parts cannot be taken together.
    #[error("{} parts contradict others", .0.len())]
    Contradictions(Vec<Contradiction>),
}

/// Parts that cannot be taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The file's name after the diff.
    pub path: Vec<u8>,
    /// Which parts: all of a file where no hunk is named.
    pub parts: Vec<ContradictingPart>,
    /// In a few words, to be read after the path.
    pub reason: String,
}

/// A part that contradicts another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContradictingPart {
    /// Which of the selections, from 0.
    pub selection: usize,
    /// The id of the hunk, or of the file where all of it does.
    pub id: String,
    /// The hunk's `@@` line, lossy where it is not UTF-8; empty for a file.
    pub header: String,
}

/// What is taken of a file of one diff.
struct Piece<'s, 'p> {
    selection: usize,
    file: &'s PatchFile<'p>,
    header: Header,
    /// Their numbers in the file.
    hunks: Vec<usize>,
}

impl Piece<'_, '_> {
    fn is_whole(&self) -> bool {
        self.hunks.len() == self.file.hunks.len()
    }

    fn is_same(&self, other: &Self) -> bool {
        let text = |piece: &Self| {
            let hunks = piece.hunks.iter().map(|hunk| &piece.file.hunks[*hunk]);
            hunks
                .map(|hunk| (hunk.old.start, hunk.body.clone()))
                .collect::<Vec<_>>()
        };
        self.file.header == other.file.header && text(self) == text(other)
    }

    fn part(&self) -> ContradictingPart {
        ContradictingPart {
            selection: self.selection,
            id: file_id(self.file),
            header: String::new(),
        }
    }

    fn hunk(&self, number: usize) -> ContradictingPart {
        let hunk: &Hunk<'_> = &self.file.hunks[number];
        let line = hunk.text.split(|&byte| byte == b'\n').next();
        ContradictingPart {
            selection: self.selection,
            id: hunk_id(&self.header, hunk),
            header: String::from_utf8_lossy(line.unwrap_or_default()).into_owned(),
        }
    }
}

/// One diff of all that is taken; empty when nothing is.
pub fn compose(selections: &[Selection<'_, '_>]) -> Result<Vec<u8>, ComposeError> {
    let mut groups: Vec<Vec<Piece<'_, '_>>> = Vec::new();
    let mut of_key: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for (number, selection) in selections.iter().enumerate() {
        for piece in pieces(number, selection)? {
            let next = groups.len();
            let group = *of_key.entry(piece.header.key().to_vec()).or_insert(next);
            match groups.get_mut(group) {
                Some(group) => group.push(piece),
                None => groups.push(vec![piece]),
            }
        }
    }
    let mut contradictions = around(selections, &groups);
    let mut composed = Vec::new();
    for group in &groups {
        if let Err(contradiction) = write(group, &mut composed) {
            contradictions.push(contradiction);
        }
    }
    match contradictions.is_empty() {
        true => Ok(composed),
        false => Err(ComposeError::Contradictions(contradictions)),
    }
}

fn pieces<'s, 'p>(
    number: usize,
    selection: &Selection<'s, 'p>,
) -> Result<Vec<Piece<'s, 'p>>, ComposeError> {
    let Selection {
        patch,
        files,
        hunks,
    } = *selection;
    let (mut pieces, mut found) = (Vec::new(), BTreeSet::new());
    for file in &patch.files {
        let header = Header::of(file);
        let id = file_id(file);
        let is_whole = files.contains(&id);
        let mut taken = Vec::new();
        for (number, hunk) in file.hunks.iter().enumerate() {
            let id = match hunks.is_empty() {
                true => None,
                false => Some(hunk_id(&header, hunk)).filter(|id| hunks.contains(id)),
            };
            if is_whole || id.is_some() {
                taken.push(number);
            }
            found.extend(id);
        }
        if is_whole || !taken.is_empty() {
            pieces.push(Piece {
                selection: number,
                file,
                header,
                hunks: taken,
            });
        }
        found.extend(is_whole.then_some(id));
    }
    match files.iter().chain(hunks).find(|id| !found.contains(*id)) {
        Some(id) => Err(ComposeError::Unknown {
            selection: number,
            id: id.clone(),
        }),
        None => Ok(pieces),
    }
}

/// Writes what is taken of one file of the base, or of one that it does not have.
fn write(group: &[Piece<'_, '_>], to: &mut Vec<u8>) -> Result<(), Contradiction> {
    let mut by_selection: BTreeMap<usize, Vec<&Piece<'_, '_>>> = BTreeMap::new();
    for piece in group {
        by_selection.entry(piece.selection).or_default().push(piece);
    }
    let mut distinct: Vec<Vec<&Piece<'_, '_>>> = Vec::new();
    for pieces in by_selection.into_values() {
        let is_same = |before: &Vec<&Piece<'_, '_>>| {
            before.len() == pieces.len()
                && before
                    .iter()
                    .zip(&pieces)
                    .all(|(one, other)| one.is_same(other))
        };
        if !distinct.iter().any(is_same) {
            distinct.push(pieces);
        }
    }
    let contradiction = |reason: &str| Contradiction {
        path: group[0].header.new.clone(),
        parts: distinct
            .iter()
            .flatten()
            .map(|piece| piece.part())
            .collect(),
        reason: reason.to_owned(),
    };
    if let [pieces] = &distinct[..]
        && pieces.iter().all(|piece| piece.is_whole())
    {
        for piece in pieces {
            to.extend_from_slice(piece.file.header);
            for hunk in &piece.file.hunks {
                to.extend_from_slice(hunk.text);
            }
            // A diff that was cut off must not swallow the next file.
            if to.last() != Some(&b'\n') {
                to.push(b'\n');
            }
        }
        return Ok(());
    }
    let merged: Vec<&Piece<'_, '_>> = distinct.iter().flatten().copied().collect();
    let changes = |piece: &&Piece<'_, '_>| match piece.header.status {
        FileStatus::Modified | FileStatus::Renamed => !piece.header.is_binary,
        FileStatus::Added | FileStatus::Deleted | FileStatus::Copied => false,
    };
    if !merged.iter().all(changes) {
        return Err(contradiction(match distinct.len() {
            1 => "is new, gone or copied, so it can only be taken whole",
            _ => "can only be taken from one of them: what they make of it is not the same",
        }));
    }
    let header = merged_header(&merged).map_err(contradiction)?;
    let taken = merged.iter().enumerate().flat_map(|(from, piece)| {
        let hunk = move |number: &usize| (from, *number, &piece.file.hunks[*number]);
        piece.hunks.iter().map(hunk)
    });
    let taken: Vec<edits::Taken<'_, '_>> = taken.collect();
    header.write(!taken.is_empty(), to);
    if taken.is_empty() {
        return Ok(());
    }
    edits::merge(&taken, to).map_err(|clash| {
        let Clash { one, other, lines } = clash;
        let part = |(from, number): (usize, usize)| merged[from].hunk(number);
        let (first, last) = lines;
        let lines = match first >= last {
            true => format!("line {first}"),
            false => format!("lines {first} to {last}"),
        };
        Contradiction {
            path: header.new.clone(),
            parts: vec![part(one), part(other)],
            reason: format!("both change {lines} of the base, or stand next to it"),
        }
    })
}

/// What all of them say of its name and its rights.
fn merged_header(pieces: &[&Piece<'_, '_>]) -> Result<Header, &'static str> {
    let mut merged = pieces[0].header.clone();
    for Piece { header, .. } in &pieces[1..] {
        if header.status == FileStatus::Renamed {
            if merged.status == FileStatus::Renamed && merged.new != header.new {
                return Err("is called otherwise by each of them");
            }
            merged.status = FileStatus::Renamed;
            merged.new.clone_from(&header.new);
        }
        if header.new_mode.is_some() {
            if merged.new_mode.is_some() && merged.new_mode != header.new_mode {
                return Err("is given other rights by each of them");
            }
            merged.old_mode.clone_from(&header.old_mode);
            merged.new_mode.clone_from(&header.new_mode);
        }
    }
    Ok(merged)
}

/// What contradicts between files: two of one name, or a file where a folder is.
fn around(selections: &[Selection<'_, '_>], groups: &[Vec<Piece<'_, '_>>]) -> Vec<Contradiction> {
    // What the base has, as far as the diffs say.
    let mut there: BTreeSet<Vec<u8>> = BTreeSet::new();
    for file in selections.iter().flat_map(|it| &it.patch.files) {
        let header = Header::of(file);
        if header.status != FileStatus::Added {
            there.insert(header.old);
        }
    }
    for piece in groups.iter().flatten().filter(|it| it.header.takes_away()) {
        there.remove(&piece.header.old);
    }
    let mut contradictions = Vec::new();
    let mut made: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (number, piece) in groups
        .iter()
        .enumerate()
        .flat_map(|(number, group)| group.iter().map(move |piece| (number, piece)))
    {
        if !piece.header.makes() {
            continue;
        }
        let path = &piece.header.new;
        // The same of two diffs is in one group.
        let twice = made
            .insert(path, number)
            .is_some_and(|other| other != number);
        if twice || there.contains(path) {
            contradictions.push(Contradiction {
                path: path.clone(),
                parts: vec![piece.part()],
                reason: "is made where a file is: what takes that one away is not taken, or another makes it, too".to_owned(),
            });
        }
    }
    there.extend(made.keys().map(|path| path.to_vec()));
    let above = |path: &[u8]| {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes
            .map(|(at, _)| path[..at].to_vec())
            .find(|folder| there.contains(folder))
    };
    for piece in groups.iter().flatten().filter(|it| it.header.makes()) {
        let path = &piece.header.new;
        let below = [path.as_slice(), b"/"].concat();
        let is_folder = there
            .range(below.clone()..)
            .next()
            .is_some_and(|it| it.starts_with(&below));
        if is_folder || above(path).is_some() {
            contradictions.push(Contradiction {
                path: path.clone(),
                parts: vec![piece.part()],
                reason: "is made where a folder is, or below a file".to_owned(),
            });
        }
    }
    contradictions
}
