//! The commits that a task starts from: found once, so that all its attempts start from the same.

use futures_util::future::join_all;
use outwork_api::credential::CredentialSecret;
use outwork_api::problem::Code;
use outwork_domain::environment::{Environment, EnvironmentSpec, Repository};
use outwork_domain::task::FurtherBase;
use outwork_git::{Credentials, RefName, RefSpec, RepoUrl, ResolveError, Resolved, Trouble};
use outwork_store::CredentialRecord;

use crate::credentials;
use crate::plane::Plane;
use crate::refusal::{Refusal, shell_word};

/// Where the repositories of an environment stand.
pub(super) struct Bases {
    /// What the first is called.
    pub(super) repository: String,
    pub(super) first: Resolved,
    pub(super) further: Vec<FurtherBase>,
}

/// Asks all repositories of the environment at once, within the limit of the server. `asked` is about the first.
pub(super) async fn resolve(
    plane: &Plane,
    environment: &Environment,
    asked: Option<RefSpec>,
) -> Result<Bases, Refusal> {
    let EnvironmentSpec {
        label,
        repository_url,
        branch,
        further_repositories,
        ..
    } = &environment.spec;
    let question = Question {
        plane,
        label: shell_word(label),
        credentials: plane.store.credentials(environment.workspace_id).await?,
    };
    let names = environment.spec.repository_names();
    let repository = names[0].clone();
    let further = further_repositories.iter().map(
        |Repository {
             name: _,
             url,
             branch,
         }| { question.ask(url, None, branch.as_deref()) },
    );
    let (first, found) = tokio::join!(
        question.ask(repository_url, asked, branch.as_deref()),
        join_all(further),
    );
    if further_repositories.is_empty() {
        let further = Vec::new();
        return Ok(Bases {
            repository,
            first: first?,
            further,
        });
    }
    let first = first.map_err(|refusal| refusal.about(&repository))?;
    let mut further = Vec::with_capacity(found.len());
    for (
        found,
        Repository {
            name,
            url,
            branch: _,
        },
    ) in found.into_iter().zip(further_repositories)
    {
        let Resolved { commit, branch } = found.map_err(|refusal| refusal.about(name))?;
        further.push(FurtherBase {
            name: name.clone(),
            url: url.clone(),
            branch: branch.map(|branch| branch.as_str().to_owned()),
            commit: commit.as_str().to_owned(),
        });
    }
    Ok(Bases {
        repository,
        first,
        further,
    })
}

/// What is the same for all repositories of an environment.
struct Question<'a> {
    plane: &'a Plane,
    /// The environment's, as it is typed in a shell.
    label: String,
    credentials: Vec<CredentialRecord>,
}

impl Question<'_> {
    async fn ask(
        &self,
        url: &str,
        asked: Option<RefSpec>,
        branch: Option<&str>,
    ) -> Result<Resolved, Refusal> {
        let (plane, label) = (self.plane, &self.label);
        let stored = |detail: String| correct(detail, label);
        let (url, credentials) = reading(plane, &self.credentials, url, label).await?;
        let wanted = match (asked, branch) {
            (Some(asked), _) => asked,
            (None, Some(branch)) => RefSpec::Branch(
                RefName::parse(branch).map_err(|fault| stored(format!("The {fault}.")))?,
            ),
            (None, None) => RefSpec::DefaultBranch,
        };
        let asking = plane.git.resolve(&url, &wanted, credentials);
        match tokio::time::timeout(plane.resolve_limit, asking).await {
            Ok(Ok(resolved)) => Ok(resolved),
            Ok(Err(fault)) => Err(refused(fault, label)),
            Err(_) => Err(refused(
                ResolveError::TimedOut {
                    url,
                    limit_ms: plane.resolve_limit.as_millis(),
                },
                label,
            )),
        }
    }
}

fn correct(detail: String, label: &str) -> Refusal {
    Refusal::new(Code::Repository, detail).with_hint(format!(
        "Correct the environment with `outwork env edit {label}`."
    ))
}

/// The address of an environment's repository, and what it is read with. `label` is the environment's, as it is typed in a shell.
pub(crate) async fn reading(
    plane: &Plane,
    records: &[CredentialRecord],
    url: &str,
    label: &str,
) -> Result<(RepoUrl, Credentials), Refusal> {
    let url = RepoUrl::parse(url).map_err(|fault| correct(format!("The {fault}."), label))?;
    let secret = credentials::for_url(plane, records, url.as_str()).map_err(|unreadable| {
        let detail = format!("{}.", capital(&unreadable.to_string()));
        Refusal::new(Code::Internal, detail)
            .with_hint(unreadable.hint())
            .because(unreadable)
    })?;
    let credentials = match &secret {
        None => Credentials::None,
        Some(secret) => credentials::for_git(secret).map_err(|fault| {
            let detail = format!("The credential for {url} cannot be used: {fault}.");
            correct(detail, label)
        })?,
    };
    if matches!(secret, Some(CredentialSecret::Token { .. }))
        && let Err(Trouble::Address { address }) = plane.git_gateway.may_go(&url).await
    {
        return Err(elsewhere(&url, &address));
    }
    Ok((url, credentials))
}

/// A credential would go where the operator sends none.
fn elsewhere(url: &RepoUrl, address: &str) -> Refusal {
    let detail =
        format!("The repository {url} is at {address}, where this server sends no credentials.");
    Refusal::new(Code::Repository, detail)
        .with_hint("Its operator allows addresses with `--git-address`.")
}

pub(crate) fn refused(fault: ResolveError, label: &str) -> Refusal {
    let text = fault.to_string();
    // Message and advice are one sentence there, parted by a semicolon.
    let (detail, advice) = text.split_once("; ").unwrap_or((text.as_str(), ""));
    let hint = match &fault {
        ResolveError::NotFound { .. } | ResolveError::Unreadable { .. } => {
            format!(
                "{}. The environment's address is changed with `outwork env edit {label}`.",
                capital(advice)
            )
        }
        ResolveError::Other { .. } => {
            format!("The server's log says more. `outwork env show {label}` shows the address.")
        }
        ResolveError::Unreachable { .. }
        | ResolveError::Failing { .. }
        | ResolveError::Gateway { .. }
        | ResolveError::TimedOut { .. }
        | ResolveError::BranchMissing { .. }
        | ResolveError::NoDefaultBranch { .. }
        | ResolveError::Empty { .. } => format!("{}.", capital(advice)),
    };
    let refusal = Refusal::new(Code::Repository, format!("{}.", capital(detail))).with_hint(hint);
    match fault {
        fault @ ResolveError::Other { .. } => refusal.because(fault),
        _ => refusal,
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(chars)
        .collect()
}
