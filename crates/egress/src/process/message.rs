//! What the worker and the process say to each other: one JSON document on each line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::proxy::{Decision, ProxyConfig, Totals};

/// The one line that the worker writes. It holds credentials.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// Absolute.
    pub(super) socket: PathBuf,
    pub(super) config: ProxyConfig,
}

/// A line of the process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Answer {
    Ready {
        certificate_authority: Option<String>,
    },
    /// The last.
    Failed {
        reason: String,
    },
    Decision(Box<Decision>),
    /// The last.
    Ended {
        totals: Totals,
    },
}

impl Start {
    pub(super) fn line(&self) -> String {
        line(self)
    }
}

impl Answer {
    pub(super) fn line(&self) -> String {
        line(self)
    }
}

fn line(message: &impl Serialize) -> String {
    let json = serde_json::to_string(message)
        .expect("no map with keys that are no strings, and no path that is not UTF-8");
    format!("{json}\n")
}
