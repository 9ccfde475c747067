//! A diff on a terminal.

use crate::terminal::plain::plain_code;
use crate::terminal::style::{Paint, Style};

/// The diff with colours, safe to show. Not for `git apply`.
pub(crate) fn for_terminal(diff: &[u8], style: Style) -> String {
    let text = String::from_utf8_lossy(diff);
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let paint = match line.as_bytes() {
            [b'+', b'+', b'+', b' ', ..] | [b'-', b'-', b'-', b' ', ..] => Some(Paint::Bold),
            [b'+', ..] => Some(Paint::Green),
            [b'-', ..] => Some(Paint::Red),
            [b'@', b'@', ..] => Some(Paint::Cyan),
            [b'd', b'i', b'f', b'f', ..] => Some(Paint::Bold),
            _ => None,
        };
        let line = plain_code(line.trim_end_matches('\n'));
        match paint {
            Some(paint) => shown.push_str(&style.paint(paint, &line)),
            None => shown.push_str(&line),
        }
        shown.push('\n');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_cannot_drive_the_terminal() {
        let diff = b"diff --git a/x b/x\n@@ -1 +1 @@\n-\told\n+\x1b]0;owned\x07new\xff\n";
        assert_eq!(
            for_terminal(diff, Style::PLAIN),
            "diff --git a/x b/x\n@@ -1 +1 @@\n-\told\n+new\u{fffd}\n"
        );
    }
}
