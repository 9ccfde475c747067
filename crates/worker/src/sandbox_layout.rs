//! What an attempt sees: the same paths on every worker, so that a session continues anywhere.
//!
//! | path inside | what |
//! |---|---|
//! | `/workspace/<repository>` | the checkout, writable |
//! | `/home/agent` | the agent's home, writable, empty at the start |
//! | `/outwork/agents/<agent>` | the agent's program, read-only |
//! | `/outwork/objects` | the repository's objects, read-only |
//! | `/tmp` | memory |
//! | `127.0.0.1:47100` | the model, if one is set |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outwork_api::worker::Assignment;
use outwork_domain::Failure;
use outwork_git::ReadOnlyBind;
use outwork_sandbox::{Forward, Mount, Network, Running, Sandbox, Spec, Stdin, plan};

use crate::attempt::Host;
use crate::failure;

pub(crate) const HOME: &str = "/home/agent";
pub(crate) const OBJECTS: &str = "/outwork/objects";
pub(crate) const SETUP_SCRIPT: &str = "/outwork/setup.sh";
/// An unusual port: those that development servers take stay free.
pub(crate) const MODEL_PORT: u16 = 47100;
/// Each slot has this many ids of its own.
const IDS_PER_SLOT: u32 = 65536;
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the agent's own program is seen.
pub(crate) fn agent_root(name: &str) -> String {
    format!("/outwork/agents/{name}")
}

/// Where the checkout of the repository `name` is seen.
pub(crate) fn checkout(name: &str) -> String {
    format!("/workspace/{name}")
}

/// One command to be run for an attempt.
pub(crate) struct Inside<'a> {
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) stdin: Stdin,
    pub(crate) cwd: &'a str,
    pub(crate) checkout: &'a Path,
    pub(crate) home: &'a Path,
    pub(crate) binds: &'a [ReadOnlyBind],
    /// The agent's program on the host, and where it is seen.
    pub(crate) agent: Option<(PathBuf, String)>,
    pub(crate) setup_script: Option<&'a str>,
    pub(crate) model_socket: Option<&'a Path>,
}

impl Inside<'_> {
    /// As data, for a sandbox in `slot`.
    fn spec(&self, uid_base: u32, slot: u32) -> Spec {
        let mut spec = Spec::new(self.command.iter().map(String::as_str));
        spec.uid_base = uid_base.saturating_add(slot.saturating_mul(IDS_PER_SLOT));
        spec.environment = self.environment.clone();
        spec.working_directory = PathBuf::from(self.cwd);
        spec.stdin = self.stdin.clone();
        let bind = |source: &Path, target: &str| Mount::Bind {
            source: source.to_owned(),
            target: PathBuf::from(target),
        };
        spec.mounts.push(bind(self.home, HOME));
        spec.mounts.push(bind(self.checkout, self.cwd));
        for ReadOnlyBind { host, inside } in self.binds {
            spec.mounts.push(Mount::ReadOnlyBind {
                source: host.clone(),
                target: inside.clone(),
            });
        }
        if let Some((source, target)) = &self.agent {
            spec.mounts.push(Mount::ReadOnlyBind {
                source: source.clone(),
                target: PathBuf::from(target),
            });
        }
        if let Some(script) = self.setup_script {
            let target = PathBuf::from(SETUP_SCRIPT);
            spec.mounts.push(Mount::File {
                target,
                contents: script.to_owned(),
                mode: 0o644,
            });
        }
        if let Some(socket) = self.model_socket {
            let forward = Forward {
                listen_port: MODEL_PORT,
                unix_socket: socket.to_owned(),
            };
            spec.network = Network::Forwards(vec![forward]);
        }
        spec
    }

    pub(crate) async fn spawn(&self, host: &Host, slot: u32) -> Result<Running, Failure> {
        let spec = self.spec(host.config.uid_base, slot);
        let plan = plan(&spec, &host.capabilities).map_err(|error| failure::plan(&error))?;
        Sandbox::spawn(plan, &host.config.launcher)
            .await
            .map_err(|error| failure::sandbox(&error))
    }
}

/// The whole environment of setup and agent. Nothing of the worker's own.
pub(crate) fn environment(
    assignment: &Assignment,
    extra: &[(String, String)],
) -> BTreeMap<String, String> {
    let own = [
        ("PATH", SEARCH_PATH.to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("TERM", "dumb".to_owned()),
        // Tools ask nobody and draw no progress bars.
        ("CI", "true".to_owned()),
        ("HOME", HOME.to_owned()),
        ("USER", "agent".to_owned()),
        ("LOGNAME", "agent".to_owned()),
        ("SHELL", "/bin/bash".to_owned()),
        ("TMPDIR", "/tmp".to_owned()),
    ];
    let ids = [
        ("OUTWORK_TASK_ID", assignment.task.clone()),
        ("OUTWORK_ATTEMPT_ID", assignment.attempt.clone()),
        ("OUTWORK_TURN", assignment.turn.to_string()),
        ("OUTWORK_ATTEMPT", assignment.number.to_string()),
        // The claims of an attempt are counted; a script can tell a repetition from the first run.
        ("OUTWORK_TRY", assignment.epoch.to_string()),
    ];
    let mut variables: BTreeMap<String, String> =
        own.map(|(name, value)| (name.to_owned(), value)).into();
    variables.extend(assignment.variables.clone());
    variables.extend(ids.map(|(name, value)| (name.to_owned(), value)));
    variables.extend(extra.iter().cloned());
    variables
}
