//! Checkouts over a snapshot: what is written, what the agent finds, and what of its work is seen.

mod start;
mod steps;
mod touched;
