//! A row of `environments`.

use std::time::Duration;

use outwork_domain::environment::{
    AgentSpec, Environment, EnvironmentSpec, Repository, Runtime, RuntimeName,
};
use outwork_domain::labels::Labels;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::lane::max_concurrent;
use crate::network_json::{
    network_from_json, network_to_json, resources_from_json, resources_to_json,
};
use crate::sql::{Row, Value, count, id, values};

/// `SELECT` of what [`read`] wants and the generation of the cache, where the condition holds.
macro_rules! select_environments {
    ($where:literal) => {
        concat!(
            "SELECT id, workspace_id, created_by, revision, created_at, updated_at, label, \
             repository_url, branch, agent, agent_command, further_repositories, base_image, \
             runtimes, setup_script, maintenance_script, verify_command, variables, \
             setup_timeout_ms, timeout_ms, network, resources, nested_namespaces, max_tokens, \
             required_labels, max_concurrent, verify_timeout_ms, approvals, cache_generation FROM environments WHERE ",
            $where
        )
    };
}
pub(crate) use select_environments;

/// Writes [`columns`]; `$28` is the revision that is replaced.
pub(crate) const UPDATE: &str = "UPDATE environments SET revision = $3, updated_at = $4, \
     label = $5, label_folded = $6, repository_url = $7, branch = $8, agent = $9, \
     agent_command = $10, further_repositories = $11, base_image = $12, runtimes = $13, \
     setup_script = $14, maintenance_script = $15, verify_command = $16, variables = $17, \
     setup_timeout_ms = $18, timeout_ms = $19, network = $20, resources = $21, \
     nested_namespaces = $22, max_tokens = $23, required_labels = $24, \
     max_concurrent = $25, verify_timeout_ms = $26, approvals = $27 \
     WHERE id = $1 AND workspace_id = $2 AND revision = $28";

/// Writes [`columns`], who made it and when.
pub(crate) const INSERT: &str = "INSERT INTO environments (id, workspace_id, revision, \
     updated_at, label, label_folded, repository_url, branch, agent, agent_command, \
     further_repositories, base_image, runtimes, setup_script, maintenance_script, \
     verify_command, variables, setup_timeout_ms, timeout_ms, network, resources, \
     nested_namespaces, max_tokens, required_labels, max_concurrent, verify_timeout_ms, approvals, created_by, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
     $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29) \
     ON CONFLICT (workspace_id, label_folded) WHERE deleted_at IS NULL DO NOTHING";

/// Id, workspace, and the columns that change, in the order of both statements above.
pub(crate) fn columns(environment: &Environment, revision: i64) -> Vec<Value<'_>> {
    let Environment {
        id: environment_id,
        workspace_id,
        created_by: _,
        revision: _,
        created_at: _,
        updated_at,
        spec,
    } = environment;
    let EnvironmentSpec {
        label,
        repository_url,
        branch,
        agent,
        further_repositories,
        base_image,
        runtimes,
        setup_script,
        maintenance_script,
        verify_command,
        verify_timeout,
        variables,
        setup_timeout,
        timeout,
        network,
        resources,
        nested_namespaces,
        max_tokens,
        required_labels,
        max_concurrent,
        approvals,
    } = spec;
    let repositories: Vec<_> = further_repositories
        .iter()
        .map(|Repository { name, url, branch }| (name, url, branch))
        .collect();
    let runtimes: Vec<_> = runtimes
        .iter()
        .map(|Runtime { name, version }| (name.as_str(), version))
        .collect();
    values![
        id(environment_id),
        id(workspace_id),
        revision,
        *updated_at,
        label,
        fold(label),
        repository_url,
        branch.as_deref(),
        agent.name(),
        agent.command(),
        json(&repositories),
        base_image.as_deref(),
        json(&runtimes),
        setup_script.as_deref(),
        maintenance_script.as_deref(),
        verify_command.as_deref(),
        json(variables),
        millis(*setup_timeout),
        millis(*timeout),
        network_to_json(network),
        resources_to_json(resources),
        i64::from(*nested_namespaces),
        max_tokens.map(clamp),
        json(required_labels),
        max_concurrent.map(i64::from),
        millis(*verify_timeout),
        *approvals,
    ]
}

pub(crate) fn read(row: &Row) -> Result<Environment, StoreError> {
    let agent = AgentSpec::from_parts(row.str("agent")?, row.opt_text("agent_command")?)
        .ok_or_else(|| StoreError::corrupt("agent"))?;
    let repositories: Vec<(String, String, Option<String>)> = parsed(row, "further_repositories")?;
    let runtimes: Vec<(String, String)> = parsed(row, "runtimes")?;
    Ok(Environment {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        created_by: row.parsed("created_by")?,
        revision: row.int("revision")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        spec: EnvironmentSpec {
            label: row.text("label")?,
            repository_url: row.text("repository_url")?,
            branch: row.opt_text("branch")?,
            agent,
            further_repositories: repositories
                .into_iter()
                .map(|(name, url, branch)| Repository { name, url, branch })
                .collect(),
            base_image: row.opt_text("base_image")?,
            runtimes: runtimes
                .into_iter()
                .map(|(name, version)| {
                    let name =
                        RuntimeName::parse(&name).ok_or_else(|| StoreError::corrupt("runtimes"))?;
                    Ok(Runtime { name, version })
                })
                .collect::<Result<_, StoreError>>()?,
            setup_script: row.opt_text("setup_script")?,
            maintenance_script: row.opt_text("maintenance_script")?,
            verify_command: row.opt_text("verify_command")?,
            verify_timeout: Duration::from_millis(row.number("verify_timeout_ms")?),
            variables: parsed(row, "variables")?,
            setup_timeout: Duration::from_millis(row.number("setup_timeout_ms")?),
            timeout: Duration::from_millis(row.number("timeout_ms")?),
            network: network_from_json(&row.text("network")?)?,
            resources: resources_from_json(&row.text("resources")?)?,
            nested_namespaces: row.int("nested_namespaces")? == 1,
            max_tokens: row
                .opt_int("max_tokens")?
                .map(|tokens| u64::try_from(tokens).map_err(|_| StoreError::corrupt("max_tokens")))
                .transpose()?,
            required_labels: required_labels(row)?,
            max_concurrent: max_concurrent(row)?,
            approvals: row.number("approvals")?,
        },
    })
}

pub(crate) fn required_labels(row: &Row) -> Result<Labels, StoreError> {
    parsed(row, "required_labels")
}

/// Labels are the same when this is the same.
pub(crate) fn fold(label: &str) -> String {
    label.to_lowercase()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("texts are JSON")
}

fn parsed<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, StoreError> {
    serde_json::from_str(&row.text(column)?).map_err(|_| StoreError::corrupt(column))
}

fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn millis(duration: Duration) -> Value<'static> {
    count(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
