//! The times of a timetable.

use jiff::civil::{Date, Time};
use jiff::tz::AmbiguousOffset;
use jiff::{Timestamp as At, ToSpan};

use super::Timetable;
use crate::time::Timestamp;

/// So many days have at least one of any day that the calendar has: 29 February may be eight years away.
const DAYS: usize = 3_000;
const MINUTE_MS: i64 = 60_000;
/// All 24.
const EVERY_HOUR: u64 = 0xff_ffff;

impl Timetable {
    /// The first time after that one; `None` only where the calendar ends.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = At::from_millisecond(after.as_millis()).ok()?;
        // The clock may have been set back over midnight.
        let mut day = self.zone.to_datetime(after).date().yesterday().ok()?;
        for _ in 0..DAYS {
            if let Some(found) = self.first_of(day, after) {
                // Of two days that run into each other the second may come first.
                let beside = day.tomorrow().ok();
                let beside = beside.and_then(|day| self.first_of(day, after));
                let first = beside.map_or(found, |beside| beside.min(found));
                return Some(Timestamp::from_millis(first.as_millisecond()));
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// The last time that is not after `until`, from `first` on, which is one of its times.
    pub fn last_until(&self, first: Timestamp, until: Timestamp) -> Timestamp {
        // Whatever is asked from before the last time gives one that is not after `until`, and from it on one that is.
        let (mut before, mut from) = (first.as_millis() - 1, until.as_millis());
        let is_before = |at: i64| {
            let next = self.next_after(Timestamp::from_millis(at));
            next.is_some_and(|next| next <= until)
        };
        while from - before > 1 {
            let middle = before + (from - before) / 2;
            match is_before(middle) {
                true => before = middle,
                false => from = middle,
            }
        }
        self.next_after(Timestamp::from_millis(before))
            .filter(|last| *last <= until)
            .unwrap_or(first)
    }

    /// How many times there are from `first`, which is one, to `last`; no more than `most` are counted.
    pub fn count(&self, first: Timestamp, last: Timestamp, most: u32) -> u32 {
        let mut counted = 1;
        let mut at = first;
        while counted < most {
            match self.next_after(at) {
                Some(next) if next <= last => at = next,
                Some(_) | None => break,
            }
            counted += 1;
        }
        counted
    }

    /// The time as a clock in the time zone shows it: `2026-12-01 07:00 +01:00`.
    pub fn local(&self, at: Timestamp) -> String {
        match At::from_millisecond(at.as_millis()) {
            Ok(at) => {
                let zoned = at.to_zoned(self.zone.clone());
                zoned.strftime("%Y-%m-%d %H:%M %:z").to_string()
            }
            Err(_) => at.to_string(),
        }
    }

    fn first_of(&self, day: Date, after: At) -> Option<At> {
        if !self.is_day(day) {
            return None;
        }
        match self.plain_midnight(day) {
            Some(midnight) => self.first_of_plain(midnight, after),
            None => self.first_of_other(day, after),
        }
    }

    fn is_day(&self, day: Date) -> bool {
        let has = |bits: u64, at: i8| bits & (1 << at) != 0;
        let fields = &self.fields;
        let of_month = has(fields.days, day.day());
        let of_week = has(fields.weekdays, day.weekday().to_sunday_zero_offset());
        let is_one = match fields.either_day {
            true => of_month || of_week,
            false => of_month && of_week,
        };
        is_one && has(fields.months, day.month())
    }

    /// When the day begins, if it has 24 hours and the clock is not touched in it.
    fn plain_midnight(&self, day: Date) -> Option<At> {
        let begin = |day: Date| {
            let midnight = day.to_datetime(Time::midnight());
            match self.zone.to_ambiguous_timestamp(midnight).offset() {
                AmbiguousOffset::Unambiguous { offset } => {
                    offset.to_timestamp(midnight).ok().map(|at| (offset, at))
                }
                AmbiguousOffset::Gap { .. } | AmbiguousOffset::Fold { .. } => None,
            }
        };
        let (offset, from) = begin(day)?;
        let (then, to) = begin(day.tomorrow().ok()?)?;
        let change = self.zone.following(from).next();
        let is_touched = change.is_some_and(|change| change.timestamp() < to);
        (offset == then && !is_touched).then_some(from)
    }

    fn first_of_plain(&self, midnight: At, after: At) -> Option<At> {
        let passed = after.as_millisecond() - midnight.as_millisecond();
        let from = match passed {
            ..0 => 0,
            passed => passed / MINUTE_MS + 1,
        };
        let fields = &self.fields;
        let (mut hour, mut minute) = (u32::try_from(from / 60).ok()?, from % 60);
        while hour < 24 {
            if fields.hours & (1 << hour) != 0 {
                let left = fields.minutes >> minute << minute;
                if left != 0 {
                    let minutes = i64::from(60 * hour + left.trailing_zeros());
                    return midnight.checked_add((minutes * 60).seconds()).ok();
                }
            }
            (hour, minute) = (hour + 1, 0);
        }
        None
    }

    /// The same of a day in which the clock is set forward or back.
    fn first_of_other(&self, day: Date, after: At) -> Option<At> {
        let fields = &self.fields;
        let has = |bits: u64, at: i8| bits & (1 << at) != 0;
        let hours = (0..24).filter(|hour| has(fields.hours, *hour));
        let times = hours.flat_map(|hour| {
            let minutes = (0..60).filter(|minute| has(fields.minutes, *minute));
            minutes.filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())
        });
        times
            .flat_map(|time| self.moments(day, time))
            .flatten()
            .filter(|at| *at > after)
            .min()
    }

    /// When it is that time on that day: mostly once.
    fn moments(&self, day: Date, time: Time) -> [Option<At>; 2] {
        let wall = day.to_datetime(time);
        let every_hour = self.fields.hours == EVERY_HOUR;
        match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => [offset.to_timestamp(wall).ok(), None],
            AmbiguousOffset::Gap { .. } if every_hour => [None, None],
            AmbiguousOffset::Gap { after, .. } => {
                // With the clock that holds afterwards the time would have been before the change, which is what comes next then.
                let before = after.to_timestamp(wall).ok();
                let change = before.and_then(|at| self.zone.following(at).next());
                [change.map(|change| change.timestamp()), None]
            }
            AmbiguousOffset::Fold { before, after } => {
                let second = after.to_timestamp(wall).ok();
                [
                    before.to_timestamp(wall).ok(),
                    second.filter(|_| every_hour),
                ]
            }
        }
    }
}
