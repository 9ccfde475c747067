//! What a worker is given: everything it needs, since it has no database.

use std::time::Duration;

use outwork_api::worker::{Assignment, Continues, ModelAccess, StepLimits};
use outwork_domain::limits::AttemptLimits;
use outwork_store::{AttemptRecord, Claimed, ModelRecord};

use super::WorkerService;
use crate::config::ModelDefault;
use crate::view::environment::wire_agent;
use crate::view::task::diff;

impl WorkerService {
    pub(super) fn assignment(&self, claimed: Claimed) -> Assignment {
        let Claimed {
            attempt,
            task,
            turn,
            environment,
            model,
            continues,
        } = claimed;
        let spec = environment.spec;
        let model = if spec.agent.needs_model() {
            self.model(model)
        } else {
            None
        };
        Assignment {
            attempt: attempt.id.to_string(),
            epoch: attempt.epoch.get(),
            lease_ms: millis(attempt.limits.lease),
            task: task.id.to_string(),
            turn: turn.number.get(),
            number: attempt.number.get(),
            environment: spec.label,
            repository_url: spec.repository_url,
            branch: task.base.branch,
            commit: task.base.commit,
            has_starting_diff: task.base.starting_diff.is_some(),
            continues: continues.as_ref().map(left_behind),
            agent: wire_agent(spec.agent),
            model,
            prompt: turn.prompt,
            setup_script: spec.setup_script,
            variables: spec.variables.into_iter().collect(),
            limits: step_limits(&attempt.limits),
        }
    }

    /// Without its model the attempt fails on the worker with a reason that people see; a claim that is answered with an error would only
    /// be tried again.
    fn model(&self, record: Option<ModelRecord>) -> Option<ModelAccess> {
        match self.plane.model_access(self.workspace, record) {
            Ok(model) => model.map(
                |ModelDefault {
                     base_url,
                     name,
                     api_key,
                     context_window,
                 }| ModelAccess {
                    base_url,
                    name,
                    api_key,
                    context_window,
                },
            ),
            Err(refusal) => {
                refusal.log(None);
                None
            }
        }
    }
}

fn left_behind(record: &AttemptRecord) -> Continues {
    let session = record
        .result
        .as_ref()
        .and_then(|result| result.session.as_ref());
    Continues {
        has_diff: diff(record).is_some(),
        has_session: session.is_some(),
    }
}

fn step_limits(limits: &AttemptLimits) -> StepLimits {
    StepLimits {
        preparing_ms: millis(limits.preparing),
        setting_up_ms: millis(limits.setting_up),
        running_ms: millis(limits.running),
        collecting_ms: millis(limits.collecting),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
