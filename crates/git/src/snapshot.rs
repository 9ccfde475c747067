//! A checkout that is part of a kept snapshot: what a later start over it has to know.

use crate::checkout::Origin;
use crate::names::{CommitId, RefName, TreeId};
use crate::trusted::Index;
use crate::url::RepoUrl;
use rustix::fs::Timespec;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "outwork snapshot 1";
const NOTE: &str = "snapshot";
const REFS: &str = "snapshot-refs";
const UNTRACKED: &str = "snapshot-untracked";

/// The trusted git directory of a checkout that [`Checkout::seal`](crate::Checkout::seal) made ready to be kept. Nothing is written to it any
/// more; it may be moved together with the snapshot before it is opened, and the mirror may have been made anew.
#[derive(Debug, Clone)]
pub struct SnapshotCheckout {
    pub(crate) git_dir: PathBuf,
    pub(crate) commit: CommitId,
    pub(crate) tree: TreeId,
    /// When it is read from disk: without the references, which only a checkout of another branch needs.
    pub(crate) origin: Origin,
    /// Size of the index file; 0 if there is none, which is so without files.
    pub(crate) index_bytes: u64,
    /// By the clock of its file system: whatever a script made there is not younger.
    pub(crate) sealed_at: Timespec,
}

/// Folders of the commit in which something lies that git does not track, by their paths; of a submodule, that it is not empty.
#[derive(Debug, Default)]
pub(crate) struct Untracked(BTreeSet<Vec<u8>>);

impl Untracked {
    pub(crate) fn add(&mut self, folder: Vec<u8>) {
        self.0.insert(folder);
    }

    /// Whether something lies in this folder or in one below it.
    pub(crate) fn at_or_below(&self, folder: &[u8]) -> bool {
        let below = [folder, b"/"].concat();
        self.0.contains(folder)
            || self
                .0
                .range(below.clone()..)
                .next()
                .is_some_and(|path| path.starts_with(&below))
    }
}

impl SnapshotCheckout {
    /// Reads what was noted when the checkout was sealed: one small file.
    ///
    /// # Errors
    /// The directory is not what `seal` left, or of another version of this program: the snapshot cannot be used.
    pub fn open(git_dir: &Path) -> io::Result<Self> {
        let text = std::fs::read(git_dir.join(NOTE))?;
        parse(git_dir, &text).ok_or_else(|| {
            let fault = "what was noted of the snapshot's checkout makes no sense";
            io::Error::new(io::ErrorKind::InvalidData, fault)
        })
    }

    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The commit whose files lie in the snapshot.
    pub fn commit(&self) -> &CommitId {
        &self.commit
    }

    pub fn tree(&self) -> &TreeId {
        &self.tree
    }

    /// The index of the commit, looked at so far that a lost or cut one is told.
    pub(crate) fn index(&self) -> io::Result<PathBuf> {
        let path = self.git_dir.join(Index::Commit.name());
        let found = match std::fs::symlink_metadata(&path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => 0,
            found => found?.len(),
        };
        if found == self.index_bytes {
            return Ok(path);
        }
        let fault = format!("its index has {found} bytes, not {}", self.index_bytes);
        Err(io::Error::new(io::ErrorKind::InvalidData, fault))
    }

    pub(crate) fn refs(&self) -> io::Result<String> {
        std::fs::read_to_string(self.git_dir.join(REFS))
    }

    pub(crate) fn untracked(&self) -> io::Result<Untracked> {
        let text = std::fs::read(self.git_dir.join(UNTRACKED))?;
        let paths = text
            .split(|&byte| byte == 0)
            .filter(|path| !path.is_empty());
        Ok(Untracked(paths.map(<[u8]>::to_vec).collect()))
    }

    /// Notes a checkout in its trusted git directory. The file that is read first is written last.
    pub(crate) fn write(&self, untracked: &Untracked) -> io::Result<()> {
        let Self {
            git_dir,
            commit,
            tree,
            origin,
            index_bytes,
            sealed_at,
        } = self;
        let Origin {
            url,
            branch,
            alternates_inside,
            refs,
        } = origin;
        let mut paths = Vec::new();
        for path in &untracked.0 {
            paths.extend_from_slice(path);
            paths.push(0);
        }
        std::fs::write(git_dir.join(UNTRACKED), paths)?;
        std::fs::write(git_dir.join(REFS), refs)?;
        let Timespec { tv_sec, tv_nsec } = sealed_at;
        let (url, branch) = (url.as_str(), branch.as_ref().map_or("", RefName::as_str));
        let lines = [
            FIRST_LINE,
            commit.as_str(),
            tree.as_str(),
            &index_bytes.to_string(),
            &tv_sec.to_string(),
            &tv_nsec.to_string(),
            branch,
            url,
            "",
        ];
        let mut note = lines.join("\n").into_bytes();
        note.extend_from_slice(alternates_inside.as_os_str().as_bytes());
        std::fs::write(git_dir.join(NOTE), note)
    }
}

fn parse(git_dir: &Path, text: &[u8]) -> Option<SnapshotCheckout> {
    // The last is a path, which may hold anything.
    let mut lines = text.splitn(9, |&byte| byte == b'\n');
    let mut line = || std::str::from_utf8(lines.next()?).ok();
    if line()? != FIRST_LINE {
        return None;
    }
    let commit = CommitId::parse(line()?).ok()?;
    let tree = TreeId::parse(line()?).ok()?;
    let index_bytes = line()?.parse().ok()?;
    let sealed_at = Timespec {
        tv_sec: line()?.parse().ok()?,
        tv_nsec: line()?.parse().ok()?,
    };
    let branch = match line()? {
        "" => None,
        name => Some(RefName::parse(name).ok()?),
    };
    let url = RepoUrl::parse(line()?).ok()?;
    Some(SnapshotCheckout {
        git_dir: git_dir.to_owned(),
        commit,
        tree,
        origin: Origin {
            url,
            branch,
            alternates_inside: PathBuf::from(OsStr::from_bytes(lines.next()?)),
            refs: String::new(),
        },
        index_bytes,
        sealed_at,
    })
}
