//! The proxy over real sockets: a client on the unix socket, servers on loopback, which the tests list as allowed.
// The lint knows test functions, not what they call.
#![allow(clippy::unwrap_used)]

mod harness;

mod attacks;
mod clients;
mod forward;
mod inspect;
mod isolated;
mod limits;
mod tunnel;
mod upstream;
