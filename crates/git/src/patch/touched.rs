//! Which files a diff is about.

use super::parts::MalformedPatch;
use super::parts::read::{Names, hunk_line};
use super::quoted::unquoted;
use std::collections::BTreeSet;

/// Longer paths are left out: no file system has them.
const PATH_BYTES: usize = 4096;

/// The paths of the files that a diff changes, sorted, at most `most`: before and after, where one is moved. What is not text in them is
/// replaced. Line after line and without keeping any, since whoever wrote the diff need not be a friend.
pub fn touched(diff: &[u8], most: usize) -> Result<Vec<String>, MalformedPatch> {
    let (mut paths, mut is_begun) = (BTreeSet::new(), false);
    let mut lines = (1..).zip(diff.split_inclusive(|&byte| byte == b'\n'));
    let mut next = lines.next();
    while let Some((number, line)) = next {
        if !line.starts_with(b"diff --git ") {
            // What stands before the first file.
            if is_begun {
                return Err(MalformedPatch { line: number });
            }
            next = lines.next();
            continue;
        }
        is_begun = true;
        let mut names = Names::default();
        names.hear(line);
        next = lines.next();
        while let Some((_, line)) = next
            && !line.starts_with(b"diff --git ")
            && !line.starts_with(b"@@ ")
        {
            names.hear(line);
            paths.extend(line.strip_prefix(b"rename from ").map(ended).and_then(text));
            next = lines.next();
        }
        let path = names.path().ok_or(MalformedPatch { line: number })?;
        paths.extend(text(path));
        while paths.len() > most {
            paths.pop_last();
        }
        while let Some((number, line)) = next
            && line.starts_with(b"@@ ")
        {
            let malformed = MalformedPatch { line: number };
            let (old, new, _) = hunk_line(line).ok_or(malformed)?;
            let (mut olds, mut news) = (old.count, new.count);
            next = lines.next();
            while let Some((number, line)) = next
                && (olds > 0 || news > 0 || line.starts_with(b"\\ "))
            {
                let (of_old, of_new) = match line.first() {
                    Some(b' ' | b'\n') => (1, 1),
                    Some(b'-') => (1, 0),
                    Some(b'+') => (0, 1),
                    Some(b'\\') => (0, 0),
                    _ => return Err(MalformedPatch { line: number }),
                };
                let less =
                    |count: u64, by| count.checked_sub(by).ok_or(MalformedPatch { line: number });
                (olds, news) = (less(olds, of_old)?, less(news, of_new)?);
                next = lines.next();
            }
            if olds > 0 || news > 0 {
                return Err(MalformedPatch { line: number });
            }
        }
    }
    Ok(paths.into_iter().collect())
}

/// A name, without its line's end.
fn ended(line: &[u8]) -> Vec<u8> {
    unquoted(line.strip_suffix(b"\n").unwrap_or(line))
}

/// No database takes a NUL.
fn text(path: Vec<u8>) -> Option<String> {
    let is_short = path.len() <= PATH_BYTES;
    is_short.then(|| String::from_utf8_lossy(&path).replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-a\n+b\n@@ -5 +5 @@\n-a\n+b\n\
        diff --git a/old b/new\nsimilarity index 100%\nrename from old\nrename to new\n\
        diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
        diff --git \"a/\\303\\274\" \"b/\\303\\274\"\nnew file mode 100644\nindex 000..111\nGIT binary patch\nliteral 1\nIcmZ\n\n";

    #[test]
    fn every_file_is_named_once() {
        let all = touched(DIFF.as_bytes(), 100).expect("a diff");
        assert_eq!(all, ["gone", "new", "old", "src/a.rs", "ü"]);
        assert_eq!(
            touched(DIFF.as_bytes(), 2).expect("a diff"),
            ["gone", "new"]
        );
        assert_eq!(touched(b"", 2).expect("nothing"), Vec::<String>::new());
        assert!(touched(b"diff --git a/x b/y\nnonsense", 2).is_err());
    }

    #[test]
    fn it_says_what_the_reader_of_parts_says() {
        use crate::patch::parts::Patch;
        // Cut anywhere, and with any byte of it changed.
        let diff = DIFF.as_bytes();
        let cut = (0..diff.len()).map(|end| diff[..end].to_vec());
        let changed = (0..diff.len()).map(|at| {
            let mut changed = diff.to_vec();
            changed[at] = changed[at].wrapping_add(1);
            changed
        });
        for diff in cut.chain(changed) {
            let parts = Patch::parse(&diff).map(|patch| {
                let parts = patch.parts();
                let paths = parts
                    .iter()
                    .map(|part| String::from_utf8_lossy(part.path).into_owned());
                paths.collect::<BTreeSet<_>>()
            });
            match (touched(&diff, 100), parts) {
                (Ok(found), Ok(parts)) => assert!(parts.iter().all(|path| found.contains(path))),
                (Err(_), Err(_)) => {}
                (found, parts) => panic!("{found:?} {parts:?}: {}", String::from_utf8_lossy(&diff)),
            }
        }
    }

    #[test]
    fn what_nobody_calls_a_file_harms_nobody() {
        let odd = b"diff --git \"a/x\\000y\" \"b/x\\000y\"\nold mode 100644\nnew mode 100755\n";
        assert_eq!(touched(odd, 10).expect("a diff"), ["x\u{fffd}y"]);
        let long = "y".repeat(5000);
        let long = format!("diff --git a/{long} b/{long}\nold mode 100644\nnew mode 100755\n");
        assert_eq!(
            touched(long.as_bytes(), 10).expect("a diff"),
            Vec::<String>::new()
        );
        let empty = [
            b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3000000 +1,3000000 @@\n".to_vec(),
            vec![b'\n'; 3_000_000],
        ];
        assert_eq!(touched(&empty.concat(), 10).expect("a diff"), ["x"]);
    }
}
