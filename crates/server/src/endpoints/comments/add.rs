//! Comments on a result.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::comment::{Comment as Wire, NewComment};
use outwork_api::problem::Code;
use outwork_domain::comment::{Comment, Lines, Side};
use outwork_domain::principal::Reviewer;
use outwork_domain::{CommentId, TaskId};
use outwork_git::{NotShown, Patch, PatchSide};
use outwork_store::StoreError;

use super::{shown, text};
use crate::endpoints::attempts::diff::patch_bytes;
use crate::endpoints::tasks;
use crate::endpoints::tasks::diff::{chosen_turn, named_or_shown};
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// How many lines one comment can be about.
const MOST_LINES: u32 = 200;
/// What is kept of a line.
const LINE_CHARS: usize = 400;

/// Comments on a file of an attempt's diff, or on lines of it that the diff shows. A follow-up hands open comments to the agent.
#[utoipa::path(post, path = "/tasks/{id}/comments", operation_id = "addComment", tag = "tasks", request_body = NewComment,
    params(("id" = String, Path, description = "`task_…`.")),
    responses((status = 201, description = "Stored.", body = Wire), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn add(
    State(plane): State<Arc<Plane>>,
    Permit(reviewer): Permit<Reviewer>,
    Id(id): Id<TaskId>,
    Body(new): Body<NewComment>,
) -> Result<(StatusCode, Json<Wire>), Refusal> {
    plane.need_space()?;
    let NewComment {
        turn,
        attempt,
        repository,
        path,
        side,
        line,
        end_line,
        text: said,
    } = new;
    let said = text(&said)?;
    let lines = lines(line, end_line)?;
    let side = Side::from(side);
    let task = tasks::by_id(&plane, reviewer.workspace_id(), id).await?;
    let repository = view::task::repository(&task, repository.as_deref())?.to_owned();
    let turn = chosen_turn(&task, turn)?;
    let record = named_or_shown(&task, turn, attempt)?;
    let diff = patch_bytes(&plane, &task, record, Some(&repository)).await?;
    let excerpt = excerpt(&diff, &path, side, lines)?;
    let now = plane.now();
    let comment = Comment {
        id: CommentId::from_uuid(plane.ids.uuid()),
        workspace_id: reviewer.workspace_id(),
        task_id: id,
        attempt_id: record.attempt.id,
        repository,
        path,
        side,
        lines,
        excerpt,
        text: said,
        created_by: reviewer.principal().id,
        created_at: now,
        updated_at: now,
        resolved_at: None,
        sent_in_turn: None,
    };
    plane.store.add_comment(comment.clone()).await?;
    Ok((StatusCode::CREATED, Json(shown(&plane, comment).await?)))
}

fn lines(first: Option<u32>, last: Option<u32>) -> Result<Option<Lines>, Refusal> {
    let Some(first) = first else {
        return match last {
            None => Ok(None),
            Some(_) => Err(Refusal::field("/end_line", "is given without `line`")),
        };
    };
    let last = last.unwrap_or(first);
    if first == 0 {
        return Err(Refusal::field("/line", "is 0; lines are counted from 1"));
    }
    if !(first..=first.saturating_add(MOST_LINES - 1)).contains(&last) {
        let detail =
            format!("is {last}; it must be {first} or more, and at most {MOST_LINES} lines in all");
        return Err(Refusal::field("/end_line", detail));
    }
    Ok(Some(Lines { first, last }))
}

/// The lines as the diff has them. What it does not show cannot be commented on: nobody has seen it here.
fn excerpt(diff: &[u8], path: &str, side: Side, lines: Option<Lines>) -> Result<String, Refusal> {
    let patch = Patch::parse(diff).map_err(|fault| StoreError::Corrupt {
        what: fault.to_string(),
    })?;
    let Some(Lines { first, last }) = lines else {
        return match patch.has(path.as_bytes()) {
            true => Ok(String::new()),
            false => Err(not_shown(path, side, NotShown::File)),
        };
    };
    let of_side = match side {
        Side::Old => PatchSide::Old,
        Side::New => PatchSide::New,
    };
    let found = patch.lines(path.as_bytes(), of_side, first.into()..=last.into());
    let found = found.map_err(|fault| not_shown(path, side, fault))?;
    let cut = |line: &[u8]| -> String {
        let line = String::from_utf8_lossy(line);
        let kept = line.chars().filter(|c| *c == '\t' || !c.is_control());
        kept.take(LINE_CHARS).collect()
    };
    let lines: Vec<String> = found.into_iter().map(cut).collect();
    Ok(lines.join("\n"))
}

fn not_shown(path: &str, side: Side, fault: NotShown) -> Refusal {
    let path: String = path.chars().take(200).collect();
    match fault {
        NotShown::File => Refusal::new(
            Code::Unprocessable,
            format!("The attempt's diff has no file `{path}`."),
        )
        .with_field("/path", "is not in the attempt's diff")
        .with_hint("`outwork diff TASK --list` shows its files."),
        NotShown::Line(line) => Refusal::new(
            Code::Unprocessable,
            format!(
                "The diff of `{path}` does not show line {line} of its {} side.",
                side.as_str()
            ),
        )
        .with_field("/line", "is not shown by the attempt's diff")
        .with_hint("Comment on a line that the diff shows, or on the file, without a line."),
    }
}
