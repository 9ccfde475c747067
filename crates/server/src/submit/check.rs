//! What can be said about a submission without asking anybody. All faults are reported at once.

use std::borrow::Cow;

use outwork_api::environment;
use outwork_api::output_schema::OutputSchema;
use outwork_api::problem::Code;
use outwork_api::session::{self, Session};
use outwork_api::task::NewTask;
use outwork_domain::agent::{AgentChoice, AgentSpec};
use outwork_domain::environment::Environment;
use outwork_domain::limits::{DIFF_BYTES, PROMPT_BYTES};
use outwork_git::{CommitRef, RefName, RefSpec};
use serde_json::Value;

use crate::endpoints::overlaps;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::environment::agent_choice;

/// Faults found so far.
#[derive(Default)]
pub(super) struct Faults(Vec<(Cow<'static, str>, String)>);

impl Faults {
    fn add(&mut self, pointer: impl Into<Cow<'static, str>>, detail: impl Into<String>) {
        self.0.push((pointer.into(), detail.into()));
    }

    pub(super) fn prompt(&mut self, prompt: &str) {
        self.text("/prompt", prompt, "is empty; say what is to be done");
    }

    /// What an attempt is told.
    pub(super) fn message(&mut self, text: &str) {
        self.text("/text", text, "is empty; say what the agent is to know");
    }

    fn text(&mut self, pointer: &'static str, text: &str, empty: &str) {
        if text.trim().is_empty() {
            self.add(pointer, empty);
        } else if text.len() > PROMPT_BYTES {
            let detail = format!(
                "has {} bytes; at most {PROMPT_BYTES} are taken: put long material into a file of the repository",
                text.len()
            );
            self.add(pointer, detail);
        } else if text.contains('\0') {
            self.add(pointer, "contains a NUL byte; it must be text");
        }
    }

    /// How many attempts are wanted.
    pub(super) fn attempts(&mut self, asked: Option<u32>, most: u32) -> u32 {
        let count = asked.unwrap_or(1);
        if !(1..=most).contains(&count) {
            self.add("/attempts", format!("is {count}; it must be 1 to {most}"));
        }
        count
    }

    /// The agent of each attempt: those that were named, else the environment's.
    pub(super) fn agents(
        &mut self,
        named: Vec<environment::AgentChoice>,
        attempts: Option<u32>,
        most: u32,
    ) -> Vec<Option<AgentChoice>> {
        if named.is_empty() {
            let count = self.attempts(attempts, most);
            return vec![None; count as usize];
        }
        let count = named.len();
        if count > most as usize {
            let detail = format!("has {count} entries; at most {most} attempts run at once");
            self.add("/agents", detail);
        }
        if let Some(attempts) = attempts
            && attempts as usize != count
        {
            let detail = format!("is {attempts}, and `agents` has {count}; leave one of them out");
            self.add("/attempts", detail);
        }
        let named = named.into_iter().map(agent_choice);
        named.map(|choice| Some(self.agent(choice))).collect()
    }

    fn agent(&mut self, choice: AgentChoice) -> AgentChoice {
        const MODEL_CHARS: usize = 200;
        if let Some(problem) = choice.agent.fault() {
            self.add("/agents", format!("a command {problem}"));
        }
        if let Some(model) = &choice.model
            && (model.chars().count() > MODEL_CHARS || model.chars().any(char::is_control))
        {
            let detail = format!(
                "a model must have at most {MODEL_CHARS} characters and no control characters"
            );
            self.add("/agents", detail);
        }
        choice
    }

    /// Where the task starts: what was asked, else the environment's branch, else the default branch.
    pub(super) fn start(&mut self, new: &NewTask) -> Option<RefSpec> {
        match (&new.branch, &new.commit) {
            (Some(_), Some(_)) => {
                self.add(
                    "/commit",
                    "cannot be given together with `branch`; give one of them",
                );
                None
            }
            (Some(branch), None) => match RefName::parse(branch) {
                Ok(branch) => Some(RefSpec::Branch(branch)),
                Err(fault) => {
                    self.add("/branch", fault.to_string());
                    None
                }
            },
            (None, Some(commit)) => match CommitRef::parse(commit) {
                Ok(commit) => Some(RefSpec::Commit(commit)),
                Err(fault) => {
                    self.add("/commit", fault.to_string());
                    None
                }
            },
            (None, None) => None,
        }
    }

    pub(super) fn starting_diff(&mut self, diff: Option<&str>) {
        match diff {
            Some(diff) if diff.len() > DIFF_BYTES => {
                self.add(
                    "/starting_diff",
                    format!(
                        "has {} bytes; at most {DIFF_BYTES} are taken: commit large changes",
                        diff.len()
                    ),
                );
            }
            Some(diff) if diff.trim().is_empty() => {
                self.add("/starting_diff", "is empty; leave it out")
            }
            Some(_) | None => {}
        }
    }

    /// The schema of the answer, as JSON.
    pub(super) fn output_schema(&mut self, schema: Option<Value>) -> Option<String> {
        match OutputSchema::of(schema?) {
            Ok(schema) => Some(schema.json().to_string()),
            Err(fault) => {
                self.add("/output_schema", format!("cannot be used: {fault}"));
                None
            }
        }
    }

    /// Files and folders that it is about.
    pub(super) fn paths(&mut self, paths: &[String]) -> Vec<String> {
        match overlaps::declared(paths) {
            Ok(paths) => paths,
            Err((pointer, detail)) => {
                self.add(pointer, detail);
                Vec::new()
            }
        }
    }

    /// The session that is sent along, read.
    pub(super) fn starting_session(&mut self, text: Option<&str>) -> Option<Session> {
        match session::unpack(text?.as_bytes()) {
            Ok(session) => Some(session),
            Err(fault) => {
                let detail = format!("cannot be used: {fault}");
                self.add("/starting_session", detail);
                None
            }
        }
    }

    pub(super) fn none_or_refusal(self) -> Result<(), Refusal> {
        let Some((pointer, detail)) = self.0.first() else {
            return Ok(());
        };
        let first = Refusal::field(pointer, detail.clone());
        Err(self
            .0
            .iter()
            .skip(1)
            .fold(first, |refusal, (pointer, detail)| {
                refusal.with_field(pointer.clone(), detail.clone())
            }))
    }
}

/// A session goes on with the agent that wrote it, and only with one that keeps a conversation.
pub(super) fn fits(
    session: Option<&Session>,
    environment: &Environment,
    agents: &[Option<AgentChoice>],
) -> Result<(), Refusal> {
    let Some(session) = session else {
        return Ok(());
    };
    let own = |agent: &AgentSpec| fits_agent(session, agent);
    each(environment, agents).try_for_each(own)
}

/// The agents that run: each attempt's own, or the environment's.
fn each<'a>(
    environment: &'a Environment,
    agents: &'a [Option<AgentChoice>],
) -> impl Iterator<Item = &'a AgentSpec> {
    let of_environment = &environment.spec.agent;
    agents
        .iter()
        .map(move |own| own.as_ref().map_or(of_environment, |own| &own.agent))
}

fn fits_agent(session: &Session, agent: &AgentSpec) -> Result<(), Refusal> {
    const POINTER: &str = "/starting_session";
    let refusal = match agent {
        AgentSpec::Command(_) | AgentSpec::None => {
            let name = agent.name();
            let detail =
                format!("cannot be used: the agent is `{name}`, which keeps no conversation");
            Refusal::field(POINTER, detail)
        }
        AgentSpec::Codex if session.agent == agent.name() => return Ok(()),
        AgentSpec::Codex => {
            let of: String = session.agent.chars().take(40).collect();
            let detail = format!("is of the agent `{of}`, and the agent of the task is `codex`");
            Refusal::field(POINTER, detail)
        }
    };
    Err(refusal.with_hint("Sessions are taken over for environments with the agent `codex`."))
}

/// A task whose agent needs a model is refused while none is set: it could only fail.
pub(super) async fn has_model(
    plane: &Plane,
    environment: &Environment,
    agents: &[Option<AgentChoice>],
) -> Result<(), Refusal> {
    let Some(agent) = each(environment, agents).find(|agent| agent.needs_model()) else {
        return Ok(());
    };
    if plane.has_model(environment.workspace_id).await? {
        return Ok(());
    }
    let detail = format!(
        "The agent `{}` needs a model, and none is set.",
        agent.name()
    );
    Err(Refusal::new(Code::Conflict, detail)
        .with_hint("Set one with `outwork model set --base-url URL --name NAME --key-file FILE`."))
}
