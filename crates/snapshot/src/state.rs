//! What is known of the snapshots: which have a name, who uses them, which one goes first. Pure but for the name itself, which
//! is taken away on the disk in the same step.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::history::{Scope, Use};
use crate::meta::Meta;
use crate::place::Place;
use crate::reason::{GivenUp, MissReason};
use crate::recipe::{Key, Recipe};

/// Names a snapshot within this process: its key may have been given to a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId(u64);

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) meta: Arc<Meta>,
    pub(crate) place: Place,
    pub(crate) leases: u32,
    pub(crate) hits: u64,
    /// Milliseconds since the epoch.
    pub(crate) last_used_at: i64,
    /// The order of uses within this process, where the clock does not tell.
    turn: u64,
}

impl Entry {
    pub(crate) fn new(meta: Arc<Meta>, place: Place, uses: Use) -> Self {
        let Use { hits, last_used_at } = uses;
        Self {
            meta,
            place,
            leases: 0,
            hits,
            last_used_at,
            turn: 0,
        }
    }
}

/// Snapshots that nobody uses and that are to be removed from the disk.
#[must_use]
#[derive(Debug, Default)]
pub(crate) struct Doomed {
    pub(crate) places: Vec<Place>,
    /// How many lost their name, in use or not.
    pub(crate) given_up: u64,
    /// What those take, in bytes.
    pub(crate) size_bytes: u64,
    /// Those of them that are still in use.
    pub(crate) in_use: Vec<Place>,
    /// Whose they were.
    pub(crate) scopes: BTreeSet<String>,
}

impl Doomed {
    fn extend(&mut self, other: Self) {
        let Self {
            places,
            given_up,
            size_bytes,
            in_use,
            scopes,
        } = other;
        self.places.extend(places);
        self.given_up += given_up;
        self.size_bytes += size_bytes;
        self.in_use.extend(in_use);
        self.scopes.extend(scopes);
    }
}

#[derive(Debug)]
pub(crate) struct State {
    entries: BTreeMap<EntryId, Entry>,
    named: HashMap<Key, EntryId>,
    pub(crate) scopes: BTreeMap<String, Scope>,
    /// Snapshots that were found unusable when nothing was known of their scope.
    lost: HashMap<Key, String>,
    max_bytes: u64,
    next_id: u64,
    next_turn: u64,
}

impl State {
    pub(crate) fn new(scopes: BTreeMap<String, Scope>, max_bytes: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            named: HashMap::new(),
            scopes,
            lost: HashMap::new(),
            max_bytes,
            next_id: 0,
            next_turn: 0,
        }
    }

    pub(crate) fn get(&self, id: EntryId) -> &Entry {
        self.entries.get(&id).expect("a lease keeps its entry")
    }

    pub(crate) fn find(&self, key: &Key) -> Option<EntryId> {
        self.named.get(key).copied()
    }

    /// Every snapshot that has a name.
    pub(crate) fn named(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        self.entries
            .iter()
            .filter(|(id, entry)| self.named.get(&entry.meta.key) == Some(*id))
            .map(|(id, entry)| (*id, entry))
    }

    pub(crate) fn insert(&mut self, entry: Entry) -> EntryId {
        let id = EntryId(self.next_id);
        self.next_id += 1;
        self.entries.insert(id, entry);
        id
    }

    pub(crate) fn name(&mut self, id: EntryId) {
        let key = self.get(id).meta.key.clone();
        self.named.insert(key, id);
    }

    pub(crate) fn lose(&mut self, key: Key, what: String) {
        self.lost.insert(key, what);
    }

    pub(crate) fn scope(&mut self, name: &str) -> &mut Scope {
        self.scopes.entry(name.to_owned()).or_default()
    }

    /// Notes that somebody uses the snapshot from now on.
    pub(crate) fn take(&mut self, id: EntryId, now: i64) {
        self.touch(id, now);
        self.entry(id).leases += 1;
    }

    /// Counts a use that needed no build.
    pub(crate) fn hit(&mut self, id: EntryId) -> u64 {
        let entry = self.entry(id);
        entry.hits += 1;
        let (hits, scope) = (entry.hits, entry.meta.recipe.scope().to_owned());
        self.scope(&scope).hits += 1;
        hits
    }

    /// Notes that a user is gone.
    pub(crate) fn release(&mut self, id: EntryId, now: i64) -> Doomed {
        self.touch(id, now);
        let entry = self.entry(id);
        entry.leases -= 1;
        if entry.leases > 0 {
            return Doomed::default();
        }
        let (key, size_bytes) = (entry.meta.key.clone(), entry.meta.size_bytes);
        let mut doomed = Doomed::default();
        if self.find(&key) != Some(id) {
            doomed.places.extend(self.forget(id));
        } else if let Some(why) = self.too_large(size_bytes) {
            doomed = self.give_up(id, &why);
        }
        doomed.extend(self.make_room(None));
        doomed
    }

    /// Why a snapshot of that size goes as soon as nobody uses it.
    pub(crate) fn too_large(&self, size_bytes: u64) -> Option<GivenUp> {
        let max_bytes = self.max_bytes;
        (size_bytes > max_bytes).then_some(GivenUp::TooLarge {
            size_bytes,
            max_bytes,
        })
    }

    /// Takes the snapshot's name away; whoever uses it goes on.
    pub(crate) fn give_up(&mut self, id: EntryId, why: &GivenUp) -> Doomed {
        let entry = self.get(id);
        let (meta, place) = (Arc::clone(&entry.meta), entry.place.clone());
        let is_used = entry.leases > 0;
        if self.find(&meta.key) != Some(id) {
            return Doomed::default();
        }
        place.unname();
        self.named.remove(&meta.key);
        self.scope(meta.recipe.scope())
            .note_given_up(&meta.key, why);
        let mut doomed = Doomed {
            given_up: 1,
            size_bytes: meta.size_bytes,
            scopes: BTreeSet::from([meta.recipe.scope().to_owned()]),
            ..Doomed::default()
        };
        if is_used {
            doomed.in_use.push(place);
        } else {
            doomed.places.extend(self.forget(id));
        }
        doomed
    }

    pub(crate) fn give_up_where(
        &mut self,
        is_chosen: impl Fn(&Meta) -> bool,
        why: &GivenUp,
    ) -> Doomed {
        let chosen: Vec<EntryId> = self
            .named()
            .filter(|(_, entry)| is_chosen(&entry.meta))
            .map(|(id, _)| id)
            .collect();
        let mut doomed = Doomed::default();
        for id in chosen {
            doomed.extend(self.give_up(id, why));
        }
        doomed
    }

    /// Gives up what was used least recently until all fit; never what is in use, nor `kept`.
    pub(crate) fn make_room(&mut self, kept: Option<EntryId>) -> Doomed {
        let max_bytes = self.max_bytes;
        // One that is larger than all may be goes anyway: nothing else has to make room for it.
        let total: u64 = self
            .entries
            .values()
            .map(|entry| entry.meta.size_bytes)
            .filter(|size_bytes| *size_bytes <= max_bytes)
            .sum();
        self.evict(total.saturating_sub(max_bytes), kept)
    }

    /// Gives up what does not fit, when nothing is in use yet: the limit may be another than last time.
    pub(crate) fn fit(&mut self) -> Doomed {
        let sizes = self.named().map(|(id, entry)| (id, entry.meta.size_bytes));
        let too_large: Vec<_> = sizes
            .filter_map(|(id, size_bytes)| Some((id, self.too_large(size_bytes)?)))
            .collect();
        let mut doomed = Doomed::default();
        for (id, why) in too_large {
            doomed.extend(self.give_up(id, &why));
        }
        doomed.extend(self.make_room(None));
        doomed
    }

    /// Gives up what was used least recently until `wanted_bytes` are free, or nothing is left that may go.
    pub(crate) fn evict(&mut self, wanted_bytes: u64, kept: Option<EntryId>) -> Doomed {
        let mut idle: Vec<_> = self
            .named()
            .filter(|(id, entry)| entry.leases == 0 && Some(*id) != kept)
            .map(|(id, entry)| (entry.last_used_at, entry.turn, id))
            .collect();
        idle.sort_unstable();
        let mut doomed = Doomed::default();
        for (_, _, id) in idle {
            if doomed.size_bytes >= wanted_bytes {
                break;
            }
            doomed.extend(self.give_up(id, &GivenUp::Evicted));
        }
        doomed
    }

    /// Why there is nothing for `recipe`.
    pub(crate) fn miss(&self, recipe: &Recipe, key: &Key) -> MissReason {
        let scope = self.scopes.get(recipe.scope());
        if let Some(why) = scope.and_then(|scope| scope.given_up(key)) {
            return MissReason::GivenUp(why.clone());
        }
        if let Some(what) = self.lost.get(key) {
            return MissReason::GivenUp(GivenUp::broken(what));
        }
        let Some(last) = scope.and_then(|scope| scope.recipe.as_ref()) else {
            return MissReason::FirstTime;
        };
        let changes = recipe.difference(last);
        if changes.is_empty() {
            return MissReason::GivenUp(GivenUp::broken("it is gone"));
        }
        MissReason::changed(changes)
    }

    /// A new snapshot was built.
    pub(crate) fn built(&mut self, meta: &Meta) {
        self.lost.remove(&meta.key);
        let scope = self.scope(meta.recipe.scope());
        scope.builds += 1;
        scope.recipe = Some(meta.recipe.clone());
        scope.forget_given_up(&meta.key);
    }

    /// How the snapshots of a scope were used, by the names of their directories.
    pub(crate) fn uses(&self, scope: &str) -> BTreeMap<String, Use> {
        self.named()
            .filter(|(_, entry)| entry.meta.recipe.scope() == scope)
            .map(|(_, entry)| {
                let uses = Use {
                    hits: entry.hits,
                    last_used_at: entry.last_used_at,
                };
                (entry.place.name(), uses)
            })
            .collect()
    }

    fn entry(&mut self, id: EntryId) -> &mut Entry {
        self.entries.get_mut(&id).expect("a lease keeps its entry")
    }

    fn touch(&mut self, id: EntryId, now: i64) {
        let turn = self.next_turn;
        self.next_turn += 1;
        let entry = self.entry(id);
        entry.last_used_at = entry.last_used_at.max(now);
        entry.turn = turn;
    }

    fn forget(&mut self, id: EntryId) -> Option<Place> {
        self.entries.remove(&id).map(|entry| entry.place)
    }
}
