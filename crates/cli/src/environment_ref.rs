//! From what people type, or from where they stand, to an environment.

use outwork_api::client::Client;
use outwork_api::environment::Environment;
use outwork_domain::EnvironmentId;

use crate::error::CliError;
use crate::place;
use crate::session::Session;

const LIST: &str = "`outwork env list` shows the environments";

/// The environment of that id or label.
pub(crate) async fn find(client: &Client, name: &str) -> Result<Environment, CliError> {
    if name.parse::<EnvironmentId>().is_ok() {
        return Ok(client.environment(name).await?);
    }
    let all = client.all_environments().await?;
    let found = all
        .iter()
        .find(|one| one.label.to_lowercase() == name.to_lowercase());
    found.cloned().ok_or_else(|| {
        let labels: Vec<&str> = all.iter().map(|one| one.label.as_str()).take(20).collect();
        let hint = match labels.as_slice() {
            [] => "make one with `outwork env init` in a clone of the repository".to_owned(),
            labels => format!("there are: {}", labels.join(", ")),
        };
        CliError::failed(format!("there is no environment `{name}`"))
            .code("not_found")
            .hint(hint)
    })
}

/// The only environment for the repository around the current folder; `None` when there is none yet.
pub(crate) async fn guess(
    client: &Client,
    session: &Session,
) -> Result<Option<Environment>, CliError> {
    let Ok(repository) = session.repository().await else {
        return Err(
            CliError::usage("--env is missing, and this folder is in no git repository")
                .hint(format!("name an environment with --env; {LIST}")),
        );
    };
    let places = place::of_clone(&repository).await?;
    let mut matching: Vec<Environment> = client
        .all_environments()
        .await?
        .into_iter()
        .filter(|one| places.contains(&place::comparable(&one.repository_url)))
        .collect();
    match matching.len() {
        0 => Ok(None),
        1 => Ok(Some(matching.remove(0))),
        several => {
            let labels = matching
                .iter()
                .map(|one| format!("{}  {}", one.label, one.id));
            Err(CliError::usage(format!(
                "--env is missing, and {several} environments are for this repository"
            ))
            .details(labels)
            .hint("name one with --env"))
        }
    }
}

/// That [`guess`] found none.
pub(crate) fn none_here() -> CliError {
    CliError::usage("--env is missing, and no environment is for this repository")
        .hint("`outwork env init` makes one for this clone; or name one with --env")
}
