//! The control plane and its workers on a clock and a network that a seed decides. `docs/simulation.md` says what is simulated, what
//! must hold, and how a seed is run again.
//!
//! Read in this order: [`dice`] and [`time`]; [`plan`] (what happens to a seed); [`message`]; [`cluster`] (the servers, as they
//! ship) and [`worker`]; [`observer`] (what must hold); [`simulation`] (the loop); [`mutant`] (planted bugs); [`search`] (many
//! seeds).

pub mod dice;
pub mod time;

pub mod plan;

pub mod message;

pub mod cluster;
pub mod worker;

pub mod observer;

pub mod mutant;
pub mod simulation;

pub mod search;
