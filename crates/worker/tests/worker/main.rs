//! The worker against a server in memory; everything else is real: git, sandboxes, processes, files.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../../fixture/fake_api.rs"]
mod fake_api;
mod scene;

mod agents;
mod asking;
mod bases;
mod ends;
mod follow_ups;
mod leases;
mod limits;
mod models;
mod network;
mod orders;
mod repositories;
mod results;
mod secrets;
mod snapshots;
mod verification;
