//! What an attempt's snapshot is: found, or built and why.

use std::time::Duration;

use crate::duration;
use crate::phrase::after_colon;
use crate::size;
use crate::terminal::plain::plain;

/// What an event says about a snapshot.
pub(super) struct Said<'a> {
    pub state: &'a str,
    pub reason: Option<&'a str>,
    pub age_seconds: Option<u64>,
    pub size_bytes: Option<u64>,
    /// How long it took, if it was being built.
    pub build_time: Option<Duration>,
}

/// `snapshot: cached, 2h old, 1.0 GB`; `snapshot: cold: the setup script changed`;
/// `snapshot: built in 41.0s, 1.0 GB`.
pub(super) fn line(said: &Said<'_>) -> String {
    let Said {
        state,
        reason,
        age_seconds,
        size_bytes,
        build_time,
    } = said;
    let word = match *state {
        "building" => "cold".to_owned(),
        other => plain(other),
    };
    let mut line = format!("snapshot: {word}");
    if let Some(time) = build_time {
        line.push_str(&format!(" in {}", duration::show(*time)));
    }
    // What has just been built has no age; and why it was built has been told before.
    let is_old = *state == "cached";
    if let Some(seconds) = age_seconds.filter(|_| is_old) {
        line.push_str(&format!(
            ", {}",
            duration::old(Duration::from_secs(seconds))
        ));
    }
    if let Some(bytes) = size_bytes {
        line.push_str(&format!(", {}", size::show(*bytes)));
    }
    if let Some(reason) = reason.filter(|_| !matches!(*state, "built" | "cached")) {
        line.push_str(&format!(": {}", plain(&after_colon(reason))));
    }
    line
}
