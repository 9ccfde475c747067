//! A new task.

use std::num::NonZeroU32;

use bytes::Bytes;
use outwork_api::task::NewTask;
use outwork_domain::principal::Member;
use outwork_domain::task::{Base, Task, Turn, title};
use outwork_domain::{ObjectKey, TaskId, TurnId};
use outwork_store::{Idempotency, Submission, Submitted};

use super::base::Bases;
use super::{attempts, base, check};
use crate::endpoints::environments;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Checks the task, finds its commits, and writes task, turn and attempts at once. The id is that of the task made now or, when the key was used
/// before, then.
pub(crate) async fn submit(
    plane: &Plane,
    member: &Member,
    new: NewTask,
    idempotency: Option<Idempotency>,
) -> Result<(TaskId, Submitted), Refusal> {
    // A replay must work while the repository is away or the disk is full: nothing is asked and nothing is written.
    if let Some(key) = &idempotency
        && let Some(task_id) = plane.store.idempotent(key, plane.now()).await?
    {
        return Ok((task_id, Submitted::Replayed { task_id }));
    }
    plane.need_space()?;
    let mut faults = check::Faults::default();
    faults.prompt(&new.prompt);
    let count = faults.attempts(new.attempts, plane.attempts_per_turn);
    let asked = faults.start(&new);
    faults.starting_diff(new.starting_diff.as_deref());
    faults.none_or_refusal()?;
    let workspace = member.workspace_id();
    let environment = environments::by_name(plane, workspace, &new.environment)
        .await?
        .environment;
    check::has_model(plane, &environment).await?;
    let Bases {
        repository,
        first,
        further,
    } = base::resolve(plane, &environment, asked).await?;

    let now = plane.now();
    let task_id = TaskId::from_uuid(plane.ids.uuid());
    let starting_diff = store_diff(plane, task_id, new.starting_diff).await?;
    let turn = Turn {
        id: TurnId::from_uuid(plane.ids.uuid()),
        task_id,
        number: NonZeroU32::MIN,
        created_by: member.principal().id,
        continues: None,
        created_at: now,
        prompt: new.prompt,
    };
    let task = Task {
        id: task_id,
        workspace_id: workspace,
        created_by: member.principal().id,
        environment_id: environment.id,
        title: title(&turn.prompt),
        base: Base {
            branch: first.branch.map(|branch| branch.as_str().to_owned()),
            commit: first.commit.as_str().to_owned(),
            starting_diff: starting_diff.clone(),
            further,
        },
        interactive: new.interactive,
        priority: new.priority.into(),
        created_at: now,
        updated_at: now,
    };
    let attempts = attempts(plane, workspace, task_id, turn.id, &environment, count, now);
    let written = plane
        .store
        .submit(
            Submission {
                task,
                turn,
                attempts,
                repository,
            },
            idempotency,
        )
        .await;
    if !matches!(written, Ok(Submitted::New)) {
        forget_diff(plane, starting_diff).await;
    }
    match written? {
        Submitted::New => {
            tracing::info!(task = %task_id, environment = %environment.id, attempts = count, "a task was submitted");
            Ok((task_id, Submitted::New))
        }
        Submitted::Replayed { task_id } => Ok((task_id, Submitted::Replayed { task_id })),
    }
}

/// The object comes before the row: a row never names an object that is not there.
async fn store_diff(
    plane: &Plane,
    task: TaskId,
    diff: Option<String>,
) -> Result<Option<ObjectKey>, Refusal> {
    let Some(diff) = diff else { return Ok(None) };
    let key = ObjectKey::starting_diff(task);
    plane.objects.put(&key, Bytes::from(diff)).await?;
    Ok(Some(key))
}

/// No row names it. If that fails too, it stays as garbage that harms nobody.
async fn forget_diff(plane: &Plane, key: Option<ObjectKey>) {
    let Some(key) = key else { return };
    if let Err(fault) = plane.objects.delete(&key).await {
        tracing::warn!(key = key.as_str(), %fault, "an object that no task needs could not be deleted");
    }
}
