//! Notices: which people are told of what, where, and not at night.
//!
//! A member has settings for the own tasks, an environment for all of its tasks. Pure: the time zones are those of the IANA database that
//! the program was built with.

use jiff::civil::Time;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp as At, ToSpan};

use crate::id::{IntegrationId, WebhookId};
use crate::time::Timestamp;

/// The most rules of a member or an environment.
pub const RULES: usize = 20;
/// The longest name of a channel, in characters.
pub const CHANNEL_CHARS: usize = 100;

/// What people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// An agent asks, and nothing goes on until somebody answers.
    NeedsInput,
    /// A task has succeeded.
    Finished,
    /// A task has not.
    Failed,
    /// A task has succeeded, and its environment wants somebody to approve the result.
    ApprovalWanted,
    /// A result is in a pull request.
    PullRequest,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::NeedsInput,
        Self::Finished,
        Self::Failed,
        Self::ApprovalWanted,
        Self::PullRequest,
    ];

    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeedsInput => "needs_input",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::ApprovalWanted => "approval_wanted",
            Self::PullRequest => "pull_request",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// Where somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a chat: in that channel, or, for `None`, in a message to the member alone.
    Slack {
        /// By which integration.
        integration: IntegrationId,
        /// The channel.
        channel: Option<String>,
    },
    /// At an address that the workspace keeps.
    Webhook(WebhookId),
    /// Nowhere.
    None,
}

/// What is told where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What.
    pub occasions: Vec<Occasion>,
    /// Where.
    pub place: Place,
}

/// A part of each day in which nobody is told: what happens then is told at its end.
#[derive(Clone, Debug)]
pub struct QuietHours {
    from: Time,
    to: Time,
    zone: TimeZone,
}

/// Hours that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHours {
    /// A time of day that is none.
    #[error("`{0}` is not a time of day; write it like 22:00")]
    Time(String),
    /// They would be all day or never.
    #[error("quiet hours begin and end at different times")]
    Same,
    /// A time zone that nobody knows.
    #[error("`{0}` is not a time zone; write a name such as Europe/Vienna, or UTC")]
    Zone(String),
}

impl QuietHours {
    /// From `22:00`, `07:00` and the name of a time zone.
    pub fn parse(from: &str, to: &str, zone: &str) -> Result<Self, InvalidHours> {
        let short = |text: &str| text.chars().take(80).collect::<String>();
        let time = |text: &str| {
            let read = Time::strptime("%H:%M", text);
            read.map_err(|_| InvalidHours::Time(short(text)))
        };
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(InvalidHours::Same);
        }
        let database = TimeZoneDatabase::bundled();
        let found = database.get(zone);
        let zone = found.map_err(|_| InvalidHours::Zone(short(zone)))?;
        Ok(Self { from, to, zone })
    }

    /// When they begin, as it is written.
    pub fn from(&self) -> String {
        self.from.strftime("%H:%M").to_string()
    }

    /// When they end, as it is written.
    pub fn to(&self) -> String {
        self.to.strftime("%H:%M").to_string()
    }

    /// The name of the time zone.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// Until when nobody is told, if it is within them now. An end that the clock skips is the first moment after.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let at = At::from_millisecond(now.as_millis()).ok()?;
        let wall = at.to_zoned(self.zone.clone());
        let time = wall.time();
        let over_midnight = self.from > self.to;
        let is_within = match over_midnight {
            false => self.from <= time && time < self.to,
            true => self.from <= time || time < self.to,
        };
        if !is_within {
            return None;
        }
        let today = wall.date();
        let day = match over_midnight && time >= self.from {
            true => today.checked_add(1.day()).ok()?,
            false => today,
        };
        let end = self.zone.to_ambiguous_zoned(day.to_datetime(self.to));
        let end = end.compatible().ok()?.timestamp().as_millisecond();
        Some(Timestamp::from_millis(end).max(now))
    }
}

impl PartialEq for QuietHours {
    fn eq(&self, other: &Self) -> bool {
        (self.from, self.to, self.zone()) == (other.from, other.to, other.zone())
    }
}

impl Eq for QuietHours {}

/// What a member or an environment wants to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeSettings {
    /// What is told where.
    pub rules: Vec<Rule>,
    /// When nobody is told.
    pub quiet: Option<QuietHours>,
}

impl NoticeSettings {
    /// Where somebody is told of that, each place once.
    pub fn places(&self, occasion: Occasion) -> Vec<&Place> {
        let mut places = Vec::new();
        let rules = self.rules.iter();
        for rule in rules.filter(|rule| rule.occasions.contains(&occasion)) {
            if rule.place != Place::None && !places.contains(&&rule.place) {
                places.push(&rule.place);
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let at: At = text.parse().expect("a time");
        Timestamp::from_millis(at.as_millisecond())
    }

    fn until(hours: &QuietHours, now: &str) -> Option<String> {
        let end = hours.until(at(now))?;
        let end = At::from_millisecond(end.as_millis()).expect("a time");
        Some(end.to_string())
    }

    #[test]
    fn the_night_ends_in_the_morning_of_the_own_time_zone() {
        let night = QuietHours::parse("22:00", "07:00", "Europe/Vienna").expect("hours");
        assert_eq!((night.from(), night.to()), ("22:00".into(), "07:00".into()));
        assert_eq!(night.zone(), "Europe/Vienna");
        let seven = Some("2026-12-01T06:00:00Z".to_owned());
        assert_eq!(until(&night, "2026-11-30T20:59:59Z"), None);
        assert_eq!(until(&night, "2026-11-30T21:00:00Z"), seven);
        assert_eq!(until(&night, "2026-12-01T05:59:59Z"), seven);
        assert_eq!(until(&night, "2026-12-01T06:00:00Z"), None);
        // In summer it is an hour earlier by the sun.
        let summer = Some("2026-07-02T05:00:00Z".to_owned());
        assert_eq!(until(&night, "2026-07-01T20:00:00Z"), summer);
        let noon = QuietHours::parse("12:00", "13:00", "UTC").expect("hours");
        let one = Some("2026-11-30T13:00:00Z".to_owned());
        assert_eq!(until(&noon, "2026-11-30T12:30:00Z"), one);
        assert_eq!(until(&noon, "2026-11-30T11:59:00Z"), None);
    }

    #[test]
    fn an_end_that_is_skipped_or_comes_twice_is_the_first_that_there_is() {
        // On 2026-03-29 it goes from 02:00 to 03:00, on 2026-10-25 back.
        let short = QuietHours::parse("23:00", "02:30", "Europe/Vienna").expect("hours");
        let skipped = Some("2026-03-29T01:30:00Z".to_owned());
        assert_eq!(until(&short, "2026-03-28T23:00:00Z"), skipped);
        let first = Some("2026-10-25T00:30:00Z".to_owned());
        assert_eq!(until(&short, "2026-10-24T22:00:00Z"), first);
    }

    #[test]
    fn hours_that_make_no_sense_are_refused() {
        let parse = |from, to, zone| QuietHours::parse(from, to, zone).map(drop);
        let time = |text: &str| Err(InvalidHours::Time(text.into()));
        assert_eq!(parse("25:00", "07:00", "UTC"), time("25:00"));
        assert_eq!(parse("22:00", "7", "UTC"), time("7"));
        assert_eq!(parse("07:00", "07:00", "UTC"), Err(InvalidHours::Same));
        let zone = Err(InvalidHours::Zone("Mars/Olympus".into()));
        assert_eq!(parse("22:00", "07:00", "Mars/Olympus"), zone);
    }

    #[test]
    fn a_place_is_told_once() {
        let webhook = Place::Webhook(WebhookId::from_uuid(uuid::Uuid::nil()));
        let rule = |occasions: &[Occasion], place: &Place| Rule {
            occasions: occasions.to_vec(),
            place: place.clone(),
        };
        let settings = NoticeSettings {
            rules: vec![
                rule(&[Occasion::Failed, Occasion::Finished], &webhook),
                rule(&[Occasion::Failed], &Place::None),
                rule(&[Occasion::Failed], &webhook),
            ],
            quiet: None,
        };
        assert_eq!(settings.places(Occasion::Failed), [&webhook]);
        assert_eq!(settings.places(Occasion::NeedsInput), Vec::<&Place>::new());
    }
}
