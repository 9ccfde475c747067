//! `outwork env edit`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use outwork_api::Secret;
use outwork_api::environment::{Environment, EnvironmentPatch, Repository};

use super::inject::{self, InjectFlag, RemoveFlag};
use super::network::{self, NetworkFlags, NetworkRemovals};
use super::resources::ResourceFlags;
use super::risk;
use super::values::{self, AgentName, AlsoFlag, SecretFlag};
use crate::environment_ref;
use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Change an environment; what is left out stays as it is
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork env edit web --setup setup.sh --no-maintenance
  outwork env edit web --runtime node=24 --secret NPM_TOKEN=@token.txt --unset-secret OLD_TOKEN
  outwork env edit web --also docs=https://h/docs --remove-also wiki
  outwork env edit web --network on --preset common --allow example.com --read-only-methods
  outwork env edit web --inject api.example.com:authorization=@header.txt --memory 4G

What the setup script does is kept in a snapshot; a change of scripts, variables, secrets, runtimes,
repositories or image makes the next task build a new one. Network and limits do not.")]
pub struct EditArgs {
    /// Its label or id
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
    /// What people will call it
    #[arg(long)]
    pub label: Option<String>,
    /// The repository
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,
    /// Where tasks start from; '' for the repository's default branch
    #[arg(long)]
    pub branch: Option<String>,
    /// Add a further repository, or change the one of that name; may be given several times
    #[arg(long, value_name = "[NAME=]URL[#BRANCH]", value_parser = values::parse_also)]
    pub also: Vec<AlsoFlag>,
    /// Remove a further repository; may be given several times
    #[arg(long, value_name = "NAME")]
    pub remove_also: Vec<String>,
    /// Which agent: codex, or command
    #[arg(long, hide_possible_values = true)]
    pub agent: Option<AgentName>,
    /// The program, run by bash
    #[arg(long, value_name = "COMMAND")]
    pub agent_command: Option<String>,
    /// The image that tasks run on
    #[arg(long, value_name = "REFERENCE", conflicts_with = "no_image")]
    pub image: Option<String>,
    /// Run on the worker's own system
    #[arg(long)]
    pub no_image: bool,
    /// Pin a version, such as node=22; may be given several times
    #[arg(long = "runtime", value_name = "NAME=VERSION", value_parser = values::parse_runtime)]
    pub runtimes: Vec<(String, String)>,
    /// Pin this one no more; may be given several times
    #[arg(long = "no-runtime", value_name = "NAME")]
    pub no_runtimes: Vec<String>,
    /// A Bash script that installs what is needed; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "no_setup")]
    pub setup: Option<PathBuf>,
    /// No setup script any more
    #[arg(long)]
    pub no_setup: bool,
    /// A Bash script run whenever a snapshot is used again; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "no_maintenance")]
    pub maintenance: Option<PathBuf>,
    /// No maintenance script any more
    #[arg(long)]
    pub no_maintenance: bool,
    /// The command that tells whether the work is right
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_verify")]
    pub verify: Option<String>,
    /// No such command any more
    #[arg(long)]
    pub no_verify: bool,
    /// How long that command may run
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub verify_timeout: Option<Duration>,
    /// Set a variable; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = values::parse_variable)]
    pub variables: Vec<(String, String)>,
    /// Unset a variable; may be given several times
    #[arg(long = "unset", value_name = "NAME")]
    pub unset: Vec<String>,
    /// Set a secret, its value from the variable NAME, from NAME=@FILE, or from standard input with
    /// NAME=-; may be given several times
    #[arg(long = "secret", value_name = "NAME[=VALUE]", value_parser = values::parse_secret)]
    pub secrets: Vec<SecretFlag>,
    /// Remove a secret; may be given several times
    #[arg(long = "unset-secret", value_name = "NAME")]
    pub unset_secrets: Vec<String>,
    /// How long each of the scripts may run
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub setup_timeout: Option<Duration>,
    /// How long the agent may run
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub timeout: Option<Duration>,
    /// Print the environment as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub network: NetworkFlags,
    #[command(flatten)]
    pub network_removals: NetworkRemovals,
    /// A header for the proxy to put into the agent's requests to exactly this host; its value from a
    /// file, from standard input with `-`, or as it stands; may be given several times
    #[arg(long = "inject", value_name = "HOST:HEADER=@FILE", value_parser = inject::parse_inject,
        help_heading = "Network of the agent")]
    pub injections: Vec<InjectFlag>,
    /// Put this header, or all of the host, in no more; may be given several times
    #[arg(long = "remove-injection", value_name = "HOST[:HEADER]", value_parser = inject::parse_remove,
        help_heading = "Network of the agent")]
    pub remove_injections: Vec<RemoveFlag>,
    #[command(flatten)]
    pub resources: ResourceFlags,
    /// Let the agent make no namespaces of its own any more
    #[arg(
        long,
        conflicts_with = "nested_namespaces",
        help_heading = "Limits of its sandboxes"
    )]
    pub no_nested_namespaces: bool,
    /// Only workers with this label run its tasks (`outwork worker --label`); may be given several times
    #[arg(long = "require-label", value_name = "NAME=VALUE", value_parser = values::parse_variable,
        help_heading = "Where and when its tasks run")]
    pub required_labels: Vec<(String, String)>,
    /// Ask for this label no more; may be given several times
    #[arg(
        long = "no-require-label",
        value_name = "NAME",
        help_heading = "Where and when its tasks run"
    )]
    pub no_required_labels: Vec<String>,
    /// How many of its attempts run at once; those that wait for an answer do not count
    #[arg(long, value_name = "N", value_parser = crate::args::from_one,
        help_heading = "Where and when its tasks run")]
    pub max_concurrent: Option<u32>,
    /// Let any number of its attempts run at once
    #[arg(
        long,
        conflicts_with = "max_concurrent",
        help_heading = "Where and when its tasks run"
    )]
    pub no_max_concurrent: bool,
    /// How many people have to approve a result before it is published: 0, 1 or 2; fewer than before as an admin only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=2),
        help_heading = "Where and when its tasks run")]
    pub approvals: Option<u32>,
}

pub(crate) async fn run(args: EditArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let current = environment_ref::find(&client, &args.environment).await?;
    let json = args.json;
    let patch = patch(args, &current, session).await?;
    if patch == EnvironmentPatch::default() {
        return Err(
            CliError::usage("nothing to change was given").hint("see `outwork env edit --help`")
        );
    }
    let edited = client
        .update_environment(&current.id, &patch, Some(current.revision))
        .await?;
    risk::tell(session, &current.network, &edited);
    match json {
        true => session.out.json(&edited),
        false => session.out.line(&plain(&edited.id)),
    }
}

async fn patch(
    args: EditArgs,
    current: &Environment,
    session: &mut Session,
) -> Result<EnvironmentPatch, CliError> {
    let EditArgs {
        environment: _,
        label,
        repo,
        branch,
        also,
        remove_also,
        agent,
        agent_command,
        image,
        no_image,
        runtimes,
        no_runtimes,
        setup,
        no_setup,
        maintenance,
        no_maintenance,
        verify,
        no_verify,
        verify_timeout,
        variables,
        unset,
        secrets,
        unset_secrets,
        setup_timeout,
        timeout,
        network,
        network_removals,
        injections,
        remove_injections,
        resources,
        no_nested_namespaces,
        required_labels,
        no_required_labels,
        max_concurrent,
        no_max_concurrent,
        approvals,
        json: _,
    } = args;
    let none = |is_none: bool| is_none.then(String::new);
    let also = values::further(session, also);
    Ok(EnvironmentPatch {
        label,
        repository_url: repo.map(|repo| values::repository(session, repo)),
        branch,
        agent: values::choose_agent(agent, agent_command)?,
        further_repositories: changed_further(current, also, &remove_also)?,
        base_image: image.or(none(no_image)),
        runtimes: changed(&current.runtimes, runtimes, &no_runtimes),
        setup_script: values::script(session, setup).await?.or(none(no_setup)),
        maintenance_script: values::script(session, maintenance)
            .await?
            .or(none(no_maintenance)),
        verify_command: verify.or(none(no_verify)),
        verify_timeout_seconds: verify_timeout.map(|timeout| timeout.as_secs()),
        variables: changed(&current.variables, variables, &unset),
        secrets: changed_secrets(
            current,
            values::secrets(session, secrets).await?,
            unset_secrets,
        )?,
        setup_timeout_seconds: setup_timeout.map(|timeout| timeout.as_secs()),
        timeout_seconds: timeout.map(|timeout| timeout.as_secs()),
        network: network::edited(&current.network, network, network_removals)?,
        resources: resources.resources(&current.resources),
        nested_namespaces: match (resources.nested_namespaces, no_nested_namespaces) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        },
        max_tokens: resources.changed_budget(),
        required_labels: changed(
            &current.required_labels,
            required_labels,
            &no_required_labels,
        ),
        max_concurrent: max_concurrent.or(no_max_concurrent.then_some(0)),
        approvals,
        injections: inject::changes(session, current, injections, remove_injections).await?,
    })
}

/// All of a table, if some of it was set or unset.
fn changed(
    current: &BTreeMap<String, String>,
    set: Vec<(String, String)>,
    unset: &[String],
) -> Option<BTreeMap<String, String>> {
    (!set.is_empty() || !unset.is_empty()).then(|| {
        let mut all = current.clone();
        all.retain(|name, _| !unset.contains(name));
        all.extend(set);
        all
    })
}

/// The secrets to send: the others stay.
fn changed_secrets(
    current: &Environment,
    set: BTreeMap<String, Secret>,
    unset: Vec<String>,
) -> Result<BTreeMap<String, Option<Secret>>, CliError> {
    for name in &unset {
        has_secret(current, name)?;
    }
    let mut all: BTreeMap<String, Option<Secret>> =
        unset.into_iter().map(|name| (name, None)).collect();
    all.extend(set.into_iter().map(|(name, value)| (name, Some(value))));
    Ok(all)
}

/// Refuses when the environment has no secret of that name.
pub(super) fn has_secret(current: &Environment, name: &str) -> Result<(), CliError> {
    if current.secrets.iter().any(|secret| secret.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = current
        .secrets
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    Err(absent("secret", name, &names))
}

fn changed_further(
    current: &Environment,
    also: Vec<Repository>,
    remove: &[String],
) -> Result<Option<Vec<Repository>>, CliError> {
    if also.is_empty() && remove.is_empty() {
        return Ok(None);
    }
    let mut all = current.further_repositories.clone();
    for name in remove {
        if !all.iter().any(|one| one.name == *name) {
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            return Err(absent("further repository", name, &names));
        }
        all.retain(|one| one.name != *name);
    }
    for repository in also {
        match all.iter_mut().find(|one| one.name == repository.name) {
            Some(one) => *one = repository,
            None => all.push(repository),
        }
    }
    Ok(Some(all))
}

pub(super) fn absent(what: &str, name: &str, names: &[&str]) -> CliError {
    let hint = match names {
        [] => "it has none".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    CliError::failed(format!("the environment has no {what} `{name}`"))
        .code("not_found")
        .hint(hint)
}
