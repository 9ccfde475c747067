//! Where a text calls us, and what it asks for.
//!
//! A text is Markdown. What stands in code, in a quote or in a comment of HTML calls nobody: the first is an example, the second somebody
//! else's words, the third is not seen by those who read it. A line below a quote that Markdown would still count to it (a lazy
//! continuation) was typed by the author, and is the author's.

use serde::{Deserialize, Serialize};

/// What we are called where nothing else is said.
pub const NAME: &str = "outwork";

/// What a mention asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Work, in words. They may be empty: then the conversation says it.
    Work(String),
    /// A code review, and what to look at if that is said.
    Review(String),
    /// A pull request of what is there.
    PullRequest,
    /// The newest turn once more.
    Retry,
    /// An end to what is under way.
    Cancel,
}

/// The first mention in the text, if there is one. `name` is without the `@`.
///
/// The first word after it decides: `review …`; or `pr`, `retry` and `cancel` where nothing follows. Everything else is work, in the words
/// after the mention. Where words stand before it, all of them are the request: people call at the end of what they say, too.
pub fn wish(text: &str, name: &str) -> Option<Wish> {
    let (before, after) = split(text, name)?;
    let after = after.trim_start_matches(|c: char| c.is_whitespace() || ",:;.!–—-".contains(c));
    let after = after.trim_end();
    let before = before.trim();
    let (word, rest) = match after.find(|c: char| !c.is_alphanumeric()) {
        Some(at) => after.split_at(at),
        None => (after, ""),
    };
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || ",:;.!".contains(c));
    let is_alone = rest.is_empty();
    match word.to_ascii_lowercase().as_str() {
        "review" => Some(Wish::Review(rest.to_owned())),
        "pr" if is_alone => Some(Wish::PullRequest),
        "retry" if is_alone => Some(Wish::Retry),
        "cancel" if is_alone => Some(Wish::Cancel),
        _ if before.is_empty() => Some(Wish::Work(after.to_owned())),
        _ => Some(Wish::Work(
            format!("{before}\n\n{after}").trim_end().to_owned(),
        )),
    }
}

/// Whether the text calls at all.
pub fn is_in(text: &str, name: &str) -> bool {
    split(text, name).is_some()
}

/// What stands before and after the first mention.
fn split<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    if name.is_empty() {
        return None;
    }
    let open = visible(text);
    let folded = open.to_ascii_lowercase();
    let wanted = format!("@{}", name.to_ascii_lowercase());
    let mut found = folded
        .match_indices(&wanted)
        .map(|(at, it)| (at, at + it.len()));
    let (from, to) = found.find_map(|(from, to)| {
        // An app is called `@name[bot]`, too.
        let to = match folded[to..].starts_with("[bot]") {
            true => to + "[bot]".len(),
            false => to,
        };
        is_a_word(&open, from, to).then_some((from, to))
    })?;
    Some((&text[..from], &text[to..]))
}

/// Whether it stands alone: no part of an address, of a path, or of another name.
fn is_a_word(text: &str, from: usize, to: usize) -> bool {
    let before = text[..from].chars().next_back();
    let mut after = text[to..].chars();
    let (next, further) = (after.next(), after.next());
    let joins = |c: char| c.is_alphanumeric() || "_-/@\\".contains(c);
    let ends = match next {
        Some('.') => !further.is_some_and(char::is_alphanumeric),
        next => !next.is_some_and(joins),
    };
    ends && !before.is_some_and(|c| joins(c) || c == '.' || c == '`')
}

/// The text, byte for byte as long, with blanks where it calls nobody.
fn visible(text: &str) -> String {
    let mut open = text.as_bytes().to_vec();
    hide_blocks(text, &mut open);
    hide_spans(&mut open);
    hide_between(&mut open, "<!--", "-->");
    for (begin, end) in [
        ("<code", "</code>"),
        ("<pre", "</pre>"),
        ("<blockquote", "</blockquote>"),
    ] {
        hide_between(&mut open, begin, end);
    }
    String::from_utf8(open).expect("whole characters were blanked")
}

fn blank(open: &mut [u8], from: usize, to: usize) {
    let bytes = open[from..to].iter_mut();
    bytes
        .filter(|byte| **byte != b'\n')
        .for_each(|byte| *byte = b' ');
}

/// An element, or a comment, which hides the rest if it is never closed. What is blank already opens nothing.
fn hide_between(open: &mut [u8], begin: &str, end: &str) {
    let folded = open.to_ascii_lowercase();
    let find = |at: usize, wanted: &str| {
        let mut windows = folded[at..].windows(wanted.len());
        windows
            .position(|it| it == wanted.as_bytes())
            .map(|it| at + it)
    };
    let is_comment = begin == "<!--";
    let mut at = 0;
    while let Some(from) = find(at, begin) {
        let inside = from + begin.len();
        let next = folded.get(inside).copied().unwrap_or(b'>');
        if !is_comment && next.is_ascii_alphanumeric() {
            at = inside;
            continue;
        }
        let to = match (find(inside, end), is_comment) {
            (Some(found), _) => found + end.len(),
            (None, true) => open.len(),
            (None, false) => find(inside, "\n\n").unwrap_or(open.len()),
        };
        blank(open, from, to);
        at = to;
    }
}

/// Fenced and indented code, and quotes.
fn hide_blocks(text: &str, open: &mut [u8]) {
    let mut fence: Option<(char, usize)> = None;
    let mut after_blank = true;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (from, to) = (at, at + line.len());
        at = to;
        let spaces = line.len() - line.trim_start_matches([' ', '\t']).len();
        let is_indented = line[..spaces].contains('\t') || spaces >= 4;
        let content = line.trim();
        let marks = content.chars().next().filter(|c| *c == '`' || *c == '~');
        let run = marks.map_or(0, |mark| content.chars().take_while(|c| *c == mark).count());
        if let Some((mark, least)) = fence {
            blank(open, from, to);
            if !is_indented && marks == Some(mark) && run >= least && run == content.chars().count()
            {
                fence = None;
            }
            after_blank = true;
            continue;
        }
        // Backticks that close on the same line are a span, not a fence.
        let is_span = marks == Some('`') && content[run..].contains('`');
        if run >= 3 && !is_indented && !is_span {
            fence = marks.map(|mark| (mark, run));
            blank(open, from, to);
        } else if content.starts_with('>') || (is_indented && after_blank && !content.is_empty()) {
            blank(open, from, to);
            // The next indented line is of the same block.
            continue;
        }
        after_blank = content.is_empty();
    }
}

/// Code within a paragraph: between two runs of as many backticks.
fn hide_spans(open: &mut [u8]) {
    let runs = runs(open);
    let mut at = 0;
    while let Some((from, length)) = runs.get(at).copied() {
        let mut later = runs.iter().enumerate().skip(at + 1);
        let end = later
            .find(|(_, (to, other))| *other == length || ends_paragraph(open, from + length, *to));
        match end {
            Some((index, (to, other)))
                if *other == length && !ends_paragraph(open, from + length, *to) =>
            {
                let to = to + length;
                blank(open, from, to);
                at = index + 1;
            }
            Some(_) | None => at += 1,
        }
    }
}

fn runs(open: &[u8]) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < open.len() {
        let length = open[at..].iter().take_while(|byte| **byte == b'`').count();
        let is_escaped = at > 0 && open[at - 1] == b'\\';
        if length > 0 && !(is_escaped && length == 1) {
            runs.push((at, length));
        }
        at += length.max(1);
    }
    runs
}

/// Whether a line without anything on it stands between.
fn ends_paragraph(open: &[u8], from: usize, to: usize) -> bool {
    let mut lines = open[from..to].split(|byte| *byte == b'\n');
    let _rest_of_the_first = lines.next();
    let mut lines = lines.collect::<Vec<_>>();
    let _begin_of_the_last = lines.pop();
    lines
        .iter()
        .any(|line| line.iter().all(u8::is_ascii_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(text: &str) -> Option<Wish> {
        Some(Wish::Work(text.to_owned()))
    }

    #[test]
    fn what_stands_after_it_is_the_request() {
        let same = [
            "@outwork fix the sum",
            "@Outwork: fix the sum",
            "@OUTWORK, fix the sum  ",
            "@outwork[bot] fix the sum",
            "\n\n@outwork\nfix the sum",
        ];
        for text in same {
            assert_eq!(wish(text, NAME), work("fix the sum"), "{text}");
        }
        assert_eq!(
            wish("It is off.\n\n@outwork please", NAME),
            work("It is off.\n\nplease")
        );
        assert_eq!(
            wish("Please fix it, @outwork.", NAME),
            work("Please fix it,")
        );
        assert_eq!(wish("@outwork", NAME), work(""));
        assert_eq!(wish("(@outwork) look", NAME), work("(\n\n) look"));
        assert_eq!(wish("@ada @robo go", "robo"), work("@ada\n\ngo"));
    }

    #[test]
    fn the_first_word_may_be_a_command() {
        let review = |rest: &str| Some(Wish::Review(rest.to_owned()));
        assert_eq!(wish("@outwork review", NAME), review(""));
        assert_eq!(
            wish("@outwork Review: the locks, please", NAME),
            review("the locks, please")
        );
        assert_eq!(
            wish("Thanks! @outwork review the tests", NAME),
            review("the tests")
        );
        assert_eq!(
            wish("@outwork reviewers are slow", NAME),
            work("reviewers are slow")
        );
        assert_eq!(wish("@outwork PR", NAME), Some(Wish::PullRequest));
        assert_eq!(wish("@outwork retry!", NAME), Some(Wish::Retry));
        assert_eq!(wish("@outwork cancel.", NAME), Some(Wish::Cancel));
        assert_eq!(
            wish("@outwork cancel the timer at exit", NAME),
            work("cancel the timer at exit")
        );
    }

    #[test]
    fn other_words_do_not_call() {
        let none = [
            "",
            "outwork fix",
            "me@outwork.dev",
            "@outwork-dev fix",
            "@outworker",
            "@outwork_x",
            "@outwork/team look",
            "https://host/@outwork",
            "@@outwork",
            "\\@outwork fix",
            "@outwork.dev is a domain",
            "x.@outwork",
            "@0utwork",
            "@оutwork with a letter of another script",
            "@\u{200b}outwork",
        ];
        for text in none {
            assert_eq!(wish(text, NAME), None, "{text}");
        }
        assert_eq!(wish("@anything", ""), None);
    }

    #[test]
    fn code_quotes_and_comments_call_nobody() {
        let none = [
            "`@outwork fix`",
            "``a ` @outwork``",
            "```\n@outwork fix\n```",
            "~~~ text\n@outwork fix\n~~~~",
            "```\n@outwork never closed",
            "   ```sh\n@outwork fix\n   ```",
            "> @outwork fix",
            "  > @outwork fix",
            "text\n> more\n> @outwork fix",
            "\\`@outwork",
            "    @outwork in a block\n    @outwork more",
            "a paragraph\n\n\t@outwork in a block",
            "<!-- @outwork fix -->",
            "<!-- @outwork never closed",
            "a `code\nthat goes on @outwork` here",
            "<code>@outwork</code>",
            "<PRE>\n@outwork\n</PRE>",
            "````\n```\n@outwork\n````",
            "<blockquote>@outwork</blockquote>",
        ];
        for text in none {
            assert_eq!(wish(text, NAME), None, "{text}");
        }
    }

    #[test]
    fn what_is_around_them_does() {
        let some = [
            ("`code` @outwork go", "`code`\n\ngo"),
            ("```\nx\n```\n@outwork go", "```\nx\n```\n\ngo"),
            ("> quoted\n@outwork go", "> quoted\n\ngo"),
            ("a ` alone, @outwork go", "a ` alone,\n\ngo"),
            ("a ` alone\n\n@outwork go `", "a ` alone\n\ngo `"),
            (
                "`<code>` and `<!--`: @outwork go",
                "`<code>` and `<!--`:\n\ngo",
            ),
            ("<codebase> @outwork go", "<codebase>\n\ngo"),
            (
                "<code>never closed\n\n@outwork go",
                "<code>never closed\n\ngo",
            ),
            ("words\n    @outwork go", "words\n\ngo"),
            ("```x``` @outwork go", "```x```\n\ngo"),
            ("<!-- hidden --> @outwork go", "<!-- hidden -->\n\ngo"),
            (
                "`@outwork` is how to call; so @outwork go",
                "`@outwork` is how to call; so\n\ngo",
            ),
        ];
        for (text, request) in some {
            assert_eq!(wish(text, NAME), work(request), "{text}");
        }
    }

    #[test]
    fn no_text_is_too_odd() {
        let odd = [
            "`".repeat(5_000),
            "@outwork".repeat(2_000),
            "\u{1f440}`@outwork\u{0}".repeat(500),
            "> ".repeat(4_000),
            "<!--".repeat(3_000),
            "<pre".repeat(3000),
        ];
        for text in odd {
            let _no_panic = wish(&text, NAME);
        }
    }
}
