//! Sizes as people read them.

const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];

/// `812 B`, `1.2 kB`, `340 MB`, `1.0 GB`: powers of 1000, two digits or more that say something.
pub(crate) fn show(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut divisor = 1000;
    while unit + 1 < UNITS.len() && bytes / divisor >= 1000 {
        unit += 1;
        divisor *= 1000;
    }
    let tenths = bytes / (divisor / 10);
    match tenths {
        0..100 => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", tenths / 10, UNITS[unit]),
    }
}

/// `512 MiB`, `2 GiB`, `1.5 GiB`: powers of 1024, as memory is counted.
pub(crate) fn show_binary(bytes: u64) -> String {
    let (unit, divisor) = BINARY
        .into_iter()
        .rev()
        .find(|(_, divisor)| bytes >= *divisor)
        .unwrap_or(("B", 1));
    match (
        bytes / divisor,
        u128::from(bytes % divisor) * 10 / u128::from(divisor),
    ) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenth) => format!("{whole}.{tenth} {unit}"),
    }
}

const BINARY: [(&str, u64); 4] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads `512M`, `2G`, `1.5GiB`, and `2GB` for powers of 1000; a number alone is bytes. None or
/// nothing is no size.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit = unit.to_ascii_lowercase();
    let power = match unit.chars().next() {
        None | Some('b') => 0,
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        Some(_) => return None,
    };
    let base: u64 = match (power, unit.get(1..)) {
        (0, None | Some("")) => 1,
        (_, Some("" | "ib")) => 1024,
        (_, Some("b")) => 1000,
        (_, _) => return None,
    };
    scaled(number, base.checked_pow(power)?).filter(|bytes| *bytes > 0)
}

/// A decimal number such as `1.5` times `unit`, without its fraction; exact, whatever the size.
pub(crate) fn scaled(number: &str, unit: u64) -> Option<u64> {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let has_digits = (1..=15).contains(&whole.len()) && (1..=9).contains(&fraction.len());
    if !has_digits || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let places = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let number = whole.parse::<u128>().ok()? * places + fraction.parse::<u128>().ok()?;
    u64::try_from(number * u128::from(unit) / places).ok()
}

#[cfg(test)]
mod tests {
    use super::{parse, scaled, show, show_binary};

    #[test]
    fn sizes_are_read() {
        for (text, expected) in [
            ("512M", Some(512 << 20)),
            ("512MiB", Some(512 << 20)),
            ("512m", Some(512 << 20)),
            ("512MB", Some(512_000_000)),
            ("2G", Some(2 << 30)),
            ("1.5GiB", Some(3 << 29)),
            ("0.5k", Some(512)),
            ("1T", Some(1 << 40)),
            ("100", Some(100)),
            ("100b", Some(100)),
            ("", None),
            ("0", None),
            ("G", None),
            ("1.G", None),
            (".5G", None),
            ("1.2.3G", None),
            ("-1G", None),
            ("1 G", None),
            ("1X", None),
            ("1Gi", None),
            ("1ib", None),
            ("1Gßb", None),
            ("99999999999999T", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(scaled("0.125", 1000), Some(125));
        assert_eq!(scaled("1e3", 1000), None);
    }

    #[test]
    fn memory_is_shown_in_powers_of_1024() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (64 << 20, "64 MiB"),
            (2 << 30, "2 GiB"),
            (3 << 29, "1.5 GiB"),
            (1 << 50, "1024 TiB"),
        ] {
            assert_eq!(show_binary(bytes), expected);
        }
    }

    #[test]
    fn sizes_are_shown() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (9_999, "9.9 kB"),
            (10_000, "10 kB"),
            (999_999, "999 kB"),
            (1_000_000, "1.0 MB"),
            (1_023_456_789, "1.0 GB"),
            (41_000_000_000, "41 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(show(bytes), expected);
        }
    }
}
