//! Strangers' and agents' text in what we write: it must neither call people nor close issues, run commands or load pictures.

/// What everything that we post begins with. What begins so is not read again.
pub const MARK: &str = "<!-- outwork:post ";

/// An invisible gap.
const GAP: char = '\u{200b}';

/// The mark of one post, by which it is found again after a crash.
pub fn mark(key: &str) -> String {
    // A comment of HTML must not end early.
    let key: String = key
        .chars()
        .filter(|c| c.is_ascii_graphic() && *c != '>')
        .collect();
    format!("{MARK}{} -->", key.replace("--", "-"))
}

/// Without what acts on a server of repositories: mentions, references that close, commands at the beginning of a line, addresses, pictures,
/// elements of HTML and the comments that hide, characters written as entities, and the characters that turn the direction of writing.
pub fn harmless(text: &str) -> String {
    let text = text.replace("<!--", "&lt;!--").replace("-->", "--&gt;");
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut begins_line = true;
    let mut before = '\n';
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        if c == '/' && begins_line && next.is_some_and(char::is_alphabetic) {
            out.push(GAP);
        }
        out.push(if turns(c) { '\u{fffd}' } else { c });
        let is_digit = next.is_some_and(|next| next.is_ascii_digit());
        let acts = match c {
            '@' => next.is_some_and(char::is_alphanumeric),
            '#' | '!' => is_digit,
            // `GH-12` is an issue, too.
            '-' => is_digit && before.eq_ignore_ascii_case(&'h'),
            ']' => matches!(next, Some('(' | ':' | '[')),
            '<' => next.is_some_and(|next| next.is_alphabetic() || next == '/'),
            '&' => next == Some('#') || ENTITIES.iter().any(|it| out_follows(&chars, it)),
            _ => false,
        };
        if acts {
            out.push(GAP);
        }
        begins_line = c == '\n' || (begins_line && c.is_whitespace());
        before = c;
    }
    // An issue named by its address is closed, too.
    out.replace("://", &format!(":{GAP}//"))
}

/// Names of the characters that act.
const ENTITIES: &[&str] = &[
    "commat;", "num;", "excl;", "sol;", "colon;", "lsqb;", "lbrack;", "rsqb;", "rbrack;",
];

fn out_follows(chars: &std::iter::Peekable<std::str::Chars<'_>>, name: &str) -> bool {
    name.chars().eq(chars.clone().take(name.len()))
}

/// Directions of writing, which make text look like another.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
}

/// In one cell of a table.
pub fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|")
}

/// As code, whatever it holds.
pub fn code(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| {
            if c.is_control() || turns(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    let plain = plain.replace('|', "\\|");
    let most = plain.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(most + 1);
    match most {
        0 => format!("{fence}{plain}{fence}"),
        _ => format!("{fence} {plain} {fence}"),
    }
}

/// The beginning, and a sign that it is one.
pub fn shortened(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_calls_nobody_and_closes_nothing() {
        let said =
            harmless("cc @ada, fixes #12 and !3 and https://host/a/issues/4 <!-- outwork:end -->");
        assert_eq!(
            said,
            "cc @\u{200b}ada, fixes #\u{200b}12 and !\u{200b}3 and https:\u{200b}//host/a/issues/4 &lt;!-- outwork:end --&gt;"
        );
    }

    #[test]
    fn nothing_in_it_acts() {
        let gap = |text: &str| text.replace('~', "\u{200b}");
        let same = [
            ("fixes GH-12", "fixes GH-~12"),
            (
                "/close\n  /merge now\na /path",
                "~/close\n  ~/merge now\na /path",
            ),
            (
                "![x](//evil/?secret) [a][b]\n[b]: //evil",
                "![x]~(//evil/?secret) [a]~[b]\n[b]~: //evil",
            ),
            ("<img src=//evil>", "<~img src=//evil>"),
            ("</details><b>", "<~/details><~b>"),
            (
                "&#64;ada &commat;ada &num;12 &amp;",
                "&~#~64;ada &~commat;ada &~num;12 &amp;",
            ),
            ("a\u{202e}b\u{2066}c", "a\u{fffd}b\u{fffd}c"),
            ("1 < 2, a - 3, wh-4 is near", "1 < 2, a - 3, wh-~4 is near"),
        ];
        for (text, harmless_text) in same {
            assert_eq!(harmless(text), gap(harmless_text), "{text}");
        }
    }

    #[test]
    fn a_path_breaks_no_table() {
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a`b``c"), "``` a`b``c ```");
        assert_eq!(code("a\nb"), "`a\u{fffd}b`");
        assert_eq!(cell("a|b\\"), "a\\|b\\\\");
    }

    #[test]
    fn a_mark_is_one_comment() {
        assert_eq!(
            mark("task_1:progress"),
            "<!-- outwork:post task_1:progress -->"
        );
        assert_eq!(mark("a --> b\n<"), "<!-- outwork:post a-b< -->");
    }
}
