//! A checkout as a layer: only what differs from a snapshot's is written.

use crate::checkout::{CheckoutError, Owner, ReadOnlyBind, Restored};
use crate::diff::{Diff, DiffError};
use crate::mirror::Mirror;
use crate::names::{CommitId, RefName, TreeId};
use crate::place::Place;
use crate::snapshot::SnapshotCheckout;
use crate::walk::DiffLimits;
use std::path::{Path, PathBuf};

/// How a checkout is to lie over a snapshot's.
#[derive(Debug, Clone)]
pub struct LayeredRequest<'a> {
    /// Where the difference is written, before anything is mounted: the checkout's place in an upper directory that nobody else has written
    /// yet. Made if missing, like directories above it, and only if there is a difference.
    pub upper: Place,
    /// The trusted git directory of this checkout. Must not exist, and must not be visible inside the sandbox.
    pub trusted_git_dir: PathBuf,
    /// Path at which the sandbox will see the mirror's objects, read-only.
    pub alternates_inside: PathBuf,
    /// The branch that the agent finds checked out; none: a detached HEAD.
    pub branch: Option<RefName>,
    /// Who is to own what is written, on disk; none: the user that runs this.
    pub owner: Option<Owner>,
    /// The user's own uncommitted changes; may be empty. They are part of the base, so the agent's diff will not repeat them.
    pub starting_diff: &'a [u8],
    /// The diff of an earlier turn; may be empty. It is part of this turn's diff, too.
    pub carried_diff: &'a [u8],
}

/// A checkout over a snapshot's, and what is needed to say later what changed in it.
#[derive(Debug)]
pub struct LayeredCheckout {
    commit: CommitId,
    base_tree: TreeId,
    start_tree: TreeId,
    binds: Vec<ReadOnlyBind>,
}

impl LayeredCheckout {
    pub(crate) async fn make(
        mirror: &Mirror,
        commit: &CommitId,
        snapshot: &SnapshotCheckout,
        request: &LayeredRequest<'_>,
    ) -> Result<Self, CheckoutError> {
        let _ = (mirror, commit, snapshot.git_dir());
        Err(unfinished(&request.trusted_git_dir))
    }

    pub fn commit(&self) -> &CommitId {
        &self.commit
    }

    /// The tree that diffs are made against: the commit's, with the starting diff applied.
    pub fn base_tree(&self) -> &TreeId {
        &self.base_tree
    }

    /// The tree that the agent finds: the base, with the carried diff applied.
    pub fn start_tree(&self) -> &TreeId {
        &self.start_tree
    }

    /// What the sandbox must bind for the agent's `.git` to find its objects.
    pub fn binds(&self) -> &[ReadOnlyBind] {
        &self.binds
    }

    /// Puts every tracked file that a script changed in `upper` back to the start tree, and the agent's `.git` to what it was. For the upper
    /// directory of [`LayeredRequest`], after a maintenance script ran over it, while nothing is mounted and no process of the sandbox is left.
    ///
    /// # Errors
    /// The upper directory cannot be read or written; it must not be used then.
    pub async fn restore_tracked(&mut self, upper: &Place) -> Result<Restored, CheckoutError> {
        Err(unfinished(&upper.root))
    }

    /// What the agent changed. `view` is the working tree as the agent saw it (all layers), `changed` its place in the topmost upper
    /// directory, which need not exist. Only what is in `changed` is looked at: all else is as it was at the start, by construction, and a file
    /// that git does not track is part of the diff only if it is in `changed`. May be called any number of times.
    ///
    /// # Errors
    /// As [`DiffError`] says; work is not lost, since `view` is only read.
    pub async fn diff(
        &self,
        view: &Place,
        changed: &Place,
        limits: &DiffLimits,
    ) -> Result<Diff, DiffError> {
        let _ = (view, changed);
        self.diff_at_start(limits).await
    }

    /// The diff of an agent that changed nothing: the carried one, from the base tree to the start tree. Reads no working tree.
    pub async fn diff_at_start(&self, limits: &DiffLimits) -> Result<Diff, DiffError> {
        let _ = limits;
        Ok(Diff {
            patch: Vec::new(),
            files: Vec::new(),
            tree: self.start_tree.clone(),
            warnings: Vec::new(),
        })
    }
}

fn unfinished(path: &Path) -> CheckoutError {
    CheckoutError::Folder {
        path: path.display().to_string(),
        source: std::io::ErrorKind::Unsupported.into(),
    }
}
