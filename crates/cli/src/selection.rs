//! Which parts of a diff are meant: by path, by the numbers that `outwork diff TASK --list` shows.

use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::Args;
use outwork_git::{Choice, Part, Patch};

use crate::error::CliError;
use crate::terminal::plain::plain;

/// Parts of a diff; all of it when neither flag is given.
#[derive(Args, Clone, Debug, Default)]
pub struct SelectionArgs {
    /// Only these files: paths from the top of the repository, folders, or patterns such as 'src/**/*.rs'
    #[arg(long, value_name = "PATH", num_args = 1.., action = clap::ArgAction::Append)]
    pub paths: Vec<String>,
    /// Only these hunks, by the numbers of `outwork diff TASK --list`, such as 1,4-6
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', action = clap::ArgAction::Append)]
    pub hunks: Vec<Numbers>,
}

/// A number, or several next to each other, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers(RangeInclusive<u32>);

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let numbers = first.trim().parse().ok().zip(last.trim().parse().ok());
        match numbers {
            Some((first, last)) if 1 <= first && first <= last => Ok(Self(first..=last)),
            _ => Err("give numbers from 1 on, such as 2 or 4-6".to_owned()),
        }
    }
}

impl SelectionArgs {
    pub(crate) fn is_all(&self) -> bool {
        self.paths.is_empty() && self.hunks.is_empty()
    }

    /// What of the diff is meant; an error when a flag names nothing in it.
    pub(crate) fn of(&self, diff: Vec<u8>) -> Result<Vec<u8>, CliError> {
        if self.is_all() {
            return Ok(diff);
        }
        let patch = read(&diff)?;
        let parts = patch.parts();
        self.named(&parts)?;
        let choice = |part| match self.is_meant(part) {
            true => Choice::All,
            false => Choice::Nothing,
        };
        let choices: Vec<_> = parts.iter().map(choice).collect();
        if choices.iter().all(|choice| *choice == Choice::Nothing) {
            return Err(none("none of these hunks is in these files"));
        }
        Ok(patch.chosen(&choices))
    }

    /// Whether a part is to be shown or asked about.
    pub(crate) fn is_meant(&self, part: &Part<'_>) -> bool {
        let mut paths = self.paths.iter();
        let mut hunks = self.hunks.iter();
        (self.paths.is_empty() || paths.any(|path| part.is_at(path.as_bytes())))
            && (self.hunks.is_empty() || hunks.any(|numbers| numbers.0.contains(&part.number)))
    }

    /// Refuses what names nothing: a typing error must not apply less than was meant.
    pub(crate) fn named(&self, parts: &[Part<'_>]) -> Result<(), CliError> {
        let is_in = |path: &&String| parts.iter().any(|part| part.is_at(path.as_bytes()));
        if let Some(path) = self.paths.iter().find(|path| !is_in(path)) {
            return Err(none(format!("the diff changes nothing at `{path}`")));
        }
        let last = parts.last().map_or(0, |part| part.number);
        match self.hunks.iter().find(|numbers| *numbers.0.end() > last) {
            Some(numbers) => {
                let number = numbers.0.end();
                Err(none(format!(
                    "the diff has no hunk {number}; it has {last}"
                )))
            }
            None => Ok(()),
        }
    }
}

pub(crate) fn read(diff: &[u8]) -> Result<Patch<'_>, CliError> {
    Patch::parse(diff).map_err(|error| {
        CliError::failed("the diff cannot be taken apart")
            .code("malformed_diff")
            .source(error)
            .hint("apply it as a whole, or look at it with `outwork diff`")
    })
}

fn none(message: impl Into<String>) -> CliError {
    CliError::failed(message)
        .code("no_such_part")
        .hint("`outwork diff TASK --list` shows the files and hunks with their numbers")
}

/// The parts with their numbers, a line each.
pub(crate) fn list(parts: &[Part<'_>]) -> Vec<String> {
    let width = parts.last().map_or(1, |part| part.number.to_string().len());
    let line = |part: &Part<'_>| {
        let path = plain(&String::from_utf8_lossy(part.path));
        let what = match part.hunk {
            Some(hunk) => hunk.split(|&byte| byte == b'\n').next().unwrap_or_default(),
            None => b"whole file",
        };
        let what = plain(&String::from_utf8_lossy(what));
        format!("{:>width$}  {path}  {what}", part.number)
    };
    parts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_listed_with_their_numbers() {
        const DIFF: &[u8] = b"diff --git a/a b/a
--- a/a
+++ b/a
@@ -1 +1,2 @@ fn one()
 1
+2
diff --git a/b b/b
old mode 100644
new mode 100755
";
        let patch = Patch::parse(DIFF).expect("a diff");
        assert_eq!(
            list(&patch.parts()),
            ["1  a  @@ -1 +1,2 @@ fn one()", "2  b  whole file"]
        );
    }

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!("3".parse(), Ok(Numbers(3..=3)));
        assert_eq!("4-6".parse(), Ok(Numbers(4..=6)));
        for wrong in ["0", "", "-", "6-4", "a", "1-2-3", "-1", "1.5"] {
            assert!(wrong.parse::<Numbers>().is_err(), "{wrong}");
        }
    }
}
