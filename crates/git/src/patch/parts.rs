//! A diff in parts that can be taken one by one: its files, their hunks, and the changes within a hunk.
//!
//! Whether a part applies, `git apply` decides. Here a diff is only read, and a smaller one written that means the same for
//! what was chosen.

use super::quoted::unquoted;
use crate::wildmatch::wildmatch;
use std::ops::Range;

/// For all paths of one diff.
const PATTERN_STEPS: usize = 10_000_000;

/// The text is not what `git diff` writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the diff is not what `git diff` writes there")]
pub struct MalformedPatch {
    /// From 1.
    pub line: usize,
}

/// A diff, read.
#[derive(Debug)]
pub struct Patch<'p> {
    files: Vec<PatchFile<'p>>,
}

#[derive(Debug)]
struct PatchFile<'p> {
    path: Vec<u8>,
    /// What comes before its first hunk; all of it where there is none.
    header: &'p [u8],
    hunks: Vec<Hunk<'p>>,
}

#[derive(Debug)]
struct Hunk<'p> {
    old: Lines,
    new: Lines,
    /// What stands after the second `@@`, with its line's end.
    heading: &'p [u8],
    /// Without the line that begins with `@@`.
    body: Vec<&'p [u8]>,
    text: &'p [u8],
}

/// As in a hunk's first line: where they begin, from 1, and how many there are.
#[derive(Debug, Clone, Copy)]
struct Lines {
    start: u64,
    count: u64,
}

/// What can be taken or left: a hunk; or a file without hunks, which is empty, binary, or only moved or given other rights.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// From 1, through the whole diff.
    pub number: u32,
    /// Of the file after the diff (before it, where it is deleted); bytes, since git's paths need not be UTF-8.
    pub path: &'a [u8],
    /// What the diff says of the file before its first hunk.
    pub header: &'a [u8],
    /// The text of the hunk, with its `@@` line.
    pub hunk: Option<&'a [u8]>,
    /// How many changes it has that can be taken one by one; 1 without a hunk.
    pub changes: usize,
}

/// What is taken of a [`Part`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    All,
    Nothing,
    /// Of each change of the hunk, in order, whether it is taken.
    Changes(Vec<bool>),
}

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

    /// All parts, in the diff's order.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let each = self.files.iter().flat_map(|file| {
            let whole = file.hunks.is_empty().then_some((file, None));
            let hunks = file.hunks.iter().map(move |hunk| (file, Some(hunk)));
            whole.into_iter().chain(hunks)
        });
        (1..)
            .zip(each)
            .map(|(number, (file, hunk))| Part {
                number,
                path: &file.path,
                header: file.header,
                hunk: hunk.map(|hunk| hunk.text),
                changes: hunk.map_or(1, |hunk| hunk.changes().len()),
            })
            .collect()
    }

    /// A diff of what is chosen: one choice for each of [`Patch::parts`]; what has none is left out. A file of which something is
    /// taken is also moved, made or given other rights as the diff says.
    pub fn chosen(&self, choices: &[Choice]) -> Vec<u8> {
        let mut choices = choices.iter();
        let mut chosen = Vec::new();
        for file in &self.files {
            let number = file.hunks.len().max(1);
            let of_file: Vec<&Choice> = choices.by_ref().take(number).collect();
            if file.hunks.is_empty() {
                if matches!(of_file.first(), Some(Choice::All)) {
                    chosen.extend_from_slice(file.header);
                }
                continue;
            }
            let mut hunks = Vec::new();
            // By how many lines what is left out would have moved the rest.
            let mut moved = 0;
            for (hunk, choice) in file.hunks.iter().zip(of_file) {
                moved += hunk.write(choice, moved, &mut hunks);
            }
            if !hunks.is_empty() {
                chosen.extend_from_slice(file.header);
                chosen.extend_from_slice(&hunks);
            }
        }
        chosen
    }
}

impl Part<'_> {
    /// Whether the path is that file, lies in that folder, or fits that pattern (`*` stops at a slash, `**` does not).
    pub fn is_at(&self, pattern: &[u8]) -> bool {
        let pattern = pattern.strip_prefix(b"./").unwrap_or(pattern);
        let folder = pattern.strip_suffix(b"/").unwrap_or(pattern);
        let below = self.path.strip_prefix(folder);
        let is_named = below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
        let is_all = folder.is_empty() || folder == b".";
        is_all || is_named || wildmatch(pattern, self.path, true, &mut PATTERN_STEPS.clone())
    }
}

impl Hunk<'_> {
    /// Which lines are each change: lines taken away or added next to each other.
    fn changes(&self) -> Vec<Range<usize>> {
        let mut changes: Vec<Range<usize>> = Vec::new();
        let mut begun = None;
        for (index, line) in self.body.iter().enumerate() {
            match (line.first(), begun) {
                (Some(b'+' | b'-'), None) => begun = Some(index),
                // "\ No newline at end of file" belongs to the line before it.
                (Some(b'+' | b'-' | b'\\'), _) | (_, None) => {}
                (_, Some(begin)) => {
                    changes.push(begin..index);
                    begun = None;
                }
            }
        }
        changes.extend(begun.map(|begin| begin..self.body.len()));
        changes
    }

    /// Writes what is chosen of it, and tells how many lines fewer that adds than all of it would.
    fn write(&self, choice: &Choice, moved: i128, to: &mut Vec<u8>) -> i128 {
        let grows = |new: u64| i128::from(new) - i128::from(self.old.count);
        let taken: &[bool] = match choice {
            Choice::All if moved == 0 => {
                to.extend_from_slice(self.text);
                return 0;
            }
            Choice::All => &[],
            Choice::Nothing => return grows(self.new.count),
            Choice::Changes(taken) if taken.contains(&true) => taken,
            Choice::Changes(_) => return grows(self.new.count),
        };
        let is_taken = |number: usize| match choice {
            Choice::Changes(_) => taken.get(number).copied().unwrap_or(false),
            Choice::All | Choice::Nothing => true,
        };
        let (body, new_count) = self.body_with(is_taken);
        let start = i128::from(self.new.start) - moved;
        // Where a side has no line, its start is the line before.
        let start = match (self.new.count, new_count) {
            (0, 1..) => start + 1,
            (1.., 0) => start - 1,
            _ => start,
        };
        let Lines { start: old, count } = self.old;
        to.extend_from_slice(
            format!("@@ -{old},{count} +{},{new_count} @@", start.max(0)).as_bytes(),
        );
        to.extend_from_slice(self.heading);
        to.extend_from_slice(&body);
        grows(self.new.count) - grows(new_count)
    }

    /// The lines with only these changes made, and how many there are after them.
    fn body_with(&self, is_taken: impl Fn(usize) -> bool) -> (Vec<u8>, u64) {
        let mut changes = self.changes().into_iter().enumerate().peekable();
        let mut body = Vec::new();
        let mut new_count = 0;
        let mut is_left_out = false;
        for (index, line) in self.body.iter().enumerate() {
            while changes.next_if(|(_, range)| range.end <= index).is_some() {}
            let change = changes.peek().filter(|(_, range)| range.contains(&index));
            let made = change.is_none_or(|(number, _)| is_taken(*number));
            match line.first() {
                // What is said of the end of a line that is left out.
                Some(b'\\') if is_left_out => {}
                Some(b'+') if !made => is_left_out = true,
                Some(b'-') if !made => {
                    is_left_out = false;
                    body.push(b' ');
                    body.extend_from_slice(&line[1..]);
                    new_count += 1;
                }
                first => {
                    is_left_out = false;
                    body.extend_from_slice(line);
                    new_count += u64::from(!matches!(first, Some(b'-' | b'\\')));
                }
            }
        }
        (body, new_count)
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
struct Names {
    both: Option<Vec<u8>>,
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
}

impl Names {
    fn hear(&mut self, line: &[u8]) {
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

    fn path(self) -> Option<Vec<u8>> {
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
fn hunk_line(line: &[u8]) -> Option<(Lines, Lines, &[u8])> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &[u8] = b"diff --git a/a.txt b/a.txt
index 111..222 100644
--- a/a.txt
+++ b/a.txt
@@ -1,3 +1,4 @@ fn one()
 one
+more
 two
--- was here
+++ is here
@@ -10,2 +11,1 @@
 ten
-eleven
diff --git a/s pace b/s pace
old mode 100644
new mode 100755
diff --git a/old b/\"n\\303\\244w\"
similarity index 100%
rename from old
rename to \"n\\303\\244w\"
";

    #[test]
    fn a_diff_falls_into_hunks_and_files_without_any() {
        let patch = Patch::parse(PATCH).expect("a diff");
        let parts = patch.parts();
        let seen: Vec<_> = parts
            .iter()
            .map(|part| {
                let path = String::from_utf8_lossy(part.path).into_owned();
                (part.number, path, part.hunk.is_some(), part.changes)
            })
            .collect();
        assert_eq!(
            seen,
            [
                (1, "a.txt".to_owned(), true, 2),
                (2, "a.txt".to_owned(), true, 1),
                (3, "s pace".to_owned(), false, 1),
                (4, "n\u{e4}w".to_owned(), false, 1),
            ]
        );
        assert_eq!(patch.chosen(&vec![Choice::All; 4]), PATCH);
        assert_eq!(patch.chosen(&[]), b"");
    }

    #[test]
    fn what_is_left_out_moves_the_rest_back() {
        let patch = Patch::parse(PATCH).expect("a diff");
        let second = patch.chosen(&[Choice::Nothing, Choice::All]);
        let second = String::from_utf8(second).expect("text");
        assert!(
            second.ends_with("@@ -10,2 +10,1 @@\n ten\n-eleven\n"),
            "{second}"
        );
        let second_change = Choice::Changes(vec![false, true]);
        let part = patch.chosen(&[second_change, Choice::All]);
        let part = String::from_utf8(part).expect("text");
        assert!(
            part.contains("@@ -1,3 +1,3 @@ fn one()\n one\n two\n--- was here\n+++ is here\n@@ -10,2 +10,1 @@\n"),
            "{part}"
        );
    }

    #[test]
    fn what_git_does_not_write_is_refused() {
        for (text, line) in [
            ("diff --git a/x b/x\n@@ -1,2 +1 @@\n one\n", 3),
            ("diff --git a/x b/x\n@@ -1 +1 @@\nrubbish\n", 3),
            ("diff --git a/x b/x\n@@ -a +1 @@\n", 2),
            ("diff --git a/x b/y\n", 1),
            ("diff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b\nrubbish\n", 5),
        ] {
            let read = Patch::parse(text.as_bytes()).map(|patch| patch.files.len());
            assert_eq!(read, Err(MalformedPatch { line }), "{text}");
        }
        assert!(
            Patch::parse(b"a note\n")
                .expect("no diff")
                .parts()
                .is_empty()
        );
    }

    #[test]
    fn paths_are_chosen_by_name_folder_and_pattern() {
        let part = |path: &'static str| Part {
            number: 1,
            path: path.as_bytes(),
            header: b"",
            hunk: None,
            changes: 1,
        };
        for pattern in [
            "src/lib.rs",
            "src",
            "src/",
            "./src",
            "*/lib.rs",
            "**/*.rs",
            ".",
            "",
        ] {
            assert!(part("src/lib.rs").is_at(pattern.as_bytes()), "{pattern}");
        }
        for pattern in ["sr", "lib.rs", "*.rs", "src/lib.rs/x", "src/lib"] {
            assert!(!part("src/lib.rs").is_at(pattern.as_bytes()), "{pattern}");
        }
    }
}
