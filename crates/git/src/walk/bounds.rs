//! What a walk may take: entries, time, and memory for names.

use super::{Walk, WalkError};
use crate::tree_dir::NAMES_LIMIT_BYTES;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Walk<'_> {
    pub(super) fn check_limits(&self) -> Result<(), WalkError> {
        if self.entries > self.input.limits.max_entries {
            return Err(WalkError::TooManyEntries {
                limit: self.input.limits.max_entries,
            });
        }
        if self.input.given_up.load(Ordering::Relaxed) {
            return Err(WalkError::GivenUp);
        }
        if Instant::now() > self.input.give_up_at {
            return Err(WalkError::TimedOut {
                limit_ms: self.input.limits.time.as_millis(),
            });
        }
        Ok(())
    }

    /// A patch tells the path of a new file twice. Counted here, because millions of long paths are too much for git and for memory long
    /// before there is a patch to be measured.
    pub(super) fn count_new(&mut self, path: &[u8]) -> Result<(), WalkError> {
        const LEAST_HEADER_BYTES: usize = 60;
        self.least_patch_bytes += 2 * path.len() + LEAST_HEADER_BYTES;
        if self.least_patch_bytes > self.input.limits.max_patch_bytes {
            return Err(WalkError::TooMuch {
                limit_bytes: self.input.limits.max_patch_bytes as u64,
                at: path.to_vec(),
            });
        }
        Ok(())
    }

    /// As long as a folder waits, its path takes memory: two million deep folders would take gigabytes.
    pub(super) fn count_pending(&mut self, path: &[u8]) -> Result<(), WalkError> {
        self.pending_bytes += path.len();
        if self.pending_bytes > NAMES_LIMIT_BYTES {
            return Err(WalkError::TooMuch {
                limit_bytes: NAMES_LIMIT_BYTES as u64,
                at: path.to_vec(),
            });
        }
        Ok(())
    }
}
