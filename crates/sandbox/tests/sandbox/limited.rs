//! Sandboxes with limits, by each kind of worker and each way to hold them.

use std::path::Path;

use outwork_sandbox::{
    Cgroup, ExitStatus, Hold, LimitHit, Mount, Plan, Running, Sandbox, Spec, plan, probe,
};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{
    ORDINARY, directory, finish, is_root, launcher, launcher_for_everybody, line, set_mode,
    start_worker, within,
};

/// How limits are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Whatever the machine offers this process: control groups for root, if any.
    Machine,
    /// As if there were no control groups.
    Watching,
    /// Another process, which is an ordinary user; nothing is delegated to it.
    OrdinaryUser,
}

pub fn each() -> Vec<By> {
    match is_root() {
        true => vec![By::Machine, By::Watching, By::OrdinaryUser],
        false => vec![By::Machine, By::Watching],
    }
}

/// Can groups be made here? Else the tests of them try watching twice.
pub fn by_groups(plan: &Plan) -> bool {
    matches!(plan.holds.processes, Hold::Group(_))
}

#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub hit: Option<LimitHit>,
    pub hits: Vec<LimitHit>,
}

impl By {
    /// Run to the end.
    pub async fn run(self, spec: &Spec) -> Ended {
        match self {
            Self::Machine | Self::Watching => {
                let mut running = self.spawn(spec).await;
                let mut hits = running.take_limit_hits().unwrap();
                let what = format!("the sandbox held by {self:?} to end");
                let output = within(&what, finish(&mut running)).await;
                Ended {
                    status: output.status,
                    stdout: output.stdout,
                    stderr: output.stderr,
                    hit: running.limit_hit(),
                    hits: std::iter::from_fn(|| hits.try_recv().ok()).collect(),
                }
            }
            Self::OrdinaryUser => as_ordinary_user(spec).await,
        }
    }

    pub fn plan(self, spec: &Spec) -> Plan {
        let mut capabilities = probe();
        if self == Self::Watching {
            capabilities.cgroup = Cgroup::None;
        }
        plan(spec, &capabilities).expect("this machine can carry it out")
    }

    pub async fn spawn(self, spec: &Spec) -> Running {
        Sandbox::spawn(self.plan(spec), launcher()).await.unwrap()
    }

    /// A directory of the worker, mounted where the command starts.
    pub fn workspace(self, spec: &mut Spec) -> tempfile::TempDir {
        let workspace = directory();
        if self == Self::OrdinaryUser {
            std::os::unix::fs::chown(workspace.path(), Some(ORDINARY), Some(ORDINARY)).unwrap();
        }
        spec.mounts.push(Mount::Bind {
            source: workspace.path().to_owned(),
            target: "/workspace".into(),
        });
        spec.working_directory = "/workspace".into();
        workspace
    }
}

async fn as_ordinary_user(spec: &Spec) -> Ended {
    let dir = directory();
    let program = launcher_for_everybody(dir.path());
    let mut worker = start_worker(&program, dir.path(), spec, true);
    let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    let started = line(&mut lines).await;
    assert!(started["started"].is_u64(), "{started}");
    let ended = line(&mut lines).await;
    let read = |what: &str| ended[what].clone();
    Ended {
        status: serde_json::from_value(read("ended")).unwrap_or_else(|e| panic!("{e}: {ended}")),
        stdout: read("stdout").as_str().unwrap().to_owned(),
        stderr: read("stderr").as_str().unwrap().to_owned(),
        hit: serde_json::from_value(read("limit_hit")).unwrap(),
        hits: serde_json::from_value(read("limit_hits")).unwrap(),
    }
}

/// Blocks of everything below, as `du` counts. Opens directories that were closed.
pub fn bytes_on_disk(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let meta = path.symlink_metadata().unwrap();
    if meta.is_dir() {
        set_mode(path, 0o700);
    }
    let below: u64 = match meta.is_dir() {
        true => std::fs::read_dir(path)
            .unwrap()
            .map(|entry| bytes_on_disk(&entry.unwrap().path()))
            .sum(),
        false => 0,
    };
    below + meta.blocks() * 512
}
