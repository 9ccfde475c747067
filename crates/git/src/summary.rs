//! What changed, file by file, as `git diff-tree --raw --numstat -z` tells it.

#[cfg(target_os = "linux")]
use crate::process::GitError;

/// What git records of a file's type and permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileMode {
    Regular,
    Executable,
    Symlink,
    /// A submodule: the id of a commit elsewhere.
    Gitlink,
}

impl FileMode {
    #[cfg(target_os = "linux")]
    pub(crate) fn from_git(mode: u32) -> Option<Self> {
        match mode {
            0o100644 | 0o100664 => Some(Self::Regular),
            0o100755 => Some(Self::Executable),
            0o120000 => Some(Self::Symlink),
            0o160000 => Some(Self::Gitlink),
            _ => None,
        }
    }

    /// As git writes it: `100644`, `100755`, `120000`, `160000`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
            Self::Symlink => "120000",
            Self::Gitlink => "160000",
        }
    }
}

/// How a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    Added(FileMode),
    Deleted(FileMode),
    Modified(FileMode),
    /// Permission or type differ; the content may too.
    ModeChanged {
        from: FileMode,
        to: FileMode,
    },
    /// Moved, with or without a change of content.
    Renamed {
        from: FileMode,
        to: FileMode,
    },
}

/// One changed file. Paths are bytes, since git's are: they need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    pub path: Vec<u8>,
    pub kind: ChangeKind,
    /// Lines added and removed; none for binary content.
    pub added: Option<u64>,
    pub removed: Option<u64>,
    /// Where a renamed file was.
    pub old_path: Option<Vec<u8>>,
}

/// Splits the answer of `diff-tree -z --raw --numstat --patch` into the file list and the patch.
#[cfg(target_os = "linux")]
pub(crate) fn parse_diff(output: &[u8]) -> Result<(Vec<FileChange>, Vec<u8>), GitError> {
    let mut fields = Fields { rest: output };
    let mut files: Vec<FileChange> = Vec::new();
    let mut counted = 0;
    while let Some(field) = fields.next() {
        if field.is_empty() {
            break;
        }
        if field[0] == b':' {
            files.push(raw_record(field, &mut fields)?);
        } else {
            let file = files.get_mut(counted).ok_or_else(|| unexpected(field))?;
            count_record(field, &mut fields, file)?;
            counted += 1;
        }
    }
    if counted != files.len() {
        return Err(unexpected(b"fewer counts than files"));
    }
    Ok((files, fields.rest.to_vec()))
}

#[cfg(target_os = "linux")]
struct Fields<'a> {
    rest: &'a [u8],
}

#[cfg(target_os = "linux")]
impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|&byte| byte == 0)?;
        let field = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(field)
    }
}

#[cfg(target_os = "linux")]
fn unexpected(field: &[u8]) -> GitError {
    GitError::Unexpected {
        operation: "compare two trees",
        answer: String::from_utf8_lossy(&field[..field.len().min(200)]).into_owned(),
    }
}

/// `:100644 100755 <id> <id> R087` and then one or two paths.
#[cfg(target_os = "linux")]
fn raw_record(field: &[u8], fields: &mut Fields<'_>) -> Result<FileChange, GitError> {
    let text = std::str::from_utf8(field).map_err(|_| unexpected(field))?;
    let mut words = text.trim_start_matches(':').split(' ');
    let mut mode = || {
        u32::from_str_radix(words.next()?, 8)
            .ok()
            .and_then(FileMode::from_git)
    };
    let (old, new) = (mode(), mode());
    let letter = words.nth(2).and_then(|word| word.bytes().next());
    let first = fields.next().ok_or_else(|| unexpected(field))?.to_vec();
    let (kind, path, old_path) = match (letter, old, new) {
        (Some(b'A'), None, Some(mode)) => (ChangeKind::Added(mode), first, None),
        (Some(b'D'), Some(mode), None) => (ChangeKind::Deleted(mode), first, None),
        (Some(b'M' | b'T'), Some(from), Some(to)) if from == to => {
            (ChangeKind::Modified(to), first, None)
        }
        (Some(b'M' | b'T'), Some(from), Some(to)) => {
            (ChangeKind::ModeChanged { from, to }, first, None)
        }
        (Some(b'R'), Some(from), Some(to)) => {
            let second = fields.next().ok_or_else(|| unexpected(field))?.to_vec();
            (ChangeKind::Renamed { from, to }, second, Some(first))
        }
        _ => return Err(unexpected(field)),
    };
    Ok(FileChange {
        path,
        kind,
        added: None,
        removed: None,
        old_path,
    })
}

/// `<added>TAB<removed>TAB<path>`, or for a rename an empty path and then two fields.
#[cfg(target_os = "linux")]
fn count_record(
    field: &[u8],
    fields: &mut Fields<'_>,
    file: &mut FileChange,
) -> Result<(), GitError> {
    let mut parts = field.splitn(3, |&byte| byte == b'\t');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse().ok();
    file.added = number();
    file.removed = number();
    let path = parts.next().ok_or_else(|| unexpected(field))?;
    let path = if path.is_empty() {
        fields.next().ok_or_else(|| unexpected(field))?;
        fields.next().ok_or_else(|| unexpected(field))?
    } else {
        path
    };
    if path != file.path {
        return Err(unexpected(field));
    }
    Ok(())
}
