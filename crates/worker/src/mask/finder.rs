//! Where values are in a text, and what may become one.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::SUSPICIOUS_BYTES;

/// Values are found by their beginnings and then compared: a key of many lines would make a large automaton.
const BEGINNING_BYTES: usize = 32;

/// A value in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// From here on the text is needed to find it.
    pub(super) begin: usize,
    /// From here on it is masked.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) secret: usize,
}

/// The longest end of a text that may be the beginning of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// From here on the text is needed to tell.
    pub(super) begin: usize,
    /// What is before this can be said all the same.
    pub(super) start: usize,
    pub(super) secret: usize,
}

/// Looks for texts, each of which is one of a secret.
pub(super) struct Finder {
    patterns: Vec<Pattern>,
    /// Finds beginnings, overlapping ones too.
    beginnings: AhoCorasick,
    /// Sorted, and by the automaton's number: the beginnings, and the patterns that begin so.
    by_beginning: Vec<(String, Vec<usize>)>,
}

struct Pattern {
    text: String,
    secret: usize,
}

impl Finder {
    /// With the number of each text's secret.
    pub(super) fn new(texts: BTreeMap<String, usize>) -> Self {
        let patterns: Vec<_> = texts
            .into_iter()
            .map(|(text, secret)| Pattern { text, secret })
            .collect();
        let by_beginning = by_beginning(&patterns);
        let beginnings = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(by_beginning.iter().map(|(beginning, _)| beginning))
            .expect("short texts are far from its limits");
        Self {
            patterns,
            beginnings,
            by_beginning,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether any of the texts is in `text`.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| text.contains(&pattern.text))
    }

    /// Those in `text`, and what may become one.
    pub(super) fn search(&self, text: &str) -> (Vec<Match>, Option<Held>) {
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
                        begin: start,
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
        (matches, held)
    }

    /// Those in `text` that are broken into lines, wherever and however indented. What a line has of the beginning is left if
    /// it is less than [`SUSPICIOUS_BYTES`]: the ends of many lines would be kept back otherwise.
    pub(super) fn search_broken(&self, text: &str) -> (Vec<Match>, Option<Held>) {
        let lines = Joined::new(text);
        if lines.breaks.is_empty() {
            return (Vec::new(), None);
        }
        let (mut matches, held) = self.search(&lines.text);
        for found in &mut matches {
            *found = Match {
                begin: lines.place(found.begin),
                start: lines.telling_start(found.begin),
                end: lines.place(found.end - 1) + 1,
                secret: found.secret,
            };
        }
        let held = held.map(|held| Held {
            begin: lines.place(held.begin),
            start: lines.telling_start(held.begin),
            secret: held.secret,
        });
        (matches, held)
    }
}

fn hold(held: &mut Option<Held>, start: usize, secret: usize) {
    if held.is_none_or(|held| start < held.start) {
        *held = Some(Held {
            begin: start,
            start,
            secret,
        });
    }
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

/// A text without the breaks between its lines.
struct Joined {
    text: String,
    /// Where a break was, and up to there how much was left out.
    breaks: Vec<(usize, usize)>,
}

impl Joined {
    fn new(text: &str) -> Self {
        let (mut joined, mut breaks) = (String::new(), Vec::new());
        let mut rest = text;
        while let Some(end) = rest.find(['\n', '\r']) {
            joined.push_str(&rest[..end]);
            rest = rest[end..].trim_start_matches(['\n', '\r', ' ', '\t']);
            breaks.push((joined.len(), text.len() - rest.len() - joined.len()));
        }
        joined.push_str(rest);
        Self {
            text: joined,
            breaks,
        }
    }

    /// Where a byte was.
    fn place(&self, at: usize) -> usize {
        let before = self.breaks.partition_point(|(place, _)| *place <= at);
        let left_out = before.checked_sub(1).map_or(0, |last| self.breaks[last].1);
        at + left_out
    }

    /// Where a value that begins there is to be masked from.
    fn telling_start(&self, start: usize) -> usize {
        let next = self.breaks.partition_point(|(place, _)| *place <= start);
        match self.breaks.get(next) {
            Some((place, left_out)) if place - start < SUSPICIOUS_BYTES => place + left_out,
            Some(_) | None => self.place(start),
        }
    }
}
