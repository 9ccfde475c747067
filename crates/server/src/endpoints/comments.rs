//! Comments on results.

pub(crate) mod add;
pub(crate) mod change;
pub(crate) mod list;
pub(crate) mod remove;

use std::collections::HashMap;

use outwork_api::comment::Comment as Wire;
use outwork_api::problem::Code;
use outwork_domain::comment::{Comment, Lines};
use outwork_domain::{AttemptId, CommentId, WorkspaceId};
use outwork_store::{Names, StoreError, TaskRecord};

use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::task::person;

const TEXT_CHARS: usize = 10_000;

/// The comments of a task as they are shown.
pub(super) fn wire(
    task: &TaskRecord,
    names: &Names,
    comments: Vec<Comment>,
) -> Result<Vec<Wire>, Refusal> {
    let mut numbers: HashMap<AttemptId, (u32, u32)> = HashMap::new();
    for turn in &task.turns {
        for record in &turn.attempts {
            let attempt = &record.attempt;
            numbers.insert(attempt.id, (turn.turn.number.get(), attempt.number.get()));
        }
    }
    let shown = |comment: Comment| {
        let (turn, attempt) = numbers.get(&comment.attempt_id).copied().ok_or_else(|| {
            let what = "comment on an attempt of another task".to_owned();
            StoreError::Corrupt { what }
        })?;
        Ok(one(names, comment, turn, attempt))
    };
    comments.into_iter().map(shown).collect()
}

fn one(names: &Names, comment: Comment, turn: u32, attempt: u32) -> Wire {
    let Comment {
        id,
        workspace_id: _,
        task_id,
        attempt_id: _,
        repository,
        path,
        side,
        lines,
        excerpt,
        text,
        created_by,
        created_at,
        updated_at,
        resolved_at,
        sent_in_turn,
    } = comment;
    let (line, end_line) = lines.map(|Lines { first, last }| (first, last)).unzip();
    Wire {
        id: id.to_string(),
        task_id: task_id.to_string(),
        turn,
        attempt,
        repository,
        path,
        side: side.as_str().to_owned(),
        line,
        end_line,
        excerpt,
        text,
        author: person(names, created_by),
        created_at: created_at.into(),
        updated_at: updated_at.into(),
        resolved_at: resolved_at.map(Into::into),
        sent_in_turn,
    }
}

/// The same of one, with its task's rows read.
async fn shown(plane: &Plane, comment: Comment) -> Result<Wire, Refusal> {
    let (workspace, task) = (comment.workspace_id, comment.task_id);
    let task = super::tasks::by_id(plane, workspace, task).await?;
    let names = plane.store.member_names(workspace).await?;
    let mut all = wire(&task, &names, vec![comment])?;
    Ok(all.remove(0))
}

async fn by_id(plane: &Plane, workspace: WorkspaceId, id: CommentId) -> Result<Comment, Refusal> {
    let found = plane.store.comment(workspace, id).await?;
    found.ok_or_else(|| missing(id, StoreError::NotFound))
}

fn missing(id: CommentId, fault: StoreError) -> Refusal {
    match fault {
        StoreError::NotFound => Refusal::not_found("comment", &id.to_string())
            .with_hint("`outwork comments TASK` shows the comments."),
        other => other.into(),
    }
}

fn own(comment: &Comment, by: outwork_domain::PrincipalId) -> Result<(), Refusal> {
    match comment.created_by == by {
        true => Ok(()),
        false => Err(Refusal::new(
            Code::Forbidden,
            "The comment is somebody else's; it can be settled, but not changed or deleted.",
        )),
    }
}

/// What is said, as it is kept.
pub(super) fn text(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Refusal::field("/text", "is empty; say what you think"));
    }
    if text.chars().count() > TEXT_CHARS {
        let detail = format!("has more than {TEXT_CHARS} characters");
        return Err(Refusal::field("/text", detail));
    }
    if text.contains('\0') {
        return Err(Refusal::field("/text", "contains a NUL byte"));
    }
    Ok(text.to_owned())
}
