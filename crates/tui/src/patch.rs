//! A unified diff as lines, and the code in them.

use std::ops::Range;

use crate::syntax::{Language, Piece, State, scan};

/// The most bytes of a line that get colours.
const MOST_SCANNED: usize = 4096;
/// How many lines before one are looked at, at most, for what it begins in.
const MOST_BEFORE: usize = 20_000;

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

/// What a line begins in, in the file as it was and in the file as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sides {
    old: State,
    new: State,
}

/// One file of a diff.
#[derive(Debug)]
struct File {
    /// The line that it begins at.
    start: usize,
    /// As it is now, unless it is no more.
    path: String,
    language: Option<&'static Language>,
}

/// One file of a diff, and how much of it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileLines {
    /// As it came.
    pub path: String,
    /// Its lines from the first hunk on; where there is none, those that say what happened to it.
    pub body: Range<usize>,
    pub added: usize,
    pub removed: usize,
}

/// A diff, with where its lines are. Lines are made fit to be shown when they are, not before.
#[derive(Debug, Default)]
pub(crate) struct Patch {
    bytes: Vec<u8>,
    lines: Vec<(Range<usize>, Kind)>,
    files: Vec<File>,
    /// The lines that hunks begin at.
    hunks: Vec<usize>,
    /// What lines begin in, of those that somebody saw or that stand between them and their hunk's beginning.
    sides: Vec<Option<Sides>>,
}

impl Patch {
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut lines = Vec::new();
        let (mut files, mut hunks): (Vec<File>, Vec<usize>) = Default::default();
        let mut hunk = Hunk::default();
        let mut start = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let range = start..start + line.strip_suffix(b"\n").unwrap_or(line).len();
            start += line.len();
            let text = &bytes[range.clone()];
            let kind = hunk.take(text);
            match (kind, files.last_mut()) {
                (Kind::Header, _) if text.starts_with(b"diff --git ") => {
                    files.push(File::new(lines.len(), text));
                }
                (Kind::Header, Some(file)) => file.take(text),
                (Kind::Hunk, _) => hunks.push(lines.len()),
                _ => {}
            }
            lines.push((range, kind));
        }
        Self {
            sides: vec![None; lines.len()],
            bytes,
            lines,
            files,
            hunks,
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

    /// Finds out what these lines begin in, so that [`Self::pieces`] knows it.
    pub fn look_at(&mut self, seen: Range<usize>) {
        let end = seen.end.min(self.lines.len());
        let mut number = seen.start;
        while number < end {
            // From the hunk's beginning on, or from where somebody looked before.
            let hunk = self.hunks.partition_point(|start| *start <= number);
            let hunk = hunk.checked_sub(1).map_or(0, |at| self.hunks[at]);
            let least = hunk.max(number.saturating_sub(MOST_BEFORE));
            let known = (least..=number).rfind(|at| self.sides[*at].is_some());
            let start = known.unwrap_or(least);
            let next = self.hunks.partition_point(|start| *start <= number);
            let next = self.hunks.get(next).copied().unwrap_or(end);
            let stop = next.min(end);
            self.scan(start..stop);
            number = stop.max(number + 1);
        }
    }

    fn scan(&mut self, lines: Range<usize>) {
        let Some(language) = self.file_of(lines.start).and_then(|file| file.language) else {
            return;
        };
        let mut sides = self.sides[lines.start].unwrap_or_default();
        for number in lines {
            let (range, kind) = &self.lines[number];
            let (is_old, is_new) = match kind {
                Kind::Header => return,
                Kind::Hunk => (false, false),
                Kind::Added => (false, true),
                Kind::Removed => (true, false),
                Kind::Context => (true, true),
            };
            self.sides[number] = Some(sides);
            let end = range.end.min(range.start + MOST_SCANNED);
            let text = &self.bytes[range.start..end];
            let Some((b'+' | b'-' | b' ', code)) = text.split_first() else {
                continue;
            };
            if is_new {
                let after = scan(language, code, sides.new).1;
                if is_old && sides.old == sides.new {
                    sides.old = after;
                } else if is_old {
                    sides.old = scan(language, code, sides.old).1;
                }
                sides.new = after;
            } else if is_old {
                sides.old = scan(language, code, sides.old).1;
            }
        }
    }

    /// The pieces of a line's code, as it is shown, which begins after the sign. There are some once [`Self::look_at`] was there.
    pub fn pieces(&self, number: usize, code: &str) -> Vec<Piece> {
        let sides = self.sides.get(number).copied().flatten();
        let language = self.file_of(number).and_then(|file| file.language);
        let (Some(sides), Some(language)) = (sides, language) else {
            return Vec::new();
        };
        let state = match self.lines[number].1 {
            Kind::Header | Kind::Hunk => return Vec::new(),
            Kind::Removed => sides.old,
            Kind::Added | Kind::Context => sides.new,
        };
        let end = code.floor_char_boundary(code.len().min(MOST_SCANNED));
        scan(language, &code.as_bytes()[..end], state).0
    }

    /// Where the next file after that line begins.
    pub fn next_file(&self, line: usize) -> Option<usize> {
        let mut starts = self.files.iter().map(|file| file.start);
        starts.find(|start| *start > line)
    }

    /// Where the file before that line begins.
    pub fn previous_file(&self, line: usize) -> Option<usize> {
        let mut starts = self.files.iter().map(|file| file.start);
        starts.rfind(|start| *start < line)
    }

    /// The files, and where their changes are.
    pub fn file_lines(&self) -> Vec<FileLines> {
        let ends = self.files.iter().skip(1).map(|next| next.start);
        let ends = ends.chain([self.lines.len()]);
        let files = self.files.iter().zip(ends).map(|(file, end)| {
            let hunk = self.hunks.partition_point(|start| *start < file.start);
            let hunk = self.hunks.get(hunk).filter(|hunk| **hunk < end);
            let body = hunk.copied().unwrap_or(end.min(file.start + 1))..end;
            let count = |kind| {
                let lines = &self.lines[body.clone()];
                lines.iter().filter(|line| line.1 == kind).count()
            };
            FileLines {
                path: file.path.clone(),
                added: count(Kind::Added),
                removed: count(Kind::Removed),
                body,
            }
        });
        files.collect()
    }

    fn file_of(&self, line: usize) -> Option<&File> {
        let after = self.files.partition_point(|file| file.start <= line);
        self.files.get(after.checked_sub(1)?)
    }
}

impl File {
    /// From the line that a file begins with.
    fn new(start: usize, header: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&header[..header.len().min(MOST_SCANNED)]);
        // The same name twice, unless it was moved: then another line says so.
        let path = text.rsplit_once(" b/").map_or("", |(_, path)| path);
        Self {
            start,
            path: path.to_owned(),
            language: Language::of_path(path.trim_end_matches('"')),
        }
    }

    /// Takes another line of what stands before its hunks.
    fn take(&mut self, header: &[u8]) {
        let text = String::from_utf8_lossy(&header[..header.len().min(MOST_SCANNED)]);
        let named = [("+++ ", "b/"), ("--- ", "a/"), ("rename to ", "")];
        let path = named.iter().find_map(|(start, side)| {
            let path = text.strip_prefix(start)?.trim_end_matches('\t');
            path.trim_start_matches('"').strip_prefix(side)
        });
        if let Some(path) = path {
            path.clone_into(&mut self.path);
            self.language = Language::of_path(path.trim_end_matches('"'));
        }
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
