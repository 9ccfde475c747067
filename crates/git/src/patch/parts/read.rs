//! Reading a diff, line after line.

use super::{Hunk, Lines, MalformedPatch, Patch, PatchFile};
use crate::patch::quoted::unquoted;

impl<'p> Patch<'p> {
    /// Reads what `git diff` wrote. What stands before the first `diff --git` is left out.
    pub fn parse(text: &'p [u8]) -> Result<Self, MalformedPatch> {
        let mut reader = Reader {
            text,
            at: 0,
            line: 0,
        };
        let mut files = Vec::new();
        while let Some(line) = reader.peek() {
            if line.starts_with(b"diff --git ") {
                files.push(reader.file()?);
            } else if files.is_empty() {
                reader.next();
            } else {
                return Err(MalformedPatch {
                    line: reader.line + 1,
                });
            }
        }
        Ok(Self { files })
    }
}

/// Line after line, with their ends.
struct Reader<'p> {
    text: &'p [u8],
    at: usize,
    /// How many were read.
    line: usize,
}

impl<'p> Reader<'p> {
    fn peek(&self) -> Option<&'p [u8]> {
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = &rest[..end.map_or(rest.len(), |end| end + 1)];
        (!line.is_empty()).then_some(line)
    }

    fn next(&mut self) -> Option<&'p [u8]> {
        let line = self.peek()?;
        self.at += line.len();
        self.line += 1;
        Some(line)
    }

    fn malformed(&self) -> MalformedPatch {
        MalformedPatch { line: self.line }
    }

    fn file(&mut self) -> Result<PatchFile<'p>, MalformedPatch> {
        let begin = self.at;
        let mut names = Names::default();
        while let Some(line) = self.peek() {
            let is_next = self.at > begin && line.starts_with(b"diff --git ");
            if is_next || line.starts_with(b"@@ ") {
                break;
            }
            names.hear(line);
            self.next();
        }
        let path = names.path().ok_or_else(|| self.malformed())?;
        let header = &self.text[begin..self.at];
        let mut hunks = Vec::new();
        while self.peek().is_some_and(|line| line.starts_with(b"@@ ")) {
            hunks.push(self.hunk()?);
        }
        Ok(PatchFile {
            path,
            header,
            hunks,
        })
    }

    fn hunk(&mut self) -> Result<Hunk<'p>, MalformedPatch> {
        let begin = self.at;
        let line = self.next().unwrap_or_default();
        let (old, new, heading) = hunk_line(line).ok_or_else(|| self.malformed())?;
        let (mut olds, mut news) = (old.count, new.count);
        let mut body = Vec::new();
        while olds > 0 || news > 0 {
            let line = self.next().ok_or_else(|| self.malformed())?;
            let (of_old, of_new) = match line.first() {
                Some(b' ' | b'\n') => (1, 1),
                Some(b'-') => (1, 0),
                Some(b'+') => (0, 1),
                Some(b'\\') => (0, 0),
                _ => return Err(self.malformed()),
            };
            olds = olds.checked_sub(of_old).ok_or_else(|| self.malformed())?;
            news = news.checked_sub(of_new).ok_or_else(|| self.malformed())?;
            body.push(line);
        }
        if self.peek().is_some_and(|line| line.starts_with(b"\\ ")) {
            body.extend(self.next());
        }
        Ok(Hunk {
            old,
            new,
            heading,
            body,
            text: &self.text[begin..self.at],
        })
    }
}

/// What a file is called, by the lines before its first hunk.
#[derive(Default)]
pub(in crate::patch) struct Names {
    both: Option<Vec<u8>>,
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
}

impl Names {
    pub(in crate::patch) fn hear(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let path = |rest: &[u8], prefix: &[u8]| {
            // git ends a name with a blank in it by a tab.
            let rest = rest.strip_suffix(b"\t").unwrap_or(rest);
            unquoted(rest).strip_prefix(prefix).map(<[u8]>::to_vec)
        };
        if let Some(rest) = line.strip_prefix(b"diff --git ") {
            self.both = same_twice(rest);
        } else if let Some(rest) = line.strip_prefix(b"rename to ") {
            self.new = Some(unquoted(rest));
        } else if let Some(rest) = line.strip_prefix(b"copy to ") {
            self.new = Some(unquoted(rest));
        } else if let Some(rest) = line.strip_prefix(b"--- ") {
            self.old = self.old.take().or_else(|| path(rest, b"a/"));
        } else if let Some(rest) = line.strip_prefix(b"+++ ") {
            self.new = self.new.take().or_else(|| path(rest, b"b/"));
        }
    }

    pub(in crate::patch) fn path(self) -> Option<Vec<u8>> {
        self.new.or(self.old).or(self.both)
    }
}

/// The name in `a/NAME b/NAME`: only where both are the same does git say it nowhere else.
fn same_twice(rest: &[u8]) -> Option<Vec<u8>> {
    let half = rest.len().checked_sub(1)? / 2;
    let (first, second) = (rest.get(..half)?, rest.get(half + 1..)?);
    let first = unquoted(first).strip_prefix(b"a/")?.to_vec();
    (unquoted(second).strip_prefix(b"b/") == Some(&*first)).then_some(first)
}

/// `@@ -1,2 +3,4 @@ heading`
pub(in crate::patch) fn hunk_line(line: &[u8]) -> Option<(Lines, Lines, &[u8])> {
    let rest = line.strip_prefix(b"@@ -")?;
    let end = rest.windows(3).position(|window| window == b" @@")?;
    let numbers = std::str::from_utf8(&rest[..end]).ok()?;
    let (old, new) = numbers.split_once(" +")?;
    let lines = |text: &str| {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some(Lines {
            start: start.parse().ok()?,
            count: count.parse().ok()?,
        })
    };
    Some((lines(old)?, lines(new)?, &rest[end + 3..]))
}
