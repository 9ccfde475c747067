//! What an attempt's commands see, from a snapshot on. Nothing here walks a tree or copies one: this is the way of every start.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use outwork_agents::Launch;
use outwork_domain::Failure;
use outwork_git::{
    CheckoutError, LayeredCheckout, LayeredRequest, Place, ReadOnlyBind, SnapshotCheckout,
};
use outwork_sandbox::Overlay;
use outwork_snapshot::Lease;

use super::prepare::Repository;
use super::script::ScriptRun;
use super::start::Halt;
use super::step::StepName;
use super::{Run, build};
use crate::base::{Base, StoredIds, Volume, give};
use crate::failure::{self, Script};
use crate::layers::UpperDir;
use crate::sandbox_layout::{self as inside, SpawnError};

/// Layers, and the checkouts in them.
pub(super) struct Tree {
    /// The top of what the agent saw, from its start on. Before the lease: the overlay is gone before the layers may go.
    pub(super) root: Option<OwnedFd>,
    pub(super) checkouts: Vec<LayeredCheckout>,
    pub(super) base: Base,
    upper: UpperDir,
    /// Between the upper directory and the base, uppermost first.
    layers: Vec<PathBuf>,
    lease: Lease,
}

impl Tree {
    /// Lays the attempt's commits and diffs over the snapshot.
    pub(super) async fn lay(run: &Run, base: &Base, lease: Lease) -> Result<Self, Halt> {
        let made = run.directory.clear().and_then(|()| {
            std::fs::create_dir(run.directory.git())?;
            UpperDir::create(run.directory.upper(), base, run.host.ids)
        });
        let upper = made
            .map_err(|error| failure::internal("the attempt's directory cannot be made", &error))?;
        let laid = run.repositories.iter();
        let laid = join_all(laid.map(|repository| lay(run, repository, &lease, &upper))).await;
        Ok(Self {
            root: None,
            checkouts: laid.into_iter().collect::<Result<_, Halt>>()?,
            base: base.clone(),
            upper,
            layers: vec![lease.dir().to_owned()],
            lease,
        })
    }

    /// Tells a snapshot whose layers cannot be mounted from everything else that keeps a command from starting.
    pub(super) fn not_spawned(&self, error: SpawnError) -> Halt {
        match error.about_snapshot(self.lease.dir()) {
            Some(what) => Halt::Broken(what),
            None => Failure::from(error).into(),
        }
    }

    pub(super) fn overlays(&self) -> Vec<Overlay> {
        build::overlays(&self.base, &self.upper, &self.layers)
    }

    /// The repositories' objects.
    pub(super) fn binds(&self) -> Vec<ReadOnlyBind> {
        let binds = self.checkouts.iter().map(LayeredCheckout::binds);
        binds.flat_map(<[ReadOnlyBind]>::to_vec).collect()
    }

    /// Runs the maintenance script. What it leaves is a layer of its own: only what the agent itself touches is in the diff.
    pub(super) async fn maintain(&mut self, run: &Run, text: &str) -> Result<(), Halt> {
        let script = ScriptRun {
            script: Script::Maintenance,
            text,
            base: &self.base,
            overlays: self.overlays(),
            binds: self.binds(),
        };
        script.run(run, |error| self.not_spawned(error)).await?;
        run.bounded(StepName::Maintenance, self.keep_maintained(run))
            .await?;
        Ok(())
    }

    async fn keep_maintained(&mut self, run: &Run) -> Result<(), Failure> {
        {
            let (upper, base, ids) = (self.upper.clone(), self.base.clone(), run.host.ids);
            build::blocking("settling what maintenance left", move || {
                upper.remove_work(&base)?;
                upper.empty_tmp()?;
                build::give_to_agent(&upper, ids)
            })
            .await?;
        }
        let mut restored = Vec::new();
        for (checkout, repository) in self.checkouts.iter_mut().zip(run.repositories.iter()) {
            let place = place(&self.upper.volume(Volume::Root), &repository.name);
            let done = checkout.restore_tracked(&place).await;
            let done = done.map_err(|error| failure::checkout("checkout", &error))?;
            restored.push((repository.name.as_str(), done));
        }
        build::warn_of(run, Script::Maintenance, &restored);
        build::scan(run, Script::Maintenance, &self.upper).await?;
        let maintained = run.directory.maintained();
        let renewed = std::fs::rename(self.upper.path(), &maintained)
            .and_then(|()| UpperDir::create(run.directory.upper(), &self.base, run.host.ids));
        self.upper = renewed
            .map_err(|error| failure::internal("the attempt's directory cannot be made", &error))?;
        self.layers.insert(0, maintained);
        Ok(())
    }

    /// Writes the agent's own files into its home. The upper directory is ours alone until the agent starts: whatever links
    /// setup left in the home, they are not in the way here.
    pub(super) fn write_home(&self, launch: &Launch, ids: StoredIds) -> io::Result<()> {
        if launch.directories.is_empty() && launch.files.is_empty() {
            return Ok(());
        }
        self.upper.create_home(ids.agent)?;
        let home = Home {
            path: self.upper.inside(inside::HOME),
            ids,
        };
        for directory in &launch.directories {
            home.directory(Path::new(directory.as_str()))?;
        }
        for file in &launch.files {
            home.file(Path::new(file.path.as_str()), &file.contents, file.mode)?;
        }
        Ok(())
    }

    /// Layers for a command that sees what the agent left and whose writes are nobody's: above all others, in `path`.
    pub(super) fn above(&self, path: PathBuf, ids: StoredIds) -> io::Result<Above> {
        let mut layers = vec![self.upper.path().to_owned()];
        layers.extend(self.layers.iter().cloned());
        let upper = UpperDir::create(path, &self.base, ids)?;
        Ok(Above { upper, layers })
    }

    /// Where a repository's checkout is in the agent's own upper directory.
    pub(super) fn changed(&self, repository: &str) -> Place {
        place(&self.upper.volume(Volume::Root), repository)
    }
}

/// A layer above those of a tree.
pub(super) struct Above {
    upper: UpperDir,
    layers: Vec<PathBuf>,
}

impl Above {
    pub(super) fn overlays(&self, base: &Base) -> Vec<Overlay> {
        build::overlays(base, &self.upper, &self.layers)
    }

    /// Where a repository's checkout is in it.
    pub(super) fn place(&self, repository: &str) -> Place {
        place(&self.upper.volume(Volume::Root), repository)
    }
}

pub(super) fn place(root: &Path, repository: &str) -> Place {
    Place::new(root, inside::checkout(repository).trim_start_matches('/'))
}

async fn lay(
    run: &Run,
    repository: &Repository,
    lease: &Lease,
    upper: &UpperDir,
) -> Result<LayeredCheckout, Halt> {
    let Repository {
        name,
        mirror,
        commit,
        branch,
        setup_branch: _,
        starting_diff,
        carried_diff,
    } = repository;
    let snapshot = SnapshotCheckout::open(&build::git_dir(lease.dir(), name))
        .map_err(|error| Halt::Broken(format!("its checkout of {name} cannot be read: {error}")))?;
    let request = LayeredRequest {
        upper: place(&upper.volume(Volume::Root), name),
        trusted_git_dir: run.directory.git().join(name),
        alternates_inside: inside::objects(name),
        branch: branch.clone(),
        owner: Some(build::agent(run.host.ids)),
        starting_diff,
        carried_diff,
    };
    let laid = mirror.checkout_over(commit, &snapshot, &request).await;
    laid.map_err(|error| not_laid(run, name, &error))
}

fn not_laid(run: &Run, name: &str, error: &CheckoutError) -> Halt {
    let of = |what: &str| match run.repositories.len() {
        1 => what.to_owned(),
        _ => format!("{what} ({name})"),
    };
    match error {
        CheckoutError::DiffDoesNotApply { .. } => {
            failure::checkout(&of("changes to start from"), error).into()
        }
        // The mirror was made anew already.
        CheckoutError::Mirror(_) | CheckoutError::Damaged { .. } => {
            failure::checkout(&of("checkout"), error).into()
        }
        CheckoutError::Folder { .. } | CheckoutError::Git(_) if failure::is_disk_full(error) => {
            failure::disk_full().into()
        }
        // The attempt's own directory is new, so it is what the checkout lies over.
        CheckoutError::Snapshot { .. } | CheckoutError::Folder { .. } | CheckoutError::Git(_) => {
            Halt::Broken(format!(
                "its checkout of {name} cannot be used: {}",
                failure::chain(error)
            ))
        }
    }
}

/// The agent's home in an upper directory that nobody else has written.
struct Home {
    path: PathBuf,
    ids: StoredIds,
}

impl Home {
    /// With those above it.
    fn directory(&self, below: &Path) -> io::Result<()> {
        let mut path = self.path.clone();
        for part in below.components() {
            path.push(part);
            match std::fs::create_dir(&path) {
                Ok(()) => give(&path, self.ids, self.ids.agent)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn file(&self, below: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
        if let Some(parent) = below.parent() {
            self.directory(parent)?;
        }
        let path = self.path.join(below);
        let mut options = std::fs::File::options();
        let mut created = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        io::Write::write_all(&mut created, contents)?;
        give(&path, self.ids, self.ids.agent)?;
        created.set_permissions(std::fs::Permissions::from_mode(mode & 0o777))
    }
}
