//! Texts that the client prints raw.

/// One line without what moves a cursor, turns text around or does not show.
pub(super) fn line(text: &str) -> String {
    text.chars().filter(|c| !acts(*c)).collect()
}

/// The same, with line breaks and tabs.
pub(super) fn lines(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, '\n' | '\t') || !acts(*c))
        .collect()
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal() {
        let text = "a\u{1b}[2Jb\tc\nd\u{202e}e\u{9b}f";
        assert_eq!(line(text), "a[2Jbcdef");
        assert_eq!(lines(text), "a[2Jb\tc\ndef");
    }
}
