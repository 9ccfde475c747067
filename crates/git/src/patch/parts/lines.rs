//! What a diff shows of a file: its lines by their numbers, and its text.

use std::ops::RangeInclusive;

use super::{Hunk, Patch, PatchFile};

/// Whose numbers the lines have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Of the file as it was.
    Old,
    /// Of the file as it became.
    New,
}

/// The diff does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotShown {
    /// It has no such file.
    File,
    /// It does not show this line of it, the first of those that were asked for.
    Line(u64),
}

impl<'p> Patch<'p> {
    /// The files, each with all that the diff says of it.
    pub fn texts(&self) -> impl Iterator<Item = (&[u8], Vec<&'p [u8]>)> {
        self.files.iter().map(|file| {
            let hunks = file.hunks.iter().map(|hunk| hunk.text);
            let text = std::iter::once(file.header).chain(hunks).collect();
            (&*file.path, text)
        })
    }

    /// The lines of a file with these numbers, without their ends.
    pub fn lines(
        &self,
        path: &[u8],
        side: Side,
        numbers: RangeInclusive<u64>,
    ) -> Result<Vec<&'p [u8]>, NotShown> {
        let file = self.file(path).ok_or(NotShown::File)?;
        let mut wanted = *numbers.start();
        let mut found = Vec::new();
        for (number, line) in file.hunks.iter().flat_map(|hunk| hunk.numbered(side)) {
            if number == wanted && number <= *numbers.end() {
                found.push(line);
                wanted += 1;
            }
        }
        match wanted > *numbers.end() {
            true => Ok(found),
            false => Err(NotShown::Line(wanted)),
        }
    }

    /// Whether the diff has that file.
    pub fn has(&self, path: &[u8]) -> bool {
        self.file(path).is_some()
    }

    fn file(&self, path: &[u8]) -> Option<&PatchFile<'p>> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl<'p> Hunk<'p> {
    /// The lines of one side, with their numbers.
    fn numbered(&self, side: Side) -> impl Iterator<Item = (u64, &'p [u8])> {
        let (start, mark) = match side {
            Side::Old => (self.old.start, b'-'),
            Side::New => (self.new.start, b'+'),
        };
        let of_side = self.body.iter().filter_map(move |line| {
            // A bare line's end is an empty line of both.
            let (first, rest) = line.split_first()?;
            let rest = match first {
                b' ' => rest,
                b'\n' => line,
                _ if *first == mark => rest,
                _ => return None,
            };
            Some(rest.strip_suffix(b"\n").unwrap_or(rest))
        });
        (start..).zip(of_side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &[u8] = b"diff --git a/a.txt b/a.txt
index 1..2 100644
--- a/a.txt
+++ b/a.txt
@@ -2,3 +2,3 @@
 two
-three
+drei

@@ -9,1 +9,2 @@
 nine
+ten
\\ No newline at end of file
diff --git a/b.bin b/b.bin
index 3..4 100644
Binary files a/b.bin and b/b.bin differ
";

    fn shown(side: Side, numbers: RangeInclusive<u64>) -> Result<Vec<String>, NotShown> {
        let patch = Patch::parse(DIFF).expect("a diff");
        let lines = patch.lines(b"a.txt", side, numbers)?;
        let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
        Ok(lines.into_iter().map(text).collect())
    }

    #[test]
    fn lines_have_the_numbers_of_their_side() {
        let texts = |all: &[&str]| Ok(all.iter().map(|&text| text.to_owned()).collect());
        assert_eq!(shown(Side::New, 2..=4), texts(&["two", "drei", ""]));
        assert_eq!(shown(Side::Old, 3..=3), texts(&["three"]));
        assert_eq!(shown(Side::New, 10..=10), texts(&["ten"]));
        assert_eq!(shown(Side::Old, 9..=9), texts(&["nine"]));
        assert_eq!(shown(Side::Old, 10..=10), Err(NotShown::Line(10)));
        assert_eq!(shown(Side::New, 1..=2), Err(NotShown::Line(1)));
        assert_eq!(shown(Side::New, 4..=5), Err(NotShown::Line(5)));
        let patch = Patch::parse(DIFF).expect("a diff");
        let none = patch.lines(b"c.txt", Side::New, 1..=1);
        assert_eq!(none, Err(NotShown::File));
        let binary = patch.lines(b"b.bin", Side::New, 1..=1);
        assert_eq!(binary, Err(NotShown::Line(1)));
        assert!(patch.has(b"b.bin") && !patch.has(b"c.txt"));
    }

    #[test]
    fn the_texts_of_all_files_are_the_diff() {
        let patch = Patch::parse(DIFF).expect("a diff");
        let texts: Vec<_> = patch.texts().collect();
        assert_eq!(texts.len(), 2);
        let whole: Vec<u8> = texts
            .into_iter()
            .flat_map(|(_, text)| text.concat())
            .collect();
        assert_eq!(whole, DIFF);
    }
}
