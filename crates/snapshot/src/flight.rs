//! Builds under way: one for each key, everyone else waits for it.

use std::collections::HashMap;

use std::sync::Arc;

use tokio::sync::watch;

use crate::builder::CommitError;
use crate::lease::Lease;
use crate::recipe::{Key, Recipe};

/// What those who wait for a build see. When the sender is gone while it runs, the builder gave up without a word.
#[derive(Clone)]
pub(crate) enum Outcome<E> {
    Running,
    Built(Lease),
    Failed(E),
    NotKept(Arc<CommitError>),
}

/// Names a flight within this process.
pub(crate) type FlightId = u64;

struct Flight<E> {
    id: FlightId,
    label: String,
    scope: String,
    outcome: watch::Receiver<Outcome<E>>,
}

pub(crate) struct Flights<E> {
    by_key: HashMap<Key, Flight<E>>,
    next_id: FlightId,
}

impl<E> Default for Flights<E> {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
            next_id: 0,
        }
    }
}

impl<E> Flights<E> {
    /// Who builds that key now, and how to wait for it.
    pub(crate) fn running(&self, key: &Key) -> Option<(String, watch::Receiver<Outcome<E>>)> {
        let flight = self.by_key.get(key)?;
        Some((flight.label.clone(), flight.outcome.clone()))
    }

    pub(crate) fn begin(
        &mut self,
        recipe: &Recipe,
        key: &Key,
        label: &str,
    ) -> (FlightId, watch::Sender<Outcome<E>>) {
        let (sender, outcome) = watch::channel(Outcome::Running);
        let id = self.next_id;
        self.next_id += 1;
        let flight = Flight {
            id,
            label: label.to_owned(),
            scope: recipe.scope().to_owned(),
            outcome,
        };
        self.by_key.insert(key.clone(), flight);
        (id, sender)
    }

    /// Whether the flight is still the one of its key, and not overtaken by a reset.
    pub(crate) fn is_current(&self, key: &Key, id: FlightId) -> bool {
        self.by_key.get(key).is_some_and(|flight| flight.id == id)
    }

    pub(crate) fn end(&mut self, key: &Key, id: FlightId) {
        if self.is_current(key, id) {
            self.by_key.remove(key);
        }
    }

    /// Nobody joins these any more, and what they build is not kept.
    pub(crate) fn reset(&mut self, is_chosen: impl Fn(&Key, &str) -> bool) {
        self.by_key
            .retain(|key, flight| !is_chosen(key, &flight.scope));
    }
}
