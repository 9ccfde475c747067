//! New ids and other random values.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::{Builder, Uuid};

use crate::config::{Clock, Random};

/// Makes UUIDs of version 7 from the server's clock and randomness. Each is greater than the one before, also within a millisecond and when
/// the clock goes back, so that lists show what one server made in the order in which it made it.
pub(crate) struct Ids {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    last: Mutex<u128>,
}

impl Ids {
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            clock,
            random,
            last: Mutex::new(0),
        }
    }

    pub(crate) fn uuid(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        // Asked for once: that is a system call.
        let (fresh, step): ([u8; 10], [u8; 4]) = split(self.bytes::<14>());
        let fresh = Builder::from_unix_timestamp_millis(millis, &fresh)
            .into_uuid()
            .as_u128();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A step of at most 32 bits stays within the 62 random bits at the end, but for one case in a billion, which is a valid id too.
        *last = fresh.max(*last + 1 + u128::from(u32::from_le_bytes(step)));
        Uuid::from_u128(*last)
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    /// A number from `from` to `from + width - 1`.
    pub(crate) fn jitter(&self, from: u64, width: u64) -> u64 {
        from + u64::from_le_bytes(self.bytes()) % width.max(1)
    }
}

fn split<const N: usize, const A: usize, const B: usize>(all: [u8; N]) -> ([u8; A], [u8; B]) {
    (
        std::array::from_fn(|at| all[at]),
        std::array::from_fn(|at| all[A + at]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use outwork_domain::Timestamp;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_795_186_420_000)
        }
    }

    struct Worst;

    impl Random for Worst {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn ids_rise_within_a_millisecond() {
        let ids = Ids::new(Arc::new(Still), Arc::new(Worst));
        let made: Vec<Uuid> = (0..100).map(|_| ids.uuid()).collect();
        assert!(made.is_sorted_by(|one, next| one < next));
        assert!(made.iter().all(|id| id.get_version_num() == 7));
    }
}
