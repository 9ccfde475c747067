//! Secrets do not appear in the log.
//!
//! Setup and maintenance scripts have them in their environment and print what they like; so every text that goes into the log
//! is searched for their values: as they are, in base64 (also broken into lines), percent-encoded, and as JSON, shells and
//! languages write them. What comes in pieces is searched across the pieces: [`MaskStream`] keeps back what could be the beginning
//! of a value until it is known.
//!
//! It is a guard against accidents. A script that takes a value apart prints it.

mod events;
mod finder;
mod stream;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use outwork_snapshot::scan::{Encoding, Form, SHORTEST_BYTES, forms};

pub(crate) use events::EventMasker;
use finder::{Finder, Held, Match};
pub(crate) use stream::MaskStream;

/// An end of at least this length that may be the beginning of a value is taken for one where it has to be decided.
const SUSPICIOUS_BYTES: usize = 4;
/// Shorter lines of a value of several lines say little, and are everywhere.
const LINE_BYTES: usize = 8;
/// A line of fewer different characters is a rule or a bracket.
const LINE_VARIETY: usize = 4;

/// Knows an attempt's secrets. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Masker(Arc<Secrets>);

struct Secrets {
    /// Values in all their forms.
    whole: Finder,
    /// Those that programs break into lines.
    broken: Finder,
    /// What stands in the place of a value, by secret.
    marks: Vec<String>,
    unmaskable: Vec<String>,
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
        let (mut whole, mut broken) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in secrets {
            let value = value.as_ref().trim();
            if value.len() < SHORTEST_BYTES {
                unmaskable.push(name.as_ref().to_owned());
                continue;
            }
            let secret = names.len();
            names.push(name.as_ref().to_owned());
            for Form { encoding, text } in forms(value) {
                if encoding == Encoding::Base64 {
                    broken.entry(text.clone()).or_insert(secret);
                }
                whole.entry(text).or_insert(secret);
            }
            for line in lines(value) {
                whole.entry(line.to_owned()).or_insert(secret);
            }
        }
        let whole = Finder::new(whole);
        Self(Arc::new(Secrets {
            marks: marks(&names, &whole),
            whole,
            broken: Finder::new(broken),
            unmaskable,
        }))
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.whole.is_empty()
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
        let (mut matches, whole) = self.whole.search(text);
        let (broken, parts) = self.broken.search_broken(text);
        matches.extend(broken);
        matches.sort_by_key(|found| (found.start, std::cmp::Reverse(found.end), found.secret));
        let held = match (whole, parts) {
            (Some(one), Some(other)) => Some(Held {
                begin: one.begin.min(other.begin),
                ..if other.start < one.start { other } else { one }
            }),
            (held, None) | (None, held) => held,
        };
        let held = held.map(|held| {
            // They are found again when they can be written.
            let later = matches.iter().filter(|found| found.start >= held.start);
            let begin = later.map(|found| found.begin).min();
            Held {
                begin: begin.map_or(held.begin, |begin| begin.min(held.begin)),
                ..held
            }
        });
        (matches, held)
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

/// Usually `[secret NAME]`; but a value may be such a text itself.
fn marks(names: &[String], values: &Finder) -> Vec<String> {
    let mark = |name: &String| {
        let marks = [format!("[secret {name}]"), "[secret]".to_owned()];
        marks.into_iter().find(|mark| !values.is_in(mark))
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
