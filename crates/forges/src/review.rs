//! A review task's answer as comments on lines. What an answer says about lines that the pull request does not show goes into the text.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::FileDiff;
use crate::words::{code, harmless, mark, shortened};

/// Most comments on lines; the others are in the text.
const COMMENTS: usize = 50;
const BODY_CHARS: usize = 20_000;
const COMMENT_CHARS: usize = 4_000;

/// What is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// With the mark.
    pub body: String,
    pub comments: Vec<OnLine>,
}

/// A comment on a line that the pull request shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnLine {
    pub path: String,
    pub line: u64,
    /// Whether it is a line that is removed.
    pub is_old: bool,
    pub body: String,
}

/// What a review's agent is asked to answer with, as a JSON Schema.
pub fn schema() -> Value {
    json!({"type": "object", "additionalProperties": false, "required": ["summary", "comments"], "properties": {
        "summary": {"type": "string"},
        "comments": {"type": "array", "items": {
            "type": "object", "additionalProperties": false, "required": ["path", "line", "removed", "comment"], "properties": {
                "path": {"type": "string"}, "line": {"type": "integer"}, "removed": {"type": "boolean"}, "comment": {"type": "string"}}}}}})
}

/// How it is asked.
pub const REQUEST: &str = "Review the changes of the pull request below. Change no file. Look for mistakes: wrong results, broken callers, \
races, missing checks and tests, security. Say only what somebody has to do something about; leave out praise and what a formatter does. Answer \
with JSON: `summary` says in a few sentences what you found, and `comments` has one entry for each finding, with `path`, `line` (its number in \
the new file, or in the old one where `removed` is true) and `comment`.";

#[derive(Deserialize)]
struct Answer {
    summary: String,
    #[serde(default)]
    comments: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    path: String,
    line: u64,
    #[serde(default)]
    removed: bool,
    comment: String,
}

/// Puts an answer onto the lines of a pull request. An answer that is no JSON is the text as it is.
pub fn review(answer: &str, files: &[FileDiff], key: &str) -> Review {
    let Some(Answer { summary, comments }) = read(answer) else {
        let body = harmless(&shortened(answer.trim(), BODY_CHARS));
        return Review {
            body: format!("{}\n{body}\n", mark(key)),
            comments: Vec::new(),
        };
    };
    let shown: BTreeMap<&str, Lines> = files
        .iter()
        .map(|file| (file.path.as_str(), lines(&file.patch)))
        .collect();
    let mut review = Review {
        body: format!(
            "{}\n{}\n",
            mark(key),
            harmless(&shortened(summary.trim(), BODY_CHARS))
        ),
        comments: Vec::new(),
    };
    let mut others = String::new();
    for found in comments {
        let Found {
            path,
            line,
            removed,
            comment,
        } = found;
        let path = path.trim_start_matches("./").to_owned();
        let body = harmless(&shortened(comment.trim(), COMMENT_CHARS));
        let is_shown = shown.get(path.as_str()).is_some_and(|lines| match removed {
            true => lines.old.contains(&line),
            false => lines.new.contains(&line),
        });
        if is_shown && review.comments.len() < COMMENTS && !body.is_empty() {
            review.comments.push(OnLine {
                path,
                line,
                is_old: removed,
                body,
            });
        } else if others.len() < BODY_CHARS {
            let body = body.replace('\n', "\n  ");
            others += &format!("- {}: {body}\n", code(&format!("{path}:{line}")));
        }
    }
    if !others.is_empty() {
        review.body += &format!("\nBeside the lines that are changed here:\n\n{others}");
    }
    review
}

/// The JSON, alone or in a fence.
fn read(answer: &str) -> Option<Answer> {
    let answer = answer.trim();
    if let Ok(read) = serde_json::from_str(answer) {
        return Some(read);
    }
    let from = answer.find('{')?;
    let to = answer.rfind('}')?;
    serde_json::from_str(answer.get(from..=to)?).ok()
}

/// Numbers of the lines that a patch shows.
#[derive(Default)]
struct Lines {
    old: Vec<u64>,
    new: Vec<u64>,
}

fn lines(patch: &str) -> Lines {
    let mut shown = Lines::default();
    let (mut old, mut new) = (0_u64, 0_u64);
    for line in patch.lines() {
        match line.as_bytes().first() {
            Some(b'@') => {
                if let Some((from, to)) = hunk(line) {
                    (old, new) = (from, to);
                }
            }
            Some(b'+') => {
                shown.new.push(new);
                new += 1;
            }
            Some(b'-') => {
                shown.old.push(old);
                old += 1;
            }
            // "No newline at end of file".
            Some(b'\\') => {}
            Some(_) | None => {
                shown.new.push(new);
                shown.old.push(old);
                (old, new) = (old + 1, new + 1);
            }
        }
    }
    shown
}

/// First lines of `@@ -1,2 +3,4 @@`.
fn hunk(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split(' ').skip(1);
    let mut first = |sign: char| {
        let word = words.next()?.strip_prefix(sign)?;
        word.split(',').next()?.parse().ok()
    };
    Some((first('-')?, first('+')?))
}

impl Review {
    /// All of it as one comment, for servers that take no review at once.
    pub fn as_comment(&self) -> String {
        let mut text = self.body.clone();
        for OnLine {
            path, line, body, ..
        } in &self.comments
        {
            let body = body.replace('\n', "\n  ");
            text += &format!("\n- {}: {body}", code(&format!("{path}:{line}")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "@@ -1,3 +1,4 @@ fn a\n one\n-two\n+2\n+two and a half\n three\n@@ -10 +11,2 @@\n ten\n+eleven\n\\ No newline at end of file";

    fn files() -> Vec<FileDiff> {
        vec![FileDiff {
            path: "src/a.rs".to_owned(),
            old_path: None,
            patch: PATCH.to_owned(),
        }]
    }

    #[test]
    fn lines_are_those_that_are_shown() {
        let Lines { old, new } = lines(PATCH);
        assert_eq!(old, [1, 2, 3, 10]);
        assert_eq!(new, [1, 2, 3, 4, 11, 12]);
    }

    #[test]
    fn what_is_not_shown_goes_into_the_text() {
        let answer = json!({"summary": "Two things, @ada.", "comments": [
            {"path": "src/a.rs", "line": 3, "removed": false, "comment": "Why a half?"},
            {"path": "./src/a.rs", "line": 2, "removed": true, "comment": "It was needed."},
            {"path": "src/a.rs", "line": 5, "removed": false, "comment": "Between the hunks."},
            {"path": "src/b.rs", "line": 1, "removed": false, "comment": "Another\nfile."}]});
        for answer in [answer.to_string(), format!("Here:\n```json\n{answer}\n```")] {
            let review = review(&answer, &files(), "k");
            let on = |line, is_old, body: &str| OnLine {
                path: "src/a.rs".to_owned(),
                line,
                is_old,
                body: body.to_owned(),
            };
            assert_eq!(
                review.comments,
                [on(3, false, "Why a half?"), on(2, true, "It was needed.")]
            );
            assert_eq!(
                review.body,
                "<!-- outwork:post k -->\nTwo things, @\u{200b}ada.\n\nBeside the lines that are changed here:\n\n\
                 - `src/a.rs:5`: Between the hunks.\n- `src/b.rs:1`: Another\n  file.\n"
            );
        }
    }

    #[test]
    fn words_alone_are_a_review_too() {
        let review = review("Looks good.", &files(), "k");
        assert_eq!(review.body, "<!-- outwork:post k -->\nLooks good.\n");
        assert!(review.comments.is_empty());
    }

    #[test]
    fn there_are_not_too_many() {
        let many: Vec<Value> = (0..200)
            .map(|_| json!({"path": "src/a.rs", "line": 3, "comment": "again"}))
            .collect();
        let answer = json!({"summary": "x", "comments": many}).to_string();
        let review = review(&answer, &files(), "k");
        assert_eq!(review.comments.len(), COMMENTS);
        assert_eq!(review.body.matches("again").count(), 150);
    }
}
