//! What the agent is given to read: the request, and, framed as material, the conversation around it.

use outwork_domain::untrusted::{self, Quoted};
use outwork_forges::call::{PAGE, Top};
use outwork_forges::event::{Person, Place};
use outwork_forges::thread::{self, Piece};

use super::Stop;
use super::handle::Case;

/// Pages of what a pull request changes.
const FILE_PAGES: u64 = 3;

/// The issue or pull request itself.
pub(super) async fn top(case: &Case<'_>) -> Result<Top, Stop> {
    let answer = case.forge.ask(&case.kind.top(&case.target)).await?;
    let top = case.kind.read_top(&answer, &case.target);
    Ok(top.ok_or_else(|| case.forge.odd("an issue without a title"))?)
}

/// All that is known of it, oldest first, what is most needed last.
pub(super) async fn around(case: &Case<'_>, top: &Top, place: &Place) -> Result<Vec<Piece>, Stop> {
    let (kind, target, forge) = (case.kind, &case.target, &case.forge);
    let mut said = Vec::new();
    let newest = kind.newest_page(top);
    // The newest page may hold one comment only.
    for page in newest.saturating_sub(1).max(1)..=newest {
        let answer = forge.ask(&kind.comments(target, None, page)).await?;
        said.extend(kind.read_comments(&answer).unwrap_or_default());
    }
    let lines = match target.is_pull {
        true => kind.line_comments(target),
        false => None,
    };
    if let Some(call) = lines {
        let answer = forge.ask(&call).await?;
        said.extend(kind.read_comments(&answer).unwrap_or_default());
    }
    said.sort_by(|one, other| one.at.cmp(&other.at));
    let mut pieces = thread::conversation(top, target.is_pull, &said, place);
    if target.is_pull {
        let files = files(case).await?;
        pieces.extend(thread::diff(&files));
    }
    pieces.extend(thread::hunk(place));
    Ok(pieces)
}

/// What a pull request changes.
pub(super) async fn files(case: &Case<'_>) -> Result<Vec<outwork_forges::call::FileDiff>, Stop> {
    files_of(&case.forge, case.kind, &case.target).await
}

pub(super) async fn files_of(
    forge: &super::asking::Forge<'_>,
    kind: outwork_forges::Kind,
    target: &outwork_forges::call::Target,
) -> Result<Vec<outwork_forges::call::FileDiff>, Stop> {
    let mut files = Vec::new();
    for page in 1..=FILE_PAGES {
        let Some(call) = kind.files(target, page) else {
            return Ok(files);
        };
        let answer = forge.ask(&call).await?;
        let more = kind.read_files(&answer).unwrap_or_default();
        let is_last = (more.len() as u64) < PAGE;
        files.extend(more);
        if is_last {
            break;
        }
    }
    Ok(files)
}

/// The whole prompt. The request is of somebody who may give tasks; all else is material.
pub(super) fn prompt(
    case: &Case<'_>,
    by: Option<&Person>,
    request: &str,
    pieces: Vec<Piece>,
) -> String {
    let what = if case.target.is_pull {
        "pull request"
    } else {
        "issue"
    };
    let request = untrusted::visible(request.trim());
    let request = match request.as_str() {
        "" => format!("Do what the {what} below asks for."),
        request => request.to_owned(),
    };
    let who = by.map(|it| format!(" by {}", untrusted::visible(&it.login)));
    let place = format!(
        "(Asked{} in the {what} {}#{} of {}.)",
        who.unwrap_or_default(),
        case.target.repository,
        case.target.number,
        case.kind.name()
    );
    let pieces: Vec<Quoted> = pieces.into_iter().map(quoted).collect();
    format!("{request}\n\n{place}\n\n{}", untrusted::context(&pieces))
}

fn quoted(piece: Piece) -> Quoted {
    let Piece { kind, by, at, text } = piece;
    Quoted { kind, by, at, text }
}
