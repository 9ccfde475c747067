//! The right to build a snapshot, and the duty to say what came of it.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use crate::cache::Shared;
use crate::flight::{FlightId, Outcome};
use crate::lease::Lease;
use crate::meta::{Meta, PAYLOAD_BYTES};
use crate::place::{CacheError, Place, sync_directory};
use crate::reason::MissReason;
use crate::recipe::{Key, Recipe};
use crate::size::tree_bytes;

#[cfg(test)]
use crate::failure_point::FailurePoint;

/// Why a tree that was built is not kept.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// There must be at least one directory, and nothing else.
    #[error("a snapshot consists of directories, and {found}")]
    NotVolumes {
        /// What is there instead.
        found: String,
    },
    /// What the builder wants to be written down is too long.
    #[error("the description of a snapshot has {size_bytes} bytes, at most {max_bytes} are kept")]
    PayloadTooLarge {
        /// Its length as JSON.
        size_bytes: usize,
        /// The most.
        max_bytes: usize,
    },
    /// The disk does not take it.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Whoever holds this builds the snapshot; others who want it wait. Dropped without a word, what was built is removed and one of
/// those who wait builds instead.
#[must_use = "others wait for what comes of it"]
pub struct Builder<E: Clone + Send + Sync + 'static> {
    shared: Arc<Shared<E>>,
    flight: FlightId,
    outcome: watch::Sender<Outcome<E>>,
    recipe: Recipe,
    key: Key,
    label: String,
    reason: MissReason,
    data: PathBuf,
    /// Until it has become a snapshot.
    place: Option<Place>,
}

impl<E: Clone + Send + Sync + 'static> Builder<E> {
    pub(crate) fn begin(
        shared: &Arc<Shared<E>>,
        recipe: &Recipe,
        key: &Key,
        label: &str,
        reason: MissReason,
        (flight, outcome): (FlightId, watch::Sender<Outcome<E>>),
    ) -> Result<Self, CacheError> {
        let mut builder = Self {
            shared: Arc::clone(shared),
            flight,
            outcome,
            recipe: recipe.clone(),
            key: key.clone(),
            label: label.to_owned(),
            reason,
            data: PathBuf::new(),
            place: None,
        };
        let place = shared.store.directory.begin()?;
        builder.data = place.data();
        builder.place = Some(place);
        Ok(builder)
    }

    /// An empty directory in which the volumes are to be made, one directory each. What else is needed meanwhile may be there too
    /// and has to be gone before the commit. The path changes with the commit.
    pub fn dir(&self) -> &Path {
        &self.data
    }

    /// What is to be built.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What others are told who they wait for.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Why it has to be built.
    pub fn reason(&self) -> &MissReason {
        &self.reason
    }

    /// Keeps what was built. Goes through even if nobody waits for the answer any more. On an error everything is removed, and
    /// those who wait for the snapshot get the error too.
    ///
    /// The tree must have no writer and no mount any more. `payload` is for whoever starts from the snapshot.
    pub async fn commit(self, payload: Value) -> Result<Lease, Arc<CommitError>> {
        let path = self.shared.store.directory.root().to_owned();
        let done = tokio::task::spawn_blocking(move || self.commit_now(payload)).await;
        done.unwrap_or_else(|error| {
            let fault = CacheError::at(&path, std::io::Error::other(error));
            Err(Arc::new(fault.into()))
        })
    }

    /// Gives up. Those who wait for the snapshot get the same error; who asks for it later builds it again.
    pub fn fail(mut self, error: E) {
        self.end(Outcome::Failed(error));
    }

    fn commit_now(mut self, payload: Value) -> Result<Lease, Arc<CommitError>> {
        let kept = self.keep(payload).map_err(Arc::new);
        self.end(match &kept {
            Ok(lease) => Outcome::Built(lease.clone()),
            Err(error) => Outcome::NotKept(Arc::clone(error)),
        });
        kept
    }

    /// The order matters: a snapshot has its name from the moment its directory is moved, and everything is in it by then.
    fn keep(&mut self, payload: Value) -> Result<Lease, CommitError> {
        let place = self.place.clone().expect("it is taken at the end");
        let store = Arc::clone(&self.shared.store);
        #[cfg(test)]
        store.failure_points.reached(FailurePoint::Begun);
        let volumes = volumes(&place)?;
        let fault = |error| CacheError::at(place.path(), error);
        let size_bytes = tree_bytes(&place.data()).map_err(fault)?;
        #[cfg(test)]
        store.failure_points.reached(FailurePoint::Measured);
        let meta = Meta {
            key: self.key.clone(),
            recipe: self.recipe.clone(),
            built_at: store.now(),
            reason: self.reason.to_string(),
            size_bytes,
            volumes,
            boot_id: store.config.boot_id.clone(),
            payload,
        };
        write_meta(&place, &meta)?;
        #[cfg(test)]
        store.failure_points.reached(FailurePoint::MetaWritten);
        let lease = self.publish(place, meta)?;
        #[cfg(test)]
        store.failure_points.reached(FailurePoint::Adopted);
        Ok(lease)
    }

    /// In one step with whoever resets: what was reset while it was built gets no name.
    fn publish(&mut self, place: Place, meta: Meta) -> Result<Lease, CommitError> {
        let flights = self.shared.flights();
        let is_current = flights.is_current(&self.key, self.flight);
        if !is_current {
            place.unname();
        }
        let directory = &self.shared.store.directory;
        let named = directory.named(&place, &self.key);
        fs::rename(place.path(), named.path())
            .map_err(|error| CacheError::at(named.path(), error))?;
        self.place = None;
        #[cfg(test)]
        self.shared
            .store
            .failure_points
            .reached(FailurePoint::Moved);
        let lease = self.shared.store.adopt(named, meta, is_current);
        drop(flights);
        Ok(lease)
    }

    fn end(&mut self, outcome: Outcome<E>) {
        self.shared.flights().end(&self.key, self.flight);
        self.outcome.send_replace(outcome);
    }
}

impl<E: Clone + Send + Sync + 'static> Drop for Builder<E> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let store = &self.shared.store;
            store
                .background
                .remove(store.directory.discard(place.path()));
        }
        // Before the sender goes: who waits must not find this flight again.
        self.shared.flights().end(&self.key, self.flight);
    }
}

impl<E: Clone + Send + Sync + 'static> fmt::Debug for Builder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("key", &self.key)
            .field("label", &self.label)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// The names of the directories in `data/`, sorted.
fn volumes(place: &Place) -> Result<Vec<String>, CommitError> {
    let fault = |error| CacheError::at(&place.data(), error);
    let mut names = Vec::new();
    for entry in fs::read_dir(place.data()).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let is_directory = entry.file_type().map_err(fault)?.is_dir();
        let name = entry.file_name();
        match name.to_str() {
            Some(name) if is_directory => names.push(name.to_owned()),
            _ => {
                let found = format!("{} is none", name.display());
                return Err(CommitError::NotVolumes { found });
            }
        }
    }
    if names.is_empty() {
        let found = "there is none".to_owned();
        return Err(CommitError::NotVolumes { found });
    }
    names.sort();
    Ok(names)
}

fn write_meta(place: &Place, meta: &Meta) -> Result<(), CommitError> {
    let size_bytes = meta.payload.to_string().len();
    if size_bytes > PAYLOAD_BYTES {
        return Err(CommitError::PayloadTooLarge {
            size_bytes,
            max_bytes: PAYLOAD_BYTES,
        });
    }
    let text = serde_json::to_vec(meta).expect("plain data");
    let fault = |error| CacheError::at(&place.meta(), error);
    let mut file = File::create(place.meta()).map_err(fault)?;
    file.write_all(&text).map_err(fault)?;
    file.sync_all().map_err(fault)?;
    sync_directory(place.path()).map_err(fault)?;
    Ok(())
}
