//! `outwork env create`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use outwork_api::environment::{Agent, NewEnvironment};
use outwork_api::network::{AgentNetwork, Resources};

use super::inject::{self, InjectFlag};
use super::network::{self, NetworkFlags};
use super::resources::ResourceFlags;
use super::risk;
use super::values::{self, AgentName, AlsoFlag, SecretFlag};
use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Make an environment
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork env create demo --repo https://github.com/ada/engine --setup setup.sh --verify 'npm test'
  outwork env create web --repo ~/src/web --secret NPM_TOKEN --runtime node=22
  outwork env create app --repo https://h/app --also docs=https://h/docs#main --image debian:12
  outwork env create notes --repo /srv/notes.git --agent-command 'cat >> notes.md'
  outwork env create api --repo ~/src/api --allow example.com --read-only-methods --memory 4G

A secret's value is best kept off the command line, where other users of the machine see it and
shells remember it: `--secret NAME` takes it from the variable NAME, `--secret NAME=@FILE` from a
file, `--secret NAME=-` from standard input.

`outwork env init` finds all of this out by itself, in a clone.")]
pub struct CreateArgs {
    /// What people will call it
    pub label: String,
    /// The repository: a URL that git clones, or a path
    #[arg(long, value_name = "URL")]
    pub repo: String,
    /// Where tasks start from; the repository's default branch when left out
    #[arg(long)]
    pub branch: Option<String>,
    /// A further repository, checked out beside the first; may be given several times. Its name is the
    /// last part of the URL when left out
    #[arg(long, value_name = "[NAME=]URL[#BRANCH]", value_parser = values::parse_also)]
    pub also: Vec<AlsoFlag>,
    /// Which agent: codex, or command for any program whose standard input is the prompt [default:
    /// codex, or command when --agent-command is given]
    #[arg(long, hide_possible_values = true)]
    pub agent: Option<AgentName>,
    /// The program, run by bash
    #[arg(long, value_name = "COMMAND")]
    pub agent_command: Option<String>,
    /// The image that tasks run on, such as debian:12; the worker's own system when left out
    #[arg(long, value_name = "REFERENCE")]
    pub image: Option<String>,
    /// A version to pin: node, python, go, rust or java, such as node=22; may be given several times
    #[arg(long = "runtime", value_name = "NAME=VERSION", value_parser = values::parse_runtime)]
    pub runtimes: Vec<(String, String)>,
    /// A Bash script that installs what is needed, run once for a snapshot; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub setup: Option<PathBuf>,
    /// A Bash script run whenever a snapshot is used again, on the task's branch; `-` for standard
    /// input
    #[arg(long, value_name = "FILE")]
    pub maintenance: Option<PathBuf>,
    /// The command that tells whether the work is right, such as 'npm test'
    #[arg(long, value_name = "COMMAND")]
    pub verify: Option<String>,
    /// How long that command may run, such as 5m [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub verify_timeout: Option<Duration>,
    /// A variable for scripts and agent; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = values::parse_variable)]
    pub variables: Vec<(String, String)>,
    /// A secret for the setup and maintenance scripts, not for the agent: its value from the variable
    /// NAME, from NAME=@FILE, or from standard input with NAME=-; may be given several times
    #[arg(long = "secret", value_name = "NAME[=VALUE]", value_parser = values::parse_secret)]
    pub secrets: Vec<SecretFlag>,
    /// How long each of the scripts may run, such as 10m [default: 20m]
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub setup_timeout: Option<Duration>,
    /// How long the agent may run, such as 30m [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub timeout: Option<Duration>,
    /// Print the environment as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub network: NetworkFlags,
    /// A header for the proxy to put into the agent's requests to exactly this host, so that the agent
    /// can use a credential that it never sees; its value from a file, from standard input with `-`, or
    /// as it stands; may be given several times
    #[arg(long = "inject", value_name = "HOST:HEADER=@FILE", value_parser = inject::parse_inject,
        help_heading = "Network of the agent")]
    pub injections: Vec<InjectFlag>,
    #[command(flatten)]
    pub resources: ResourceFlags,
    /// Only workers with this label run its tasks (`outwork worker --label`); may be given several times
    #[arg(long = "require-label", value_name = "NAME=VALUE", value_parser = values::parse_variable,
        help_heading = "Where and when its tasks run")]
    pub required_labels: Vec<(String, String)>,
    /// How many of its attempts run at once; those that wait for an answer do not count
    #[arg(long, value_name = "N", value_parser = crate::args::from_one,
        help_heading = "Where and when its tasks run")]
    pub max_concurrent: Option<u32>,
    /// How many people have to approve a result before it is published: 0, 1 or 2
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=2),
        help_heading = "Where and when its tasks run")]
    pub approvals: Option<u32>,
}

pub(crate) async fn run(args: CreateArgs, session: &mut Session) -> Result<(), CliError> {
    let CreateArgs {
        label,
        repo,
        branch,
        also,
        agent,
        agent_command,
        image,
        runtimes,
        setup,
        maintenance,
        verify,
        verify_timeout,
        variables,
        secrets,
        setup_timeout,
        timeout,
        network,
        injections,
        resources,
        required_labels,
        max_concurrent,
        approvals,
        json,
    } = args;
    let agent = values::choose_agent(agent, agent_command)?.unwrap_or(Agent::Codex {});
    let client = session.client()?;
    let environment = NewEnvironment {
        label,
        repository_url: values::repository(session, repo),
        branch,
        agent,
        further_repositories: values::further(session, also),
        base_image: image,
        runtimes: BTreeMap::from_iter(runtimes),
        setup_script: values::script(session, setup).await?,
        maintenance_script: values::script(session, maintenance).await?,
        verify_command: verify,
        verify_timeout_seconds: verify_timeout.map(|timeout| timeout.as_secs()),
        variables: BTreeMap::from_iter(variables),
        secrets: values::secrets(session, secrets).await?,
        setup_timeout_seconds: setup_timeout.map(|timeout| timeout.as_secs()),
        timeout_seconds: timeout.map(|timeout| timeout.as_secs()),
        network: network::created(network)?,
        resources: resources.resources(&Resources::default()),
        nested_namespaces: resources.nested_namespaces.then_some(true),
        max_tokens: resources.budget(),
        required_labels: BTreeMap::from_iter(required_labels),
        max_concurrent,
        approvals,
        injections: inject::injections(session, injections).await?,
    };
    let key = session.idempotency_key();
    let environment = client.create_environment(&environment, &key).await?;
    risk::tell(session, &AgentNetwork::Off {}, &environment);
    match json {
        true => session.out.json(&environment),
        false => session.out.line(&plain(&environment.id)),
    }
}
