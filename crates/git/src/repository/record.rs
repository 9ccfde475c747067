//! What was applied, kept so that it can be taken back: files in the repository's own git directory, the newest twenty.
//!
//! A record is a patch as it was made to the files, below a few lines of its own, which `git apply` skips: a person can take it back
//! with git alone.

use super::apply::ApplyError;
use super::{Repository, path_from};
use crate::process::{GitError, Input};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FOLDER: &str = "outwork/applied";
const KEPT: usize = 20;
const LABEL: &[u8] = b"Outwork-Applied: ";
const INDEX: &[u8] = b"Outwork-Index: ";

pub(super) struct Record {
    /// One line.
    pub label: String,
    pub patch: Vec<u8>,
    /// What the index said of the touched paths before, where applying changed that: `git ls-files --stage -z`.
    pub index: Option<Vec<u8>>,
}

/// What files were, by git's own account.
pub(super) struct Before {
    pub index: Vec<u8>,
    tree: String,
}

pub(super) fn forget(place: &Path) {
    // If it stays, taking it back is refused, since it does not fit.
    let _ = fs::remove_file(place);
}

impl Repository {
    /// Stores a record, and tells where.
    pub(super) async fn keep(&self, record: &Record) -> Result<PathBuf, ApplyError> {
        let folder = self.git_path(FOLDER).await?;
        let store = || -> io::Result<PathBuf> {
            fs::create_dir_all(&folder)?;
            let numbers = numbers(&folder)?;
            let next = numbers.last().map_or(1, |last| last + 1);
            let place = place(&folder, next);
            let file = tempfile::NamedTempFile::new_in(&folder)?;
            fs::write(file.path(), record.text())?;
            file.persist_noclobber(&place)?;
            for old in numbers.iter().rev().skip(KEPT - 1) {
                forget(&self::place(&folder, *old));
            }
            Ok(place)
        };
        store().map_err(|source| {
            GitError::Io {
                operation: "keep what is applied, to take it back",
                source,
            }
            .into()
        })
    }

    pub(super) async fn newest_record(
        &self,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<Option<(Record, PathBuf)>, ApplyError> {
        let folder = self.git_path(FOLDER).await?;
        let io = |source| GitError::Io {
            operation: "read what was applied",
            source,
        };
        for number in numbers(&folder).map_err(io)?.into_iter().rev() {
            let place = place(&folder, number);
            let record = Record::read(&fs::read(&place).map_err(io)?);
            if let Some(record) = record.filter(|record| is_meant(&record.label)) {
                return Ok(Some((record, place)));
            }
        }
        Ok(None)
    }

    /// What the index and the files are at these paths.
    pub(super) async fn tracked(&self, paths: &[Vec<u8>]) -> Result<Before, GitError> {
        let listed = self
            .call("read the index")
            .args(["ls-files", "--stage", "-z"])
            .success()
            .await?
            .stdout;
        let entries = listed.split_inclusive(|&byte| byte == 0);
        // `mode id stage<tab>path`
        let is_touched = |entry: &&[u8]| {
            let path = entry.splitn(2, |&byte| byte == b'\t').nth(1);
            path.and_then(|path| path.strip_suffix(b"\0"))
                .is_some_and(|path| paths.iter().any(|touched| touched == path))
        };
        let index = entries.filter(is_touched).flatten().copied().collect();
        let tree = self.tree_of(paths).await?;
        Ok(Before { index, tree })
    }

    /// A patch from what the files were to what they are.
    pub(super) async fn changed_since(
        &self,
        before: &Before,
        paths: &[Vec<u8>],
    ) -> Result<Vec<u8>, GitError> {
        let now = self.tree_of(paths).await?;
        let diff = self.call("compute what was applied").args([
            "diff-tree",
            "-r",
            "-p",
            "--binary",
            "--full-index",
            "--no-renames",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            &before.tree,
            &now,
        ]);
        Ok(diff.success().await?.stdout)
    }

    /// A tree of just these files as they are on disk.
    async fn tree_of(&self, paths: &[Vec<u8>]) -> Result<String, GitError> {
        let io = |source| GitError::Io {
            operation: "prepare an index",
            source,
        };
        let scratch = tempfile::tempdir().map_err(io)?;
        let index = scratch.path().join("index");
        let mut present = Vec::new();
        for path in paths {
            let file = self.top_level().join(path_from(path));
            let is_file = |file: fs::Metadata| file.is_file() || file.is_symlink();
            if file.symlink_metadata().is_ok_and(is_file) {
                present.extend_from_slice(path);
                present.push(0);
            }
        }
        self.call("look at the files")
            .env("GIT_INDEX_FILE", &index)
            .args(["update-index", "--add", "-z", "--stdin"])
            .input(Input::Bytes(&present))
            .success()
            .await?;
        let tree = self
            .call("look at the files")
            .env("GIT_INDEX_FILE", &index)
            .arg("write-tree")
            .success()
            .await?;
        Ok(tree.text().trim().to_owned())
    }

    /// Makes the index say of these paths what it said.
    pub(super) async fn put_into_index(
        &self,
        entries: &[u8],
        paths: &[Vec<u8>],
    ) -> Result<(), GitError> {
        let mut named = paths.join(&0);
        named.push(0);
        self.call("put the index back")
            .args(["update-index", "--force-remove", "-z", "--stdin"])
            .input(Input::Bytes(&named))
            .success()
            .await?;
        self.call("put the index back")
            .args(["update-index", "-z", "--index-info"])
            .input(Input::Bytes(entries))
            .success()
            .await?;
        Ok(())
    }
}

impl Record {
    fn text(&self) -> Vec<u8> {
        let mut text = LABEL.to_vec();
        text.extend(self.label.bytes().map(|byte| match byte {
            b'\n' | b'\r' => b' ',
            byte => byte,
        }));
        text.push(b'\n');
        if let Some(index) = &self.index {
            text.extend_from_slice(INDEX);
            text.extend_from_slice(STANDARD.encode(index).as_bytes());
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend_from_slice(&self.patch);
        text
    }

    /// `None` if it is none of ours.
    fn read(text: &[u8]) -> Option<Self> {
        let end = text.windows(2).position(|window| window == b"\n\n")?;
        let mut lines = text[..end].split(|&byte| byte == b'\n');
        let label = lines.next()?.strip_prefix(LABEL)?;
        let index = match lines.next() {
            None => None,
            Some(line) => Some(STANDARD.decode(line.strip_prefix(INDEX)?).ok()?),
        };
        Some(Self {
            label: String::from_utf8_lossy(label).into_owned(),
            patch: text[end + 2..].to_vec(),
            index,
        })
    }
}

/// Of the records, oldest first; none where nothing was ever applied.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers: Vec<u64> = entries
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_suffix(".patch")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn place(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:06}.patch"))
}
