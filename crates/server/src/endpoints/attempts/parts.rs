//! The parts of an attempt's diff.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::parts::{DiffFile, DiffHunk, DiffParts};
use outwork_api::problem::Code;
use outwork_domain::AttemptId;
use outwork_domain::principal::Viewer;
use outwork_git::{FilePart, FileStatus, HunkPart, MalformedPatch, Patch};

use super::diff::{Query, patch_bytes};
use crate::endpoints::tasks;
use crate::http::openapi::{Missing, Refusals, Unacceptable};
use crate::http::params::{Id, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// More would be an answer that no screen shows.
const PARTS: usize = 100_000;
/// A larger diff is not taken apart: each of its lines is kept while it is read, which may take sixteen times its size.
const READ_BYTES: usize = 16 * 1024 * 1024;

/// The files and hunks of an attempt's diff in one repository, with the ids by which `POST /tasks/{id}/compositions` takes them.
#[utoipa::path(get, path = "/attempts/{id}/diff/parts", operation_id = "getAttemptDiffParts", tag = "attempts",
    params(("id" = String, Path, description = "`att_…`."), Query),
    responses((status = 200, description = "The parts; none when nothing was changed.", body = DiffParts),
        Refusals, Missing, Unacceptable))]
pub(crate) async fn parts(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<AttemptId>,
    Params(query): Params<Query>,
) -> Result<Json<DiffParts>, Refusal> {
    let workspace = member.workspace_id();
    let record = super::by_id(&plane, workspace, id).await?;
    let task = tasks::by_id(&plane, workspace, record.attempt.task_id).await?;
    let diff = patch_bytes(&plane, &task, &record, query.repository.as_deref()).await?;
    not_too_large(diff.len())?;
    // A large diff takes a while.
    let read = tokio::task::spawn_blocking(move || wire(&diff)).await;
    read.map_err(|panic| {
        Refusal::new(Code::Internal, "The diff could not be read.").because(panic)
    })?
    .map(Json)
}

fn wire(diff: &[u8]) -> Result<DiffParts, Refusal> {
    let patch = Patch::parse(diff).map_err(malformed)?;
    let files = patch.files();
    let count: usize = files.iter().map(|file| 1 + file.hunks.len()).sum();
    if count > PARTS {
        let detail = format!("The diff has {count} files and hunks; at most {PARTS} are shown.");
        return Err(Refusal::new(Code::TooLarge, detail)
            .with_hint("`outwork apply TASK --paths` takes single files of it."));
    }
    let files = files.into_iter().map(wire_file).collect();
    Ok(DiffParts { files })
}

/// Refuses what would take too much memory to be taken apart.
pub(crate) fn not_too_large(diff_bytes: usize) -> Result<(), Refusal> {
    if diff_bytes <= READ_BYTES {
        return Ok(());
    }
    let detail = format!("The diff has {diff_bytes} bytes; at most {READ_BYTES} are taken apart.");
    Err(Refusal::new(Code::TooLarge, detail)
        .with_hint("Take it as a whole: `outwork apply TASK`, or `--paths` for single files."))
}

/// A worker handed it in as the diff of what it has.
pub(crate) fn malformed(fault: MalformedPatch) -> Refusal {
    Refusal::new(Code::Internal, "The diff cannot be taken apart.")
        .with_hint("It can be applied as a whole with `outwork apply`.")
        .because(fault)
}

fn wire_file(file: FilePart<'_>) -> DiffFile {
    let FilePart {
        id,
        path,
        old_path,
        status,
        additions,
        deletions,
        is_binary,
        hunks,
    } = file;
    DiffFile {
        id,
        path: text(&path),
        old_path: old_path.as_deref().map(text),
        status: status_name(status).to_owned(),
        additions,
        deletions,
        binary: is_binary,
        hunks: hunks.into_iter().map(wire_hunk).collect(),
    }
}

fn wire_hunk(hunk: HunkPart<'_>) -> DiffHunk {
    let HunkPart {
        id,
        header,
        old: (old_start, old_lines),
        new: (new_start, new_lines),
    } = hunk;
    DiffHunk {
        id,
        header: text(header),
        old_start,
        old_lines,
        new_start,
        new_lines,
    }
}

fn status_name(status: FileStatus) -> &'static str {
    match status {
        FileStatus::Added => "added",
        FileStatus::Deleted => "deleted",
        FileStatus::Modified => "modified",
        FileStatus::Renamed => "renamed",
        FileStatus::Copied => "copied",
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{READ_BYTES, not_too_large};

    #[test]
    fn what_would_take_too_much_memory_is_refused_before_it_is_read() {
        assert!(not_too_large(READ_BYTES).is_ok());
        let refusal = not_too_large(READ_BYTES + 1).expect_err("too large");
        assert_eq!(refusal.problem().status, 413);
        assert!(refusal.problem().hint.is_some());
    }
}
