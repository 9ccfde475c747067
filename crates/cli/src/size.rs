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

#[cfg(test)]
mod tests {
    use super::show;

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
