//! Which slots attempts have. The number of slots can change while they run.

use std::collections::BTreeSet;

/// Slots by number, from 0. A number stands for host ids and sockets, so two attempts never have the same one.
#[derive(Debug)]
pub(super) struct Slots {
    limit: u32,
    taken: BTreeSet<u32>,
}

impl Slots {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            taken: BTreeSet::new(),
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// Those that are taken stay taken, also when they are more.
    pub(super) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// How many more can be taken.
    pub(super) fn free(&self) -> u32 {
        let taken = u32::try_from(self.taken.len()).unwrap_or(u32::MAX);
        self.limit.saturating_sub(taken)
    }

    /// The lowest free one.
    pub(super) fn take(&mut self) -> Option<u32> {
        if self.free() == 0 {
            return None;
        }
        let slot = (0..=self.limit).find(|slot| !self.taken.contains(slot))?;
        self.taken.insert(slot);
        Some(slot)
    }

    pub(super) fn give_back(&mut self, slot: u32) {
        self.taken.remove(&slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_slots_let_those_that_are_taken_be() {
        let mut slots = Slots::new(2);
        assert_eq!(
            (slots.take(), slots.take(), slots.take()),
            (Some(0), Some(1), None)
        );
        slots.set_limit(1);
        slots.give_back(0);
        assert_eq!((slots.free(), slots.take()), (0, None), "1 is still taken");
        slots.give_back(1);
        assert_eq!(slots.take(), Some(0));
        slots.set_limit(3);
        assert_eq!(
            (slots.take(), slots.take(), slots.take()),
            (Some(1), Some(2), None)
        );
    }
}
