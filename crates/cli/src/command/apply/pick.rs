//! `apply --patch`: one hunk after the other, a person says which.

use std::collections::BTreeSet;

use outwork_git::{Choice, Part, Patch};

use crate::error::CliError;
use crate::render::diff;
use crate::selection::{self, SelectionArgs};
use crate::session::Session;

const HELP: &str = "\
y - take this one
n - leave it
a - take this one and all later ones in the file
d - leave this one and all later ones in the file
s - split it into smaller ones
k - back to the one before
q - leave this one and all later ones, and apply what was taken
? - print this";

/// What a person chose of the diff, of the parts that are meant; empty when nothing was.
pub(super) async fn pick(
    session: &mut Session,
    selection: &SelectionArgs,
    diff: &[u8],
) -> Result<Vec<u8>, CliError> {
    if !session.stdin_is_terminal {
        return Err(
            CliError::usage("--patch asks at a terminal, and there is none")
                .hint("choose with --paths or --hunks instead"),
        );
    }
    let patch = selection::read(diff)?;
    let parts = patch.parts();
    selection.named(&parts)?;
    let meant = parts.iter().filter(|part| selection.is_meant(part));
    let mut questions = Questions::of(meant);
    while let Some(at) = questions.next_open() {
        let question = questions.list[at].clone();
        let part = &parts[question.part];
        show(session, &patch, &parts, &question);
        let text = questions.text(at, part);
        match session.ask(&text).await? {
            Some(answer) => {
                if !questions.answer(at, answer.trim(), part) {
                    session.out.note(HELP);
                }
            }
            // Nothing was answered, so nothing is written.
            None => {
                session.out.end_echo();
                return Ok(Vec::new());
            }
        }
    }
    Ok(patch.chosen(&questions.choices(&parts)))
}

/// A part, or one of its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    /// Its place among all parts of the diff.
    part: usize,
    path: Vec<u8>,
    change: Option<usize>,
    taken: Option<bool>,
}

struct Questions {
    list: Vec<Question>,
    /// The one to ask again.
    back_to: Option<usize>,
}

impl Questions {
    fn of<'a>(parts: impl Iterator<Item = &'a Part<'a>>) -> Self {
        let question = |part: &Part<'_>| Question {
            part: part.number as usize - 1,
            path: part.path.to_vec(),
            change: None,
            taken: None,
        };
        Self {
            list: parts.map(question).collect(),
            back_to: None,
        }
    }

    fn next_open(&mut self) -> Option<usize> {
        let open = || self.list.iter().position(|one| one.taken.is_none());
        self.back_to.take().or_else(open)
    }

    fn text(&self, at: usize, part: &Part<'_>) -> String {
        let what = match (part.hunk, self.list[at].change) {
            (None, _) => "file",
            (Some(_), None) => "hunk",
            (Some(_), Some(_)) => "change",
        };
        let of = self.list.len();
        format!("({}/{of}) Take this {what} [y,n,a,d,s,k,q,?]? ", at + 1)
    }

    /// Returns whether that was an answer.
    fn answer(&mut self, at: usize, key: &str, part: &Part<'_>) -> bool {
        let path = self.list[at].path.clone();
        match key {
            "y" => self.list[at].taken = Some(true),
            "n" => self.list[at].taken = Some(false),
            "a" | "d" => {
                let later = self.list[at..].iter_mut();
                for one in later.take_while(|one| one.path == path) {
                    one.taken = Some(key == "a");
                }
            }
            "q" => {
                for one in &mut self.list[at..] {
                    one.taken = Some(false);
                }
            }
            "k" if at > 0 => self.back_to = Some(at - 1),
            "s" if part.changes > 1 && self.list[at].change.is_none() => {
                let whole = self.list[at].clone();
                let changes = (0..part.changes).map(|change| Question {
                    change: Some(change),
                    taken: None,
                    ..whole.clone()
                });
                self.list.splice(at..=at, changes);
            }
            _ => return false,
        }
        true
    }

    fn choices(&self, parts: &[Part<'_>]) -> Vec<Choice> {
        let choice = |(index, part): (usize, &Part<'_>)| {
            let of_part = self.list.iter().filter(|one| one.part == index);
            let taken: BTreeSet<usize> = of_part
                .filter(|one| one.taken == Some(true))
                .flat_map(|one| match one.change {
                    Some(change) => change..change + 1,
                    None => 0..part.changes,
                })
                .collect();
            match taken.len() {
                0 => Choice::Nothing,
                count if count == part.changes => Choice::All,
                _ => Choice::Changes((0..part.changes).map(|at| taken.contains(&at)).collect()),
            }
        };
        parts.iter().enumerate().map(choice).collect()
    }
}

/// What is asked about, with what the diff says of its file.
fn show(session: &mut Session, patch: &Patch<'_>, parts: &[Part<'_>], question: &Question) {
    let part = &parts[question.part];
    let mut choices = vec![Choice::Nothing; parts.len()];
    choices[question.part] = match question.change {
        None => Choice::All,
        Some(change) => Choice::Changes((0..part.changes).map(|at| at == change).collect()),
    };
    let text = patch.chosen(&choices);
    let shown = diff::for_terminal(&text, session.out.stderr_style);
    session.out.ask(&shown);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &[u8] = b"diff --git a/a b/a
--- a/a
+++ b/a
@@ -1,3 +1,4 @@
+0
 1
-2
+two
 3
@@ -9 +10 @@
-9
+nine
diff --git a/b b/b
old mode 100644
new mode 100755
";

    fn chosen(keys: &[&str]) -> Vec<Choice> {
        let patch = Patch::parse(DIFF).expect("a diff");
        let parts = patch.parts();
        let mut questions = Questions::of(parts.iter());
        let mut keys = keys.iter();
        while let Some(at) = questions.next_open() {
            let part = &parts[questions.list[at].part];
            questions.answer(at, keys.next().expect("enough keys"), part);
        }
        assert_eq!(keys.next(), None, "all are used");
        questions.choices(&parts)
    }

    #[test]
    fn keys_decide_as_in_git_add() {
        use Choice::{All, Changes, Nothing};
        assert_eq!(chosen(&["y", "n", "y"]), [All, Nothing, All]);
        assert_eq!(chosen(&["a", "n"]), [All, All, Nothing]);
        assert_eq!(chosen(&["d", "y"]), [Nothing, Nothing, All]);
        assert_eq!(chosen(&["y", "q"]), [All, Nothing, Nothing]);
        assert_eq!(chosen(&["s", "n", "y", "q"])[0], Changes(vec![false, true]));
        assert_eq!(chosen(&["s", "y", "y", "q"])[0], All);
        assert_eq!(chosen(&["n", "k", "y", "x", "q"]), [All, Nothing, Nothing]);
    }
}
