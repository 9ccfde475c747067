//! A unified diff as lines.

use std::ops::Range;

/// What a line of a diff is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// About a file.
    Header,
    /// `@@ … @@`.
    Hunk,
    /// A line that comes in.
    Added,
    /// A line that goes away.
    Removed,
    /// The rest.
    Context,
}

/// A diff, with where its lines are. Lines are made fit to be shown when they are, not before.
#[derive(Debug, Default)]
pub(crate) struct Patch {
    bytes: Vec<u8>,
    lines: Vec<(Range<usize>, Kind)>,
    /// The lines that files begin at.
    files: Vec<usize>,
}

impl Patch {
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut lines = Vec::new();
        let mut files = Vec::new();
        let mut hunk = Hunk::default();
        let mut start = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let range = start..start + line.strip_suffix(b"\n").unwrap_or(line).len();
            start += line.len();
            let kind = hunk.take(&bytes[range.clone()]);
            if kind == Kind::Header && bytes[range.clone()].starts_with(b"diff --git ") {
                files.push(lines.len());
            }
            lines.push((range, kind));
        }
        Self {
            bytes,
            lines,
            files,
        }
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// The first `most` bytes of a line without its end, invalid UTF-8 replaced; as it came otherwise.
    pub fn line(&self, number: usize, most: usize) -> Option<(String, Kind)> {
        let (range, kind) = self.lines.get(number)?;
        let end = range.end.min(range.start.saturating_add(most));
        let text = String::from_utf8_lossy(&self.bytes[range.start..end]);
        Some((text.into_owned(), *kind))
    }

    /// Where the next file after that line begins.
    pub fn next_file(&self, line: usize) -> Option<usize> {
        self.files.iter().copied().find(|start| *start > line)
    }

    /// Where the file before that line begins.
    pub fn previous_file(&self, line: usize) -> Option<usize> {
        self.files.iter().copied().rfind(|start| *start < line)
    }
}

/// How many lines of a hunk are still to come: a line of `--` that goes away looks like a header.
#[derive(Default)]
struct Hunk {
    old: u64,
    new: u64,
}

impl Hunk {
    fn take(&mut self, line: &[u8]) -> Kind {
        if self.old == 0 && self.new == 0 {
            if let Some(hunk) = Self::parse(line) {
                *self = hunk;
                return Kind::Hunk;
            }
            return match line.first() {
                Some(b'\\') => Kind::Context,
                _ => Kind::Header,
            };
        }
        match line.first() {
            Some(b'+') => {
                self.new = self.new.saturating_sub(1);
                Kind::Added
            }
            Some(b'-') => {
                self.old = self.old.saturating_sub(1);
                Kind::Removed
            }
            Some(b'\\') => Kind::Context,
            _ => {
                self.old = self.old.saturating_sub(1);
                self.new = self.new.saturating_sub(1);
                Kind::Context
            }
        }
    }

    /// `@@ -1,2 +3 @@ …`; a length left out is 1.
    fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line.get(..line.len().min(200))?)
            .unwrap_or_else(|error| {
                std::str::from_utf8(&line[..error.valid_up_to()]).expect("valid up to there")
            })
            .strip_prefix("@@ -")?;
        let (old, rest) = text.split_once(" +")?;
        let (new, _) = rest.split_once(" @@")?;
        let length = |range: &str| match range.split_once(',') {
            Some((_, length)) => length.parse().ok(),
            None => Some(1),
        };
        Some(Self {
            old: length(old)?,
            new: length(new)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_their_hunk_says() {
        let text = "diff --git a/q.sql b/q.sql\n--- a/q.sql\n+++ b/q.sql\n@@ -1,2 +1,2 @@ where\n--- old\n+++ new\n same\n\
                    \\ No newline at end of file\ndiff --git a/b b/b\nnew file mode 100644\n@@ -0,0 +1 @@\n+x\u{fc}";
        let patch = Patch::new(text.as_bytes().to_vec());
        let kinds: Vec<Kind> = (0..patch.len())
            .filter_map(|at| patch.line(at, 80).map(|line| line.1))
            .collect();
        use Kind::{Added, Context, Header, Hunk, Removed};
        assert_eq!(
            kinds,
            [
                Header, Header, Header, Hunk, Removed, Added, Context, Context, Header, Header,
                Hunk, Added
            ]
        );
        assert_eq!(patch.next_file(0), Some(8));
        assert_eq!(patch.next_file(8), None);
        assert_eq!(patch.previous_file(10), Some(8));
        assert_eq!(patch.previous_file(8), Some(0));
    }
}
