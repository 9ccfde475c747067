//! How a task and a turn come to be: everything is checked before anything is written, and what is answered is stored.

pub(crate) mod base;
mod check;

pub(crate) mod composition;
pub(crate) mod task;
pub(crate) mod tell;
pub(crate) mod turn;

use std::num::NonZeroU32;
use std::time::Duration;

use outwork_api::task::NewTask;
use outwork_domain::agent::AgentChoice;
use outwork_domain::environment::{Environment, EnvironmentSpec};
use outwork_domain::limits::AttemptLimits;
use outwork_domain::{Attempt, AttemptId, Desired, Epoch, TaskId, Timestamp, TurnId, WorkspaceId};

use crate::plane::Plane;
use crate::refusal::Refusal;

/// What can be said now of a task that is submitted later.
pub(crate) fn check_ahead(plane: &Plane, new: &NewTask) -> Result<(), Refusal> {
    let mut faults = check::Faults::default();
    faults.prompt(&new.prompt);
    faults.start(new);
    faults.attempts(new.attempts, plane.attempts_per_turn);
    faults.none_or_refusal()
}

/// How long an attempt may be `setting_up` before the server ends it. The worker gives each script `setup_timeout`, and up to three of these
/// can come one after the other: the wait for a snapshot that another attempt builds; its own build, if that one came to nothing or the
/// snapshot is broken; the maintenance script. A build makes a checkout, for which it has the time of `preparing` once more.
fn setting_up(setup_timeout: Duration, preparing: Duration) -> Duration {
    3 * setup_timeout + preparing
}

/// How long the verify command may take beside the diff: it may run twice.
fn verifying(spec: &EnvironmentSpec) -> Duration {
    match spec.verify_command {
        Some(_) => 2 * (spec.verify_timeout + VERIFY_START),
        None => Duration::ZERO,
    }
}

/// For laying out what a run of the verify command sees, and for ending it.
const VERIFY_START: Duration = Duration::from_secs(30);

/// What there is for a run of the verify command of an attempt whose limits were set when it was submitted; `None`: nothing, since the
/// environment had no command then.
pub(crate) fn verify_timeout(collecting: Duration, of_diff: Duration) -> Option<Duration> {
    let each = collecting.checked_sub(of_diff)? / 2;
    each.checked_sub(VERIFY_START)
        .filter(|each| !each.is_zero())
}

/// Queued attempts of a turn, one for each of `agents`.
fn attempts(
    plane: &Plane,
    workspace: WorkspaceId,
    task: TaskId,
    turn: TurnId,
    environment: &Environment,
    agents: Vec<Option<AgentChoice>>,
    now: Timestamp,
) -> Vec<Attempt> {
    let limits = AttemptLimits {
        setting_up: setting_up(environment.spec.setup_timeout, plane.limits.preparing),
        running: environment.spec.timeout,
        collecting: plane.limits.collecting + verifying(&environment.spec),
        ..plane.limits
    };
    (1..)
        .filter_map(NonZeroU32::new)
        .zip(agents)
        .map(|(number, agent)| Attempt {
            id: AttemptId::from_uuid(plane.ids.uuid()),
            workspace_id: workspace,
            task_id: task,
            turn_id: turn,
            number,
            agent,
            created_at: now,
            limits,
            epoch: Epoch::ZERO,
            tries: 0,
            desired: Desired::Run,
            state: Attempt::queued(now, &limits),
        })
        .collect()
}
