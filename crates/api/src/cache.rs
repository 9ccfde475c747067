//! Cached snapshots of environments on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// The snapshots of the workspace, on all its workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cache {
    /// The newest first.
    pub snapshots: Vec<Snapshot>,
    /// How often each environment's snapshots were found.
    pub environments: Vec<CacheUse>,
}

/// A snapshot: the file tree after setup, on one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// Its key, hexadecimal.
    pub key: String,
    /// The environment.
    pub environment_id: String,
    /// The environment's label now.
    pub environment_label: String,
    /// The worker that keeps it.
    pub worker: String,
    /// What people call the worker.
    pub worker_name: String,
    /// Why it was built: the first, expired, or which part of the key had changed.
    pub reason: String,
    /// When it was built.
    pub built_at: Time,
    /// When an attempt last started from it.
    pub last_used_at: Time,
    /// What it takes on the worker's disk, in bytes.
    pub size_bytes: u64,
    /// How many attempts started from it without building it.
    pub hits: u64,
    /// How many attempts use it now.
    pub in_use: u32,
}

/// How often an environment's snapshots were found, since each worker's directory was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheUse {
    /// The environment.
    pub environment_id: String,
    /// The environment's label now.
    pub environment_label: String,
    /// Attempts that found a snapshot.
    pub hits: u64,
    /// Snapshots that had to be built.
    pub builds: u64,
}

/// Which snapshots to reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetCache {
    /// The id or label of the environment; all of the workspace when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// What was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheReset {
    /// How many snapshots nobody will start from any more.
    pub snapshots: u64,
    /// What they take, in bytes; freed as soon as nobody uses them.
    pub size_bytes: u64,
}
