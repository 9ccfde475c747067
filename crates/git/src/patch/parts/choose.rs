//! Writing a part of a hunk.

use super::{Choice, Hunk, Lines};
use std::ops::Range;

impl Hunk<'_> {
    /// Which lines are each change: lines taken away or added next to each other.
    pub(super) fn changes(&self) -> Vec<Range<usize>> {
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
    pub(super) fn write(&self, choice: &Choice, moved: i128, to: &mut Vec<u8>) -> i128 {
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
