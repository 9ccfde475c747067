//! The files of a diff and their hunks, each with an id that says what it changes: the same change has the same id in every diff against the
//! same base.

use sha2::{Digest, Sha256};

use super::header::{FileStatus, Header};
use super::{Hunk, Patch, PatchFile};

/// A file of a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePart<'a> {
    /// 32 hexadecimal digits: a hash of all that the diff says of the file.
    pub id: String,
    /// After the diff; of one that is gone, what it was called. Bytes, since git's paths need not be UTF-8.
    pub path: Vec<u8>,
    /// What it was called, where that differs.
    pub old_path: Option<Vec<u8>>,
    /// What is done to it.
    pub status: FileStatus,
    /// Lines added.
    pub additions: u64,
    /// Lines taken away.
    pub deletions: u64,
    /// Whether its content is not text, and so has no hunks.
    pub is_binary: bool,
    /// In the diff's order.
    pub hunks: Vec<HunkPart<'a>>,
}

/// A hunk of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HunkPart<'a> {
    /// 32 hexadecimal digits: a hash of the file's names, where the hunk begins before the diff, and its lines.
    pub id: String,
    /// Its `@@` line, without its end.
    pub header: &'a [u8],
    /// Where it begins before the diff, from 1, and how many lines it has there.
    pub old: (u64, u64),
    /// The same after the diff.
    pub new: (u64, u64),
}

impl Patch<'_> {
    /// All files with their hunks, in the diff's order.
    pub fn files(&self) -> Vec<FilePart<'_>> {
        self.files.iter().map(part).collect()
    }
}

fn part<'a>(file: &'a PatchFile<'_>) -> FilePart<'a> {
    let header = Header::of(file);
    let hunks = file.hunks.iter().map(|hunk| HunkPart {
        id: hunk_id(&header, hunk),
        header: first_line(hunk.text),
        old: (hunk.old.start, hunk.old.count),
        new: (hunk.new.start, hunk.new.count),
    });
    let lines = |sign: u8| {
        let bodies = file.hunks.iter().flat_map(|hunk| &hunk.body);
        bodies.filter(|line| line.first() == Some(&sign)).count() as u64
    };
    FilePart {
        id: file_id(file),
        hunks: hunks.collect(),
        additions: lines(b'+'),
        deletions: lines(b'-'),
        status: header.status,
        is_binary: header.is_binary,
        old_path: (header.old != header.new).then_some(header.old),
        path: header.new,
    }
}

fn first_line(text: &[u8]) -> &[u8] {
    let line = text.split(|&byte| byte == b'\n').next();
    line.unwrap_or_default()
}

pub(super) fn file_id(file: &PatchFile<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(b"file\0");
    hash.update(file.header);
    for hunk in &file.hunks {
        hash.update(hunk.text);
    }
    digits(hash)
}

pub(super) fn hunk_id(header: &Header, hunk: &Hunk<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(b"hunk\0");
    for name in [&header.old, &header.new] {
        // A name has no NUL in it, so that no two names read as others.
        hash.update(name);
        hash.update(b"\0");
    }
    hash.update(hunk.old.start.to_be_bytes());
    for line in &hunk.body {
        hash.update(line);
    }
    digits(hash)
}

fn digits(hash: Sha256) -> String {
    let digest = hash.finalize();
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
