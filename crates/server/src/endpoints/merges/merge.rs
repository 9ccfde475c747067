//! Merges results of several tasks, to see which of them conflict.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use outwork_api::problem::Code;
use outwork_api::radar::{MergeConflict, MergeMethod, MergePair, Merges as Wire, NewMerges};
use outwork_domain::merge_order::MOST;
use outwork_domain::principal::Viewer;
use outwork_domain::{TaskId, WorkspaceId};
use outwork_git::{CommitId, Merges, MergesError, MirrorError};
use tokio::sync::OwnedSemaphorePermit;

use super::order::{self, Found};
use super::subject::{self, Subject};
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::{Refusal, sentence};
use crate::submit::base;

/// How long a request may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Merges the results of several tasks with each other, as git does it: which two conflict and in which files, and an order in which as many
/// as possible merge. It is the result shown for each task's newest turn, with what was sent along with the task. Nothing is pushed or kept.
/// It takes at most 30 s.
#[utoipa::path(post, path = "/merges", operation_id = "tryMerges", tag = "tasks", request_body = NewMerges,
    responses((status = 200, description = "What merges and what conflicts.", body = Wire), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn merge(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Body(new): Body<NewMerges>,
) -> Result<Json<Wire>, Refusal> {
    plane.need_space()?;
    let NewMerges { tasks, repository } = new;
    let tasks = named(&tasks)?;
    let work = work(&plane, member.workspace_id(), &tasks, repository.as_deref());
    match tokio::time::timeout(LIMIT, work).await {
        Ok(done) => Ok(Json(done?)),
        Err(_) => Err(Refusal::new(
            Code::Unavailable,
            "Merging took longer than 30 s and was given up.",
        )
        .with_hint("Name fewer tasks; or, if the server is still copying the repository, try again in a minute.")),
    }
}

fn named(tasks: &[String]) -> Result<Vec<TaskId>, Refusal> {
    const FIELD: &str = "/tasks";
    if !(2..=MOST).contains(&tasks.len()) {
        let detail = format!("has {} entries; it must be 2 to {MOST}", tasks.len());
        return Err(Refusal::field(FIELD, detail));
    }
    let mut ids: Vec<TaskId> = Vec::with_capacity(tasks.len());
    for (index, task) in tasks.iter().enumerate() {
        let pointer = format!("{FIELD}/{index}");
        let id: TaskId = task
            .parse()
            .map_err(|fault| Refusal::field(&pointer, format!("{fault}")))?;
        if ids.contains(&id) {
            return Err(Refusal::field(&pointer, "is named twice"));
        }
        ids.push(id);
    }
    Ok(ids)
}

async fn work(
    plane: &Arc<Plane>,
    workspace: WorkspaceId,
    tasks: &[TaskId],
    repository: Option<&str>,
) -> Result<Wire, Refusal> {
    let subject = subject::load(plane, workspace, tasks, repository).await?;
    let permit = Arc::clone(&plane.mergers).acquire_owned().await;
    let permit = permit.map_err(|_| Refusal::new(Code::Unavailable, "The server stops."))?;
    let (bases, permit) = copied(plane, workspace, &subject, permit).await?;
    let sides = subject.sides(&bases);
    let name = plane.ids.uuid().simple().to_string();
    let merges = subject.copy.merges(&plane.git, &name, &sides).await;
    let merges = merges.map_err(|fault| not_merged(fault, tasks))?;
    let found = order::find(&merges).await.map_err(git_failed)?;
    drop(permit);
    Ok(wire(&merges, found, tasks))
}

/// The commits that they started from, in the server's copy of the repository. If the copy has to be made first, and that takes longer than
/// anybody waits, it goes on for the next request, and keeps its permit.
async fn copied(
    plane: &Arc<Plane>,
    workspace: WorkspaceId,
    subject: &Subject,
    permit: OwnedSemaphorePermit,
) -> Result<(Vec<CommitId>, OwnedSemaphorePermit), Refusal> {
    let (copy, commits) = (subject.copy.clone(), subject.commits());
    let shutdown = plane.shutdown.clone();
    let copying = tokio::spawn(async move {
        tokio::select! {
            copied = copy.ensure(&commits) => Some((copied, permit)),
            () = shutdown.cancelled() => None,
        }
    });
    match copying.await {
        Ok(Some((Ok(bases), permit))) => Ok((bases, permit)),
        Ok(Some((Err(MirrorError::Remote(fault)), _))) => {
            Err(base::refused(*fault, &subject.label))
        }
        Ok(Some((
            Err(fault @ (MirrorError::CommitMissing { .. } | MirrorError::Ambiguous { .. })),
            _,
        ))) => {
            let detail = sentence(&fault.to_string());
            let hint = "Its branch was rewritten since; submit the task again.";
            Err(Refusal::new(Code::Repository, detail).with_hint(hint))
        }
        Ok(Some((Err(fault @ (MirrorError::Folder { .. } | MirrorError::Local { .. })), _))) => {
            tracing::error!(%workspace, %fault, "the copy of a repository cannot be used");
            Err(Refusal::new(
                Code::Internal,
                "The server's copy of the repository cannot be used.",
            )
            .because(fault))
        }
        Ok(None) | Err(_) => Err(Refusal::new(Code::Unavailable, "The server stops.")),
    }
}

fn not_merged(fault: MergesError, tasks: &[TaskId]) -> Refusal {
    match fault {
        MergesError::DiffDoesNotApply { side } => {
            let detail = format!(
                "The diff of {} does not apply to the commit that it is against.",
                tasks[side]
            );
            Refusal::new(Code::Conflict, detail)
                .with_hint("Leave it out, or run it again with `outwork retry`.")
        }
        MergesError::NoBase => Refusal::new(
            Code::Conflict,
            "They started from commits of different branches, of which none contains the others.",
        )
        .with_hint("Name tasks that started from the same branch."),
        MergesError::Prepare(fault) => Refusal::new(
            Code::Internal,
            "The results could not be made ready for merging.",
        )
        .because(fault),
    }
}

fn git_failed(fault: outwork_git::GitError) -> Refusal {
    Refusal::new(Code::Internal, "Git could not merge the results.").because(fault)
}

fn wire(merges: &Merges, found: Found, tasks: &[TaskId]) -> Wire {
    let Found {
        clean,
        conflicts,
        pairs,
        is_exact,
    } = found;
    let name = |side: &usize| tasks[*side].to_string();
    let last = conflicts.iter().map(|conflict| conflict.side);
    let order = clean.iter().copied().chain(last);
    Wire {
        base: merges.base().as_str().to_owned(),
        order: order.map(|side| name(&side)).collect(),
        conflicts: conflicts
            .iter()
            .map(|conflict| MergeConflict {
                task_id: name(&conflict.side),
                with: conflict.with.iter().map(name).collect(),
                paths: conflict.paths.clone(),
            })
            .collect(),
        clean: clean.iter().map(name).collect(),
        pairs: pairs
            .into_iter()
            .map(|pair| MergePair {
                a: name(&pair.one),
                b: name(&pair.other),
                clean: pair.paths.is_none(),
                paths: pair.paths.unwrap_or_default(),
            })
            .collect(),
        method: match is_exact {
            true => MergeMethod::Exact,
            false => MergeMethod::Greedy,
        },
    }
}
