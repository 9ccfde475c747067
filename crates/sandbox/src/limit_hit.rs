//! What happens when a command reaches a limit.

use serde::{Deserialize, Serialize};

/// A limit that was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHit {
    pub kind: LimitKind,
    /// In the units of the kind.
    pub limit: u64,
    /// Name of the process that was killed for it; for a limit of processes the most frequent name, for one of the disk
    /// the name of who has written most. As processes call themselves, which may be anything: at most 15 bytes, no
    /// control characters. Where it could be found out.
    pub command: Option<String>,
    pub consequence: Consequence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Bytes.
    Memory,
    /// Processes and threads.
    Processes,
    DiskBytes,
    DiskFiles,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// What was asked for was refused; everything runs on.
    Refused,
    /// One process was killed, which may have been the command.
    ProcessKilled,
    /// Everything in the sandbox was killed.
    SandboxKilled,
}
