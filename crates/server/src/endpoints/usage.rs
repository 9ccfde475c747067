//! What attempts used and cost.

pub(crate) mod get;
mod sum;
