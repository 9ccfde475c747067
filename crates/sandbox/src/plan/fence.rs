//! The second fence around files. The first is that what is not to be written is mounted read-only; this one says the
//! same to the kernel again, by other means (Landlock), and also that no signal leaves.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::capabilities::Capabilities;
use crate::spec::{Mount, Spec, SystemRoot};

/// The first version that can allow renames from one directory to another; the one before it refuses them all.
const OLDEST: u32 = 2;
/// The first version that keeps signals and abstract sockets inside.
const SCOPES: u32 = 6;
/// The newest version whose every restriction is known here. What later ones add is not used.
const NEWEST: u32 = 7;

/// What the kernel is told to refuse. Reading is free: what is not to be read is not there. So are all ports, because the
/// network reaches no further than the sandbox's own loopback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Version of the kernel's interface to go by. From the sixth on, signals and connections to abstract sockets stay
    /// inside as well.
    pub abi: u32,
    pub files: FencedFiles,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FencedFiles {
    /// Mounts must be possible inside, and within a fence around files none is.
    Unfenced,
    /// Nothing is changed but below these.
    Below(Vec<FencedPath>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencedPath {
    /// Absolute, inside.
    pub path: PathBuf,
    pub change: Change,
}

/// What may be done below a path, if its mount and its modes allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Make, write, move and remove anything but devices.
    All,
    /// Write to what is there, and make requests to it if it is a device.
    Contents,
}

pub(crate) fn planned(spec: &Spec, capabilities: &Capabilities) -> Option<Fence> {
    let abi = capabilities.landlock?.min(NEWEST);
    if abi < OLDEST {
        return None;
    }
    let files = if spec.nested_namespaces {
        FencedFiles::Unfenced
    } else {
        FencedFiles::Below(writable(spec))
    };
    match files {
        FencedFiles::Unfenced if abi < SCOPES => None,
        files => Some(Fence { abi, files }),
    }
}

fn writable(spec: &Spec) -> Vec<FencedPath> {
    let mut paths = Vec::new();
    let mut add = |path: &Path, change| {
        let path = path.to_owned();
        paths.push(FencedPath { path, change });
    };
    match &spec.system {
        SystemRoot::HostReadOnly | SystemRoot::Empty => {}
        // What is mounted on it is below it, so that here only devices and signals are fenced twice.
        SystemRoot::Overlay(_) => add(Path::new("/"), Change::All),
    }
    for mount in &spec.mounts {
        let target = mount.target();
        match mount {
            Mount::Bind { .. } | Mount::Overlay { .. } | Mount::Tmpfs { .. } => {
                add(target, Change::All);
            }
            Mount::Proc => add(target, Change::Contents),
            Mount::Dev => {
                add(target, Change::Contents);
                add(&target.join("shm"), Change::All);
            }
            Mount::ReadOnlyBind { .. }
            | Mount::ReadOnlyTmpfs { .. }
            | Mount::Sys
            | Mount::Symlink { .. }
            | Mount::File { .. } => {}
        }
    }
    paths
}
