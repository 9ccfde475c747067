//! Durations as people type and read them.

use std::time::Duration;

/// Reads `90` (seconds), `90s`, `10m`, `1h30m`, `2d`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let refuse = || format!("`{text}` is not a duration; write 90s, 10m, 1h30m or 2d");
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refuse())?;
        let factor = match unit.chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 60 * 60,
            Some('d') => 24 * 60 * 60,
            Some(_) | None => return Err(refuse()),
        };
        rest = &unit[1..];
        seconds = number
            .checked_mul(factor)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(refuse)?;
    }
    match seconds {
        0 => Err(refuse()),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

/// `0.4s`, `12.3s`, `2m05s`, `1h02m`.
pub(crate) fn show(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `30m`, `1h30m`, `45s`: as it can be typed again.
pub(crate) fn exactly(seconds: u64) -> String {
    let parts = [
        (seconds / 3600, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let text: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    match text.is_empty() {
        true => "0s".to_owned(),
        false => text,
    }
}

/// `12s ago`, `5m ago`, `3h ago`, `2d ago`.
pub(crate) fn ago(duration: Duration) -> String {
    format!("{} ago", roughly(duration))
}

/// `12s old`, `5m old`, `3h old`, `2d old`.
pub(crate) fn old(duration: Duration) -> String {
    format!("{} old", roughly(duration))
}

fn roughly(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, expected) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("10m", Some(600)),
            ("1h30m", Some(5400)),
            ("2d", Some(172_800)),
            ("", None),
            ("0s", None),
            ("m", None),
            ("5x", None),
            ("-5s", None),
            ("5é", None),
            ("99999999999999999999s", None),
            ("99999999999999999d", None),
        ] {
            let got = parse(text).ok().map(|duration| duration.as_secs());
            assert_eq!(got, expected, "{text:?}");
        }
    }

    #[test]
    fn durations_are_shown() {
        for (ms, expected) in [
            (0, "0.0s"),
            (12_345, "12.3s"),
            (125_000, "2m05s"),
            (3_720_000, "1h02m"),
        ] {
            assert_eq!(show(Duration::from_millis(ms)), expected);
        }
        for (seconds, expected) in [(0, "0s"), (300, "5m"), (5430, "1h30m30s")] {
            assert_eq!(exactly(seconds), expected);
        }
        for (s, expected) in [
            (3, "3s ago"),
            (300, "5m ago"),
            (7200, "2h ago"),
            (200_000, "2d ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(s)), expected);
        }
    }
}
