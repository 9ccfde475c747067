//! The size of a patch that was made earlier, from its text alone.

use outwork_api::task::DiffStat;

/// Counts what a patch of ours (`git diff --binary`) touches. A patch is not believed here, only counted: whoever applies it
/// has git check it.
pub(crate) fn stat(patch: &[u8]) -> DiffStat {
    let mut stat = DiffStat::default();
    // Lines of the hunk that are still to come, old and new.
    let mut hunk = (0, 0);
    for line in patch.split(|byte| *byte == b'\n') {
        match (hunk, line.first()) {
            ((0, 0), _) => {
                stat.files_changed += u64::from(line.starts_with(b"diff --git "));
                hunk = hunk_lines(line).unwrap_or_default();
            }
            (_, Some(b'+')) => {
                stat.lines_added += 1;
                hunk.1 = hunk.1.saturating_sub(1);
            }
            (_, Some(b'-')) => {
                stat.lines_removed += 1;
                hunk.0 = hunk.0.saturating_sub(1);
            }
            // About the end of the line before.
            (_, Some(b'\\')) => {}
            (_, _) => hunk = (hunk.0.saturating_sub(1), hunk.1.saturating_sub(1)),
        }
    }
    stat
}

/// Of `@@ -1,2 +3 @@`: 2 and 1.
fn hunk_lines(line: &[u8]) -> Option<(u64, u64)> {
    let line = line.strip_prefix(b"@@ -")?;
    let line = std::str::from_utf8(line).ok().or_else(|| {
        // What stands behind it is the beginning of a function, in any encoding.
        let end = line.windows(3).position(|part| part == b" @@")?;
        std::str::from_utf8(&line[..end]).ok()
    })?;
    let (old, rest) = line.split_once(" +")?;
    let (new, _) = rest.split_once(" @@").unwrap_or((rest, ""));
    let count = |range: &str| match range.split_once(',') {
        Some((_, count)) => count.parse().ok(),
        None => Some(1),
    };
    Some((count(old)?, count(new)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_lines_are_counted_whatever_the_lines_say() {
        let patch = "diff --git a/a b/a\nindex 1..2 100644\n--- a/a\n+++ b/a\n@@ -1,3 +1,3 @@ fn x() {\n one\n--- two\n+++ two\n diff --git a/x b/x\n\
                     @@ -9 +9,2 @@\n-x\n+y\n+z\n\\ No newline at end of file\n\
                     diff --git a/b b/b\nnew file mode 100644\nindex 0..1\nGIT binary patch\nliteral 3\nKcmZQzWMT#Y01f~L\n\nliteral 0\nHcmV?d00001\n\n\
                     diff --git a/c b/d\nsimilarity index 100%\nrename from c\nrename to d\n";
        assert_eq!(
            stat(patch.as_bytes()),
            DiffStat {
                files_changed: 3,
                lines_added: 3,
                lines_removed: 2
            }
        );
        assert_eq!(stat(b""), DiffStat::default());
        assert_eq!(stat(b"@@ -1 +1 @@ \xff\n-a\n+b\n").lines_added, 1);
    }
}
