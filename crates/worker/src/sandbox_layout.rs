//! What an attempt sees: the same paths on every worker, so that a session continues anywhere.
//!
//! | path inside | what |
//! |---|---|
//! | `/workspace/<repository>` | the checkouts, writable; the agent starts in the first |
//! | `/home/agent` | the home, writable; what setup left there, and the agent's own files |
//! | `/usr/local`, `/opt`, `/var`, `/etc` | as setup left them |
//! | `/outwork/agents/<agent>` | the agent's program, read-only |
//! | `/outwork/objects/<repository>` | the repositories' objects, read-only |
//! | `/outwork/runtimes/<name>/<version>` | runtimes of the operator, read-only |
//! | `/tmp` | memory for the agent; for scripts the disk, emptied after them |
//! | `127.0.0.1:47100` | the model, if one is set; for the agent only |
//! | `127.0.0.1:47101` | the proxy to the network; for scripts, and for agents that have a network |
//! | `/outwork/trust/` | certificates to trust: a bundle, and the same for Java |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outwork_api::network::Resources;
use outwork_api::worker::Assignment;
use outwork_domain::Failure;
use outwork_git::ReadOnlyBind;
use outwork_sandbox::{
    Forward, Limits, Mount, Network, Overlay, PlanError, Privileges, Running, SandboxError, Spec,
    Stdin, Step, SystemRoot, User,
};

use crate::attempt::Run;
use crate::base::{Base, Volume};
use crate::config::Containment;
use crate::failure;

pub(crate) const HOME: &str = "/home/agent";
pub(crate) const WORKSPACE: &str = "/workspace";
/// What the worker adds to the system; in memory, so that nothing of it is kept.
const OWN: &str = "/outwork";
/// Where pinned runtimes are seen that have no place of their own.
pub(crate) const RUNTIMES: &str = "/outwork/runtimes";
pub(crate) const SCRIPT: &str = "/outwork/script.sh";
/// Certificates to trust, in PEM.
pub(crate) const CA_BUNDLE: &str = "/outwork/trust/ca-bundle.pem";
/// The same for the JVM.
pub(crate) const JAVA_KEY_STORE: &str = "/outwork/trust/ca-bundle.jks";
pub(crate) const APT_CONFIGURATION: &str = "/outwork/trust/apt.conf";
/// Unusual ports: those that development servers take stay free.
pub(crate) const MODEL_PORT: u16 = 47100;
pub(crate) const PROXY_PORT: u16 = 47101;
/// Each slot has this many ids of its own.
const IDS_PER_SLOT: u32 = 65536;
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the agent's own program is seen.
pub(crate) fn agent_root(name: &str) -> String {
    format!("{OWN}/agents/{name}")
}

/// Where the checkout of the repository `name` is seen.
pub(crate) fn checkout(name: &str) -> String {
    format!("{WORKSPACE}/{name}")
}

/// Where the objects of the repository `name` are seen.
pub(crate) fn objects(name: &str) -> PathBuf {
    PathBuf::from(format!("{OWN}/objects/{name}"))
}

/// Who a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The root of the sandbox's own user namespace: it owns the sandbox's files and nothing else.
    Root,
    Agent,
}

/// One command to be run for an attempt.
pub(crate) struct Inside<'a> {
    pub(crate) who: Who,
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) stdin: Stdin,
    pub(crate) cwd: &'a str,
    pub(crate) base: &'a Base,
    /// One for each volume of the base, in order.
    pub(crate) overlays: Vec<Overlay>,
    /// Shown read-only, below [`OWN`].
    pub(crate) binds: Vec<ReadOnlyBind>,
    /// Links below [`OWN`], and what they point to.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) script: Option<&'a str>,
    /// Ports inside, sockets outside.
    pub(crate) forwards: Vec<(u16, &'a Path)>,
    /// Directories inside that are looked at when the command has ended.
    pub(crate) handles: Vec<PathBuf>,
}

impl Inside<'_> {
    /// As data, for a sandbox of `run`.
    fn spec(self, run: &Run) -> Spec {
        let config = &run.host.config;
        let mut spec = Spec::new(self.command);
        spec.uid_base = config
            .uid_base
            .saturating_add(run.slot.saturating_mul(IDS_PER_SLOT));
        spec.store_uid_base = config.store_uid_base;
        spec.limits = limits(&run.assignment.resources, &config.containment);
        spec.environment = self.environment;
        spec.working_directory = PathBuf::from(self.cwd);
        spec.stdin = self.stdin;
        spec.handles = self.handles;
        match self.who {
            Who::Agent => spec.nested_namespaces = run.assignment.nested_namespaces,
            Who::Root => {
                spec.user = root();
                spec.further_users = vec![User::default()];
                spec.privileges = Privileges::OwnFiles;
                // Builds need more space than memory has.
                spec.mounts
                    .retain(|mount| mount.target() != Path::new("/tmp"));
            }
        }
        spec.mounts.extend(self.base.system());
        for (volume, overlay) in self.base.volumes().iter().zip(self.overlays) {
            match volume {
                Volume::Root => spec.system = SystemRoot::Overlay(overlay),
                Volume::UsrLocal | Volume::Opt => spec.mounts.push(Mount::Overlay {
                    overlay,
                    target: PathBuf::from(volume.target()),
                }),
            }
        }
        spec.mounts.push(Mount::ReadOnlyTmpfs {
            target: PathBuf::from(OWN),
            size_bytes: 1 << 20,
        });
        for ReadOnlyBind { host, inside } in self.binds {
            spec.mounts.push(Mount::ReadOnlyBind {
                source: host,
                target: inside,
            });
        }
        for (target, points_to) in self.links {
            spec.mounts.push(Mount::Symlink {
                points_to: points_to.into(),
                target: target.into(),
            });
        }
        if let Some(script) = self.script {
            spec.mounts.push(Mount::File {
                target: PathBuf::from(SCRIPT),
                contents: script.to_owned(),
                mode: 0o444,
            });
        }
        let forward = |(listen_port, socket): (u16, &Path)| Forward {
            listen_port,
            unix_socket: socket.to_owned(),
        };
        spec.network = Network::Forwards(self.forwards.into_iter().map(forward).collect());
        spec
    }

    pub(crate) async fn spawn(self, run: &Run) -> Result<Running, SpawnError> {
        let (program, is_image) = (self.command.first().cloned(), self.base.is_image());
        let spec = self.spec(run);
        let backend = &run.host.config.containment.backend;
        let plan = backend.plan(&spec, &run.host.capabilities)?;
        let spawned = run.host.launchers.spawn(plan).await;
        spawned.map_err(|error| match error.step {
            Step::Execute if is_image => SpawnError::NotInImage {
                program: program.unwrap_or_default(),
            },
            _ => error.into(),
        })
    }
}

/// The environment's limits, and the worker's own where it says nothing.
pub(crate) fn limits(wanted: &Resources, containment: &Containment) -> Limits {
    let Resources {
        memory_bytes,
        cpu_millis,
        processes,
        disk_bytes,
        open_files,
    } = wanted;
    let own = &containment.resources;
    let usual = Limits::default();
    let cpu_millis = cpu_millis.or(own.cpu_millis);
    Limits {
        open_files: open_files.or(own.open_files).unwrap_or(usual.open_files),
        processes: processes.or(own.processes).unwrap_or(usual.processes),
        file_size_bytes: None,
        memory_bytes: memory_bytes.or(own.memory_bytes),
        cpu_millis: cpu_millis.map(|millis| u32::try_from(millis).unwrap_or(u32::MAX)),
        disk_bytes: disk_bytes.or(own.disk_bytes),
        disk_files: Some(containment.disk_files),
    }
}

/// Why a command could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error("the image has no program {program}, which scripts and agents are started with")]
    NotInImage { program: String },
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl SpawnError {
    /// What is wrong with the layers in `snapshot`, if it may be their fault.
    pub(crate) fn about_snapshot(&self, snapshot: &Path) -> Option<String> {
        let Self::Sandbox(error) = self else {
            return None;
        };
        let is_about = match error.step {
            Step::MountOverlay => true,
            Step::OpenSource => error.detail.contains(&*snapshot.to_string_lossy()),
            _ => false,
        };
        is_about.then(|| failure::chain(error))
    }
}

impl From<SpawnError> for Failure {
    fn from(error: SpawnError) -> Self {
        match error {
            SpawnError::NotInImage { program } => failure::not_in_image(&program),
            SpawnError::Plan(error) => failure::plan(&error),
            SpawnError::Sandbox(error) => failure::sandbox(&error),
        }
    }
}

fn root() -> User {
    User {
        uid: 0,
        gid: 0,
        name: "root".to_owned(),
        home: PathBuf::from("/root"),
    }
}

/// The whole environment of a command. Nothing of the worker's own. What comes later wins: the base's, `usual`, the
/// environment's variables, `extra`.
pub(crate) fn environment(
    who: Who,
    base: &Base,
    assignment: &Assignment,
    usual: Vec<(String, String)>,
    extra: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let name = match who {
        Who::Root => "root",
        Who::Agent => "agent",
    };
    let own = [
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        // Tools ask nobody and draw no progress bars.
        ("CI", "true"),
        // Also for scripts: what they leave in their home is for the agent.
        ("HOME", HOME),
        ("USER", name),
        ("LOGNAME", name),
        ("SHELL", "/bin/bash"),
        ("TMPDIR", "/tmp"),
    ];
    let ids = [
        ("OUTWORK_TASK_ID", assignment.task.clone()),
        ("OUTWORK_ATTEMPT_ID", assignment.attempt.clone()),
        ("OUTWORK_TURN", assignment.turn.to_string()),
        ("OUTWORK_ATTEMPT", assignment.number.to_string()),
        // The claims of an attempt are counted; a script can tell a repetition from the first run.
        ("OUTWORK_TRY", assignment.epoch.to_string()),
    ];
    let mut variables = BTreeMap::from([("PATH".to_owned(), SEARCH_PATH.to_owned())]);
    variables.extend(base.variables().iter().cloned());
    variables.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables.extend(usual);
    variables.extend(assignment.variables.clone());
    variables.extend(ids.map(|(name, value)| (name.to_owned(), value)));
    variables.extend(extra);
    variables
}
