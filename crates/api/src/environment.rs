//! Environments on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// Which agent runs the tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Agent {
    /// The Codex CLI, through `codex app-server`.
    Codex {},
    /// Any program.
    Command {
        /// Run by `/bin/bash -c`; the prompt is its standard input.
        command: String,
    },
}

/// An environment to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnvironment {
    /// What people call it; unique in the workspace, whatever the case.
    #[schema(min_length = 1, max_length = 100)]
    pub label: String,
    /// Any URL that git clones (https, ssh, file), or an absolute path.
    pub repository_url: String,
    /// Where tasks start from; the repository's default branch when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The agent.
    pub agent: Agent,
    /// Bash, run before the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_script: Option<String>,
    /// Variables for setup and agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// How long the agent may run, in seconds, 1 to 86400; 3600 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub timeout_seconds: Option<u64>,
}

/// A change to an environment: what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentPatch {
    /// The new label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The new repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_url: Option<String>,
    /// The new branch; `""` for the repository's default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The new agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// The new setup script; `""` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_script: Option<String>,
    /// The new variables, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<BTreeMap<String, String>>,
    /// The new time limit in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub timeout_seconds: Option<u64>,
}

/// An environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Environment {
    /// `env_…`.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Where the repository is, without credentials.
    pub repository_url: String,
    /// Where tasks start from; absent: the repository's default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The agent.
    pub agent: Agent,
    /// Bash, run before the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_script: Option<String>,
    /// Variables for setup and agent.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// How long the agent may run, in seconds.
    pub timeout_seconds: u64,
    /// Rises with each edit; also the `ETag`.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was last edited.
    pub updated_at: Time,
}
