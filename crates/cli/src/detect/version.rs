//! Versions as projects write them, as an environment pins them.

/// The first `parts` numbers of `v20.11.1`, `20.x` or `3.11`; `None` where it is no such version.
pub(super) fn leading(text: &str, parts: usize) -> Option<String> {
    let text = text.trim().trim_start_matches(['v', 'V', '=']).trim();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let numbers: Vec<&str> = text
        .split('.')
        .map(|part| part.split(['-', '+']).next().unwrap_or(part))
        .take_while(is_number)
        .take(parts)
        .collect();
    let rest = text.split('.').nth(numbers.len());
    // What comes after the numbers must be more of a version: `20.x`, `20.*`, `20.11.1-rc.1`.
    let is_version = rest.is_none_or(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) || matches!(rest, "x" | "X" | "*")
    });
    (!numbers.is_empty() && is_version && numbers.iter().all(|part| part.len() <= 6))
        .then(|| numbers.join("."))
}

/// The major version of a range that allows one only: `^20.1`, `~18.3`, `20.x`, `22`. What has a
/// lower bound only runs on whatever there is.
pub(super) fn only_major(range: &str) -> Option<String> {
    let range = range.trim();
    let is_range = range.contains(['<', '>', '|', ' ', ',']) || range.contains(" - ");
    match is_range {
        true => None,
        false => leading(range.trim_start_matches(['^', '~']), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_cut_to_their_beginning() {
        for (text, parts, expected) in [
            ("v20.11.1", 1, Some("20")),
            ("20", 1, Some("20")),
            ("20.x", 1, Some("20")),
            ("3.11.4", 2, Some("3.11")),
            ("3", 2, Some("3")),
            ("1.75.0", 2, Some("1.75")),
            ("17.0.9-tem", 1, Some("17")),
            ("22-beta", 1, Some("22")),
            ("lts/iron", 1, None),
            ("stable", 2, None),
            ("pypy3.10", 2, None),
            ("", 1, None),
            ("*", 1, None),
        ] {
            assert_eq!(leading(text, parts).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_range_pins_if_it_allows_one_major_version() {
        for (text, expected) in [
            ("20.x", Some("20")),
            ("^18.2.0", Some("18")),
            ("~20.11", Some("20")),
            ("22", Some("22")),
            ("=20.1.0", Some("20")),
            (">=18", None),
            (">=18 <21", None),
            ("18 || 20", None),
            ("18 - 20", None),
            ("*", None),
        ] {
            assert_eq!(only_major(text).as_deref(), expected, "{text}");
        }
    }
}
