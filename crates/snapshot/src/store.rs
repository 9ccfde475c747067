//! The state together with the disk and with what happens in the background.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::background::Background;
use crate::cache::CacheConfig;
use crate::history::{self, Use};
use crate::lease::Lease;
use crate::meta::Meta;
use crate::place::{CacheError, Directory, Place, children, sync_directory};
use crate::reason::{GivenUp, MissReason};
use crate::recipe::{Key, Recipe};
use crate::state::{Doomed, Entry, EntryId, State};

pub(crate) struct Store {
    pub(crate) config: CacheConfig,
    pub(crate) directory: Directory,
    pub(crate) background: Background,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    #[cfg(test)]
    pub(crate) failure_points: crate::failure_point::FailurePoints,
}

impl Store {
    /// Reads what is there. Blocks on the disk; needs a runtime.
    pub(crate) fn open(config: CacheConfig) -> Result<Arc<Self>, CacheError> {
        let directory = Directory::open(&config.root)?;
        let background = Background::start(config.root.clone(), config.sync_after);
        let (scopes, uses) = history::read_all(&directory.scopes());
        let mut state = State::new(scopes, config.max_bytes);
        for path in children(&directory.building()) {
            background.remove(directory.discard(&path));
        }
        for path in children(&directory.trash()) {
            background.remove(path);
        }
        for place in enter_all(&mut state, &directory, &config.boot_id, &uses) {
            background.remove(directory.discard(place.path()));
        }
        for (_, entry) in state.named() {
            if !entry.place.synced().exists() {
                background.sync(entry.place.clone());
            }
        }
        let store = Arc::new(Self {
            config,
            directory,
            background,
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            #[cfg(test)]
            failure_points: crate::failure_point::FailurePoints::default(),
        });
        store.expire();
        let doomed = store.state().fit();
        store.remove(doomed);
        Ok(store)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves each entry as it was before or after its step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        (self.config.now)()
    }

    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The snapshot of that key, or why there is none.
    pub(crate) fn find(self: &Arc<Self>, recipe: &Recipe, key: &Key) -> Result<Lease, MissReason> {
        let now = self.now();
        let mut state = self.state();
        let found = state.find(key);
        if let Some(id) = found.filter(|id| !self.is_old(&state.get(*id).meta, now)) {
            return Ok(self.lease(&mut state, id, now));
        }
        let doomed = match found {
            Some(id) => state.give_up(id, &self.expired()),
            None => Doomed::default(),
        };
        let reason = state.miss(recipe, key);
        drop(state);
        self.settle(doomed, recipe.scope());
        Err(reason)
    }

    /// Takes in what was just built and lies at `place`. Without a name it is only its builder's.
    pub(crate) fn adopt(self: &Arc<Self>, place: Place, meta: Meta, is_named: bool) -> Lease {
        self.expire();
        let now = self.now();
        let scope = meta.recipe.scope().to_owned();
        let mut state = self.state();
        state.built(&meta);
        let uses = Use {
            hits: 0,
            last_used_at: now,
        };
        let id = state.insert(Entry::new(Arc::new(meta), place.clone(), uses));
        let lease = self.lease(&mut state, id, now);
        let doomed = if is_named {
            state.name(id);
            self.background.sync(place);
            state.make_room(Some(id))
        } else {
            Doomed::default()
        };
        drop(state);
        self.settle(doomed, &scope);
        lease
    }

    /// One more use of what `lease` is for.
    pub(crate) fn another(self: &Arc<Self>, lease: &Lease) -> Lease {
        let now = self.now();
        self.lease(&mut self.state(), lease.id(), now)
    }

    /// Counts that `lease` was given to somebody who did not build it.
    pub(crate) fn hit(&self, lease: &Lease) {
        let mut state = self.state();
        state.hit(lease.id());
        self.save(&state, lease.recipe().scope());
        drop(state);
        self.tell();
    }

    pub(crate) fn release(&self, id: EntryId, scope: &str) {
        let now = self.now();
        let doomed = self.state().release(id, now);
        self.settle(doomed, scope);
    }

    pub(crate) fn report_broken(&self, lease: &Lease, what: &str) {
        let doomed = self.state().give_up(lease.id(), &GivenUp::broken(what));
        self.settle(doomed, lease.recipe().scope());
    }

    /// Gives up everything that is too old.
    pub(crate) fn expire(&self) {
        let now = self.now();
        let is_old = |meta: &Meta| self.is_old(meta, now);
        let doomed = self.state().give_up_where(is_old, &self.expired());
        self.remove(doomed);
    }

    /// Gives up what `is_chosen` says; the names do not come back, whatever happens to the machine.
    pub(crate) fn reset(&self, is_chosen: impl Fn(&Meta) -> bool) -> (u64, u64) {
        let doomed = self.state().give_up_where(is_chosen, &GivenUp::Reset);
        let (given_up, size_bytes) = (doomed.given_up, doomed.size_bytes);
        let mut touched = vec![self.directory.snapshots()];
        touched.extend(doomed.in_use.iter().map(|place| place.path().to_owned()));
        self.remove(doomed);
        for path in touched {
            if let Err(error) = sync_directory(&path) {
                // Gone meanwhile, or the disk fails.
                tracing::debug!(path = %path.display(), %error, "a directory cannot be synced");
            }
        }
        (given_up, size_bytes)
    }

    /// After a change to `scope`, which may have cost snapshots their names.
    fn settle(&self, mut doomed: Doomed, scope: &str) {
        doomed.scopes.insert(scope.to_owned());
        self.remove(doomed);
    }

    /// Removes what is to be removed, writes down why, and tells whoever listens.
    pub(crate) fn remove(&self, doomed: Doomed) {
        for place in &doomed.places {
            self.background.remove(self.directory.discard(place.path()));
        }
        let state = self.state();
        for scope in &doomed.scopes {
            self.save(&state, scope);
        }
        drop(state);
        self.tell();
    }

    /// In the order of the changes: the caller holds the lock.
    fn save(&self, state: &State, scope: &str) {
        if let Some(known) = state.scopes.get(scope) {
            let uses = state.uses(scope);
            let save = history::save(&self.directory.scopes(), scope, known, uses);
            self.background.save(save);
        }
    }

    pub(crate) fn tell(&self) {
        self.changed.send_modify(|revision| *revision += 1);
    }

    fn lease(self: &Arc<Self>, state: &mut State, id: EntryId, now: i64) -> Lease {
        state.take(id, now);
        let entry = state.get(id);
        Lease::new(
            Arc::clone(self),
            id,
            Arc::clone(&entry.meta),
            entry.place.clone(),
        )
    }

    /// A clock that was put back must not keep a snapshot for ever, so one from the future is old too.
    fn is_old(&self, meta: &Meta, now: i64) -> bool {
        let age = Duration::from_millis(now.abs_diff(meta.built_at));
        age > self.config.ttl
    }

    fn expired(&self) -> GivenUp {
        let ttl = self.config.ttl.as_millis();
        GivenUp::Expired {
            ttl_ms: u64::try_from(ttl).unwrap_or(u64::MAX),
        }
    }
}

/// Enters what is on the disk and returns what cannot be used. Of two with one key, the newer stays.
fn enter_all(
    state: &mut State,
    directory: &Directory,
    boot_id: &str,
    uses: &BTreeMap<String, Use>,
) -> Vec<Place> {
    let (mut found, mut doomed) = (Vec::new(), Vec::new());
    for place in children(&directory.snapshots()).into_iter().map(Place::new) {
        match read(&place, boot_id) {
            Ok(meta) => found.push((place, meta)),
            Err(what) => {
                if let Some(key) = place.key() {
                    state.lose(key, what);
                }
                doomed.push(place);
            }
        }
    }
    found.sort_by_key(|(_, meta)| std::cmp::Reverse(meta.built_at));
    for (place, meta) in found {
        if state.find(&meta.key).is_some() {
            doomed.push(place);
            continue;
        }
        let unused = Use {
            hits: 0,
            last_used_at: meta.built_at,
        };
        let uses = uses.get(&place.name()).copied().unwrap_or(unused);
        let id = state.insert(Entry::new(Arc::new(meta), place, uses));
        state.name(id);
    }
    doomed
}

/// What is at `place`, if a snapshot can be started from it.
fn read(place: &Place, boot_id: &str) -> Result<Meta, String> {
    let meta = Meta::read(place)?;
    if Some(&meta.key) != place.key().as_ref() {
        return Err("its description belongs to another key".to_owned());
    }
    meta.survived(place, boot_id)?;
    meta.check(place)?;
    Ok(meta)
}
