//! Secrets do not appear in the log.
//!
//! Setup and maintenance scripts have them in their environment and print what they like; so every text that goes into the log
//! is searched for their values: as they are, in base64, percent-encoded and as JSON writes them. What comes in pieces is
//! searched across the pieces: [`MaskStream`] keeps back what could be the beginning of a value until it is known.
//!
//! It is a guard against accidents. A script that takes a value apart prints it.

mod events;
mod stream;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use outwork_snapshot::scan::{SHORTEST_BYTES, forms};

pub(crate) use events::EventMasker;
pub(crate) use stream::MaskStream;

/// Values are found by their beginnings and then compared: a key of many lines would make a large automaton.
const BEGINNING_BYTES: usize = 32;
/// Shorter lines of a value of several lines say little, and are everywhere.
const LINE_BYTES: usize = 8;
/// A line of fewer different characters is a rule or a bracket.
const LINE_VARIETY: usize = 4;

/// Knows an attempt's secrets. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Masker(Arc<Secrets>);

struct Secrets {
    patterns: Vec<Pattern>,
    /// What stands in the place of a value, by secret.
    marks: Vec<String>,
    /// Finds beginnings, overlapping ones too.
    beginnings: AhoCorasick,
    /// Sorted, and by the automaton's number: the beginnings, and the patterns that begin so.
    by_beginning: Vec<(String, Vec<usize>)>,
    unmaskable: Vec<String>,
}

struct Pattern {
    text: String,
    secret: usize,
}

/// A value in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    start: usize,
    end: usize,
    secret: usize,
}

/// The longest end of a text that may be the beginning of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    start: usize,
    secret: usize,
}

impl Masker {
    /// Of names and values. Blanks at the ends of a value do not belong to it.
    pub(crate) fn new<N, V>(secrets: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let (mut names, mut unmaskable) = (Vec::new(), Vec::new());
        // By text: of two secrets with one value, the first gives the name.
        let mut texts = BTreeMap::new();
        for (name, value) in secrets {
            let value = value.as_ref().trim();
            if value.len() < SHORTEST_BYTES {
                unmaskable.push(name.as_ref().to_owned());
                continue;
            }
            let secret = names.len();
            names.push(name.as_ref().to_owned());
            for form in forms(value) {
                texts.entry(form.text).or_insert(secret);
            }
            for line in lines(value) {
                texts.entry(line.to_owned()).or_insert(secret);
            }
        }
        let patterns: Vec<_> = texts
            .into_iter()
            .map(|(text, secret)| Pattern { text, secret })
            .collect();
        let by_beginning = by_beginning(&patterns);
        let beginnings = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(by_beginning.iter().map(|(beginning, _)| beginning))
            .expect("short texts are far from its limits");
        Self(Arc::new(Secrets {
            marks: marks(&names, &patterns),
            patterns,
            beginnings,
            by_beginning,
            unmaskable,
        }))
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.patterns.is_empty()
    }

    /// The names of secrets that are too short to be told from other text; they are left as they are.
    pub(crate) fn unmaskable(&self) -> &[String] {
        &self.0.unmaskable
    }

    /// The text with `[secret NAME]` in the place of each value.
    pub(crate) fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_empty() {
            return Cow::Borrowed(text);
        }
        let (matches, _) = self.0.search(text);
        if matches.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = String::new();
        Written::default().write(&self.0, text, &matches, text.len(), &mut masked);
        Cow::Owned(masked)
    }
}

impl Secrets {
    /// The values in `text`, sorted by where they start and then the longest first; and what may become one.
    fn search(&self, text: &str) -> (Vec<Match>, Option<Held>) {
        let (mut matches, mut held) = (Vec::new(), None);
        for found in self.beginnings.find_overlapping_iter(text) {
            let start = found.start();
            let (_, patterns) = &self.by_beginning[found.pattern().as_usize()];
            for number in patterns {
                let Pattern {
                    text: pattern,
                    secret,
                } = &self.patterns[*number];
                let rest = &text[start..];
                if rest.starts_with(pattern) {
                    matches.push(Match {
                        start,
                        end: start + pattern.len(),
                        secret: *secret,
                    });
                } else if pattern.starts_with(rest) {
                    hold(&mut held, start, *secret);
                }
            }
        }
        // What is too short to be a beginning yet.
        for start in text.len().saturating_sub(BEGINNING_BYTES)..text.len() {
            if !text.is_char_boundary(start) {
                continue;
            }
            let rest = &text[start..];
            // Sorted: all that begin with `rest` stand together, `rest` itself first.
            let first = self
                .by_beginning
                .partition_point(|(beginning, _)| beginning.as_str() < rest);
            let longer = self.by_beginning[first..]
                .iter()
                .take_while(|(beginning, _)| beginning.starts_with(rest))
                .find(|(beginning, _)| beginning.len() > rest.len());
            if let Some((_, patterns)) = longer {
                hold(&mut held, start, self.patterns[patterns[0]].secret);
                break;
            }
        }
        matches.sort_by_key(|found| (found.start, std::cmp::Reverse(found.end), found.secret));
        (matches, held)
    }
}

fn hold(held: &mut Option<Held>, start: usize, secret: usize) {
    if held.is_none_or(|held| start < held.start) {
        *held = Some(Held { start, secret });
    }
}

/// How far a text is written out, and what stands at its end.
#[derive(Debug, Default)]
struct Written {
    /// Everything before this is written or masked.
    until: usize,
    /// The secrets that were named for the values that end there or overlap one that does.
    named: Vec<usize>,
}

impl Written {
    /// Writes `text` up to `limit`, with marks for the values that start before it. One inside another is that other; of those
    /// that overlap, nothing is left.
    fn write(
        &mut self,
        secrets: &Secrets,
        text: &str,
        matches: &[Match],
        limit: usize,
        out: &mut String,
    ) {
        for found in matches.iter().take_while(|found| found.start < limit) {
            if found.end <= self.until {
                continue;
            }
            if found.start >= self.until {
                out.push_str(&text[self.until..found.start]);
                self.named.clear();
            }
            self.name(secrets, found.secret, out);
            self.until = found.end;
        }
        if self.until < limit {
            out.push_str(&text[self.until..limit]);
            self.until = limit;
            self.named.clear();
        }
    }

    fn name(&mut self, secrets: &Secrets, secret: usize, out: &mut String) {
        if !self.named.contains(&secret) {
            self.named.push(secret);
            out.push_str(&secrets.marks[secret]);
        }
    }
}

/// Keys are printed line by line, and indented.
fn lines(value: &str) -> Vec<&str> {
    if !value.contains('\n') {
        return Vec::new();
    }
    let lines = value.lines().map(str::trim);
    let is_telling = |line: &&str| {
        let variety: BTreeSet<char> = line.chars().collect();
        line.len() >= LINE_BYTES && variety.len() >= LINE_VARIETY
    };
    lines.filter(is_telling).collect()
}

fn by_beginning(patterns: &[Pattern]) -> Vec<(String, Vec<usize>)> {
    let mut map: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, pattern) in patterns.iter().enumerate() {
        let end = pattern.text.floor_char_boundary(BEGINNING_BYTES);
        map.entry(&pattern.text[..end]).or_default().push(number);
    }
    map.into_iter()
        .map(|(beginning, numbers)| (beginning.to_owned(), numbers))
        .collect()
}

/// Usually `[secret NAME]`; but a value may be such a text itself.
fn marks(names: &[String], patterns: &[Pattern]) -> Vec<String> {
    let is_clean = |mark: &str| {
        let mut patterns = patterns.iter();
        !patterns.any(|pattern| mark.contains(&pattern.text))
    };
    let mark = |name: &String| {
        let marks = [format!("[secret {name}]"), "[secret]".to_owned()];
        marks.into_iter().find(|mark| is_clean(mark))
    };
    names
        .iter()
        .map(|name| mark(name).unwrap_or_else(|| "[***]".to_owned()))
        .collect()
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker")
            .field("marks", &self.0.marks)
            .field("unmaskable", &self.0.unmaskable)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
