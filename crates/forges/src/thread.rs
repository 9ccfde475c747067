//! The conversation around a mention, as pieces of strangers' text.

use crate::call::{FailedCheck, FileDiff, Said, Top};
use crate::event::Place;

/// A piece of somebody's text, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// `issue`, `pull request`, `comment`, `comment on src/lib.rs line 7`, `diff`, `failed check`.
    pub kind: String,
    /// A login; empty where it is nobody's.
    pub by: String,
    /// As the server writes it; empty where it is not known.
    pub at: String,
    pub text: String,
}

/// Bytes of a diff that go along; what is longer is read in the checkout.
const DIFF_BYTES: usize = 24_000;
const CHECK_BYTES: usize = 6_000;
/// Failed checks whose words go along.
pub const CHECKS: usize = 5;

/// The text of the issue or pull request, and what was said below it. What we said ourselves is left out: the agent has it in its session.
pub fn conversation(top: &Top, is_pull: bool, said: &[Said], of: &Place) -> Vec<Piece> {
    let kind = if is_pull { "pull request" } else { "issue" };
    let mut pieces = vec![Piece {
        kind: kind.to_owned(),
        by: top.by.clone(),
        at: top.at.clone(),
        text: format!("{}\n\n{}", top.title, top.body)
            .trim_end()
            .to_owned(),
    }];
    // The mention itself is the request.
    let own = match of {
        Place::Comment { id } | Place::Line { id, .. } => Some(*id),
        Place::Top | Place::Review { .. } => None,
    };
    let others = said.iter().filter(|one| {
        Some(one.id) != own
            && !one.text.trim().is_empty()
            && !one.text.starts_with(crate::words::MARK)
    });
    pieces.extend(others.map(piece));
    pieces
}

fn piece(one: &Said) -> Piece {
    let kind = match &one.on {
        None => "comment".to_owned(),
        Some((path, None)) => format!("comment on {path}"),
        Some((path, Some(line))) => format!("comment on {path} line {line}"),
    };
    Piece {
        kind,
        by: one.by.clone(),
        at: one.at.clone(),
        text: one.text.clone(),
    }
}

/// The lines that a comment on a line stands below.
pub fn hunk(place: &Place) -> Option<Piece> {
    let Place::Line {
        path, line, hunk, ..
    } = place
    else {
        return None;
    };
    let at = line.map(|line| format!(" line {line}")).unwrap_or_default();
    Some(Piece {
        kind: format!("lines above the request, {path}{at}"),
        by: String::new(),
        at: String::new(),
        text: hunk.clone(),
    })
}

/// Bytes of the lines above a comment: the end is what it is about.
const HUNK_BYTES: usize = 4_000;

/// The end of a long text.
pub(crate) fn end(hunk: &str) -> String {
    let from = hunk.len().saturating_sub(HUNK_BYTES);
    hunk[hunk.ceil_char_boundary(from)..].to_owned()
}

/// What a pull request changes.
pub fn diff(files: &[FileDiff]) -> Option<Piece> {
    let mut text = String::new();
    let mut left_out = 0;
    for file in files {
        let from = file.old_path.as_deref().unwrap_or(&file.path);
        let patch = match file.patch.as_str() {
            "" => "(binary, or too large to be shown)",
            patch => patch.trim_end(),
        };
        let one = format!("--- a/{from}\n+++ b/{}\n{patch}\n", file.path);
        match text.len() + one.len() <= DIFF_BYTES {
            true => text += &one,
            false => left_out += 1,
        }
    }
    if left_out > 0 {
        text += &format!("({left_out} more files are left out here.)\n");
    }
    (!text.is_empty()).then_some(Piece {
        kind: "diff of the pull request".to_owned(),
        by: String::new(),
        at: String::new(),
        text,
    })
}

/// What failed checks say. Their end is where they say why.
pub fn checks(failed: &[FailedCheck]) -> Vec<Piece> {
    let checks = failed.iter().take(CHECKS).map(|check| {
        let from = check.text.len().saturating_sub(CHECK_BYTES);
        let from = check.text.ceil_char_boundary(from);
        Piece {
            kind: format!("failed check {}", check.name),
            by: String::new(),
            at: String::new(),
            text: check.text[from..].to_owned(),
        }
    });
    checks.collect()
}
