//! Reading a pattern.

use jiff::tz::TimeZone;

use super::{Fields, ZONES};

/// A text that is no timetable. The messages say what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimetable {
    /// It has too few or too many fields.
    #[error(
        "a timetable has five fields, `MINUTE HOUR DAY MONTH WEEKDAY`, such as `0 7 * * 1-5`; this one has {found}"
    )]
    Fields {
        /// How many it has.
        found: usize,
    },
    /// It begins with `@`, and is no such name.
    #[error("`{0}` is not known; there are {names}", names = NAMED.map(|(name, _)| name).join(", "))]
    Name(String),
    /// A field is wrong.
    #[error("the {field} is `{text}`; {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// The part of it that is wrong.
        text: String,
        /// What it would have to be.
        why: String,
    },
    /// There is no such day.
    #[error("there is no such day in any year, so it would never happen")]
    Never,
    /// It is too long.
    #[error("a timetable has at most {most} characters")]
    TooLong {
        /// How many it may have.
        most: usize,
    },
    /// There is no such time zone.
    #[error(
        "there is no time zone `{0}`; name one as `Europe/Vienna`, `America/New_York` or `UTC`"
    )]
    Zone(String),
}

const NAMED: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What a field may hold.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// What may be written for the numbers, from the least on.
    names: &'static [&'static str],
}

const MINUTE: Field = Field {
    name: "minute",
    least: 0,
    most: 59,
    names: &[],
};
const HOUR: Field = Field {
    name: "hour",
    least: 0,
    most: 23,
    names: &[],
};
const DAY: Field = Field {
    name: "day of the month",
    least: 1,
    most: 31,
    names: &[],
};
const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    names: &MONTHS,
};
/// Sunday is 0 and 7.
const WEEKDAY: Field = Field {
    name: "day of the week",
    least: 0,
    most: 7,
    names: &WEEKDAYS,
};

/// The time zone of that name, in upper or lower case.
pub(super) fn zone(name: &str) -> Result<TimeZone, InvalidTimetable> {
    let wrong = || InvalidTimetable::Zone(name.chars().take(80).collect());
    let zone = ZONES.get(name).map_err(|_| wrong())?;
    // `Etc/Unknown` and the like stand for no place.
    zone.iana_name().map(drop).ok_or_else(wrong)?;
    Ok(zone)
}

/// What a pattern, with single spaces, allows.
pub(super) fn fields(pattern: &str) -> Result<Fields, InvalidTimetable> {
    let pattern = match pattern.starts_with('@') {
        true => named(pattern)?,
        false => pattern,
    };
    let parts: Vec<&str> = pattern.split_whitespace().collect();
    let &[minute, hour, day, month, weekday] = &parts[..] else {
        let found = parts.len();
        return Err(InvalidTimetable::Fields { found });
    };
    let weekdays = WEEKDAY.read(weekday)?;
    Ok(Fields {
        minutes: MINUTE.read(minute)?,
        hours: HOUR.read(hour)?,
        days: DAY.read(day)?,
        months: MONTH.read(month)?,
        weekdays: (weekdays | weekdays >> 7) & 0x7f,
        either_day: !day.starts_with('*') && !weekday.starts_with('*'),
    })
}

fn named(name: &str) -> Result<&'static str, InvalidTimetable> {
    let found = NAMED
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    let found = found.map(|(_, pattern)| *pattern);
    found.ok_or_else(|| InvalidTimetable::Name(name.chars().take(80).collect()))
}

impl Field {
    /// The bits of a list such as `1,5-10,20-59/5`.
    fn read(&self, text: &str) -> Result<u64, InvalidTimetable> {
        let mut bits = 0;
        for part in text.split(',') {
            bits |= self.part(part)?;
        }
        Ok(bits)
    }

    fn part(&self, part: &str) -> Result<u64, InvalidTimetable> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((first, last)) => (self.number(part, first)?, self.number(part, last)?),
            None => {
                let first = self.number(part, range)?;
                (first, step.map_or(first, |_| self.most))
            }
        };
        if last < first {
            let why = "it goes backwards; write two ranges with a comma between them";
            return Err(self.wrong(part, why.to_owned()));
        }
        let step = match step {
            None => 1,
            Some(step) => match number(step) {
                Some(step @ 1..=60) => step,
                Some(_) | None => {
                    let why = "what is after `/` must be a number, 1 to 60".to_owned();
                    return Err(self.wrong(part, why));
                }
            },
        };
        let all = (first..=last).step_by(step as usize);
        Ok(all.fold(0, |bits, at| bits | 1 << at))
    }

    fn number(&self, part: &str, text: &str) -> Result<u32, InvalidTimetable> {
        let folded = text.to_ascii_lowercase();
        let mut numbered = (self.least..).zip(self.names);
        if let Some((at, _)) = numbered.find(|(_, name)| **name == folded) {
            return Ok(at);
        }
        let Self {
            name: _,
            least,
            most,
            names,
        } = self;
        match number(text) {
            Some(at) if (*least..=*most).contains(&at) => Ok(at),
            Some(_) | None => {
                let or = match names {
                    [] => String::new(),
                    [first, .., last] => format!(" or a name, `{first}` to `{last}`"),
                    [one] => format!(" or `{one}`"),
                };
                let why = format!(
                    "it must be `*`, a number from {least} to {most}{or}, a range `a-b`, steps `*/n`, or several with commas"
                );
                Err(self.wrong(part, why))
            }
        }
    }

    fn wrong(&self, part: &str, why: String) -> InvalidTimetable {
        InvalidTimetable::Field {
            field: self.name,
            text: part.chars().take(80).collect(),
            why,
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}
