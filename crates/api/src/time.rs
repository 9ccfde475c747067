//! A point in time on the wire: RFC 3339, UTC, milliseconds.

use outwork_domain::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

/// RFC 3339 in UTC with milliseconds, such as `2026-11-20T14:53:40.123Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-20T14:53:40.123Z")]
pub struct Time(Timestamp);

impl Time {
    /// The domain's form.
    pub const fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = jiff::Timestamp::from_millisecond(self.0.as_millis()).unwrap_or_default();
        write!(f, "{at:.3}")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Self(Timestamp::from_millis(at.as_millisecond())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_to_the_millisecond() {
        let time = Time::from(Timestamp::from_millis(1_795_186_420_120));
        let text = serde_json::to_string(&time).expect("a time is a string");
        assert_eq!(text, "\"2026-11-20T14:53:40.120Z\"");
        assert_eq!(
            serde_json::from_str::<Time>(&text).expect("reads back"),
            time
        );
    }
}
