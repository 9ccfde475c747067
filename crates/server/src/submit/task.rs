//! A new task.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use outwork_api::task::NewTask;
use outwork_domain::agent::AgentName;
use outwork_domain::principal::Member;
use outwork_domain::task::{Base, Task, Turn, title};
use outwork_domain::{ObjectKey, TaskId, TurnId};
use outwork_store::{AttemptRecord, Idempotency, Submission, Submitted, TaskRecord, TurnRecord};

use super::base::Bases;
use super::{attempts, base, check};
use crate::endpoints::environments;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// What became of a submission.
pub(crate) enum Made {
    /// The task as it was stored.
    New(Box<TaskRecord>),
    /// When the key was used before: the task that was made then.
    Replayed(TaskId),
}

impl Made {
    pub(crate) fn id(&self) -> TaskId {
        match self {
            Self::New(record) => record.task.id,
            Self::Replayed(id) => *id,
        }
    }
}

/// Checks the task, finds its commits, and writes task, turn and attempts at once.
pub(crate) async fn submit(
    plane: &Plane,
    member: &Member,
    new: NewTask,
    idempotency: Option<Idempotency>,
) -> Result<Made, Refusal> {
    let replayed = async || match &idempotency {
        Some(key) => plane.store.idempotent(key, plane.now()).await,
        None => Ok(None),
    };
    // A replay must work while the repository is away or the disk is full. Where no repository has to be asked for the commit, the write
    // itself finds it, and only what would be refused is looked up.
    if new.commit.is_none()
        && let Some(task_id) = replayed().await?
    {
        return Ok(Made::Replayed(task_id));
    }
    match prepare(plane, member, new).await {
        Ok(prepared) => prepared.store(plane, idempotency).await,
        Err(refusal) => match replayed().await? {
            Some(task_id) => Ok(Made::Replayed(task_id)),
            None => Err(refusal),
        },
    }
}

/// A task that can be stored.
struct Prepared {
    submission: Submission,
    environment_label: String,
    environment_agent: AgentName,
    approvals_needed: u32,
    sent: Sent,
}

async fn prepare(plane: &Plane, member: &Member, new: NewTask) -> Result<Prepared, Refusal> {
    plane.need_space()?;
    let mut faults = check::Faults::default();
    faults.prompt(&new.prompt);
    let asked = faults.start(&new);
    let agents = faults.agents(new.agents, new.attempts, plane.attempts_per_turn);
    faults.starting_diff(new.starting_diff.as_deref());
    let output_schema = faults.output_schema(new.output_schema);
    let paths = faults.paths(&new.paths);
    let session = faults.starting_session(new.starting_session.as_deref());
    faults.none_or_refusal()?;
    let workspace = member.workspace_id();
    let environment = environments::by_name(plane, workspace, &new.environment)
        .await?
        .environment;
    check::fits(session.as_ref(), &environment, &agents)?;
    drop(session);
    check::has_model(plane, &environment, &agents).await?;
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
        composition: None,
        created_at: now,
        prompt: new.prompt,
        output_schema,
        chosen: None,
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
        kind: new.kind.into(),
        interactive: new.interactive,
        priority: new.priority.into(),
        created_at: now,
        updated_at: now,
    };
    let attempts = attempts(
        plane,
        workspace,
        task_id,
        turn.id,
        &environment,
        agents,
        now,
    );
    Ok(Prepared {
        submission: Submission {
            task,
            turn,
            attempts,
            repository,
            paths,
        },
        environment_agent: environment.spec.agent.kind(),
        environment_label: environment.spec.label,
        approvals_needed: environment.spec.approvals,
        sent,
    })
}

impl Prepared {
    async fn store(self, plane: &Plane, idempotency: Option<Idempotency>) -> Result<Made, Refusal> {
        let Self {
            submission,
            environment_label,
            environment_agent,
            approvals_needed,
            sent,
        } = self;
        let submission = Arc::new(submission);
        let written = plane
            .store
            .submit(Arc::clone(&submission), idempotency)
            .await;
        if !matches!(written, Ok(Submitted::New)) {
            sent.forget(plane).await;
        }
        match written? {
            Submitted::New => {
                let Task {
                    id, environment_id, ..
                } = &submission.task;
                let attempts = submission.attempts.len();
                tracing::info!(task = %id, environment = %environment_id, attempts, "a task was submitted");
                let submission = Arc::unwrap_or_clone(submission);
                let record = record(
                    submission,
                    environment_label,
                    environment_agent,
                    approvals_needed,
                );
                Ok(Made::New(Box::new(record)))
            }
            Submitted::Replayed { task_id } => Ok(Made::Replayed(task_id)),
        }
    }
}

/// A task just as it was stored.
fn record(
    submission: Submission,
    environment_label: String,
    environment_agent: AgentName,
    approvals_needed: u32,
) -> TaskRecord {
    let Submission {
        task,
        turn,
        attempts,
        repository,
        paths: _,
    } = submission;
    let attempt = |attempt| AttemptRecord {
        attempt,
        worker: None,
        isolation: None,
        result: None,
        prices: None,
        repository: repository.clone(),
        environment_agent,
    };
    let attempts = attempts.into_iter().map(attempt).collect();
    TaskRecord {
        task,
        environment_label,
        approvals_needed,
        turns: vec![TurnRecord { turn, attempts }],
        repository,
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
