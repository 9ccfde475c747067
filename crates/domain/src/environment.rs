//! An environment: which repository, which agent, which scripts, which limits.

mod injection;
mod secret;

use std::time::Duration;

use crate::approval;
use crate::id::{EnvironmentId, PrincipalId, WorkspaceId};
use crate::labels::{Labels, check_labels};
use crate::limits;
use crate::network::AgentNetwork;
use crate::resources::Resources;
use crate::time::Timestamp;

pub use crate::agent::{AgentChoice, AgentName, AgentSpec};
pub use injection::{
    HeaderName, Injection, InjectionTarget, InvalidInjection, check_injection_value,
};
pub use secret::{SecretName, check_secret};

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
    /// Further repositories, each checked out beside the first.
    pub further_repositories: Vec<Repository>,
    /// The image that attempts run on; the worker's own system when `None`.
    pub base_image: Option<String>,
    /// Pinned versions of language runtimes.
    pub runtimes: Vec<Runtime>,
    /// The setup script (Bash), run once for a snapshot, with network and secrets.
    pub setup_script: Option<String>,
    /// The maintenance script (Bash), run whenever a snapshot is resumed, on the task's branch,
    /// with network and secrets.
    pub maintenance_script: Option<String>,
    /// The command (Bash) that tells whether the work is right.
    pub verify_command: Option<String>,
    /// How long that may run.
    pub verify_timeout: Duration,
    /// Variables for setup and agent: (name, value).
    pub variables: Vec<(String, String)>,
    /// How long each of the setup and maintenance scripts may run.
    pub setup_timeout: Duration,
    /// How long the agent may run.
    pub timeout: Duration,
    /// What the agent may reach.
    pub network: AgentNetwork,
    /// What sandboxes may use.
    pub resources: Resources,
    /// Whether the agent may make namespaces of its own, as browsers and container tools want.
    pub nested_namespaces: bool,
    /// How many tokens an attempt may use, input and output together; no limit when `None`.
    pub max_tokens: Option<u64>,
    /// The labels that a worker must have to be given its attempts.
    pub required_labels: Labels,
    /// How many of its attempts workers may hold at once; no limit when `None`.
    pub max_concurrent: Option<u32>,
    /// How many people have to approve a result before it is published.
    pub approvals: u32,
}

/// A further repository of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The directory below `/workspace`, and the name that `diff` and `apply` take.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The branch that tasks start from; the repository's default branch when `None`.
    pub branch: Option<String>,
}

/// A language whose version an environment can pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuntimeName {
    /// Node.js.
    Node,
    /// CPython.
    Python,
    /// Go.
    Go,
    /// Rust: rustc and cargo.
    Rust,
    /// A Java development kit.
    Java,
}

impl RuntimeName {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Node, Self::Python, Self::Go, Self::Rust, Self::Java];

    /// The name in the API and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python",
            Self::Go => "go",
            Self::Rust => "rust",
            Self::Java => "java",
        }
    }

    /// The runtime of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|runtime| runtime.as_str() == name)
    }
}

/// A pinned runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Which.
    pub name: RuntimeName,
    /// One to three numbers with dots, `22` or `3.11` or `1.95.0`: what the version begins with.
    pub version: String,
}

/// The directory below `/workspace` of a repository that nobody named: the last part of its
/// address, because agents and build tools show it.
pub fn repository_name(url: &str) -> String {
    let last = url
        .trim_end_matches('/')
        .rsplit(['/', ':'])
        .next()
        .unwrap_or_default();
    let name: String = last
        .trim_end_matches(".git")
        .chars()
        .map(|c| if is_name_char(c) { c } else { '_' })
        .take(limits::REPOSITORY_NAME_CHARS)
        .collect();
    if name.trim_matches('.').is_empty() {
        "repository".to_owned()
    } else {
        name
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
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
    /// The field, by its name in the API, with dots: `network.allow`.
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
        self.check_repositories()?;
        self.check_base()?;
        self.check_scripts()?;
        let day = Duration::from_secs(24 * 3600);
        for (field, timeout) in [
            ("setup_timeout", self.setup_timeout),
            ("timeout", self.timeout),
            ("verify_timeout", self.verify_timeout),
        ] {
            if timeout.is_zero() || timeout > day {
                return invalid(field, "must be between 1 second and 24 hours");
            }
        }
        self.check_limits()
    }

    fn check_limits(&self) -> Result<(), InvalidEnvironment> {
        let refused = |(field, problem)| InvalidEnvironment { field, problem };
        match &self.network {
            AgentNetwork::Off => {}
            AgentNetwork::On(rules) => rules.check().map_err(refused)?,
        }
        self.resources.check().map_err(refused)?;
        if let Some(tokens) = self.max_tokens
            && !(1..=limits::MAX_TOKENS).contains(&tokens)
        {
            let most = limits::MAX_TOKENS;
            return invalid("max_tokens", &format!("must be between 1 and {most}"));
        }
        if let Err(fault) = check_labels(&self.required_labels) {
            return invalid("required_labels", &fault.to_string());
        }
        if let Some(attempts) = self.max_concurrent
            && !(1..=limits::MAX_CONCURRENT).contains(&attempts)
        {
            let most = limits::MAX_CONCURRENT;
            return invalid("max_concurrent", &format!("must be between 1 and {most}"));
        }
        if self.approvals > approval::MOST {
            let most = approval::MOST;
            return invalid("approvals", &format!("must be between 0 and {most}"));
        }
        Ok(())
    }

    /// The names of the repositories, the first one's first: directories below `/workspace`.
    pub fn repository_names(&self) -> Vec<String> {
        let further = self.further_repositories.iter();
        std::iter::once(repository_name(&self.repository_url))
            .chain(further.map(|repository| repository.name.clone()))
            .collect()
    }

    fn check_repositories(&self) -> Result<(), InvalidEnvironment> {
        const FIELD: &str = "further_repositories";
        if self.further_repositories.len() > limits::FURTHER_REPOSITORIES {
            let most = limits::FURTHER_REPOSITORIES;
            return invalid(FIELD, &format!("has more than {most} entries"));
        }
        let mut names = self.repository_names();
        for name in &names[1..] {
            let usable = (1..=limits::REPOSITORY_NAME_CHARS).contains(&name.len())
                && name.chars().all(is_name_char)
                && !name.trim_matches('.').is_empty()
                && !name.starts_with('-')
                // Git would take the workspace for a repository.
                && !name.eq_ignore_ascii_case(".git");
            if !usable {
                return invalid(
                    FIELD,
                    &format!(
                        "`{name}` is not a name: use letters, digits, `.`, `_` and `-`, at most {}",
                        limits::REPOSITORY_NAME_CHARS
                    ),
                );
            }
        }
        names.sort();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let name = &twice[0];
            return invalid(
                FIELD,
                &format!("two repositories are called `{name}`; give one another name"),
            );
        }
        let empty = |repository: &&Repository| repository.url.trim().is_empty();
        match self.further_repositories.iter().find(empty) {
            Some(repository) => invalid(FIELD, &format!("`{}` has no URL", repository.name)),
            None => Ok(()),
        }
    }

    fn check_base(&self) -> Result<(), InvalidEnvironment> {
        if let Some(image) = &self.base_image {
            let plain = |c: char| c.is_ascii_graphic();
            if image.is_empty() || image.len() > 1000 || !image.chars().all(plain) {
                return invalid(
                    "base_image",
                    "is not a reference to an image such as `debian:12`",
                );
            }
        }
        let mut seen = Vec::new();
        for Runtime { name, version } in &self.runtimes {
            let text = name.as_str();
            let numbers: Vec<&str> = version.split('.').collect();
            let number = |part: &&str| {
                (1..=6).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
            };
            if numbers.len() > 3 || !numbers.iter().all(number) {
                return invalid(
                    "runtimes",
                    &format!(
                        "`{text}={version}`: give one to three numbers, such as {text}=22 or {text}=3.11.2"
                    ),
                );
            }
            if seen.contains(name) {
                return invalid("runtimes", &format!("`{text}` is pinned twice"));
            }
            seen.push(*name);
        }
        Ok(())
    }

    fn check_scripts(&self) -> Result<(), InvalidEnvironment> {
        for (field, script) in [
            ("setup_script", &self.setup_script),
            ("maintenance_script", &self.maintenance_script),
            ("verify_command", &self.verify_command),
        ] {
            let Some(text) = script else { continue };
            if text.len() > limits::SCRIPT_BYTES {
                let most = limits::SCRIPT_BYTES;
                return invalid(field, &format!("is longer than {most} bytes"));
            }
            if text.contains('\0') {
                return invalid(field, "contains a NUL byte");
            }
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
        if self.agent == AgentSpec::None {
            return invalid("agent", "is `none`, which only compositions have");
        }
        match self.agent.fault() {
            Some(problem) => invalid("agent_command", problem),
            None => Ok(()),
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
            if !is_variable_name(name) {
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

/// Whether a shell takes it as the name of a variable.
pub fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn invalid(field: &'static str, problem: &str) -> Result<(), InvalidEnvironment> {
    Err(InvalidEnvironment {
        field,
        problem: problem.to_owned(),
    })
}
