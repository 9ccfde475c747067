//! Why a snapshot has to be built, in words for people.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::recipe::{Change, How, Part};

/// Why there was no snapshot to start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// None was ever built for this scope.
    FirstTime,
    /// The one built last was made from something else.
    Changed(Vec<Change>),
    /// There was one, and it was given up.
    GivenUp(GivenUp),
}

/// Why a snapshot that was there is not used any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum GivenUp {
    /// It was too old.
    Expired {
        /// How long snapshots are used, in milliseconds.
        ttl_ms: u64,
    },
    /// The disk was needed for others.
    Evicted,
    /// It takes more than all snapshots may together.
    TooLarge {
        /// What it takes, in bytes.
        size_bytes: u64,
        /// What all may take, in bytes.
        max_bytes: u64,
    },
    /// Somebody wanted a new one.
    Reset,
    /// It cannot be used.
    Broken {
        /// What is wrong with it.
        what: String,
    },
}

impl GivenUp {
    pub(crate) fn broken(what: impl Into<String>) -> Self {
        Self::Broken { what: what.into() }
    }
}

impl MissReason {
    pub(crate) fn changed(changes: Vec<Change>) -> Self {
        let is_reset = |change: &Change| match change {
            Change {
                part: Part::ResetCounter,
                how: How::Added | How::Changed | How::Removed,
            } => true,
            Change { part: _, how: _ } => false,
        };
        if changes.iter().all(is_reset) && !changes.is_empty() {
            return Self::GivenUp(GivenUp::Reset);
        }
        Self::Changed(changes)
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstTime => f.write_str("first time"),
            Self::Changed(changes) => {
                for (number, change) in changes.iter().enumerate() {
                    let comma = if number == 0 { "" } else { ", " };
                    write!(f, "{comma}{change}")?;
                }
                Ok(())
            }
            Self::GivenUp(given_up) => given_up.fmt(f),
        }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { ttl_ms } => {
                let ttl = Duration::from_millis(*ttl_ms);
                write!(f, "expired after {}", Span(ttl))
            }
            Self::Evicted => f.write_str("removed for lack of space"),
            Self::TooLarge {
                size_bytes,
                max_bytes,
            } => write!(
                f,
                "too large to be kept: it takes {} MiB, and all together may take {} MiB",
                size_bytes.div_ceil(1 << 20),
                max_bytes >> 20
            ),
            Self::Reset => f.write_str("cache was reset"),
            Self::Broken { what } => write!(f, "broken: {what}"),
        }
    }
}

/// In the largest unit that gives a whole number.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 => write!(f, "{} ms", self.0.as_millis()),
            _ if seconds.is_multiple_of(3600) => write!(f, "{} h", seconds / 3600),
            _ if seconds.is_multiple_of(60) => write!(f, "{} min", seconds / 60),
            _ => write!(f, "{seconds} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_in_words() {
        let change = |part, how| Change { part, how };
        let ttl = |seconds: u64| GivenUp::Expired {
            ttl_ms: seconds * 1000,
        };
        let all = [
            MissReason::FirstTime,
            MissReason::changed(vec![
                change(Part::SetupScript, How::Changed),
                change(Part::ResetCounter, How::Changed),
            ]),
            MissReason::changed(vec![change(Part::ResetCounter, How::Changed)]),
            MissReason::GivenUp(ttl(12 * 3600)),
            MissReason::GivenUp(ttl(90 * 60)),
            MissReason::GivenUp(ttl(61)),
            MissReason::GivenUp(GivenUp::Evicted),
            MissReason::GivenUp(GivenUp::TooLarge {
                size_bytes: (3 << 20) + 1,
                max_bytes: 2 << 20,
            }),
            MissReason::GivenUp(GivenUp::broken("it has no directory root")),
        ];
        assert_eq!(
            all.map(|reason| reason.to_string()),
            [
                "first time",
                "setup script changed, cache was reset",
                "cache was reset",
                "expired after 12 h",
                "expired after 90 min",
                "expired after 61 s",
                "removed for lack of space",
                "too large to be kept: it takes 4 MiB, and all together may take 2 MiB",
                "broken: it has no directory root",
            ]
        );
    }
}
