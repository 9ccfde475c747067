//! The git directory that no sandbox sees, and the trees that a checkout is about.

mod blobs;

use crate::checkout::CheckoutError;
use crate::git_dir::empty_tree;
use crate::index::IndexEntry;
use crate::listing::Listing;
use crate::names::{CommitId, TreeId};
use crate::patch::conflicts_in;
use crate::process::{Call, Git, GitError, Input};
use crate::summary::FileMode;
use crate::tree_write::TreeWriter;
use std::io;
use std::path::{Path, PathBuf};

/// Index files in the trusted directory, one for each tree. Equal ones are links of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// The commit, and how its files look: what the agent's own index is at first.
    Commit,
    /// With the starting diff: what diffs are made against. Under the name that git takes without being told.
    Base,
    /// With the carried diff, too: what the agent finds.
    Start,
    /// The commit of the snapshot below.
    Snapshot,
    /// For trying a patch.
    Proof,
}

impl Index {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit-index",
            Self::Base => "index",
            Self::Start => "start-index",
            Self::Snapshot => "snapshot-index",
            Self::Proof => "proof-index",
        }
    }
}

/// The trusted git directory of one checkout.
#[derive(Debug, Clone)]
pub(crate) struct Trusted {
    pub(crate) git: Git,
    pub(crate) dir: PathBuf,
    pub(crate) commit: CommitId,
}

impl Trusted {
    pub(crate) fn sha256(&self) -> bool {
        self.commit.object().is_sha256()
    }

    pub(crate) fn index(&self, index: Index) -> PathBuf {
        self.dir.join(index.name())
    }

    pub(crate) fn listing(&self, index: Index) -> io::Result<Listing> {
        Listing::load(&self.index(index), self.sha256())
    }

    /// The bytes of an index; none if it has no entries.
    pub(crate) fn read(&self, index: Index) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.index(index)) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Replaces an index; others that were links of it stay as they are.
    pub(crate) fn write(&self, index: Index, content: &[u8]) -> io::Result<()> {
        let path = self.index(index);
        remove_file(&path)?;
        std::fs::write(path, content)
    }

    /// A git that sees this directory only: no working tree, so nothing of the agent's can be read by accident.
    pub(crate) fn call(&self, operation: &'static str) -> Call<'_> {
        // These objects live as long as the attempt.
        self.git
            .call(operation)
            .args(["-c", "core.fsync=none"])
            .git_dir(&self.dir)
            .env("GIT_ATTR_SOURCE", empty_tree(self.commit.object()))
    }

    /// Makes `to` the same as `from`: by a link, since git replaces an index file and never writes into one.
    pub(crate) fn link(&self, from: Index, to: Index) -> io::Result<()> {
        link(&self.index(from), &self.index(to))
    }

    /// Applies a diff to an index, and names the tree that comes out.
    pub(crate) async fn apply(&self, diff: &[u8], index: Index) -> Result<TreeId, CheckoutError> {
        const OPERATION: &str = "apply a diff to the commit";
        let call = self.call(OPERATION).args([
            "apply",
            "--cached",
            "--binary",
            "--whitespace=nowarn",
            "-p1",
            "-",
        ]);
        let call = call.env("GIT_INDEX_FILE", self.index(index));
        let output = call.input(Input::Bytes(diff)).output().await?;
        if output.code == Some(0) {
            return Ok(self.write_tree(index).await?);
        }
        let conflicts = conflicts_in(&output.stderr);
        if conflicts.is_empty() {
            return Err(GitError::Failed {
                operation: OPERATION,
                code: output.code,
                stderr: output.stderr,
            }
            .into());
        }
        Err(CheckoutError::DiffDoesNotApply {
            commit: self.commit.clone(),
            conflicts,
        })
    }

    /// Makes an index of a tree anew.
    pub(crate) async fn read_tree(&self, index: Index, tree: &str) -> Result<(), GitError> {
        const OPERATION: &str = "read a tree";
        let path = self.index(index);
        remove_file(&path).map_err(|source| GitError::Io {
            operation: OPERATION,
            source,
        })?;
        let call = self.call(OPERATION).args(["read-tree", tree]);
        call.env("GIT_INDEX_FILE", path).success().await.map(drop)
    }

    pub(crate) async fn write_tree(&self, index: Index) -> Result<TreeId, GitError> {
        let call = self
            .call("write a tree")
            .arg("write-tree")
            .env("GIT_INDEX_FILE", self.index(index));
        parse_tree(&call.success().await?.text())
    }

    /// Puts files of these entries in place. Contents come from git through a pipe, one after the other; git never sees where they go.
    pub(crate) async fn put(
        &self,
        mut writer: TreeWriter,
        entries: Vec<IndexEntry>,
    ) -> Result<TreeWriter, PutError> {
        let (links, files): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.mode == FileMode::Gitlink);
        for link in links {
            writer.folder(&link.path).map_err(PutError::Folder)?;
        }
        if files.is_empty() {
            return Ok(writer);
        }
        blobs::put(self, writer, files).await
    }
}

/// Why files could not be put in place.
#[derive(Debug)]
pub(crate) enum PutError {
    Folder(io::Error),
    Git(GitError),
}

/// Beside the runtime: it waits for the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// A second name for a file; a copy where there can be none. None if there is no file: git removes that of an index without entries.
pub(crate) fn link(from: &Path, to: &Path) -> io::Result<()> {
    remove_file(to)?;
    match std::fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => copy(from, to),
    }
}

/// A copy that can be changed. None if there is no file.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    remove_file(to)?;
    match std::fs::copy(from, to) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.map(drop),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

pub(crate) fn parse_tree(text: &str) -> Result<TreeId, GitError> {
    TreeId::parse(text.trim()).map_err(|_| GitError::Unexpected {
        operation: "name a tree",
        answer: text.chars().take(200).collect(),
    })
}
