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
    let session = faults.starting_session(new.starting_session.as_deref());
    faults.none_or_refusal()?;
    let workspace = member.workspace_id();
    let environment = environments::by_name(plane, workspace, &new.environment)
        .await?
        .environment;
    check::fits(session.as_ref(), &environment)?;
    drop(session);
    check::has_model(plane, &environment).await?;
    let Bases {
        repository,
        first,
        further,
    } = base::resolve(plane, &environment, asked).await?;

    let now = plane.now();
    let task_id = TaskId::from_uuid(plane.ids.uuid());
    let sent = Sent::store(plane, task_id, new.starting_diff, new.starting_session).await?;
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
            starting_diff: sent.diff.clone(),
            starting_session: sent.session.clone(),
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
        sent.forget(plane).await;
    }
    match written? {
        Submitted::New => {
            tracing::info!(task = %task_id, environment = %environment.id, attempts = count, "a task was submitted");
            Ok((task_id, Submitted::New))
        }
        Submitted::Replayed { task_id } => Ok((task_id, Submitted::Replayed { task_id })),
    }
}

/// What came with the task and is too large for a row.
struct Sent {
    diff: Option<ObjectKey>,
    session: Option<ObjectKey>,
}

impl Sent {
    /// The object comes before the row: a row never names an object that is not there.
    async fn store(
        plane: &Plane,
        task: TaskId,
        diff: Option<String>,
        session: Option<String>,
    ) -> Result<Self, Refusal> {
        let mut sent = Self {
            diff: None,
            session: None,
        };
        if let Some(diff) = diff {
            let key = ObjectKey::starting_diff(task);
            plane.objects.put(&key, Bytes::from(diff)).await?;
            sent.diff = Some(key);
        }
        if let Some(session) = session {
            let key = ObjectKey::starting_session(task);
            let stored = plane.objects.put(&key, Bytes::from(session)).await;
            if let Err(fault) = stored {
                sent.forget(plane).await;
                return Err(fault.into());
            }
            sent.session = Some(key);
        }
        Ok(sent)
    }

    /// No row names them. If that fails too, they stay as garbage that harms nobody.
    async fn forget(self, plane: &Plane) {
        let Self { diff, session } = self;
        for key in diff.into_iter().chain(session) {
            if let Err(fault) = plane.objects.delete(&key).await {
                tracing::warn!(key = key.as_str(), %fault, "an object that no task needs could not be deleted");
            }
        }
    }
}
