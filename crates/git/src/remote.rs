//! Asking a remote repository for its branches.

mod explain;
mod through_gateway;

pub use explain::{Asked, Denied};
pub(crate) use explain::{explain, unusable};

use crate::credentials::Credentials;
use crate::names::{CommitId, CommitRef, RefName};
use crate::process::{Git, GitError};
use crate::url::RepoUrl;
use std::time::Duration;

const RESOLVE_LIMIT: Duration = Duration::from_secs(30);
const BRANCHES_NAMED: usize = 5;

/// Which commit of a repository is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefSpec {
    DefaultBranch,
    Branch(RefName),
    Commit(CommitRef),
}

/// The commit meant, and the branch it was found at: none for a commit and for a repository whose HEAD is detached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub commit: CommitRef,
    pub branch: Option<RefName>,
}

/// Why a repository or a branch of it could not be found. Texts are for the user.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("there is no git repository at {url}; check the address{asked}")]
    NotFound {
        url: RepoUrl,
        asked: Box<Asked>,
        #[source]
        source: Option<GitError>,
    },
    #[error("the repository {url} may not be read; {denied}")]
    Unreadable {
        url: RepoUrl,
        denied: Box<Denied>,
        #[source]
        source: Option<GitError>,
    },
    #[error(
        "the repository {url} cannot be reached; check the host name and the network, then try again"
    )]
    Unreachable {
        url: RepoUrl,
        #[source]
        source: Option<GitError>,
    },
    #[error("{url} did not answer within {limit_ms} ms; try again")]
    TimedOut { url: RepoUrl, limit_ms: u128 },
    #[error("{url} has no branch {branch}; {}", hint(.existing))]
    BranchMissing {
        url: RepoUrl,
        branch: RefName,
        existing: Vec<String>,
    },
    #[error("{url} has no default branch; name one: {}", hint(.existing))]
    NoDefaultBranch { url: RepoUrl, existing: Vec<String> },
    #[error("{url} has no commits yet; push one first")]
    Empty { url: RepoUrl },
    #[error("the server of {url} does not hand it out now ({said}); try again later")]
    Failing {
        url: RepoUrl,
        said: Box<str>,
        #[source]
        source: Option<GitError>,
    },
    /// Not the repository's server but the gateway before it: what this says nothing about the repository.
    #[error("{url} is read through Outwork's server, and {why}; it is tried again")]
    Gateway {
        url: RepoUrl,
        why: &'static str,
        #[source]
        source: Option<GitError>,
    },
    #[error("asking {url} for its branches failed")]
    Other { url: RepoUrl, source: GitError },
}

fn hint(existing: &[String]) -> String {
    match existing {
        [] => "it has no branches".to_owned(),
        names => format!("it has {}", names.join(", ")),
    }
}

impl Git {
    /// Finds the commit of a branch. A commit is given back as it is, without asking anybody.
    pub async fn resolve(
        &self,
        url: &RepoUrl,
        spec: &RefSpec,
        credentials: Credentials,
    ) -> Result<Resolved, ResolveError> {
        let credentials = &credentials;
        match spec {
            RefSpec::Commit(commit) => Ok(Resolved {
                commit: commit.clone(),
                branch: None,
            }),
            RefSpec::DefaultBranch => self.resolve_default(url, credentials).await,
            RefSpec::Branch(branch) => self.resolve_branch(url, branch, credentials).await,
        }
    }

    async fn resolve_default(
        &self,
        url: &RepoUrl,
        credentials: &Credentials,
    ) -> Result<Resolved, ResolveError> {
        let mut branch = None;
        let mut commit = None;
        for line in self.list(url, "HEAD", credentials).await? {
            let Some((target, "HEAD")) = line.split_once('\t') else {
                continue;
            };
            match target.strip_prefix("ref: ") {
                Some(name) => branch = RefName::parse(name).ok(),
                None => commit = CommitId::parse(target).ok(),
            }
        }
        if let Some(commit) = commit {
            return Ok(Resolved {
                commit: CommitRef::Full(commit),
                branch,
            });
        }
        match self.branches(url, credentials).await?.as_slice() {
            [] => Err(ResolveError::Empty { url: url.clone() }),
            names => Err(ResolveError::NoDefaultBranch {
                url: url.clone(),
                existing: names.iter().take(BRANCHES_NAMED).cloned().collect(),
            }),
        }
    }

    async fn resolve_branch(
        &self,
        url: &RepoUrl,
        branch: &RefName,
        credentials: &Credentials,
    ) -> Result<Resolved, ResolveError> {
        let full = branch.full();
        // git matches the end of a name: refs/heads/x also lists refs/remotes/y/refs/heads/x, so the name is compared.
        let lines = self.list(url, &full, credentials).await?;
        let found = lines
            .iter()
            .filter_map(|line| line.split_once('\t'))
            .find(|(_, name)| *name == full);
        if let Some(commit) = found.and_then(|(id, _)| CommitId::parse(id).ok()) {
            return Ok(Resolved {
                commit: CommitRef::Full(commit),
                branch: Some(branch.clone()),
            });
        }
        let names = self.branches(url, credentials).await?;
        if names.is_empty() {
            return Err(ResolveError::Empty { url: url.clone() });
        }
        Err(ResolveError::BranchMissing {
            url: url.clone(),
            branch: branch.clone(),
            existing: closest(branch.as_str(), names),
        })
    }

    async fn branches(
        &self,
        url: &RepoUrl,
        credentials: &Credentials,
    ) -> Result<Vec<String>, ResolveError> {
        let lines = self.list(url, "refs/heads/*", credentials).await?;
        let name = |line: &String| {
            line.split_once("\trefs/heads/")
                .map(|(_, name)| name.to_owned())
        };
        Ok(lines.iter().filter_map(name).collect())
    }

    async fn list(
        &self,
        url: &RepoUrl,
        pattern: &str,
        credentials: &Credentials,
    ) -> Result<Vec<String>, ResolveError> {
        check_local(url)?;
        let access = credentials
            .access(self, url)
            .map_err(|fault| unusable(url, fault))?;
        let answer = access
            .add_to(self.call("list the branches of the repository"))
            .args(["ls-remote", "--quiet", "--symref", "--"])
            .arg(url.as_str())
            .arg(pattern)
            .env("GIT_ALLOW_PROTOCOL", credentials.protocol(url).as_str())
            .limit(RESOLVE_LIMIT)
            .success()
            .await;
        let answer = answer.map_err(|fault| explain(url, credentials, fault))?;
        Ok(answer.text().lines().map(str::to_owned).collect())
    }
}

/// For a folder the operating system says more than git does.
fn check_local(url: &RepoUrl) -> Result<(), ResolveError> {
    let Some(path) = url.local_path() else {
        return Ok(());
    };
    match std::fs::read_dir(path).map_err(|fault| fault.kind()) {
        Ok(_) | Err(std::io::ErrorKind::NotADirectory) => Ok(()),
        Err(std::io::ErrorKind::PermissionDenied) => Err(ResolveError::Unreadable {
            url: url.clone(),
            denied: Box::new(Denied::Files),
            source: None,
        }),
        Err(_) => Err(ResolveError::NotFound {
            url: url.clone(),
            asked: Box::new(Asked::Here),
            source: None,
        }),
    }
}

/// The few names most like `wanted`: by the number of letters to change, at most five.
fn closest(wanted: &str, mut names: Vec<String>) -> Vec<String> {
    names.sort_by_cached_key(|name| (distance(wanted, name), name.clone()));
    names.truncate(BRANCHES_NAMED);
    names
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
