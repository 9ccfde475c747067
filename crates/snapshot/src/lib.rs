//! # outwork-snapshot: file trees that are made once and used by many
//!
//! A snapshot is a directory tree that took long to make: what a setup script installed. It is found by a key that follows from
//! everything it was made from, is never written to again, and goes away when it is old, when the disk is needed, or when
//! somebody wants a new one. Tasks, sandboxes and mounts are unknown here.
//!
//! * [`Recipe`]: what a snapshot is made from; its [`Key`]; what is different from another, in words.
//! * [`Cache`]: one directory of snapshots. [`Cache::acquire`] gives a [`Lease`] to an existing one, or a [`Builder`] to the
//!   first of those who want it; the others wait for it and get what it gets, its error too.
//! * [`Lease`]: as long as it lives, the tree stays where it is. Taking a snapshot's name away never touches a tree in use.
//! * [`MissReason`]: why something had to be built.
//! * [`scan`]: finds secrets in a tree, in the forms in which they are usually written.
//! * [`remove_tree`], [`tree_bytes`]: for trees that somebody else wrote.
//!
//! ```text
//! root/
//!   snapshots/<key>.<random>/   meta.json   its name: without it, nobody finds the tree
//!                               data/       the volumes
//!                               synced      exists once all of it is on the disk
//!   building/<random>/          not finished: swept at the next start
//!   trash/                      being removed
//!   scopes/                     counts, and what was built last, for each scope
//! ```
//!
//! A commit writes `meta.json`, syncs it, and moves the directory: that is its moment. The tree itself is not waited for, because
//! syncing gigabytes takes longer than most setups. Until it is known to be on the disk, the snapshot counts only in the same
//! boot of the machine. So whatever ends the process, at any instruction, a snapshot is there whole or not at all.

mod recipe;

mod reason;

mod flight;
mod history;
mod meta;
mod state;

mod background;
mod place;
mod size;
mod walk;

mod store;

mod builder;
mod cache;
mod lease;

pub mod scan;

#[cfg(test)]
mod failure_point;
#[cfg(test)]
mod tests;

pub use builder::{Builder, CommitError};
pub use cache::{
    AcquireError, Acquired, Cache, CacheConfig, Clock, Counters, Removed, SnapshotInfo, boot_id,
};
pub use lease::Lease;
pub use outwork_remove::remove_tree;
pub use place::CacheError;
pub use reason::{GivenUp, MissReason};
pub use recipe::{Change, How, InvalidKey, Key, Part, Recipe};
pub use size::tree_bytes;
