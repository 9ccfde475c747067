//! A diff as a commit of a branch of its repository: made in a directory of our own, pushed without ever replacing a commit of somebody else.

mod push;

pub use push::PushError;

use crate::credentials::Credentials;
use crate::git_dir::write_trusted;
use crate::mirror::{Mirror, MirrorError};
use crate::names::{CommitId, CommitRef, RefName, TreeId};
use crate::patch::Conflict;
use crate::process::{Git, GitError, Input};
use crate::remote::{RefSpec, ResolveError};
use crate::summary::{FileChange, parse_diff};
use crate::trusted::{Index, Trusted};
use crate::url::RepoUrl;
use crate::{checkout::CheckoutError, patch};
use std::io;
use std::path::{Path, PathBuf};

/// What is to become a commit.
#[derive(Debug, Clone)]
pub struct BranchRequest {
    /// Where copies of repositories and the work are kept: a folder that nobody else can write, one for each tenant. Made if missing.
    pub folder: PathBuf,
    /// The name of the work below it; what an earlier one of that name left is removed.
    pub name: String,
    /// The repository, as it is read and pushed to.
    pub url: RepoUrl,
    /// What may do both.
    pub credentials: Credentials,
    /// The commit that the patches are against.
    pub base: CommitRef,
    /// One after the other; together they give the tree.
    pub patches: Vec<Vec<u8>>,
    /// The branch, which is made if it is not there.
    pub branch: RefName,
    /// Commits that were pushed to it before: it may be at one of these, and at no other.
    pub ours: Vec<CommitId>,
    /// The commit's message.
    pub message: String,
    /// Who wrote it.
    pub author: Identity,
    /// Who made the commit.
    pub committer: Identity,
    /// When, in seconds since 1970. The same request gives the same commit.
    pub seconds: i64,
}

/// A name and an address in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    name: String,
    address: String,
}

/// A text that is no name and address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a name and an address, such as Ada Lovelace <ada@example.com>")]
pub struct InvalidIdentity;

impl Identity {
    /// Reads `NAME <ADDRESS>`.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentity> {
        let (name, address) = text.trim().split_once('<').ok_or(InvalidIdentity)?;
        let (name, address) = (name.trim(), address.strip_suffix('>'));
        let address = address.ok_or(InvalidIdentity)?.trim();
        let plain = |text: &str| {
            !text.is_empty()
                && text.len() <= 200
                && !text.contains(|c: char| c.is_control() || c == '<' || c == '>')
        };
        let has_letters = name.chars().any(char::is_alphanumeric);
        if !plain(name) || !has_letters || !plain(address) || address.contains(' ') {
            return Err(InvalidIdentity);
        }
        Ok(Self {
            name: name.to_owned(),
            address: address.to_owned(),
        })
    }
}

/// Why there is no commit. Texts are for the user.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Remote(Box<ResolveError>),
    #[error("the diff does not apply to {commit}: {}", patch::list(.conflicts))]
    DiffDoesNotApply {
        commit: CommitId,
        conflicts: Vec<Conflict>,
    },
    #[error("the diff changes nothing")]
    Nothing,
    #[error("somebody else pushed {found} to the branch {branch}")]
    Moved { branch: RefName, found: CommitId },
    #[error("the folder for publishing cannot be used")]
    Folder(#[source] io::Error),
    #[error(transparent)]
    Git(#[from] GitError),
}

/// A commit that can be pushed. Its directory is removed when this is dropped.
#[derive(Debug)]
pub struct Prepared {
    trusted: Trusted,
    url: RepoUrl,
    credentials: Credentials,
    branch: RefName,
    /// Where the branch is; none: nowhere yet.
    head: Option<CommitId>,
    commit: CommitId,
    files: Vec<FileChange>,
    _work: Work,
}

#[derive(Debug)]
pub(crate) struct Work(PathBuf);

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(fault) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %fault, "a folder for publishing could not be removed");
        }
    }
}

impl Git {
    /// Makes the commit: on the branch's newest if that is ours, else on the base. Nothing is pushed yet.
    pub async fn prepare(&self, request: BranchRequest) -> Result<Prepared, PrepareError> {
        let mirrors = request.folder.join("mirrors");
        let (url, credentials) = (request.url.clone(), request.credentials.clone());
        let mirror = Mirror::new(self.clone(), &mirrors, url, credentials);
        let base = mirror.ensure_commit(&request.base).await?;
        let head = self.head(&request).await?;
        if let Some(head) = &head {
            mirror.ensure_commit(&CommitRef::Full(head.clone())).await?;
        }
        let work = Work::make(&request.folder, &request.name, &mirror, &base)
            .map_err(PrepareError::Folder)?;
        let trusted = Trusted {
            git: self.clone(),
            dir: work.0.clone(),
            commit: base.clone(),
        };
        let tree = tree(&trusted, &request.patches).await?;
        let files = changes(&trusted, &base, &tree).await?;
        if files.is_empty() {
            return Err(PrepareError::Nothing);
        }
        let commit = match &head {
            Some(head) if tree_of(&trusted, head).await? == tree => head.clone(),
            Some(_) | None => {
                commit(&trusted, &tree, head.as_ref().unwrap_or(&base), &request).await?
            }
        };
        Ok(Prepared {
            trusted,
            url: request.url,
            credentials: request.credentials,
            branch: request.branch,
            head,
            commit,
            files,
            _work: work,
        })
    }

    /// Where the branch is now.
    async fn head(&self, request: &BranchRequest) -> Result<Option<CommitId>, PrepareError> {
        let BranchRequest {
            url,
            credentials,
            branch,
            ours,
            ..
        } = request;
        let wanted = RefSpec::Branch(branch.clone());
        let found = match self.resolve(url, &wanted, credentials.clone()).await {
            Ok(resolved) => resolved.commit,
            Err(ResolveError::BranchMissing { .. } | ResolveError::Empty { .. }) => {
                return Ok(None);
            }
            Err(fault) => return Err(PrepareError::Remote(Box::new(fault))),
        };
        let CommitRef::Full(found) = found else {
            return Ok(None);
        };
        match ours.contains(&found) {
            true => Ok(Some(found)),
            false => Err(PrepareError::Moved {
                branch: branch.clone(),
                found,
            }),
        }
    }
}

impl Prepared {
    /// The commit: a new one, or the branch's own if that has the same files already.
    pub fn commit(&self) -> &CommitId {
        &self.commit
    }

    /// Every file that differs from the base.
    pub fn files(&self) -> &[FileChange] {
        &self.files
    }

    /// Whether the branch has it already.
    pub fn is_pushed(&self) -> bool {
        self.head.as_ref() == Some(&self.commit)
    }
}

impl Work {
    /// A git directory of our own, that sees the objects of the copy.
    pub(crate) fn make(
        folder: &Path,
        name: &str,
        mirror: &Mirror,
        base: &CommitId,
    ) -> io::Result<Self> {
        let path = folder.join("work").join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        let work = Self(path);
        write_trusted(&work.0, &mirror.objects_dir(), base.object())?;
        Ok(work)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }
}

/// What the patches make of the commit.
pub(crate) async fn tree(trusted: &Trusted, patches: &[Vec<u8>]) -> Result<TreeId, PrepareError> {
    trusted
        .read_tree(Index::Base, trusted.commit.as_str())
        .await?;
    for patch in patches.iter().filter(|patch| !patch.is_empty()) {
        trusted
            .apply(patch, Index::Base)
            .await
            .map_err(|fault| match fault {
                CheckoutError::DiffDoesNotApply { commit, conflicts } => {
                    PrepareError::DiffDoesNotApply { commit, conflicts }
                }
                CheckoutError::Damaged { source } => PrepareError::Git(source),
                other => PrepareError::Folder(io::Error::other(other)),
            })?;
    }
    Ok(trusted.write_tree(Index::Base).await?)
}

async fn tree_of(trusted: &Trusted, commit: &CommitId) -> Result<TreeId, GitError> {
    let call = trusted
        .call("read a commit")
        .args(["rev-parse", "--verify", "--end-of-options"]);
    let answer = call.arg(format!("{commit}^{{tree}}")).success().await?;
    crate::trusted::parse_tree(&answer.text())
}

async fn changes(
    trusted: &Trusted,
    base: &CommitId,
    tree: &TreeId,
) -> Result<Vec<FileChange>, GitError> {
    let call = trusted.call("compare two trees").args([
        "diff-tree",
        "-r",
        "-z",
        "-M",
        "--raw",
        "--numstat",
        "--no-ext-diff",
        "--no-textconv",
        "--end-of-options",
    ]);
    let call = call.arg(base.as_str()).arg(tree.as_str());
    Ok(parse_diff(&call.success().await?.stdout)?.0)
}

async fn commit(
    trusted: &Trusted,
    tree: &TreeId,
    parent: &CommitId,
    request: &BranchRequest,
) -> Result<CommitId, GitError> {
    let BranchRequest {
        message,
        author,
        committer,
        seconds,
        ..
    } = request;
    let date = format!("@{seconds} +0000");
    // Git takes no NUL in a message.
    let message = message.replace('\0', "");
    let call = trusted
        .call("make the commit")
        .args(["commit-tree", "--no-gpg-sign", "-p", parent.as_str()])
        .args(["-F", "-", tree.as_str()])
        .env("GIT_AUTHOR_NAME", &author.name)
        .env("GIT_AUTHOR_EMAIL", &author.address)
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_NAME", &committer.name)
        .env("GIT_COMMITTER_EMAIL", &committer.address)
        .env("GIT_COMMITTER_DATE", &date)
        .input(Input::Bytes(message.as_bytes()));
    let answer = call.success().await?.text();
    CommitId::parse(answer.trim()).map_err(|_| GitError::Unexpected {
        operation: "make the commit",
        answer: answer.chars().take(200).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_a_name_and_an_address() {
        let ada = Identity::parse(" Ada Lovelace <ada@example.com>").expect("both");
        assert_eq!(
            (ada.name.as_str(), ada.address.as_str()),
            ("Ada Lovelace", "ada@example.com")
        );
        for text in [
            "",
            "Ada",
            "<ada@example.com>",
            "Ada <>",
            "Ada <a b>",
            "Ada\nx <a>",
            ". <a>",
            "A <b> <c>",
        ] {
            assert_eq!(Identity::parse(text), Err(InvalidIdentity), "{text}");
        }
    }
}
