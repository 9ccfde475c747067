//! New ids and other random values.

use std::sync::Arc;

use uuid::{Builder, Uuid};

use crate::config::{Clock, Random};

/// Makes UUIDs of version 7 from the server's clock and randomness.
#[derive(Clone)]
pub(crate) struct Ids {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Ids {
    pub(crate) fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random }
    }

    pub(crate) fn uuid(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
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
