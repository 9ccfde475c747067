//! Numbers in the kernel's text files.

/// The number after `key` at the start of a line, in any unit: `oom_kill 3`, `Threads:\t4`, `RssAnon:  12 kB`.
pub(super) fn after(key: &str, text: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?;
        if !rest.starts_with([':', ' ', '\t']) {
            return None;
        }
        rest.trim_start_matches([':', ' ', '\t'])
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    })
}

/// As [`after`], of a value in kB.
pub(super) fn kilobytes_after(key: &str, text: &str) -> Option<u64> {
    after(key, text).map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_whole_word() {
        let text = "oom 1\noom_kill 3\nRssAnon:\t    12 kB\nRssAnonymous: 5 kB\n";
        assert_eq!(after("oom_kill", text), Some(3));
        assert_eq!(after("oom", text), Some(1));
        assert_eq!(kilobytes_after("RssAnon", text), Some(12 << 10));
        assert_eq!(after("kill", text), None);
    }
}
