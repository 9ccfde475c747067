//! Applying diffs to a whole working tree, and taking one of it.

use super::folders::give;
use super::{Checkout, CheckoutError, folder_error, in_tree};
use crate::diff::{Diff, DiffError};
use crate::names::TreeId;
use crate::notes::Notes;
use crate::patch::conflicts_in;
use crate::place::Place;
use crate::process::{GitError, Input};
use crate::tree_dir::TreeRoot;
use crate::trees::Trees;
use crate::trusted::{Index, copy};
use crate::walk::DiffLimits;
use std::io;

impl Checkout {
    /// The tree that diffs are made against: the commit's, with the starting diff applied.
    pub fn base_tree(&self) -> &TreeId {
        &self.trees.base
    }

    /// Applies the user's own uncommitted changes: they become part of the base, so the agent's diff will not repeat them. Before the agent
    /// starts, and before [`Checkout::apply_carried_diff`]. An empty diff is fine.
    pub async fn apply_starting_diff(&mut self, diff: &[u8]) -> Result<(), CheckoutError> {
        if diff.is_empty() {
            return Ok(());
        }
        self.apply(diff, Index::Base).await?;
        let tree = self.trees.trusted.write_tree(Index::Base).await?;
        let linked = self.trees.trusted.link(Index::Base, Index::Start);
        linked
            .and_then(|()| self.begin_at(tree.clone(), tree))
            .map_err(|source| folder_error(&self.directory, source))
    }

    /// Applies the diff of an earlier turn to the working tree only: it will be part of this turn's diff too. Before the agent starts. An empty
    /// diff is fine.
    pub async fn apply_carried_diff(&mut self, diff: &[u8]) -> Result<(), CheckoutError> {
        if diff.is_empty() {
            return Ok(());
        }
        let trusted = &self.trees.trusted;
        copy(&trusted.index(Index::Base), &trusted.index(Index::Start))
            .map_err(|source| folder_error(&self.directory, source))?;
        self.apply(diff, Index::Start).await?;
        let tree = self.trees.trusted.write_tree(Index::Start).await?;
        self.begin_at(self.trees.base.clone(), tree)
            .map_err(|source| folder_error(&self.directory, source))
    }

    async fn apply(&self, diff: &[u8], index: Index) -> Result<(), CheckoutError> {
        let trusted = &self.trees.trusted;
        let call = in_tree(
            &trusted.git,
            "apply a diff to the working tree",
            &trusted.dir,
            &self.directory,
            &trusted.commit,
        );
        let call = call
            .args([
                "apply",
                "--index",
                "--binary",
                "--whitespace=nowarn",
                "-p1",
                "-",
            ])
            .env("GIT_INDEX_FILE", trusted.index(index));
        let output = call.input(Input::Bytes(diff)).output().await?;
        if output.code == Some(0) {
            return Ok(());
        }
        let conflicts = conflicts_in(&output.stderr);
        if conflicts.is_empty() {
            return Err(GitError::Failed {
                operation: "apply a diff to the working tree",
                code: output.code,
                stderr: output.stderr,
            }
            .into());
        }
        Err(CheckoutError::DiffDoesNotApply {
            commit: trusted.commit.clone(),
            conflicts,
        })
    }

    fn begin_at(&mut self, base: TreeId, start: TreeId) -> io::Result<()> {
        if let Some(owner) = self.owner {
            give(&self.directory, owner)?;
        }
        let trusted = self.trees.trusted.clone();
        let listing = trusted.listing(Index::Start)?;
        let paths = listing.entries().iter().map(|entry| entry.path.as_slice());
        let notes = Notes::take(&TreeRoot::open(&self.directory)?, paths)?;
        self.trees = Trees::new(trusted, base, start, notes);
        Ok(())
    }

    /// Compares the checkout with its base. May be called any number of times, also while the agent runs (a checkpoint).
    pub async fn diff(&self, limits: &DiffLimits) -> Result<Diff, DiffError> {
        let whole = Place::new(&self.directory, "");
        self.trees.diff(&whole, &whole, limits).await
    }
}
