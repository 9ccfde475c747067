//! What an attempt's snapshot is: found, or built and why.

use std::time::Duration;

use outwork_api::event::EventBody;

use crate::duration;
use crate::phrase::after_colon;
use crate::size;
use crate::terminal::plain::plain;

/// `snapshot: cached, 2h old, 1.0 GB`; `snapshot: cold: the setup script changed`;
/// `snapshot: built in 41.0s, 1.0 GB`.
pub(super) fn line(body: &EventBody, build_time: Option<Duration>) -> String {
    let EventBody::Snapshot {
        key: _,
        state,
        reason,
        age_seconds,
        size_bytes,
    } = body
    else {
        return String::new();
    };
    let word = match state.as_str() {
        "building" => "cold".to_owned(),
        other => plain(other),
    };
    let mut line = format!("snapshot: {word}");
    if let Some(time) = build_time {
        line.push_str(&format!(" in {}", duration::show(time)));
    }
    // What has just been built has no age; and why it was built has been told before.
    if let Some(seconds) = age_seconds.filter(|_| state == "cached") {
        let age = Duration::from_secs(seconds);
        line.push_str(&format!(", {}", duration::old(age)));
    }
    if let Some(bytes) = size_bytes {
        line.push_str(&format!(", {}", size::show(*bytes)));
    }
    let is_told = matches!(state.as_str(), "built" | "cached");
    if let Some(reason) = reason.as_ref().filter(|_| !is_told) {
        line.push_str(&format!(": {}", plain(&after_colon(reason))));
    }
    line
}
