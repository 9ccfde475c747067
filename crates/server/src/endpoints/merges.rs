//! Merges: which results conflict with each other.

pub(crate) mod merge;
mod order;
mod subject;

/// How many requests may try merges at once; each starts one git after the other.
pub(crate) const AT_ONCE: usize = 4;
