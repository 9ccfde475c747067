//! A bare copy of a repository on this machine, shared by all its checkouts.

mod checkouts;

use crate::credentials::{Access, Credentials};
use crate::names::{CommitId, CommitRef, RefName};
use crate::process::{Git, GitError};
use crate::remote::{RefSpec, ResolveError, explain, unusable};
use crate::url::RepoUrl;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TRANSFER_LIMIT: Duration = Duration::from_secs(1800);

/// Why the mirror has not got the commit. Texts are for the user.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    #[error("the repository could not be copied to this machine: {0}")]
    Remote(#[source] Box<ResolveError>),
    #[error("{url} has no commit {commit}; push it first, or name another")]
    CommitMissing { url: RepoUrl, commit: CommitRef },
    #[error("{commit} is the beginning of several commits of {url}; give more digits")]
    Ambiguous { url: RepoUrl, commit: CommitRef },
    #[error("the folder of repository mirrors {path} cannot be used")]
    Folder { path: String, source: io::Error },
    #[error("the local copy of {url} does not work")]
    Local { url: RepoUrl, source: GitError },
}

enum Found {
    Yes(CommitId),
    No,
    Ambiguous,
    /// The copy is there but git cannot use it.
    Broken,
}

/// A mirror: the folder `<root>/<hash of the address>.git`. Several processes may use one root: a file lock orders the writers, and readers
/// need no lock, since objects are only ever added and the whole copy appears by one rename.
#[derive(Debug, Clone)]
pub struct Mirror {
    git: Git,
    url: RepoUrl,
    root: PathBuf,
    name: String,
    credentials: Credentials,
}

impl Mirror {
    /// Names the mirror; nothing is made before [`Mirror::ensure_commit`].
    pub fn new(git: Git, root: &Path, url: RepoUrl, credentials: Credentials) -> Self {
        let digest = Sha256::digest(url.as_str().as_bytes());
        let name = digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            git,
            url,
            root: root.to_owned(),
            name,
            credentials,
        }
    }

    pub fn url(&self) -> &RepoUrl {
        &self.url
    }

    /// Whether it is read through a gateway.
    pub fn is_behind_gateway(&self) -> bool {
        matches!(self.credentials, Credentials::Gateway { .. })
    }

    /// The bare repository.
    pub fn git_dir(&self) -> PathBuf {
        self.root.join(format!("{}.git", self.name))
    }

    /// The object folder, to be bound read-only into sandboxes.
    pub fn objects_dir(&self) -> PathBuf {
        self.git_dir().join("objects")
    }

    /// Makes sure that the commit is here, and gives its full id. When it is, this costs one local git and no network.
    pub async fn ensure_commit(&self, commit: &CommitRef) -> Result<CommitId, MirrorError> {
        if let Found::Yes(id) = self.find(commit).await? {
            return Ok(id);
        }
        let lock = self.lock().await?;
        let found = match self.find(commit).await? {
            Found::Yes(id) => return Ok(id),
            Found::Ambiguous => Found::Ambiguous,
            Found::No => self.update(commit).await?,
            Found::Broken => {
                self.make().await?;
                self.find(commit).await?
            }
        };
        drop(lock);
        match found {
            Found::Yes(id) => Ok(id),
            Found::Ambiguous => Err(MirrorError::Ambiguous {
                url: self.url.clone(),
                commit: commit.clone(),
            }),
            Found::No | Found::Broken => Err(MirrorError::CommitMissing {
                url: self.url.clone(),
                commit: commit.clone(),
            }),
        }
    }

    /// The newest commit of a branch, of the default branch when `None`: asked of the remote, and copied here.
    pub async fn newest(
        &self,
        branch: Option<&RefName>,
    ) -> Result<(CommitId, Option<RefName>), MirrorError> {
        let wanted = match branch {
            Some(branch) => RefSpec::Branch(branch.clone()),
            None => RefSpec::DefaultBranch,
        };
        let asked = self
            .git
            .resolve(&self.url, &wanted, self.credentials.clone());
        let found = asked
            .await
            .map_err(|fault| MirrorError::Remote(Box::new(fault)))?;
        Ok((self.ensure_commit(&found.commit).await?, found.branch))
    }

    async fn find(&self, commit: &CommitRef) -> Result<Found, MirrorError> {
        let dir = self.git_dir();
        if !dir.exists() {
            return Ok(Found::No);
        }
        let wanted = format!("{commit}^{{commit}}");
        let call = self
            .git
            .call("look for the commit")
            .git_dir(&dir)
            .args(["rev-parse", "--verify", "--end-of-options"])
            .arg(wanted);
        let output = call.output().await.map_err(|source| MirrorError::Local {
            url: self.url.clone(),
            source,
        })?;
        if output.code == Some(0) {
            return match CommitId::parse(output.text().trim()) {
                Ok(id) => Ok(Found::Yes(id)),
                Err(_) => Ok(Found::Broken),
            };
        }
        let stderr = output.stderr;
        if stderr.contains("is ambiguous") {
            return Ok(Found::Ambiguous);
        }
        // An absent object is told by this one sentence; whatever else git says speaks of a broken copy.
        let absent = stderr
            .lines()
            .all(|line| line.contains("Needed a single revision"));
        Ok(if absent { Found::No } else { Found::Broken })
    }

    /// Fetches; a copy that cannot be updated, though the remote answers, is made anew.
    async fn update(&self, commit: &CommitRef) -> Result<Found, MirrorError> {
        let access = self.access()?;
        if !self.git_dir().exists() {
            self.make().await?;
        } else if let Err(fault) = self
            .fetch(
                &access,
                &["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"],
            )
            .await
        {
            match explain(&self.url, &self.credentials, fault) {
                ResolveError::Other { source, .. } => {
                    tracing::warn!(url = %self.url, error = %source, "mirror cannot be updated, making it anew");
                    self.make().await?;
                }
                remote => return Err(MirrorError::Remote(Box::new(remote))),
            }
        }
        match (self.find(commit).await?, commit) {
            (Found::No, CommitRef::Full(id)) => {
                // Not below any branch or tag: many servers give a commit that is asked for by its id.
                let kept = format!("+{id}:refs/outwork/commits/{id}");
                match self.fetch(&access, &[&kept]).await {
                    Ok(()) => self.find(commit).await,
                    Err(fault @ GitError::Failed { .. }) => {
                        match explain(&self.url, &self.credentials, fault) {
                            // What went wrong there says nothing about the commit.
                            fault @ (ResolveError::Gateway { .. }
                            | ResolveError::Failing { .. }) => {
                                Err(MirrorError::Remote(Box::new(fault)))
                            }
                            _ => Ok(Found::No),
                        }
                    }
                    Err(source) => Err(MirrorError::Local {
                        url: self.url.clone(),
                        source,
                    }),
                }
            }
            (Found::Broken, _) => {
                self.make().await?;
                self.find(commit).await
            }
            (found, _) => Ok(found),
        }
    }

    fn protocol(&self) -> &'static str {
        self.credentials.protocol(&self.url).as_str()
    }

    fn access(&self) -> Result<Access, MirrorError> {
        let access = self.credentials.access(&self.git, &self.url);
        access.map_err(|fault| MirrorError::Remote(Box::new(unusable(&self.url, fault))))
    }

    async fn fetch(&self, access: &Access, refspecs: &[&str]) -> Result<(), GitError> {
        let call = access
            .add_to(self.git.call("fetch from the repository"))
            .git_dir(&self.git_dir());
        let call = call.args([
            "fetch",
            "--quiet",
            "--force",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
        ]);
        let call = if refspecs.len() > 1 {
            call.arg("--prune")
        } else {
            call
        };
        let call = call
            .args(["--no-recurse-submodules", "--"])
            .arg(self.url.as_str())
            .args(refspecs);
        let call = call.env("GIT_ALLOW_PROTOCOL", self.protocol());
        call.limit(TRANSFER_LIMIT).success().await.map(drop)
    }

    /// Makes the whole copy in a private folder and puts it in place by a rename, so that nobody ever sees a part. Needs the lock.
    async fn make(&self) -> Result<(), MirrorError> {
        let prefix = format!("tmp-{}-", self.name);
        self.remove_leftovers(&prefix)
            .map_err(|source| self.folder_error(source))?;
        let private = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&self.root)
            .map_err(|source| self.folder_error(source))?;
        let fresh = private.path().join("fresh");
        let access = self.access()?;
        let call = access.add_to(self.git.call("copy the repository")).args([
            "clone",
            "--quiet",
            "--bare",
            "--no-local",
            "--template=",
        ]);
        // Sandboxes run as other users and must be able to read the objects, whatever our umask is.
        let call = call.args([
            "--config",
            "core.sharedRepository=0644",
            "--config",
            "gc.auto=0",
            "--",
        ]);
        let call = call.arg(self.url.as_str()).arg(&fresh);
        let call = call.env("GIT_ALLOW_PROTOCOL", self.protocol());
        let made = call.limit(TRANSFER_LIMIT).success().await;
        made.map_err(|fault| {
            MirrorError::Remote(Box::new(explain(&self.url, &self.credentials, fault)))
        })?;
        let place = self.git_dir();
        let moved = (|| {
            if place.exists() {
                std::fs::rename(&place, private.path().join("old"))?;
            }
            std::fs::rename(&fresh, &place)
        })();
        moved.map_err(|source| self.folder_error(source))
    }

    /// Folders left by a process that was killed while it held the lock.
    fn remove_leftovers(&self, prefix: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Waits for the lock; dropping the file releases it. A caller that gives up leaves a thread that takes and drops it later.
    async fn lock(&self) -> Result<File, MirrorError> {
        let (root, path) = (
            self.root.clone(),
            self.root.join(format!("{}.lock", self.name)),
        );
        let locked = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&root)?;
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            file.lock()?;
            Ok(file)
        });
        locked
            .await
            .unwrap_or_else(|fault| Err(io::Error::other(fault)))
            .map_err(|source| self.folder_error(source))
    }

    fn folder_error(&self, source: io::Error) -> MirrorError {
        MirrorError::Folder {
            path: self.root.display().to_string(),
            source,
        }
    }
}
