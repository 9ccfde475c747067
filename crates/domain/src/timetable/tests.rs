use std::collections::BTreeSet;

use jiff::tz::AmbiguousOffset;

use super::*;

fn table(pattern: &str, zone: &str) -> Timetable {
    Timetable::parse(pattern, zone).expect("a timetable")
}

fn at(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().expect("a time");
    Timestamp::from_millis(at.as_millisecond())
}

/// The next times after that one, as the clock shows them.
fn next(pattern: &str, zone: &str, after: &str, many: usize) -> Vec<String> {
    let table = table(pattern, zone);
    let mut last = at(after);
    let mut times = Vec::new();
    for _ in 0..many {
        last = table.next_after(last).expect("there is one");
        times.push(table.local(last));
    }
    times
}

#[test]
fn workdays_at_seven() {
    assert_eq!(
        next("0 7 * * 1-5", "Europe/Vienna", "2026-11-27T06:00:00Z", 3),
        [
            "2026-11-30 07:00 +01:00",
            "2026-12-01 07:00 +01:00",
            "2026-12-02 07:00 +01:00"
        ]
    );
}

#[test]
fn fields_have_lists_ranges_steps_and_names() {
    let after = "2026-01-01T00:00:00Z";
    assert_eq!(
        next("5,50 9-17/4 * jan,mar MON", "utc", after, 7),
        [
            "2026-01-05 09:05 +00:00",
            "2026-01-05 09:50 +00:00",
            "2026-01-05 13:05 +00:00",
            "2026-01-05 13:50 +00:00",
            "2026-01-05 17:05 +00:00",
            "2026-01-05 17:50 +00:00",
            "2026-01-12 09:05 +00:00"
        ]
    );
    assert_eq!(
        next("20/20 * * * *", "UTC", after, 3),
        [
            "2026-01-01 00:20 +00:00",
            "2026-01-01 00:40 +00:00",
            "2026-01-01 01:20 +00:00"
        ]
    );
    assert_eq!(
        next("@weekly", "UTC", after, 2),
        next("0 0 * * 7", "UTC", after, 2)
    );
}

/// As in any crontab: a day of the month and a day of the week, both limited, are either.
#[test]
fn two_limits_of_the_day_are_either() {
    assert_eq!(
        next("0 0 13 * FRI", "UTC", "2026-11-12T00:00:00Z", 3),
        [
            "2026-11-13 00:00 +00:00",
            "2026-11-20 00:00 +00:00",
            "2026-11-27 00:00 +00:00"
        ]
    );
    assert_eq!(
        next("0 0 */2 * MON", "UTC", "2026-11-01T00:00:00Z", 2),
        ["2026-11-09 00:00 +00:00", "2026-11-23 00:00 +00:00"],
        "and with a star before one of them both count"
    );
}

#[test]
fn a_skipped_hour_and_one_that_comes_twice() {
    // Vienna, 29 March 2026: after 01:59 it is 03:00.
    let (zone, spring) = ("Europe/Vienna", "2026-03-28T12:00:00Z");
    assert_eq!(
        next("30 2 * * *", zone, spring, 2),
        ["2026-03-29 03:00 +02:00", "2026-03-30 02:30 +02:00"]
    );
    assert_eq!(
        next("*/15 2 * * *", zone, spring, 2),
        ["2026-03-29 03:00 +02:00", "2026-03-30 02:00 +02:00"],
        "four times that do not exist are one"
    );
    assert_eq!(
        next("30 * * * *", zone, "2026-03-29T00:00:00Z", 3),
        [
            "2026-03-29 01:30 +01:00",
            "2026-03-29 03:30 +02:00",
            "2026-03-29 04:30 +02:00"
        ],
        "every hour means that an hour passes"
    );
    // 25 October 2026: after 02:59 it is 02:00.
    let autumn = "2026-10-24T12:00:00Z";
    assert_eq!(
        next("30 2 * * *", zone, autumn, 2),
        ["2026-10-25 02:30 +02:00", "2026-10-26 02:30 +01:00"]
    );
    assert_eq!(
        next("30 * * * *", zone, "2026-10-25T00:00:00Z", 3),
        [
            "2026-10-25 02:30 +02:00",
            "2026-10-25 02:30 +01:00",
            "2026-10-25 03:30 +01:00"
        ]
    );
}

#[test]
fn clocks_that_are_set_at_midnight_by_half_an_hour_or_by_a_day() {
    // Beirut, 29 March 2026: there is no hour from 00:00.
    assert_eq!(
        next("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00Z", 2),
        ["2026-03-29 01:00 +03:00", "2026-03-30 00:00 +03:00"]
    );
    // Lord Howe goes back by half an hour, 5 April 2026: 01:30 to 01:59 come twice.
    assert_eq!(
        next(
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T00:00:00Z",
            2
        ),
        ["2026-04-05 01:45 +11:00", "2026-04-06 01:45 +10:30"]
    );
    // Samoa had no 30 December 2011.
    assert_eq!(
        next("0 9 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", 2),
        ["2011-12-31 00:00 +14:00", "2012-12-30 09:00 +14:00"]
    );
}

/// Goes through a year minute by minute, and asks of each what the clock shows.
fn by_minutes(table: &Timetable, from: &str, days: i64) -> BTreeSet<i64> {
    let zone = &table.zone;
    let from = at(from).as_millis();
    let mut found = BTreeSet::new();
    let every_hour = table.fields.hours == 0xff_ffff;
    let fits = |wall: jiff::civil::DateTime| {
        let has = |bits: u64, at: i8| bits >> at & 1 == 1;
        let fields = &table.fields;
        let of_month = has(fields.days, wall.day());
        let of_week = has(
            fields.weekdays,
            wall.date().weekday().to_sunday_zero_offset(),
        );
        let day = match fields.either_day {
            true => of_month | of_week,
            false => of_month & of_week,
        };
        day && has(fields.months, wall.month())
            && has(fields.hours, wall.hour())
            && has(fields.minutes, wall.minute())
    };
    for minute in 0..days * 24 * 60 {
        let ms = from + minute * 60_000;
        let now = jiff::Timestamp::from_millisecond(ms).expect("a time");
        let wall = zone.to_datetime(now);
        let is_second = match zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Fold { after, .. } => after == zone.to_offset(now),
            AmbiguousOffset::Gap { .. } | AmbiguousOffset::Unambiguous { .. } => false,
        };
        if fits(wall) && (every_hour || !is_second) {
            found.insert(ms);
        }
        // Whatever the clock did not show since the minute before.
        let before = jiff::Timestamp::from_millisecond(ms - 60_000).expect("a time");
        let next = |wall: &jiff::civil::DateTime| {
            let minute = jiff::Span::new().minutes(1);
            wall.checked_add(minute).ok()
        };
        let after = std::iter::successors(next(&zone.to_datetime(before)), next);
        let mut skipped = after.take_while(|skipped| *skipped < wall);
        if !every_hour && skipped.any(fits) {
            found.insert(ms);
        }
    }
    found
}

#[test]
fn it_agrees_with_a_look_at_each_minute_of_a_year() {
    for zone in [
        "Europe/Vienna",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Nuuk",
    ] {
        for pattern in ["30 2 * * *", "*/20 * * * *", "15 */2 1-7 * MON"] {
            let table = table(pattern, zone);
            let from = "2026-01-01T12:00:00Z";
            let expected = by_minutes(&table, from, 366);
            let mut found = BTreeSet::new();
            let (mut last, end) = (at(from).as_millis() - 1, at(from).as_millis());
            let end = end + 366 * 24 * 3_600_000;
            loop {
                let next = table.next_after(Timestamp::from_millis(last));
                last = next.expect("there is one").as_millis();
                if last >= end {
                    break;
                }
                assert!(found.insert(last), "{table}: twice");
            }
            assert_eq!(found, expected, "{table}");
        }
    }
}

#[test]
fn what_passed_unseen_is_counted_and_its_last_time_found() {
    let daily = table("0 7 * * *", "Europe/Vienna");
    let first = daily.next_after(at("2026-03-01T00:00:00Z")).expect("one");
    for days in [0_u32, 1, 5, 40, 300] {
        let mut expected = first;
        for _ in 0..days {
            expected = daily.next_after(expected).expect("one");
        }
        let until = expected + std::time::Duration::from_secs(7 * 3600);
        assert_eq!(daily.last_until(first, until), expected, "{days}");
        assert_eq!(daily.last_until(first, expected), expected, "{days}");
        assert_eq!(daily.count(first, expected, 1000), days + 1);
    }
    let each = table("* * * * *", "UTC");
    let (first, until) = (at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:30Z"));
    assert_eq!(each.last_until(first, until), at("2026-01-01T00:00:00Z"));
    assert_eq!(each.count(first, until, 1000), 1000);
    // All of a month, then nothing for eleven.
    let january = table("* * * 1 *", "UTC");
    let until = at("2026-12-01T00:00:00Z");
    assert_eq!(january.last_until(first, until), at("2026-01-31T23:59:00Z"));
}

#[test]
fn what_is_wrong_is_told_with_what_would_be_right() {
    let told = |pattern: &str, zone: &str| {
        let fault = Timetable::parse(pattern, zone).expect_err("it is wrong");
        fault.to_string()
    };
    assert_eq!(
        told("0 7 * *", "UTC"),
        "a timetable has five fields, `MINUTE HOUR DAY MONTH WEEKDAY`, such as `0 7 * * 1-5`; this one has 4"
    );
    assert_eq!(
        told("60 7 * * *", "UTC"),
        "the minute is `60`; it must be `*`, a number from 0 to 59, a range `a-b`, steps `*/n`, or several with commas"
    );
    assert_eq!(
        told("0 7 * * FRI-MON", "UTC"),
        "the day of the week is `FRI-MON`; it goes backwards; write two ranges with a comma between them"
    );
    assert_eq!(
        told("0 7 * * FRIDAY", "UTC"),
        "the day of the week is `FRIDAY`; it must be `*`, a number from 0 to 7 or a name, `sun` to `sat`, a range `a-b`, steps `*/n`, or several with commas"
    );
    assert_eq!(
        told("*/0 7 * * *", "UTC"),
        "the minute is `*/0`; what is after `/` must be a number, 1 to 60"
    );
    assert_eq!(
        told("@often", "UTC"),
        "`@often` is not known; there are @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually"
    );
    assert_eq!(
        told("0 0 30 2 *", "UTC"),
        "there is no such day in any year, so it would never happen"
    );
    assert_eq!(
        told("0 7 * * *", "Vienna"),
        "there is no time zone `Vienna`; name one as `Europe/Vienna`, `America/New_York` or `UTC`"
    );
    for pattern in [
        "",
        "L",
        "0 0 L * *",
        "0 0 ? * *",
        "-1 * * * *",
        "1- * * * *",
        "1,,2 * * * *",
        "* * * 13 *",
        "* * 0 * *",
        "* * * * 8",
        "+1 * * * *",
        "1.5 * * * *",
        "*5 * * * *",
        "* * * * * *",
        "１ * * * *",
    ] {
        assert!(Timetable::parse(pattern, "UTC").is_err(), "{pattern}");
    }
    for zone in ["", "../etc/passwd", "Europe/Vienna\0", "CEST-1"] {
        assert!(Timetable::parse("@daily", zone).is_err(), "{zone}");
    }
    assert!(Timetable::parse("0 0 29 2 *", "UTC").is_ok());
    assert_eq!(table("@Daily", "europe/vienna").zone(), "Europe/Vienna");
}
