//! The cache as its owner uses it, on real directories, with a clock that the tests move.

mod crash;
mod finding;
mod flights;
mod leases;
mod room;
mod scene;
