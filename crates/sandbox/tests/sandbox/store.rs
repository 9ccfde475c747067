//! Trees on disk as a worker keeps them, and workers that run sandboxes above them.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use outwork_sandbox::{
    ExitStatus, LayerIds, Lower, Mount, Overlay, Spec, SystemRoot, probe, stored_owner,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::harness::{
    NAMESPACES, ORDINARY, directory, is_root, launcher_for_everybody, line, privileged, set_mode,
    shell, start_worker_with, within,
};

/// Two ranges of ids, as two attempts at a time have them.
pub const SLOTS: [u32; 2] = [327_680, 393_216];

/// Who a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    Root,
    OrdinaryUser,
}

/// Each kind of worker that can be had here, with each backend that shares the machine's kernel.
pub fn workers() -> Vec<Store> {
    with_backends(&[NAMESPACES, "oci:crun", "oci:runc"])
}

/// Each kind of worker that can be had here, for what container runtimes do not do.
pub fn workers_without_runtime() -> Vec<Store> {
    with_backends(&[NAMESPACES])
}

/// Each kind of worker that can be had here, with each backend. What is seen inside is not all the same: gVisor's kernel
/// has its own ids and its own `/proc` and `/sys`, and Debian 12's gVisor cannot run the `ls` and `stat` of Debian 12.
pub fn workers_with_every_backend() -> Vec<Store> {
    with_backends(&[NAMESPACES, "oci:crun", "oci:runc", "oci:runsc"])
}

fn with_backends(backends: &[&'static str]) -> Vec<Store> {
    let kinds = match is_root() {
        true => vec![As::Root, As::OrdinaryUser],
        false => vec![As::OrdinaryUser],
    };
    let of_kind = |kind| {
        backends
            .iter()
            .map(move |backend| Store::new(kind, backend))
    };
    kinds.into_iter().flat_map(of_kind).collect()
}

/// The directory of a worker.
pub struct Store {
    pub worker: As,
    pub backend: &'static str,
    pub directory: tempfile::TempDir,
    launcher: PathBuf,
    /// On disk, of id 0 inside.
    root: (u32, u32),
}

/// What happened in a sandbox.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub handles: Vec<Vec<String>>,
}

impl Store {
    fn new(worker: As, backend: &'static str) -> Self {
        let directory = directory();
        let launcher = launcher_for_everybody(directory.path());
        let root = match worker {
            As::Root => stored_owner(&probe(), shell("").store_uid_base, 0, 0),
            As::OrdinaryUser if is_root() => (ORDINARY, ORDINARY),
            As::OrdinaryUser => (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            ),
        };
        let store = Self {
            worker,
            backend,
            directory,
            launcher,
            root,
        };
        // Enough for the worker: what is stored lies below directories that are closed to the sandbox.
        std::fs::create_dir(store.path("")).unwrap();
        if worker == As::OrdinaryUser {
            chown(store.path(""), Some(store.root.0), Some(store.root.1)).unwrap();
        }
        set_mode(&store.path(""), 0o700);
        store
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("store").join(name)
    }

    /// A directory outside of the store becomes the worker's own.
    pub fn own_workspace(&self, path: &Path) {
        if self.worker == As::OrdinaryUser {
            chown(path, Some(self.root.0), Some(self.root.1)).unwrap();
        }
    }

    /// On disk, of this id inside.
    pub fn owner(&self, id: u32) -> (u32, u32) {
        match self.worker {
            As::Root => (self.root.0 + id, self.root.1 + id),
            As::OrdinaryUser => self.root,
        }
    }

    pub fn own(&self, path: &Path, id: u32) {
        let (uid, gid) = self.owner(id);
        lchown(path, Some(uid), Some(gid)).unwrap();
    }

    /// A directory of a layer that belongs to root inside.
    pub fn make(&self, path: &str) -> PathBuf {
        let path = self.path(path);
        let mut missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
        missing.reverse();
        for path in missing {
            std::fs::create_dir(path).unwrap();
            self.own(path, 0);
        }
        path
    }

    pub fn write(&self, path: &str, id: u32, mode: u32, contents: &str) {
        let parent = Path::new(path).parent().unwrap();
        self.make(parent.to_str().unwrap());
        let path = self.path(path);
        std::fs::write(&path, contents).unwrap();
        self.own(&path, id);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }

    pub fn link(&self, path: &str, points_to: &str) {
        let parent = Path::new(path).parent().unwrap();
        self.make(parent.to_str().unwrap());
        symlink(points_to, self.path(path)).unwrap();
        self.own(&self.path(path), 0);
    }

    pub fn stored(&self, name: &str) -> Lower {
        Lower {
            path: self.make(name),
            ids: LayerIds::Stored,
        }
    }

    /// With an upper directory of its own.
    pub fn overlay(&self, name: &str, lowers: Vec<Lower>) -> Overlay {
        Overlay {
            lowers,
            upper: self.make(&format!("{name}/upper")),
            work: self.make(&format!("{name}/work")),
        }
    }

    /// A layer with the directories that a system has, and nothing in them.
    pub fn skeleton(&self) -> Lower {
        for name in ["etc", "usr", "opt", "var", "home", "workspace"] {
            self.make(&format!("skeleton/{name}"));
        }
        self.stored("skeleton")
    }

    /// A script in layers, with the programs of the host.
    pub fn spec(&self, name: &str, lowers: Vec<Lower>, script: &str) -> Spec {
        let mut spec = shell(script);
        spec.system = SystemRoot::Overlay(self.overlay(name, lowers));
        spec.mounts.splice(0..0, programs());
        spec.uid_base = SLOTS[0];
        spec
    }

    /// The same with root as its user, who may do what it likes with the sandbox's own files.
    pub fn setup(&self, name: &str, lowers: Vec<Lower>, script: &str) -> Spec {
        privileged(self.spec(name, lowers, script))
    }

    /// A worker that runs this.
    pub fn start(&self, spec: &Spec) -> Child {
        let dir = tempfile::tempdir_in(&self.directory).unwrap().keep();
        set_mode(&dir, 0o755);
        let as_ordinary_user = self.worker == As::OrdinaryUser;
        start_worker_with(self.backend, &self.launcher, &dir, spec, as_ordinary_user)
    }

    /// What a worker says, line by line: that the sandbox started, and how it ended.
    async fn say(&self, spec: &Spec) -> (serde_json::Value, serde_json::Value) {
        let mut worker = self.start(spec);
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let first = line(&mut lines).await;
        if first["failed"].is_string() {
            return (first.clone(), first);
        }
        let last = line(&mut lines).await;
        within("the worker to end", worker.wait()).await.unwrap();
        (first, last)
    }

    pub async fn run(&self, spec: &Spec) -> Ended {
        let (_, ended) = self.say(spec).await;
        self.ended(&ended)
    }

    /// From what a worker says last.
    pub fn ended(&self, ended: &serde_json::Value) -> Ended {
        assert!(ended["ended"].is_object(), "{self}: {ended}");
        let text = |name: &str| ended[name].as_str().unwrap().to_owned();
        Ended {
            status: serde_json::from_value(ended["ended"].clone()).unwrap(),
            stdout: text("stdout"),
            stderr: text("stderr"),
            handles: serde_json::from_value(ended["handles"].clone()).unwrap(),
        }
    }

    /// Run to the end, which must be a success.
    pub async fn stdout(&self, spec: &Spec) -> String {
        let ended = self.run(spec).await;
        assert_eq!(ended.status, ExitStatus::Code(0), "{self}: {ended:?}");
        ended.stdout
    }

    pub async fn failure(&self, spec: &Spec) -> String {
        let (first, _) = self.say(spec).await;
        let failed = first["failed"].as_str();
        failed
            .unwrap_or_else(|| panic!("{self}: {first}"))
            .to_owned()
    }
}

/// For messages.
impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} with {}", self.worker, self.backend)
    }
}

/// The host's, read-only.
pub fn programs() -> Vec<Mount> {
    ["/usr", "/bin", "/sbin", "/lib", "/lib64"]
        .into_iter()
        .map(PathBuf::from)
        .filter_map(|path| match std::fs::read_link(&path) {
            Ok(points_to) => Some(Mount::Symlink {
                points_to,
                target: path,
            }),
            Err(_) => path.is_dir().then(|| Mount::ReadOnlyBind {
                source: path.clone(),
                target: path,
            }),
        })
        .collect()
}

/// Everything about a tree that a layer's user could see change.
pub fn picture(tree: &Path) -> BTreeMap<PathBuf, String> {
    let mut seen = BTreeMap::new();
    let mut left = vec![tree.to_owned()];
    while let Some(path) = left.pop() {
        let meta = path.symlink_metadata().unwrap();
        let contents = if meta.is_dir() {
            left.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            String::new()
        } else if meta.is_symlink() {
            path.read_link().unwrap().display().to_string()
        } else if meta.is_file() {
            String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
        } else {
            format!("device {}", meta.rdev())
        };
        let (mode, uid, gid) = (meta.mode(), meta.uid(), meta.gid());
        let times = (
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec(),
        );
        let (inode, links) = (meta.ino(), meta.nlink());
        seen.insert(
            path,
            format!("{mode:o} {uid}:{gid} {inode} {links} {times:?} {contents}"),
        );
    }
    seen
}
