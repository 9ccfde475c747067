//! Checkouts of a mirror, made again with a new copy if this one is damaged.

use super::{Mirror, MirrorError};
use crate::checkout::{Checkout, CheckoutError, CheckoutRequest, ReadOnlyBind};
use crate::layered::{LayeredCheckout, LayeredRequest};
use crate::names::{CommitId, CommitRef};
use crate::process::Git;
use crate::snapshot::SnapshotCheckout;
use std::path::Path;

impl Mirror {
    /// Makes a working tree of a commit that [`Mirror::ensure_commit`] gave. If the copy turns out to be damaged it is made anew, once.
    pub async fn checkout(
        &self,
        commit: &CommitId,
        request: &CheckoutRequest,
    ) -> Result<Checkout, CheckoutError> {
        let first = Checkout::make(&self.git, self, commit, request).await;
        let Err(CheckoutError::Damaged { .. }) = &first else {
            return first;
        };
        self.make_anew(commit).await?;
        Checkout::make(&self.git, self, commit, request).await
    }

    /// Lays a commit that [`Mirror::ensure_commit`] gave over a snapshot's checkout: writes only what differs. If the commit and the branch are
    /// the snapshot's and there are no diffs, no git is started and no tree is walked. If the copy turns out to be damaged it is made anew,
    /// once.
    ///
    /// # Errors
    /// As [`CheckoutError`] says; the place in the upper directory and the trusted git directory are removed then.
    pub async fn checkout_over(
        &self,
        commit: &CommitId,
        snapshot: &SnapshotCheckout,
        request: &LayeredRequest<'_>,
    ) -> Result<LayeredCheckout, CheckoutError> {
        let first = LayeredCheckout::make(self, commit, snapshot, request).await;
        let Err(CheckoutError::Damaged { .. }) = &first else {
            return first;
        };
        self.make_anew(commit).await?;
        LayeredCheckout::make(self, commit, snapshot, request).await
    }

    async fn make_anew(&self, commit: &CommitId) -> Result<(), MirrorError> {
        tracing::warn!(url = %self.url, "mirror is damaged, making it anew");
        let lock = self.lock().await?;
        self.make().await?;
        drop(lock);
        self.ensure_commit(&CommitRef::Full(commit.clone())).await?;
        Ok(())
    }

    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    pub(crate) fn bind(&self, inside: &Path) -> ReadOnlyBind {
        ReadOnlyBind {
            host: self.objects_dir(),
            inside: inside.to_owned(),
        }
    }
}
