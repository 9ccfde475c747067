//! At which times something happens: five fields as in a crontab, read in a time zone.
//!
//! Pure: the time zones are those of the IANA database that the program was built with, so that every server says the same of the
//! same timetable, whatever its machine has installed.
//!
//! What the clock does twice a year is said once, here:
//! - A timetable that names hours (`30 2 * * *`) means the time on the wall. An hour that is skipped: it fires when that hour would have
//!   begun, which is the first moment after it, once however many of its times were skipped. An hour that comes twice: it fires in the
//!   first of the two only.
//! - One that goes every hour (`*/15 * * * *`) means time that passes. It fires at no time that does not exist, and in both hours of the
//!   same name.

mod parse;
mod times;

use std::fmt;
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::time::Timestamp;

pub use parse::InvalidTimetable;

/// The longest that a pattern may be.
const PATTERN_CHARS: usize = 200;

/// A pattern of times in a time zone, which has at least one time.
#[derive(Clone)]
pub struct Timetable {
    pattern: String,
    zone_name: String,
    zone: TimeZone,
    fields: Fields,
}

/// What the five fields allow, bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fields {
    minutes: u64,
    hours: u64,
    /// From 1.
    days: u64,
    /// From 1.
    months: u64,
    /// From Sunday, which is 0.
    weekdays: u64,
    /// Both the day of the month and the day of the week are limited: then either will do, as in any crontab.
    either_day: bool,
}

impl Timetable {
    /// From a crontab's five fields, or a name such as `@daily`, and the name of a time zone in the IANA database.
    pub fn parse(pattern: &str, zone: &str) -> Result<Self, InvalidTimetable> {
        let zone = parse::zone(zone)?;
        let zone_name = zone.iana_name().unwrap_or("UTC").to_owned();
        let pattern = pattern.split_whitespace().collect::<Vec<_>>().join(" ");
        if pattern.chars().count() > PATTERN_CHARS {
            let most = PATTERN_CHARS;
            return Err(InvalidTimetable::TooLong { most });
        }
        let timetable = Self {
            fields: parse::fields(&pattern)?,
            pattern,
            zone_name,
            zone,
        };
        // Nothing in the calendar repeats after more than eight years, so one look says whether there is such a day at all.
        match timetable.next_after(Timestamp::from_millis(0)) {
            Some(_) => Ok(timetable),
            None => Err(InvalidTimetable::Never),
        }
    }

    /// The pattern, with single spaces.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The time zone, as the database spells it.
    pub fn zone(&self) -> &str {
        &self.zone_name
    }
}

impl PartialEq for Timetable {
    fn eq(&self, other: &Self) -> bool {
        (&self.pattern, &self.zone_name) == (&other.pattern, &other.zone_name)
    }
}

impl Eq for Timetable {}

impl fmt::Debug for Timetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timetable({self})")
    }
}

impl fmt::Display for Timetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pattern, self.zone_name)
    }
}

/// The time zones that the program was built with; each is read from its bytes once.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

#[cfg(test)]
mod tests;
