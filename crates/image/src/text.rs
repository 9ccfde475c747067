//! Showing people what somebody else wrote.

const SHOWN_CHARS: usize = 200;

/// The text on one line of bearable length, without characters that move a terminal's cursor.
pub(crate) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown: String = chars
        .by_ref()
        .take(SHOWN_CHARS)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// The same of a path, which need not be text.
pub(crate) fn shown_path(path: &[u8]) -> String {
    shown(&String::from_utf8_lossy(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(shown_path(b"a\x1b[2Jb\nc\xff"), "a [2Jb c\u{fffd}");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 201);
    }
}
