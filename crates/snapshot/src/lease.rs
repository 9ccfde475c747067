//! The right to use a snapshot's tree.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::meta::Meta;
use crate::place::Place;
use crate::reason::GivenUp;
use crate::recipe::{Key, Recipe};
use crate::state::EntryId;
use crate::store::Store;

/// As long as one of its clones lives, the tree stays where it is, whatever becomes of the snapshot's name. Nobody may write to
/// the tree.
#[derive(Clone)]
pub struct Lease(Arc<Guard>);

struct Guard {
    store: Arc<Store>,
    id: EntryId,
    meta: Arc<Meta>,
    place: Place,
    data: PathBuf,
}

impl Lease {
    /// The entry's count has been raised.
    pub(crate) fn new(store: Arc<Store>, id: EntryId, meta: Arc<Meta>, place: Place) -> Self {
        let data = place.data();
        Self(Arc::new(Guard {
            store,
            id,
            meta,
            place,
            data,
        }))
    }

    /// The directory that holds the volumes, one directory each.
    pub fn dir(&self) -> &Path {
        &self.0.data
    }

    /// The names of the volumes, sorted.
    pub fn volumes(&self) -> &[String] {
        &self.0.meta.volumes
    }

    /// What the builder wrote down.
    pub fn payload(&self) -> &Value {
        &self.0.meta.payload
    }

    /// The snapshot's key.
    pub fn key(&self) -> &Key {
        &self.0.meta.key
    }

    /// What it was made from.
    pub fn recipe(&self) -> &Recipe {
        &self.0.meta.recipe
    }

    /// When it was built, in milliseconds since the epoch.
    pub fn built_at(&self) -> i64 {
        self.0.meta.built_at
    }

    /// How long ago that was; zero if the clock was put back.
    pub fn age(&self) -> Duration {
        let age_ms = self.0.store.now().saturating_sub(self.built_at());
        Duration::from_millis(u64::try_from(age_ms).unwrap_or(0))
    }

    /// Why it was built, for people.
    pub fn reason_built(&self) -> &str {
        &self.0.meta.reason
    }

    /// What the tree takes on the disk, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.0.meta.size_bytes
    }

    /// How often it was found by somebody who did not build it, so far.
    pub fn hits(&self) -> u64 {
        self.0.store.state().get(self.0.id).hits
    }

    /// Why nobody else will find it once those who have it are done: it was reset, is too large to be kept, or is broken. The
    /// builder of one that is too large should warn about it.
    pub fn given_up(&self) -> Option<GivenUp> {
        let state = self.0.store.state();
        if state.find(self.key()) == Some(self.0.id) {
            return state.too_large(self.size_bytes());
        }
        let scope = state.scopes.get(self.recipe().scope());
        let why = scope.and_then(|scope| scope.given_up(self.key()));
        Some(why.cloned().unwrap_or(GivenUp::Reset))
    }

    /// Says that the tree cannot be used: nobody finds it any more, and the next to ask for it builds it anew.
    pub fn report_broken(&self, what: &str) {
        self.0.store.report_broken(self, what);
    }

    /// Whether the snapshot is what its description says, as far as can be told at once.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.0.meta.check(&self.0.place)
    }

    pub(crate) fn id(&self) -> EntryId {
        self.0.id
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.store.release(self.id, self.meta.recipe.scope());
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("key", self.key())
            .field("dir", &self.0.data)
            .finish_non_exhaustive()
    }
}
