//! Images from a real registry, from one that misbehaves, and from files; as root and as an ordinary user.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod build;
mod fake;
mod harness;
mod registry;

mod concurrency;
mod crash;
mod disk;
mod faults;
mod files;
mod login;
mod overlay;
mod pulling;
mod user;
