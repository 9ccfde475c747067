//! The model gateway over real sockets: an agent's client on the unix socket,
//! a model endpoint on loopback.
// The lint knows test functions, not what they call.
#![allow(clippy::unwrap_used)]

mod harness;

mod access;
mod budget;
mod counting;
mod failures;
mod limits;
mod retries;
mod streaming;
