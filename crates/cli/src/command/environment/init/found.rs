//! What can be found out about the clone: where it comes from, and what it needs.

use std::collections::BTreeMap;

use outwork_api::client::Client;
use outwork_api::environment::Environment;
use outwork_domain::environment::repository_name;
use outwork_git::Repository;

use super::InitArgs;
use super::proposal::Proposal;
use crate::command::environment::values;
use crate::error::CliError;
use crate::place;
use crate::project::{self, FILE_NAME, ProjectFile, Wanted};
use crate::session::Session;
use crate::terminal::plain::plain;

/// What the flags, the file and the guesses make of the clone.
pub(super) async fn propose(
    args: &InitArgs,
    clone: &Repository,
    client: &Client,
    session: &mut Session,
) -> Result<Proposal, CliError> {
    let top = clone.top_level();
    let url = remote(clone, session).await?;
    let file = match ProjectFile::read(top)? {
        Some(file) => Some(file.resolved(top)?),
        None => None,
    };
    let named = args.label.clone();
    let own = file.as_ref().and_then(|file| file.label.clone());
    let label = named.or(own).unwrap_or_else(|| repository_name(&url));
    refuse_a_second(client, clone, args.label.is_some(), &label).await?;
    let flags = Wanted {
        branch: args.branch.clone(),
        image: args.image.clone(),
        setup: values::script(session, args.setup.clone()).await?,
        verify: args.verify.clone(),
        runtimes: (args.no_runtimes || !args.runtimes.is_empty())
            .then(|| BTreeMap::from_iter(args.runtimes.clone())),
        ..Wanted::default()
    };
    let folder = top.to_owned();
    let guess = tokio::task::spawn_blocking(move || project::guess(&folder))
        .await
        .expect("guessing does not panic");
    let mut proposal = Proposal::new(label, url, flags, file, guess);
    if proposal.wanted.branch.is_none()
        && let Ok(Some(branch)) = clone.branch().await
        && !matches!(branch.as_str(), "main" | "master" | "trunk")
    {
        proposal.notes.push(format!(
            "tasks start from the repository's default branch; from this one with --branch {}",
            branch.as_str()
        ));
    }
    Ok(proposal)
}

/// Where the clone comes from; where it lies, if it comes from nowhere.
async fn remote(clone: &Repository, session: &mut Session) -> Result<String, CliError> {
    let remotes = clone.remotes().await.map_err(|error| {
        CliError::failed(error.to_string())
            .code("git")
            .source(error)
    })?;
    let mut unusable = None;
    for remote in remotes {
        match remote.url {
            Ok(url) => return Ok(url.as_str().to_owned()),
            Err(error) => unusable = unusable.or(Some((remote.name, error))),
        }
    }
    match unusable {
        Some((name, error)) => Err(CliError::failed(format!(
            "the remote {} cannot be used",
            plain(&name)
        ))
        .source(error)
        .hint("correct it with `git remote set-url`, or use `outwork env create`")),
        None => {
            session.out.note(
                "this clone has no remote; the server and the workers read the folder itself",
            );
            Ok(clone.top_level().display().to_string())
        }
    }
}

/// One environment for a repository is enough, unless another is called for by name.
async fn refuse_a_second(
    client: &Client,
    clone: &Repository,
    is_named: bool,
    label: &str,
) -> Result<(), CliError> {
    let places = place::of_clone(clone).await?;
    let all = client.all_environments().await?;
    let is_here = |one: &&Environment| places.contains(&place::comparable(&one.repository_url));
    if let Some(one) = all
        .iter()
        .find(|one| one.label.to_lowercase() == label.to_lowercase())
    {
        let hint = match is_here(&one) {
            true => format!(
                "change it with `outwork env edit {0}`, or take {FILE_NAME} over with `outwork env sync {0}`",
                one.label
            ),
            false => {
                "it is for another repository; give this one another name: `outwork env init LABEL`"
                    .to_owned()
            }
        };
        return Err(
            CliError::failed(format!("there is an environment `{}`", one.label))
                .code("conflict")
                .hint(hint),
        );
    }
    match all.iter().find(is_here).filter(|_| !is_named) {
        Some(one) => Err(CliError::failed(format!(
            "there is an environment for this repository: `{}`",
            one.label
        ))
        .code("conflict")
        .hint(format!(
            "change it with `outwork env edit {}`, or name another: `outwork env init LABEL`",
            one.label
        ))),
        None => Ok(()),
    }
}
