//! What the lines before a file's first hunk say of it.

use super::PatchFile;
use crate::patch::quoted::{quoted, unquoted};

/// What a diff does to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileStatus {
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// It has other content, or other rights.
    Modified,
    /// It is called otherwise, perhaps also changed.
    Renamed,
    /// It is new, and a copy, perhaps changed.
    Copied,
}

/// The header of a file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Before the diff; of a new file, what it is called.
    pub(super) old: Vec<u8>,
    /// After the diff; of one that is gone, what it was called.
    pub(super) new: Vec<u8>,
    pub(super) status: FileStatus,
    pub(super) old_mode: Option<Vec<u8>>,
    /// Where it differs from the one before, or the file is new.
    pub(super) new_mode: Option<Vec<u8>>,
    pub(super) is_binary: bool,
}

impl Header {
    pub(super) fn of(file: &PatchFile<'_>) -> Self {
        let mut header = Self {
            old: file.path.clone(),
            new: file.path.clone(),
            status: FileStatus::Modified,
            old_mode: None,
            new_mode: None,
            is_binary: false,
        };
        for line in file.header.split(|&byte| byte == b'\n').skip(1) {
            if line.starts_with(b"GIT binary patch") || line.starts_with(b"Binary files ") {
                header.is_binary = true;
                break;
            }
            header.hear(line);
        }
        header
    }

    fn hear(&mut self, line: &[u8]) {
        let rest = |prefix: &str| line.strip_prefix(prefix.as_bytes());
        if let Some(mode) = rest("old mode ") {
            self.old_mode = Some(mode.to_vec());
        } else if let Some(mode) = rest("new mode ") {
            self.new_mode = Some(mode.to_vec());
        } else if let Some(mode) = rest("new file mode ") {
            self.new_mode = Some(mode.to_vec());
            self.status = FileStatus::Added;
        } else if let Some(mode) = rest("deleted file mode ") {
            self.old_mode = Some(mode.to_vec());
            self.status = FileStatus::Deleted;
        } else if let Some(path) = rest("rename from ") {
            self.old = unquoted(path);
            self.status = FileStatus::Renamed;
        } else if let Some(path) = rest("copy from ") {
            self.old = unquoted(path);
            self.status = FileStatus::Copied;
        }
    }

    /// Whether the base has a file of the old name, which is not there any more.
    pub(super) fn takes_away(&self) -> bool {
        match self.status {
            FileStatus::Deleted | FileStatus::Renamed => true,
            FileStatus::Added | FileStatus::Modified | FileStatus::Copied => false,
        }
    }

    /// Whether the base has no file of the new name.
    pub(super) fn makes(&self) -> bool {
        match self.status {
            FileStatus::Added | FileStatus::Renamed | FileStatus::Copied => true,
            FileStatus::Deleted | FileStatus::Modified => false,
        }
    }

    /// The file of the base that it is about, if it has one; else what it is called.
    pub(super) fn key(&self) -> &[u8] {
        match self.status {
            FileStatus::Added | FileStatus::Copied => &self.new,
            FileStatus::Deleted | FileStatus::Modified | FileStatus::Renamed => &self.old,
        }
    }

    /// Writes one that says the same of a file that is modified or renamed, without the hashes of its content, which `git apply` wants for binary
    /// files only.
    pub(super) fn write(&self, has_hunks: bool, to: &mut Vec<u8>) {
        let Self {
            old,
            new,
            status,
            old_mode,
            new_mode,
            is_binary: _,
        } = self;
        let (a, b) = (quoted(b"a/", old), quoted(b"b/", new));
        let mut line = |parts: &[&[u8]]| {
            parts.iter().for_each(|part| to.extend_from_slice(part));
            to.push(b'\n');
        };
        line(&[b"diff --git ", &a, b" ", &b]);
        if let (Some(old), Some(new)) = (old_mode, new_mode) {
            line(&[b"old mode ", old]);
            line(&[b"new mode ", new]);
        }
        if *status == FileStatus::Renamed {
            line(&[b"rename from ", &quoted(b"", old)]);
            line(&[b"rename to ", &quoted(b"", new)]);
        }
        if has_hunks {
            // As git ends a name with a blank in it.
            let end: fn(&[u8]) -> &[u8] = |name| match name.contains(&b' ') && name[0] != b'"' {
                true => b"\t",
                false => b"",
            };
            line(&[b"--- ", &a, end(&a)]);
            line(&[b"+++ ", &b, end(&b)]);
        }
    }
}
