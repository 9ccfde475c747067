//! An environment: which repository, which agent, which scripts, which limits.

use std::time::Duration;

use crate::id::{EnvironmentId, PrincipalId, WorkspaceId};
use crate::limits;
use crate::time::Timestamp;

/// Which agent runs the tasks of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentSpec {
    /// The Codex CLI, driven through `codex app-server`.
    Codex,
    /// Any program: run by `/bin/bash -c`, the prompt on standard input.
    Command(String),
}

impl AgentSpec {
    /// The agent's name in the API and on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Command(_) => "command",
        }
    }

    /// Whether it talks to the configured model through the worker's gateway.
    pub const fn needs_model(&self) -> bool {
        match self {
            Self::Codex => true,
            Self::Command(_) => false,
        }
    }
}

/// What a user writes down about an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentSpec {
    /// What people call it; unique in its workspace, compared without case.
    pub label: String,
    /// Where the repository is: any URL that git takes, or an absolute path.
    pub repository_url: String,
    /// The branch that tasks start from; the repository's default branch when `None`.
    pub branch: Option<String>,
    /// The agent.
    pub agent: AgentSpec,
    /// The setup script (Bash), run before the agent.
    pub setup_script: Option<String>,
    /// Variables for setup and agent: (name, value).
    pub variables: Vec<(String, String)>,
    /// How long the agent may run.
    pub timeout: Duration,
}

/// An environment as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// Who made it.
    pub created_by: PrincipalId,
    /// Rises with each edit; the API's `ETag`.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// What it says.
    pub spec: EnvironmentSpec,
}

/// Something wrong with an environment as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidEnvironment {
    /// The field, by its name in the API.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl EnvironmentSpec {
    /// Checks everything that can be known without looking at the repository.
    pub fn check(&self) -> Result<(), InvalidEnvironment> {
        self.check_label()?;
        self.check_agent()?;
        self.check_variables()?;
        if self.repository_url.trim().is_empty() {
            return invalid("repository_url", "is empty; give a URL that git can clone");
        }
        let too_long = |script: &Option<String>| {
            script
                .as_ref()
                .is_some_and(|text| text.len() > limits::SCRIPT_BYTES)
        };
        if too_long(&self.setup_script) {
            return invalid(
                "setup_script",
                &format!("is longer than {} bytes", limits::SCRIPT_BYTES),
            );
        }
        if self.timeout.is_zero() || self.timeout > Duration::from_secs(24 * 3600) {
            return invalid("timeout", "must be between 1 second and 24 hours");
        }
        Ok(())
    }

    fn check_label(&self) -> Result<(), InvalidEnvironment> {
        let label = &self.label;
        if label.trim().is_empty() || label.trim() != label {
            return invalid("label", "is empty or has spaces around it");
        }
        if label.chars().count() > limits::LABEL_CHARS || label.chars().any(char::is_control) {
            return invalid(
                "label",
                &format!(
                    "must have at most {} characters and no control characters",
                    limits::LABEL_CHARS
                ),
            );
        }
        Ok(())
    }

    fn check_agent(&self) -> Result<(), InvalidEnvironment> {
        match &self.agent {
            AgentSpec::Command(command) if command.trim().is_empty() => {
                invalid("agent_command", "is empty; give the program to run")
            }
            AgentSpec::Command(command) if command.contains('\0') => {
                invalid("agent_command", "contains a NUL byte")
            }
            AgentSpec::Command(_) | AgentSpec::Codex => Ok(()),
        }
    }

    fn check_variables(&self) -> Result<(), InvalidEnvironment> {
        if self.variables.len() > limits::VARIABLES {
            return invalid(
                "variables",
                &format!("has more than {} entries", limits::VARIABLES),
            );
        }
        for (name, value) in &self.variables {
            let named = !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !named {
                return invalid(
                    "variables",
                    &format!("`{name}` is not a variable name: use letters, digits and `_`"),
                );
            }
            if value.contains('\0') {
                return invalid("variables", &format!("the value of `{name}` contains NUL"));
            }
        }
        Ok(())
    }
}

fn invalid(field: &'static str, problem: &str) -> Result<(), InvalidEnvironment> {
    Err(InvalidEnvironment {
        field,
        problem: problem.to_owned(),
    })
}
