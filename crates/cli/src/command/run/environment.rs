//! What the sandbox of a run is like: flags, then the clone's `.outwork.toml`, then guesses, as in `env init`.

use std::collections::BTreeMap;

use outwork_api::Secret;
use outwork_api::cache::ResetCache;
use outwork_api::client::Client;
use outwork_api::environment::{Agent, Environment, EnvironmentPatch, NewEnvironment};
use outwork_api::network::AgentNetwork;
use outwork_domain::environment::repository_name;
use outwork_git::Repository;
use sha2::{Digest, Sha256};

use super::{EnvironmentFlags, RunArgs};
use crate::command::environment::init::proposal::Proposal;
use crate::command::environment::{network, risk, values};
use crate::error::CliError;
use crate::project::{self, ProjectFile, Wanted as Parts};
use crate::session::Session;

/// How long the agent may run where nobody says otherwise, as the server has it.
const AGENT_SECONDS: u64 = 3600;
/// The same of each script.
const SCRIPT_SECONDS: u64 = 1200;
/// How much of the clone's name is in the label.
const NAME_CHARS: usize = 60;

/// An environment that is to be there.
pub(super) struct Wanted {
    pub agent: Agent,
    new: NewEnvironment,
}

/// Finds out what it is to be, and shows it.
pub(super) async fn wanted(
    session: &mut Session,
    clone: &Repository,
    args: &RunArgs,
) -> Result<Wanted, CliError> {
    let EnvironmentFlags {
        agent,
        agent_command,
        image,
        runtimes,
        no_runtimes,
        setup,
        no_setup,
        setup_timeout,
        fresh: _,
        verify,
        variables,
        secrets,
    } = args.environment.clone();
    let agent = values::choose_agent(agent, agent_command)?.unwrap_or(Agent::Codex {});
    let flags = Parts {
        image,
        setup: match no_setup {
            true => Some(String::new()),
            false => values::script(session, setup).await?,
        },
        verify,
        runtimes: (no_runtimes || !runtimes.is_empty()).then(|| BTreeMap::from_iter(runtimes)),
        ..Parts::default()
    };
    let mut proposal = proposal(clone, flags).await?;
    let set = proposal.wanted.variables.get_or_insert_default();
    set.extend(variables);
    let secrets = values::secrets(session, secrets).await?;
    expect_values(&proposal, &secrets)?;
    for line in proposal.lines(session.out.stderr_style) {
        session.out.note(&line);
    }
    let agent_seconds = args.timeout.map(|timeout| timeout.as_secs());
    let new = NewEnvironment {
        setup_timeout_seconds: Some(setup_timeout.map_or(SCRIPT_SECONDS, |it| it.as_secs())),
        // The timeout of the run is another thing: it ends as one that was cancelled.
        timeout_seconds: Some(agent_seconds.map_or(AGENT_SECONDS, |it| it.max(AGENT_SECONDS))),
        network: Some(network::created(args.network.clone())?.unwrap_or(AgentNetwork::Off {})),
        resources: Some(
            args.resources
                .resources(&Default::default())
                .unwrap_or_default(),
        ),
        nested_namespaces: Some(args.resources.nested_namespaces),
        max_tokens: args.resources.budget(),
        ..proposal.environment(agent.clone(), secrets)
    };
    Ok(Wanted { agent, new })
}

/// The clone is the repository: what runs need not have been pushed, and no credential is needed.
async fn proposal(clone: &Repository, flags: Parts) -> Result<Proposal, CliError> {
    let top = clone.top_level().to_owned();
    let place = top.display().to_string();
    let file = match ProjectFile::read(&top)? {
        Some(file) => Some(Parts {
            // The run says where it starts.
            branch: None,
            ..file.resolved(&top)?
        }),
        None => None,
    };
    let guess = tokio::task::spawn_blocking(move || project::guess(&top))
        .await
        .expect("guessing does not panic");
    let name = repository_name(&place);
    Ok(Proposal::new(name, place, flags, file, guess))
}

/// A repository that asks for a secret is not given what happens to be in a variable of that name.
fn expect_values(proposal: &Proposal, secrets: &BTreeMap<String, Secret>) -> Result<(), CliError> {
    let mut names = proposal.secrets().iter();
    match names.find(|name| !secrets.contains_key(*name)) {
        None => Ok(()),
        Some(name) => Err(
            CliError::usage(format!("the secret {name} has no value")).hint(format!(
                "give it with --secret {name}, which takes it from the variable {name}"
            )),
        ),
    }
}

/// Makes the environment, or brings the one that an earlier run in this clone made up to date: snapshots are an
/// environment's own.
pub(super) async fn kept(
    session: &mut Session,
    client: &Client,
    wanted: &Wanted,
) -> Result<Environment, CliError> {
    let label = label(&wanted.new);
    let new = NewEnvironment {
        label: label.clone(),
        ..wanted.new.clone()
    };
    let all = client.all_environments().await?;
    let environment = match all.iter().find(|one| one.label == label) {
        Some(known) => {
            client
                .update_environment(&known.id, &patch(new), None)
                .await?
        }
        None => {
            let key = session.idempotency_key();
            client.create_environment(&new, &key).await?
        }
    };
    risk::tell(session, &AgentNetwork::Off {}, &environment);
    Ok(environment)
}

/// The next task finds no snapshot.
pub(super) async fn forget_setup(
    client: &Client,
    environment: &Environment,
) -> Result<(), CliError> {
    let reset = ResetCache {
        environment: Some(environment.id.clone()),
    };
    client.reset_cache(&reset).await?;
    Ok(())
}

/// One for each clone and each set of secrets: what is set again counts as another secret, and would make the
/// setup run again. Secrets are in it by a digest that nobody sees who cannot read them anyway.
fn label(new: &NewEnvironment) -> String {
    let mut hash = Sha256::new();
    let mut field = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    field(&new.repository_url);
    for (name, value) in &new.secrets {
        field(name);
        field(value.reveal());
    }
    let digest = hash.finalize();
    let digest: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name: String = new.label.chars().take(NAME_CHARS).collect();
    format!("{} {digest}", name.trim())
}

/// Everything but the secrets, which are those of the label.
fn patch(new: NewEnvironment) -> EnvironmentPatch {
    let NewEnvironment {
        label: _,
        repository_url: _,
        branch,
        agent,
        further_repositories,
        base_image,
        runtimes,
        setup_script,
        maintenance_script,
        verify_command,
        verify_timeout_seconds,
        variables,
        secrets: _,
        setup_timeout_seconds,
        timeout_seconds,
        network,
        resources,
        nested_namespaces,
        max_tokens,
        required_labels,
        max_concurrent: _,
        approvals: _,
        injections: _,
    } = new;
    EnvironmentPatch {
        label: None,
        repository_url: None,
        branch: Some(branch.unwrap_or_default()),
        agent: Some(agent),
        further_repositories: Some(further_repositories),
        base_image: Some(base_image.unwrap_or_default()),
        runtimes: Some(runtimes),
        setup_script: Some(setup_script.unwrap_or_default()),
        maintenance_script: Some(maintenance_script.unwrap_or_default()),
        verify_command: Some(verify_command.unwrap_or_default()),
        verify_timeout_seconds,
        variables: Some(variables),
        secrets: BTreeMap::new(),
        setup_timeout_seconds,
        timeout_seconds,
        network,
        resources,
        nested_namespaces,
        max_tokens: Some(max_tokens.unwrap_or(0)),
        required_labels: Some(required_labels),
        max_concurrent: None,
        approvals: None,
        injections: Vec::new(),
    }
}
