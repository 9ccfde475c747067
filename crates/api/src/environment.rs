//! Environments on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::injection::{Injection, InjectionChange, NewInjection};
use crate::network::{AgentNetwork, Resources};
use crate::secret::Secret;
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
    /// Nothing runs: of the attempts of compositions. No environment has it.
    None {},
}

/// The agent of one attempt, in place of its environment's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum AgentChoice {
    /// The Codex CLI.
    Codex {
        /// The model's name at the workspace's endpoint, in place of the workspace's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(min_length = 1, max_length = 200)]
        model: Option<String>,
    },
    /// Any program.
    Command {
        /// Run by `/bin/bash -c`; the prompt is its standard input.
        command: String,
    },
}

/// A further repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// The directory below `/workspace`, and the name that `diff` and `apply` take.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Any URL that git clones (https, ssh, file), or an absolute path.
    pub url: String,
    /// Where tasks start from; the repository's default branch when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// A secret without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretName {
    /// The variable that the scripts find it in.
    pub name: String,
    /// When it was last set.
    pub updated_at: Time,
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
    /// Further repositories, each checked out at `/workspace/<name>` beside the first; at most 9.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 9)]
    pub further_repositories: Vec<Repository>,
    /// The image that tasks run on, such as `debian:12`; the worker's own system when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// Pinned runtimes: `node`, `python`, `go`, `rust` or `java` to the beginning of a version,
    /// such as `22` or `3.11`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub runtimes: BTreeMap<String, String>,
    /// Bash, run once for a snapshot, with network and secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_script: Option<String>,
    /// Bash, run whenever a snapshot is resumed, on the task's branch, with network and secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_script: Option<String>,
    /// Bash: the command that tells whether the work is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_command: Option<String>,
    /// How long that command may run, in seconds, 1 to 86400; 600 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub verify_timeout_seconds: Option<u64>,
    /// Variables for setup and agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Secrets for the setup and maintenance scripts: variable to value. They are never shown
    /// again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub secrets: BTreeMap<String, Secret>,
    /// How long each of the setup and maintenance scripts may run, in seconds, 1 to 86400; 1200
    /// when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub setup_timeout_seconds: Option<u64>,
    /// How long the agent may run, in seconds, 1 to 86400; 3600 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub timeout_seconds: Option<u64>,
    /// What the agent may reach; nothing when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AgentNetwork>,
    /// What sandboxes may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Whether the agent may make namespaces of its own, as browsers and container tools want; not
    /// when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nested_namespaces: Option<bool>,
    /// How many tokens an attempt may use, input and output together; no limit when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub max_tokens: Option<u64>,
    /// The labels that a worker must have to run its tasks, name to value, at most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub required_labels: BTreeMap<String, String>,
    /// How many of its attempts run at once; no limit when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000)]
    pub max_concurrent: Option<u32>,
    /// How many people have to approve a result before it is published; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 2)]
    pub approvals: Option<u32>,
    /// Headers to put into the agent's requests, at most 50. Their values are never shown again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    pub injections: Vec<NewInjection>,
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
    /// The new further repositories, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 9)]
    pub further_repositories: Option<Vec<Repository>>,
    /// The new image; `""` for the worker's own system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// The new runtimes, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtimes: Option<BTreeMap<String, String>>,
    /// The new setup script; `""` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_script: Option<String>,
    /// The new maintenance script; `""` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_script: Option<String>,
    /// The new verification command; `""` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_command: Option<String>,
    /// The new time limit of that command, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub verify_timeout_seconds: Option<u64>,
    /// The new variables, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<BTreeMap<String, String>>,
    /// Secrets to set, and with `null` to remove; the others stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    pub secrets: BTreeMap<String, Option<Secret>>,
    /// The new time limit of the scripts, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub setup_timeout_seconds: Option<u64>,
    /// The new time limit in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub timeout_seconds: Option<u64>,
    /// What the agent may reach from now on, all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AgentNetwork>,
    /// The new limits of sandboxes, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Whether the agent may make namespaces of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nested_namespaces: Option<bool>,
    /// How many tokens an attempt may use; `0` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// All labels that a worker must have, in place of those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_labels: Option<BTreeMap<String, String>>,
    /// How many of its attempts run at once; `0` for no limit. What runs already goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100000)]
    pub max_concurrent: Option<u32>,
    /// How many people have to approve a result before it is published. Only an admin asks for fewer than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 2)]
    pub approvals: Option<u32>,
    /// Headers to put into the agent's requests, or not any more; the others stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub injections: Vec<InjectionChange>,
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
    /// Further repositories, each checked out at `/workspace/<name>` beside the first.
    #[serde(default)]
    pub further_repositories: Vec<Repository>,
    /// The image that tasks run on; absent: the worker's own system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// Pinned runtimes.
    #[serde(default)]
    pub runtimes: BTreeMap<String, String>,
    /// Bash, run once for a snapshot, with network and secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_script: Option<String>,
    /// Bash, run whenever a snapshot is resumed, on the task's branch, with network and secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_script: Option<String>,
    /// Bash: the command that tells whether the work is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_command: Option<String>,
    /// How long that command may run, in seconds.
    #[serde(default = "ten_minutes")]
    pub verify_timeout_seconds: u64,
    /// Variables for setup and agent.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The secrets, without their values.
    #[serde(default)]
    pub secrets: Vec<SecretName>,
    /// How long each of the setup and maintenance scripts may run, in seconds.
    pub setup_timeout_seconds: u64,
    /// How long the agent may run, in seconds.
    pub timeout_seconds: u64,
    /// What the agent may reach.
    #[serde(default)]
    pub network: AgentNetwork,
    /// What sandboxes may use.
    #[serde(default)]
    pub resources: Resources,
    /// Whether the agent may make namespaces of its own.
    #[serde(default)]
    pub nested_namespaces: bool,
    /// How many tokens an attempt may use, input and output together; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// The labels that a worker must have to run its tasks.
    #[serde(default)]
    pub required_labels: BTreeMap<String, String>,
    /// How many of its attempts run at once; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// How many people have to approve a result before it is published.
    #[serde(default)]
    pub approvals: u32,
    /// The headers that are put into the agent's requests, without their values.
    #[serde(default)]
    pub injections: Vec<Injection>,
    /// Rises with each edit; also the `ETag`.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was last edited.
    pub updated_at: Time,
}

/// As servers of an older version would have it.
fn ten_minutes() -> u64 {
    600
}
