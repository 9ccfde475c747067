//! What a worker is given: everything it needs, since it has no database.

use std::time::Duration;

use outwork_api::credential::CredentialSecret;
use outwork_api::injection::AssignedInjection;
use outwork_api::worker::{
    AssignedRepository, AssignedSecret, AssignedVerification, Assignment, ModelAccess, StepLimits,
};
use outwork_api::{Problem, Secret};
use outwork_domain::agent::AgentChoice;
use outwork_domain::environment::{Environment, EnvironmentSpec, InjectionTarget};
use outwork_domain::limits::AttemptLimits;
use outwork_domain::network::AgentNetwork;
use outwork_domain::task::{Base, FurtherBase};
use outwork_domain::{Attempt, EnvironmentId, Failure, FailureCode};
use outwork_store::{
    AttemptRecord, Claimed, CredentialRecord, MessageBody, ModelRecord, SealedInjection,
    SealedSecret,
};
use serde_json::Value;

use super::{WorkerService, message};
use crate::config::ModelDefault;
use crate::credentials::{self, Unreadable};
use crate::git_gateway::Lease;
use crate::refusal::{sentence, shell_word};
use crate::seal::Place;
use crate::submit::verify_timeout;
use crate::view::attempt::{diff, session};
use crate::view::environment::{wire_agent, wire_runtimes};

impl WorkerService {
    /// What cannot be opened ends the attempt with a reason that people see: a claim that is answered with an error would only be tried
    /// again.
    ///
    /// `git_gateway`: whether the worker reads private repositories through the gateway.
    pub(super) fn assignment(
        &self,
        claimed: Claimed,
        git_gateway: bool,
    ) -> Result<Assignment, Failure> {
        let Claimed {
            attempt,
            task,
            turn,
            repository,
            environment,
            cache_generation,
            secrets,
            injections,
            credentials,
            model,
            continues,
            messages,
        } = claimed;
        let interactive = task.interactive;
        let answer = messages.iter().rev().find_map(|told| match &told.body {
            MessageBody::Answer { question, text } => Some((question.clone(), text.clone())),
            MessageBody::Steer(_) | MessageBody::Interrupt => None,
        });
        let (question, prompt) = match answer {
            Some((question, text)) => (Some(question), text),
            None => (None, turn.prompt),
        };
        let output_schema = turn
            .output_schema
            .as_deref()
            .map(output_schema)
            .transpose()?;
        // Also an interrupt that a lost claim did not come to: it was acknowledged.
        let messages = message::since(messages, 0);
        let Environment { id, mut spec, .. } = environment;
        if turn.composition.is_some_and(|it| !it.verify) {
            spec.verify_command = None;
        }
        let continues = continues.as_ref();
        let repositories = Repositories {
            service: self,
            credentials: &credentials,
            continues,
            attempt: &attempt,
            git_gateway,
        };
        // A first turn goes on from what the task was given.
        let has_session = match continues {
            Some(record) => session(record).is_some(),
            None => task.base.starting_session.is_some(),
        };
        let mut repositories =
            repositories.all(repository, spec.repository_url.clone(), task.base)?;
        repositories[0].setup_branch = spec.branch.clone();
        let secrets = self.secrets(id, &spec, secrets)?;
        let injections = self.injections(id, &spec, injections)?;
        let image_credential = match &spec.base_image {
            Some(image) => credentials::for_image(&self.plane, &credentials, image)
                .map_err(|fault| unreadable(FailureCode::BaseImageUnavailable, &fault))?,
            None => None,
        };
        let (agent, own_model) = match attempt.agent.clone() {
            Some(AgentChoice { agent, model }) => (agent, model),
            None => (spec.agent, None),
        };
        let mut model = if agent.needs_model() {
            self.model(model)?
        } else {
            None
        };
        if let (Some(access), Some(name)) = (&mut model, own_model) {
            access.name = name;
        }
        let of_diff = self.plane.limits.collecting.min(attempt.limits.collecting);
        let verify = verify_timeout(attempt.limits.collecting, of_diff).and_then(|timeout| {
            Some(AssignedVerification {
                command: spec.verify_command?,
                timeout_ms: millis(timeout),
            })
        });
        Ok(Assignment {
            attempt: attempt.id.to_string(),
            epoch: attempt.epoch.get(),
            lease_ms: millis(attempt.limits.lease),
            task: task.id.to_string(),
            turn: turn.number.get(),
            number: attempt.number.get(),
            environment: spec.label,
            environment_id: id.to_string(),
            cache_generation,
            repositories,
            has_session,
            base_image: spec.base_image,
            image_credential,
            runtimes: wire_runtimes(spec.runtimes),
            agent: wire_agent(agent),
            model,
            prompt,
            question,
            interactive,
            output_schema,
            messages,
            setup_script: spec.setup_script,
            maintenance_script: spec.maintenance_script,
            verify,
            variables: spec.variables.into_iter().collect(),
            secrets,
            limits: step_limits(&attempt.limits, of_diff, spec.setup_timeout),
            network: spec.network.into(),
            resources: spec.resources.into(),
            nested_namespaces: spec.nested_namespaces,
            max_tokens: spec.max_tokens,
            injections,
        })
    }

    fn secrets(
        &self,
        environment: EnvironmentId,
        spec: &EnvironmentSpec,
        secrets: Vec<SealedSecret>,
    ) -> Result<Vec<AssignedSecret>, Failure> {
        secrets
            .into_iter()
            .map(|secret| {
                let SealedSecret {
                    name,
                    version,
                    sealed,
                } = secret;
                let place = Place::Secret {
                    workspace: self.workspace,
                    environment,
                    name: &name,
                };
                match self.plane.seal.open(&sealed, place) {
                    Ok(value) => Ok(AssignedSecret {
                        name,
                        value: Secret::new(value),
                        version,
                    }),
                    Err(_) => Err(closed_secret(&spec.label, &name)),
                }
            })
            .collect()
    }

    fn injections(
        &self,
        environment: EnvironmentId,
        spec: &EnvironmentSpec,
        injections: Vec<SealedInjection>,
    ) -> Result<Vec<AssignedInjection>, Failure> {
        // A worker is not given what it has no use for.
        if spec.network == AgentNetwork::Off {
            return Ok(Vec::new());
        }
        let open = |SealedInjection { target, sealed }| {
            let place = Place::Injection {
                workspace: self.workspace,
                environment,
                target: &target,
            };
            match self.plane.seal.open(&sealed, place) {
                Ok(value) => Ok(AssignedInjection {
                    host: target.host.to_string(),
                    header: target.header.to_string(),
                    value: Secret::new(value),
                }),
                Err(_) => Err(closed_injection(&spec.label, &target)),
            }
        };
        injections.into_iter().map(open).collect()
    }

    fn model(&self, record: Option<ModelRecord>) -> Result<Option<ModelAccess>, Failure> {
        let model = self
            .plane
            .model_access(self.workspace, record)
            .map_err(|refusal| {
                let Problem { detail, hint, .. } = refusal.problem().clone();
                Failure {
                    code: FailureCode::ModelNotConfigured,
                    message: detail,
                    hint,
                }
            })?;
        Ok(model.map(
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
        ))
    }
}

/// What is the same for all repositories of an assignment.
struct Repositories<'a> {
    service: &'a WorkerService,
    credentials: &'a [CredentialRecord],
    continues: Option<&'a AttemptRecord>,
    attempt: &'a Attempt,
    git_gateway: bool,
}

impl Repositories<'_> {
    /// The first as the environment says now, the others as they were when the task was submitted.
    fn all(
        &self,
        name: String,
        url: String,
        base: Base,
    ) -> Result<Vec<AssignedRepository>, Failure> {
        let Base {
            branch,
            commit,
            starting_diff,
            starting_session: _,
            further,
        } = base;
        let mut first = self.one(FurtherBase {
            name,
            url,
            branch,
            commit,
        })?;
        first.has_starting_diff = starting_diff.is_some();
        let further = further.into_iter().map(|base| self.one(base));
        std::iter::once(Ok(first)).chain(further).collect()
    }

    /// What the worker is given of a credential: a token stays here, and is read with by the gateway.
    fn access(
        &self,
        name: &str,
        url: &str,
        credential: Option<CredentialSecret>,
    ) -> (Option<CredentialSecret>, Option<Secret>) {
        match credential {
            Some(CredentialSecret::Token { .. }) if self.git_gateway => {}
            other => return (other, None),
        }
        let lease = Lease {
            workspace: self.service.workspace,
            attempt: self.attempt.id,
            epoch: self.attempt.epoch,
            repository: name.to_owned(),
            url: url.to_owned(),
        };
        (None, Some(self.service.plane.git_gateway.key.issue(&lease)))
    }

    fn one(&self, base: FurtherBase) -> Result<AssignedRepository, Failure> {
        let FurtherBase {
            name,
            url,
            branch,
            commit,
        } = base;
        let credential = credentials::for_url(&self.service.plane, self.credentials, &url)
            .map_err(|fault| unreadable(FailureCode::RepositoryUnavailable, &fault))?;
        let (credential, lease_token) = self.access(&name, &url, credential);
        let carried = self.continues.and_then(|record| diff(record, &name));
        Ok(AssignedRepository {
            has_carried_diff: carried.is_some(),
            has_starting_diff: false,
            credential,
            lease_token,
            name,
            url,
            // Tasks cannot ask for another branch of a further repository; the first one's is set by the caller.
            setup_branch: branch.clone(),
            branch,
            commit,
        })
    }
}

/// It was checked when it was stored. Without it an answer would pass that nobody has looked at.
fn output_schema(stored: &str) -> Result<Value, Failure> {
    serde_json::from_str(stored).map_err(|_| {
        let message = "The schema of the answer cannot be read as it is stored.";
        let hint = "Submit the task again with its `--output-schema`.";
        Failure::new(FailureCode::Internal, message).with_hint(hint)
    })
}

fn closed_secret(label: &str, name: &str) -> Failure {
    let message = format!(
        "The secret `{name}` of the environment cannot be opened with this server's secret key."
    );
    let hint = format!(
        "Set it again with `outwork env secret set {} {name}`, or restore the server's key file.",
        shell_word(label)
    );
    Failure::new(FailureCode::Internal, message).with_hint(hint)
}

fn closed_injection(label: &str, InjectionTarget { host, header }: &InjectionTarget) -> Failure {
    let message = format!(
        "The header `{header}` for `{host}` cannot be opened with this server's secret key."
    );
    let hint = format!(
        "Set it again with `outwork env edit {} --inject {host}:{header}=@FILE`, or restore the server's key file.",
        shell_word(label)
    );
    Failure::new(FailureCode::Internal, message).with_hint(hint)
}

fn unreadable(code: FailureCode, fault: &Unreadable) -> Failure {
    Failure::new(code, sentence(&fault.to_string())).with_hint(fault.hint())
}

/// The attempt's own limits of `setting_up` and `collecting` are the server's, for all of these steps; the worker's are for each script, and
/// for the diff without the verify command.
fn step_limits(limits: &AttemptLimits, of_diff: Duration, setup_timeout: Duration) -> StepLimits {
    StepLimits {
        preparing_ms: millis(limits.preparing),
        setting_up_ms: millis(setup_timeout),
        running_ms: millis(limits.running),
        collecting_ms: millis(of_diff),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
