//! Telling an attempt of the newest turn something: an answer, a message, an interrupt.

use outwork_api::problem::Code;
use outwork_api::task::Task;
use outwork_domain::agent::AgentSpec;
use outwork_domain::principal::Member;
use outwork_domain::{Attempt, Desired, State, TaskId};
use outwork_store::{AttemptRecord, Idempotency, StoreError, TaskRecord, Telling};

use super::check;
use crate::endpoints::{environments, tasks};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// What is told.
pub(crate) enum Kind {
    Answer(String),
    Steer(String),
    Interrupt,
}

impl Kind {
    fn fits(&self, record: &AttemptRecord) -> bool {
        let attempt = &record.attempt;
        match self {
            Self::Answer(_) => matches!(attempt.state, State::AwaitingInput { .. }),
            Self::Steer(_) => {
                attempt.desired == Desired::Run
                    && matches!(attempt.state, State::Queued { .. } | State::Held { .. })
            }
            Self::Interrupt => {
                attempt.desired == Desired::Run && matches!(attempt.state, State::Held { .. })
            }
        }
    }

    /// When no attempt can be told.
    fn nobody(&self, task: TaskId) -> Refusal {
        let (detail, hint) = match self {
            Self::Answer(_) => (
                "No attempt of the task's newest turn asks anything.",
                format!(
                    "If it runs, say it with `outwork steer {task}`; if it has ended, follow up with `outwork follow-up {task}`."
                ),
            ),
            Self::Steer(_) => (
                "No attempt of the task's newest turn runs.",
                format!(
                    "Follow up with `outwork follow-up {task}`, or answer its question with `outwork answer {task}`."
                ),
            ),
            Self::Interrupt => (
                "No attempt of the task's newest turn is with a worker.",
                format!("`outwork cancel {task}` stops one that waits."),
            ),
        };
        Refusal::new(Code::Conflict, detail).with_hint(hint)
    }
}

/// Stores it, and answers with the task.
pub(crate) async fn tell(
    plane: &Plane,
    member: &Member,
    id: TaskId,
    number: Option<u32>,
    kind: Kind,
    idempotency: Option<Idempotency>,
) -> Result<Task, Refusal> {
    let workspace = member.workspace_id();
    let replayed = match &idempotency {
        Some(key) => plane.store.idempotent(key, plane.now()).await?.is_some(),
        None => false,
    };
    if !replayed {
        if let Kind::Answer(text) | Kind::Steer(text) = &kind {
            let mut faults = check::Faults::default();
            faults.message(text);
            faults.none_or_refusal()?;
            plane.need_space()?;
        }
        let record = tasks::by_id(plane, workspace, id).await?;
        let attempt = &chosen(&record, &kind, number)?.attempt;
        if let Kind::Steer(_) = kind {
            steerable(plane, &record, attempt).await?;
        }
        let attempt = attempt.id;
        let what = match kind {
            Kind::Answer(text) => Telling::Answer(text),
            Kind::Steer(text) => Telling::Steer(text),
            Kind::Interrupt => Telling::Interrupt,
        };
        let by = member.principal().id;
        let told = plane
            .store
            .tell(workspace, attempt, by, what, idempotency, plane.now())
            .await;
        told.map_err(|fault| match fault {
            StoreError::NotFound => tasks::missing(id),
            other => other.into(),
        })?;
    }
    let record = tasks::by_id(plane, workspace, id).await?;
    view::task::whole(plane, record).await
}

/// The attempt that is meant: the one named, else the only one that fits.
fn chosen<'a>(
    record: &'a TaskRecord,
    kind: &Kind,
    number: Option<u32>,
) -> Result<&'a AttemptRecord, Refusal> {
    let task = record.task.id;
    let newest = record.turns.last().map_or(&[][..], |turn| &turn.attempts);
    if let Some(number) = number {
        let named = newest
            .iter()
            .find(|record| record.attempt.number.get() == number);
        let detail = format!(
            "is {number}; the newest turn has attempts 1 to {}",
            newest.len()
        );
        // Whether it can be told is for the write to say.
        return named.ok_or_else(|| Refusal::field("/attempt", detail));
    }
    let fit: Vec<_> = newest.iter().filter(|record| kind.fits(record)).collect();
    match fit[..] {
        [one] => Ok(one),
        [] => Err(kind.nobody(task)),
        [_, _, ..] => {
            let numbers: Vec<_> = fit
                .iter()
                .map(|record| record.attempt.number.to_string())
                .collect();
            let detail = format!("is needed: attempts {} can be told", numbers.join(", "));
            Err(Refusal::field("/attempt", detail))
        }
    }
}

/// A plain command hears nothing while it runs: better refused than not heard.
async fn steerable(plane: &Plane, record: &TaskRecord, attempt: &Attempt) -> Result<(), Refusal> {
    let task = &record.task;
    let agent = match &attempt.agent {
        Some(own) => own.agent.clone(),
        None => {
            let (workspace, environment) = (task.workspace_id, task.environment_id);
            let record = environments::by_id(plane, workspace, environment).await?;
            record.environment.spec.agent
        }
    };
    match agent {
        AgentSpec::Codex => Ok(()),
        AgentSpec::None => {
            let detail = "Nothing runs that hears: the turn makes one result of parts of others.";
            Err(Refusal::new(Code::Conflict, detail)
                .with_hint(format!("Follow up with `outwork follow-up {}`.", task.id)))
        }
        AgentSpec::Command(_) => {
            let detail = "The agent `command` hears nothing while it runs.";
            let hint = format!(
                "`outwork interrupt {0}` ends its run; answer then with `outwork answer {0}`.",
                task.id
            );
            Err(Refusal::new(Code::Conflict, detail).with_hint(hint))
        }
    }
}
