//! What is below a snapshot: the worker's own system, or an unpacked image.
//!
//! Attempts see directories in layers. A [`Volume`] is one overlay of them: with an image there is one, the root; with the
//! worker's own system `/usr/local` and `/opt` are two more, because `/usr` itself is the host's, read-only.

mod fingerprint;
mod skeleton;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outwork_image::Image;
use outwork_sandbox::{Capabilities, LayerIds, Lower, Mount, SystemEntry, stored_owner};

pub(crate) use skeleton::give;

/// One overlay of what an attempt sees, and the name of its directory in every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Volume {
    Root,
    UsrLocal,
    Opt,
}

impl Volume {
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::UsrLocal => "usr-local",
            Self::Opt => "opt",
        }
    }

    /// Where it is seen.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::UsrLocal => "/usr/local",
            Self::Opt => "/opt",
        }
    }
}

/// Whose files are, on disk, in everything that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredIds {
    /// User and group that are root inside.
    pub(crate) root: (u32, u32),
    /// Those that are the agent inside.
    pub(crate) agent: (u32, u32),
    /// An ordinary user's files are its own and stay so.
    pub(crate) is_changed: bool,
}

impl StoredIds {
    pub(crate) fn new(capabilities: &Capabilities, store_uid_base: u32) -> Self {
        let of = |id| stored_owner(capabilities, store_uid_base, id, id);
        let (root, agent) = (of(0), of(AGENT_ID));
        Self {
            root,
            agent,
            is_changed: root != agent,
        }
    }
}

/// User and group of the agent, inside.
pub(crate) const AGENT_ID: u32 = 1000;

/// The layers below all snapshots.
#[derive(Clone, Debug)]
pub(crate) enum Base {
    Host(Arc<HostBase>),
    Image(Arc<ImageBase>),
}

/// The worker's own system.
#[derive(Debug)]
pub(crate) struct HostBase {
    /// Everything that a snapshot on it depends on.
    pub(crate) fingerprint: String,
    /// A directory for each volume.
    skeleton: PathBuf,
    system: Vec<SystemEntry>,
    has_usr_local: bool,
}

/// An unpacked image.
#[derive(Debug)]
pub(crate) struct ImageBase {
    pub(crate) digest: String,
    /// Uppermost first.
    pub(crate) layers: Vec<PathBuf>,
    /// What the image says about its environment.
    pub(crate) variables: Vec<(String, String)>,
    /// Keeps the layers where they are.
    #[expect(dead_code, reason = "it is held, not looked at")]
    pub(crate) image: Image,
}

impl HostBase {
    /// Looks at the system, and makes its skeleton in `directory` unless it is there already. Skeletons of the system as it
    /// was before are removed: snapshots on them are not found any more.
    pub(crate) fn prepare(
        directory: &Path,
        capabilities: &Capabilities,
        ids: StoredIds,
    ) -> io::Result<Self> {
        let fingerprint = fingerprint::of_host(capabilities, ids);
        let name = fingerprint::short(&fingerprint);
        skeleton::sweep(directory, &name)?;
        let skeleton = directory.join(&name);
        if !skeleton.exists() {
            skeleton::make(&skeleton, capabilities, ids)?;
        }
        Ok(Self {
            fingerprint,
            skeleton,
            system: capabilities.system.clone(),
            has_usr_local: is_directory(Path::new(Volume::UsrLocal.target())),
        })
    }
}

impl Base {
    pub(crate) fn volumes(&self) -> &'static [Volume] {
        match self {
            Self::Host(host) if host.has_usr_local => {
                &[Volume::Root, Volume::UsrLocal, Volume::Opt]
            }
            // Below the host's own `/usr` no place can be made for it.
            Self::Host(_) => &[Volume::Root, Volume::Opt],
            Self::Image(_) => &[Volume::Root],
        }
    }

    /// The layers of a volume, uppermost first.
    pub(crate) fn lowers(&self, volume: Volume) -> Vec<Lower> {
        let stored = |path: PathBuf| Lower {
            path,
            ids: LayerIds::Stored,
        };
        match self {
            Self::Image(image) => image.layers.iter().cloned().map(stored).collect(),
            Self::Host(host) => {
                let mut lowers = vec![stored(host.skeleton.join(volume.directory()))];
                let target = Path::new(volume.target());
                if volume != Volume::Root && is_directory(target) {
                    lowers.push(Lower {
                        path: target.to_owned(),
                        ids: LayerIds::Host,
                    });
                }
                lowers
            }
        }
    }

    /// What is shown of the worker's own system, to be mounted above the root and below the other volumes.
    pub(crate) fn system(&self) -> Vec<Mount> {
        let Self::Host(host) = self else {
            return Vec::new();
        };
        let shown = |entry: &SystemEntry| match entry {
            SystemEntry::Directory { path } if path != Path::new(Volume::Opt.target()) => {
                Some(Mount::ReadOnlyBind {
                    source: path.clone(),
                    target: path.clone(),
                })
            }
            SystemEntry::Directory { .. } | SystemEntry::Symlink { .. } => None,
        };
        host.system.iter().filter_map(shown).collect()
    }

    /// What the base itself wants in the environment of every command.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        match self {
            Self::Host(_) => &[],
            Self::Image(image) => &image.variables,
        }
    }

    pub(crate) fn is_image(&self) -> bool {
        match self {
            Self::Host(_) => false,
            Self::Image(_) => true,
        }
    }
}

fn is_directory(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}
