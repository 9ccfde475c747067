//! Text of others made safe to show: what an agent, a title or a file name holds must not move the
//! cursor, rename the window, write to the clipboard or turn text around.

use std::iter::Peekable;
use std::str::Chars;

/// One line: escape sequences are dropped, line breaks and tabs become spaces, other characters
/// that do not show are written out.
pub fn plain(text: &str) -> String {
    clean(text, false)
}

/// The same, but tabs stay, as in code.
pub fn plain_code(text: &str) -> String {
    clean(text, true)
}

/// JSON with what acts on a terminal written as escapes: to a program it is the same. What stands
/// outside of texts is never such a character.
pub fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        if !c.is_control() && !is_invisible(c) {
            plain.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            plain.push_str(&format!("\\u{unit:04x}"));
        }
    }
    plain
}

fn clean(text: &str, keeps_tabs: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_control_sequence(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut chars),
            '\t' if keeps_tabs => clean.push('\t'),
            '\n' | '\t' => clean.push(' '),
            '\r' => {}
            c if c.is_control() || is_invisible(c) => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
    }
    clean
}

/// After ESC.
fn skip_escape(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_control_sequence(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        _ => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next_if(|c| ('0'..='~').contains(c));
        }
    }
}

/// After CSI: parameters, then one final character.
fn skip_control_sequence(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
    chars.next_if(|c| ('@'..='~').contains(c));
}

/// After OSC, DCS and the like: up to BEL or ST. One that never ends takes its line, not more.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// Characters that turn text around, join it or take no room.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        for (text, expected) in [
            ("plain ünïcode 🙂", "plain ünïcode 🙂"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            (
                "a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\b",
                "alinkb",
            ),
            ("a\u{1b}]52;c;ZXZpbA==\nnext line", "a next line"),
            ("a\u{1b}Pq#0\u{1b}\\b", "ab"),
            ("a\u{1b}(0b\u{1b}cd", "abd"),
            ("a\u{9b}2Jb\u{9d}0;x\u{9c}c", "abc"),
            ("50%\r100%\r\n", "50%100% "),
            ("tab\tand\nline", "tab and line"),
            ("bell\u{7}back\u{8}", "bell\\u{7}back\\u{8}"),
            ("x\u{202e}gnp.exe", "x\\u{202e}gnp.exe"),
            (
                "a\u{2066}b\u{e0041}c\u{3164}",
                "a\\u{2066}b\\u{e0041}c\\u{3164}",
            ),
            ("del\u{7f}", "del\\u{7f}"),
            ("\u{1b}", ""),
            ("\u{1b}[", ""),
            ("\u{1b}[31", ""),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
            assert!(!plain(text).chars().any(char::is_control), "{text:?}");
        }
        let hostile = "a\u{9b}2J\u{7f}\u{202e}\u{e0041}\u{1b}]52;c;x\u{7}ü";
        let json = plain_json(&serde_json::json!(hostile).to_string());
        assert_eq!(
            json,
            r#""a\u009b2J\u007f\u202e\udb40\udc41\u001b]52;c;x\u0007ü""#
        );
        let read: String = serde_json::from_str(&json).expect("still JSON");
        assert_eq!(read, hostile);
        assert_eq!(plain_code("\tif\u{1b}[2J x {"), "\tif x {");
    }
}
