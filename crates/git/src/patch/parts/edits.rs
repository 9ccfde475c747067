//! Hunks of several diffs of one file of the base, as one diff of it.
//!
//! All are against the same base, so each is a list of edits of lines that are known by their numbers, and what stands around them is the base's
//! in each. Edits apart from each other are all made; the same edit is made once; others that touch each other contradict, as they do for `git merge`.

use std::collections::BTreeMap;

use super::Hunk;

/// No diff of ours has as many; so none of the numbers here ever is too large.
const LAST_LINE: u64 = u32::MAX as u64;

/// A line as it stands in a diff, without its first sign and with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line<'p> {
    text: &'p [u8],
    /// It is the last of its file, and has no end there.
    is_unended: bool,
}

/// Lines taken away or added next to each other.
#[derive(Debug)]
struct Edit<'p> {
    /// The first line of the base that is taken away, from 1; if none is, the one that stands behind.
    at: u64,
    taken: u64,
    added: Vec<Line<'p>>,
    /// The diff that it is of, and the hunk's number in it.
    from: usize,
    hunk: usize,
}

impl Edit<'_> {
    fn end(&self) -> u64 {
        self.at.saturating_add(self.taken)
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.at, self.taken) == (other.at, other.taken) && self.added == other.added
    }

    /// Of the same diff only what has lines in common: what it says was true.
    fn contradicts(&self, other: &Self) -> bool {
        if self.from == other.from {
            return self.at < other.end() && other.at < self.end();
        }
        self.at <= other.end() && other.at <= self.end()
    }
}

/// Two hunks that cannot both be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clash {
    /// The number of the diff and of its hunk.
    pub(super) one: (usize, usize),
    pub(super) other: (usize, usize),
    /// The lines of the base that both change, or stand next to.
    pub(super) lines: (u64, u64),
}

/// Hunks of one file: from which diff, the number in it, and the hunk.
pub(super) type Taken<'h, 'p> = (usize, usize, &'h Hunk<'p>);

/// Writes all of them as the hunks of one diff.
pub(super) fn merge(hunks: &[Taken<'_, '_>], to: &mut Vec<u8>) -> Result<(), Clash> {
    let mut base = BTreeMap::new();
    let mut edits: Vec<Edit<'_>> = Vec::new();
    for &(from, number, hunk) in hunks {
        if hunk.old.start > LAST_LINE {
            return Err(Clash {
                one: (from, number),
                other: (from, number),
                lines: (hunk.old.start, hunk.old.start),
            });
        }
        for (at, line) in read(hunk, from, number, &mut edits) {
            // Where nobody lies, what two say of a line of the base is the same.
            let before = base.insert(at, (line, (from, number)));
            if let Some((_, one)) = before.filter(|(before, _)| *before != line) {
                return Err(Clash {
                    one,
                    other: (from, number),
                    lines: (at, at),
                });
            }
        }
    }
    edits.sort_by_key(|edit| (edit.at, edit.taken, edit.from, edit.hunk));
    let mut made: Vec<Edit<'_>> = Vec::with_capacity(edits.len());
    for edit in edits {
        // Those before have no line in common, so the last reaches farthest.
        match made.last() {
            Some(last) if last.is_same(&edit) => continue,
            Some(last) if last.contradicts(&edit) => {
                return Err(Clash {
                    one: (last.from, last.hunk),
                    other: (edit.from, edit.hunk),
                    lines: (edit.at, last.end().min(edit.end()).max(edit.at + 1) - 1),
                });
            }
            Some(_) | None => made.push(edit),
        }
    }
    write(&base, &made, to);
    Ok(())
}

/// Adds its edits, and answers with the lines of the base that it shows.
fn read<'p>(
    hunk: &Hunk<'p>,
    from: usize,
    number: usize,
    edits: &mut Vec<Edit<'p>>,
) -> Vec<(u64, Line<'p>)> {
    // Where a side has no line, its start is the line before.
    let mut at = hunk.old.start + u64::from(hunk.old.count == 0);
    let mut shown: Vec<(u64, Line<'p>)> = Vec::new();
    let mut open: Option<Edit<'p>> = None;
    for (index, line) in hunk.body.iter().enumerate() {
        let is_unended = hunk
            .body
            .get(index + 1)
            .is_some_and(|next| next.first() == Some(&b'\\'));
        // Some tools leave out the blank before an empty line.
        let text = if *line == b"\n" { line } else { &line[1..] };
        let line = Line { text, is_unended };
        let mut edit = || Edit {
            at,
            taken: 0,
            added: Vec::new(),
            from,
            hunk: number,
        };
        match hunk.body[index].first() {
            Some(b'-') => {
                open.get_or_insert_with(&mut edit).taken += 1;
                shown.push((at, line));
                at += 1;
            }
            Some(b'+') => open.get_or_insert_with(&mut edit).added.push(line),
            Some(b'\\') => {}
            Some(_) | None => {
                edits.extend(open.take());
                shown.push((at, line));
                at += 1;
            }
        }
    }
    edits.extend(open);
    shown
}

/// A hunk for each stretch of known lines.
fn write(base: &BTreeMap<u64, (Line<'_>, (usize, usize))>, edits: &[Edit<'_>], to: &mut Vec<u8>) {
    let mut edits = edits.iter().peekable();
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for &at in base.keys() {
        match stretches.last_mut() {
            Some((_, end)) if *end == at => *end += 1,
            _ => stretches.push((at, at + 1)),
        }
    }
    if stretches.is_empty() {
        // Of a file without lines.
        stretches.push((1, 1));
    }
    // By how many lines those before have made the file longer.
    let mut longer: i128 = 0;
    for (begin, end) in stretches {
        let (mut body, mut new_count) = (Vec::new(), 0_u64);
        let mut at = begin;
        while at <= end {
            if let Some(edit) = edits.next_if(|edit| edit.at == at) {
                for line in (at..edit.end()).filter_map(|at| base.get(&at)) {
                    line.0.write(b'-', &mut body);
                }
                for line in &edit.added {
                    line.write(b'+', &mut body);
                }
                new_count += edit.added.len() as u64;
                at = edit.end();
                if edit.taken > 0 {
                    continue;
                }
            }
            if at < end
                && let Some((line, _)) = base.get(&at)
            {
                line.write(b' ', &mut body);
                new_count += 1;
            }
            at += 1;
        }
        let old_count = end - begin;
        let old_start = begin - u64::from(old_count == 0);
        let new_start = i128::from(begin) + longer - i128::from(new_count == 0);
        let head = format!(
            "@@ -{old_start},{old_count} +{},{new_count} @@\n",
            new_start.max(0)
        );
        to.extend_from_slice(head.as_bytes());
        to.extend_from_slice(&body);
        longer += i128::from(new_count) - i128::from(old_count);
    }
}

impl Line<'_> {
    fn write(&self, sign: u8, to: &mut Vec<u8>) {
        to.push(sign);
        to.extend_from_slice(self.text);
        if !self.text.ends_with(b"\n") {
            to.push(b'\n');
        }
        if self.is_unended {
            to.extend_from_slice(b"\\ No newline at end of file\n");
        }
    }
}
