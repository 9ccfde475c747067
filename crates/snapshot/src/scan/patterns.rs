//! What is searched for, as byte strings.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::forms::{Encoding, forms};
use super::{Needle, SHORTEST_BYTES};

/// A longer value is stood for by a piece of it.
const WHOLE_BYTES: usize = 256;
const PIECE_BYTES: usize = 128;
/// Base64 is broken into lines of 64 or 76 characters: of two pieces of this length side by side, one is whole.
const BASE64_PIECE: usize = 32;
/// Of a value of several lines, single lines are looked for too, because they are indented or ended differently elsewhere.
const LINE_BYTES: usize = 24;
const LINES: usize = 8;
/// Up to this many bytes of patterns, the fastest kind of automaton is small enough.
const FAST_BYTES: usize = 64 << 10;

/// A needle that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    /// Its number.
    pub(super) needle: usize,
    pub(super) encoding: Encoding,
}

pub(super) struct Patterns {
    names: Vec<String>,
    too_short: Vec<usize>,
    /// By the automaton's number of the pattern.
    hits: Vec<Hit>,
    /// Tells quickly whether there is anything.
    any: AhoCorasick,
    /// Tells everything that there is.
    all: AhoCorasick,
    longest: usize,
}

impl Patterns {
    pub(super) fn new(needles: &[Needle<'_>]) -> Self {
        let (mut texts, mut hits, mut too_short) = (Vec::new(), Vec::new(), Vec::new());
        for (needle, Needle { name: _, value }) in needles.iter().enumerate() {
            let value = value.trim();
            if value.len() < SHORTEST_BYTES {
                too_short.push(needle);
                continue;
            }
            for (text, encoding) in texts_of(value) {
                texts.push(text);
                hits.push(Hit { needle, encoding });
            }
        }
        let total: usize = texts.iter().map(String::len).sum();
        let kind = (total <= FAST_BYTES).then_some(AhoCorasickKind::DFA);
        let any = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .kind(kind)
            .build(&texts);
        let all = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(&texts);
        Self {
            names: needles
                .iter()
                .map(|needle| needle.name.to_owned())
                .collect(),
            too_short,
            hits,
            any: any.expect("pieces of secrets are far from its limits"),
            all: all.expect("pieces of secrets are far from its limits"),
            longest: texts.iter().map(String::len).max().unwrap_or(0),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    pub(super) fn too_short(&self) -> &[usize] {
        &self.too_short
    }

    pub(super) fn name(&self, needle: usize) -> &str {
        &self.names[needle]
    }

    /// The length of the longest pattern, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// What is in `text`: each needle once, in the form that ends first.
    pub(super) fn hits(&self, text: &[u8]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        if !self.any.is_match(text) {
            return hits;
        }
        for found in self.all.find_overlapping_iter(text) {
            let hit = self.hits[found.pattern().as_usize()];
            if hits.iter().all(|known| known.needle != hit.needle) {
                hits.push(hit);
                if hits.len() == self.names.len() - self.too_short.len() {
                    break;
                }
            }
        }
        hits
    }

    /// A path as text without any of the values.
    pub(super) fn masked(&self, path: &[u8]) -> String {
        let mut masked = Vec::new();
        self.any
            .replace_all_with_bytes(path, &mut masked, |found, _, masked| {
                let name = self.name(self.hits[found.pattern().as_usize()].needle);
                masked.extend_from_slice(format!("[secret {name}]").as_bytes());
                true
            });
        String::from_utf8_lossy(&masked).into_owned()
    }
}

/// What stands for a value.
fn texts_of(value: &str) -> BTreeSet<(String, Encoding)> {
    let mut texts = BTreeSet::new();
    for form in forms(piece(value)) {
        match form.encoding {
            Encoding::Base64 => {
                for part in base64_pieces(&form.text) {
                    texts.insert((part.to_owned(), form.encoding));
                }
            }
            Encoding::Plain | Encoding::Percent | Encoding::Json | Encoding::Quoted => {
                texts.insert((form.text, form.encoding));
            }
        }
    }
    if value.contains('\n') {
        for line in telling_lines(value) {
            texts.insert((piece(line).to_owned(), Encoding::Plain));
        }
    }
    texts
}

/// All of a value, or its middle.
fn piece(value: &str) -> &str {
    if value.len() <= WHOLE_BYTES {
        return value;
    }
    let begin = value.floor_char_boundary((value.len() - PIECE_BYTES) / 2);
    let end = value.floor_char_boundary(begin + PIECE_BYTES);
    &value[begin..end]
}

fn base64_pieces(text: &str) -> Vec<&str> {
    if text.len() <= BASE64_PIECE {
        return vec![text];
    }
    let length = text.len().min(2 * BASE64_PIECE);
    let begin = (text.len() - length) / 2;
    let (first, second) = text[begin..begin + length].split_at(length / 2);
    vec![first, second]
}

/// Lines that belong to this value and to no other: no headers, nothing in words.
fn telling_lines(value: &str) -> Vec<&str> {
    let lines: Vec<&str> = value
        .lines()
        .map(str::trim)
        .filter(|line| {
            line.len() >= LINE_BYTES
                && !line.starts_with("-----")
                && !line.contains(char::is_whitespace)
        })
        .collect();
    let begin = lines.len().saturating_sub(LINES) / 2;
    lines.into_iter().skip(begin).take(LINES).collect()
}
