//! Parts as they are named on the command line, and what they are of an attempt.

use std::ops::RangeInclusive;
use std::str::FromStr;

use outwork_api::parts::{DiffFile, DiffParts};
use outwork_git::is_at;

use crate::error::CliError;

/// `ATTEMPT`, `ATTEMPT:PATH` or `ATTEMPT:PATH#HUNKS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The attempt's number.
    pub attempt: u32,
    /// A file, folder or pattern; all of the attempt when absent.
    pub path: Option<String>,
    /// Numbers of hunks within the file, from 1; all when empty.
    pub hunks: Vec<RangeInclusive<usize>>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (attempt, rest) = match text.split_once(':') {
            Some((attempt, rest)) => (attempt, Some(rest)),
            None => (text, None),
        };
        let attempt = match attempt.parse() {
            Ok(0) | Err(_) => {
                return Err("begin with the number of an attempt, such as 1:src/a.rs".to_owned());
            }
            Ok(attempt) => attempt,
        };
        let (path, hunks) = match rest {
            None => (None, Vec::new()),
            Some("") => return Err("give a path after the colon, or leave it out".to_owned()),
            Some(rest) => match rest.rsplit_once('#') {
                // Names may have a `#` in them.
                Some((path, hunks)) if !path.is_empty() => match numbers(hunks) {
                    Some(hunks) => (Some(path), hunks),
                    None => (Some(rest), Vec::new()),
                },
                Some(_) | None => (Some(rest), Vec::new()),
            },
        };
        Ok(Self {
            attempt,
            path: path.map(str::to_owned),
            hunks,
        })
    }
}

/// `1,3-4`
fn numbers(text: &str) -> Option<Vec<RangeInclusive<usize>>> {
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (1 <= first && first <= last).then_some(first..=last)
    };
    text.split(',').map(range).collect()
}

/// What is taken of an attempt.
pub(super) struct Taken {
    files: Vec<DiffFile>,
    /// Of each file, whether each of its hunks is; one entry for a file without any.
    chosen: Vec<Vec<bool>>,
    is_untouched: bool,
}

impl Taken {
    pub(super) fn nothing(parts: DiffParts) -> Self {
        let DiffParts { files } = parts;
        let none = |file: &DiffFile| vec![false; file.hunks.len().max(1)];
        Self {
            chosen: files.iter().map(none).collect(),
            files,
            is_untouched: true,
        }
    }

    /// Whether nothing was said of it yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.is_untouched
    }

    pub(super) fn take_all(&mut self) {
        self.chosen.iter_mut().for_each(|chosen| chosen.fill(true));
    }

    /// Takes it, or leaves it out. What names nothing is refused: a typing error must not take less than was meant.
    pub(super) fn set(&mut self, named: &Named, is_taken: bool) -> Result<(), CliError> {
        self.is_untouched = false;
        let Named {
            attempt,
            path,
            hunks,
        } = named;
        let mut is_found = path.is_none();
        for (file, chosen) in self.files.iter().zip(&mut self.chosen) {
            let names = std::iter::once(&file.path).chain(&file.old_path);
            let is_named = |path: &String| {
                let mut names = names.clone();
                names.any(|name| is_at(name.as_bytes(), path.as_bytes()))
            };
            if !path.as_ref().is_none_or(is_named) {
                continue;
            }
            is_found = true;
            if hunks.is_empty() {
                chosen.fill(is_taken);
            }
            let count = file.hunks.len();
            for range in hunks {
                if *range.end() > count {
                    let message = format!(
                        "`{}` of attempt {attempt} has no hunk {}; it has {count}",
                        file.path,
                        range.end()
                    );
                    return Err(none(message));
                }
                chosen[range.start() - 1..*range.end()].fill(is_taken);
            }
        }
        match (is_found, path) {
            (false, Some(path)) => Err(none(format!(
                "attempt {attempt} changes nothing at `{path}`"
            ))),
            (true, _) | (_, None) => Ok(()),
        }
    }

    /// The ids of whole files and of hunks.
    pub(super) fn ids(self) -> (Vec<String>, Vec<String>) {
        let (mut files, mut hunks) = (Vec::new(), Vec::new());
        for (file, chosen) in self.files.into_iter().zip(self.chosen) {
            if chosen.iter().all(|chosen| *chosen) {
                files.push(file.id);
                continue;
            }
            let taken = file
                .hunks
                .into_iter()
                .zip(chosen)
                .filter(|(_, taken)| *taken);
            hunks.extend(taken.map(|(hunk, _)| hunk.id));
        }
        (files, hunks)
    }
}

fn none(message: String) -> CliError {
    CliError::failed(message)
        .code("no_such_part")
        .hint("`outwork compose TASK --list` shows the parts as they are named")
}

#[cfg(test)]
pub(super) fn fixture() -> DiffParts {
    let hunk = |number: u64| outwork_api::parts::DiffHunk {
        id: format!("hunk {number}"),
        header: format!("@@ {number} @@"),
        old_start: number,
        old_lines: 1,
        new_start: number,
        new_lines: 1,
    };
    let file = |path: &str, hunks| DiffFile {
        id: path.to_owned(),
        path: path.to_owned(),
        old_path: None,
        status: "modified".to_owned(),
        additions: 1,
        deletions: 1,
        binary: path.ends_with("png"),
        hunks,
    };
    DiffParts {
        files: vec![
            file("src/a.rs", vec![hunk(1), hunk(2)]),
            file("logo.png", Vec::new()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Named {
        text.parse().expect("it is right")
    }

    fn ids(named: &[(&str, bool)]) -> (Vec<String>, Vec<String>) {
        let mut taken = Taken::nothing(fixture());
        for (text, is_taken) in named {
            let named = text.parse().expect("it is right");
            taken.set(&named, *is_taken).expect("it names something");
        }
        taken.ids()
    }

    #[test]
    fn parts_are_read_strictly() {
        let part = named("2:src/b.rs#2,4-5");
        assert_eq!((part.attempt, part.path.as_deref()), (2, Some("src/b.rs")));
        assert_eq!(part.hunks, [2..=2, 4..=5]);
        assert_eq!(named("1").path, None);
        assert_eq!(named("1:c#.md").path.as_deref(), Some("c#.md"));
        assert_eq!(named("1:a:b").path.as_deref(), Some("a:b"));
        for wrong in ["", "0", "a", "src/a.rs", "1:", "-1:a", "0:a"] {
            assert!(wrong.parse::<Named>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_of_which_all_is_taken_is_taken_whole() {
        let (files, hunks) = ids(&[("1", true)]);
        assert_eq!((files.len(), hunks.len()), (2, 0));
        assert_eq!(ids(&[("1:src/", true)]).0, ["src/a.rs"]);
        assert_eq!(ids(&[("1:src/a.rs#1-2", true)]).0, ["src/a.rs"]);
        assert_eq!(
            ids(&[("1:src/a.rs#2", true)]),
            (vec![], vec!["hunk 2".into()])
        );
        let dropped = ids(&[("1", true), ("1:src/*#2", false), ("1:*.png", false)]);
        assert_eq!(dropped, (vec![], vec!["hunk 1".into()]));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for (text, message) in [
            ("1:src/b.rs", "attempt 1 changes nothing at `src/b.rs`"),
            (
                "1:src/a.rs#3",
                "`src/a.rs` of attempt 1 has no hunk 3; it has 2",
            ),
            (
                "1:logo.png#1",
                "`logo.png` of attempt 1 has no hunk 1; it has 0",
            ),
        ] {
            let refused = Taken::nothing(fixture()).set(&named(text), true);
            assert_eq!(refused.expect_err(text).message, message);
        }
    }
}
