//! A repository, a server and workers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outwork_api::environment::Agent;
use outwork_api::event::EventBody;
use outwork_api::network::{AgentNetwork, Resources};
use outwork_api::worker::{AssignedRepository, Assignment, StepLimits};
use outwork_sandbox::PidNamespace;
use outwork_worker::{Worker, WorkerConfig, WorkerHandle};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::fake_api::{self, FakeApi, Record};

/// For an agent's command: it says so, and waits until the test lets it go on.
pub const WAIT: &str = "trap 'go=1' USR1; echo ready; until [ \"$go\" ]; do sleep 0.02; done";

pub struct Scene {
    pub directory: TempDir,
    pub api: Arc<FakeApi>,
    pub commit: String,
}

pub struct RunningWorker {
    pub handle: WorkerHandle,
    pub shutdown: CancellationToken,
    pub data: PathBuf,
}

impl Scene {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let repository = directory.path().join("project");
        std::fs::create_dir_all(repository.join("src")).unwrap();
        std::fs::write(repository.join("README.md"), "hello\n").unwrap();
        std::fs::write(repository.join("src/old.txt"), "old\n").unwrap();
        git(&repository, &["init", "-q", "-b", "main"]);
        git(&repository, &["add", "-A"]);
        git(&repository, &["commit", "-q", "-m", "first"]);
        let commit = git(&repository, &["rev-parse", "HEAD"]).trim().to_owned();
        Self {
            directory,
            api: Arc::default(),
            commit,
        }
    }

    pub fn repository(&self) -> PathBuf {
        self.directory.path().join("project")
    }

    pub fn config(&self, worker: &str) -> WorkerConfig {
        let program = Path::new(env!("CARGO_BIN_EXE_outwork-worker-fixture"));
        fake_api::config(&self.directory.path().join(worker), program)
    }

    pub async fn start(&self) -> RunningWorker {
        self.start_with(self.config("worker")).await
    }

    pub async fn start_with(&self, config: WorkerConfig) -> RunningWorker {
        let shutdown = CancellationToken::new();
        let data = config.data_dir.join("worker");
        let api: Arc<FakeApi> = Arc::clone(&self.api);
        let handle = Worker::start(config, api, shutdown.clone()).await.unwrap();
        RunningWorker {
            handle,
            shutdown,
            data,
        }
    }

    /// An attempt of the agent `command`.
    pub fn assignment(&self, number: u32, command: impl AsRef<str>) -> Assignment {
        Assignment {
            attempt: attempt(number),
            epoch: 1,
            lease_ms: 30_000,
            task: "task_00000000000000000000000000000001".to_owned(),
            turn: 1,
            number: 1,
            environment: "test".to_owned(),
            environment_id: "env_00000000000000000000000000000001".to_owned(),
            cache_generation: 0,
            repositories: vec![AssignedRepository {
                name: fake_api::FIRST.to_owned(),
                url: self.repository().display().to_string(),
                branch: Some("main".to_owned()),
                commit: self.commit.clone(),
                setup_branch: None,
                has_starting_diff: false,
                has_carried_diff: false,
                credential: None,
                lease_token: None,
            }],
            has_session: false,
            base_image: None,
            image_credential: None,
            runtimes: BTreeMap::new(),
            agent: Agent::Command {
                command: command.as_ref().to_owned(),
            },
            model: None,
            prompt: "do it".to_owned(),
            question: None,
            interactive: true,
            output_schema: None,
            messages: Vec::new(),
            setup_script: None,
            maintenance_script: None,
            verify: None,
            variables: BTreeMap::new(),
            secrets: Vec::new(),
            limits: StepLimits {
                preparing_ms: 30_000,
                setting_up_ms: 30_000,
                running_ms: 30_000,
                collecting_ms: 30_000,
            },
            network: AgentNetwork::default(),
            resources: Resources::default(),
            nested_namespaces: false,
            max_tokens: None,
            injections: Vec::new(),
        }
    }

    /// Runs one attempt on a worker of its own, and checks that nothing is left of it.
    pub async fn run(&self, assignment: Assignment) -> Record {
        let worker = self.start().await;
        let attempt = assignment.attempt.clone();
        self.api.offer(assignment);
        let record = self.finished(&attempt).await;
        worker.end().await;
        record
    }

    pub async fn finished(&self, attempt: &str) -> Record {
        let what = format!("{attempt} is finished");
        self.api
            .until(&what, |state| {
                state
                    .records
                    .get(attempt)
                    .filter(|record| record.finish.is_some())
                    .cloned()
            })
            .await
    }

    /// Waits until the attempt has written `text`.
    pub async fn heard(&self, attempt: &str, text: &str) {
        let what = format!("{attempt} writes {text}");
        self.api
            .until(&what, |state| {
                state
                    .records
                    .get(attempt)?
                    .output()
                    .contains(text)
                    .then_some(())
            })
            .await;
    }

    /// The content of `path` after the attempt's diff is applied to its commit.
    pub fn applied(&self, record: &Record, path: &str) -> Option<String> {
        let clone = tempfile::tempdir().unwrap();
        let repository = self.repository().display().to_string();
        git(clone.path(), &["clone", "-q", &repository, "."]);
        git(clone.path(), &["checkout", "-q", &self.commit]);
        std::fs::write(clone.path().join(".git/patch"), &record.uploads["diff"]).unwrap();
        if !record.uploads["diff"].is_empty() {
            git(clone.path(), &["apply", "--binary", ".git/patch"]);
        }
        std::fs::read_to_string(clone.path().join(path)).ok()
    }
}

impl RunningWorker {
    /// Ends the worker in order; then nothing may be left.
    pub async fn end(self) {
        self.shutdown.cancel();
        self.handle.join().await.unwrap();
        assert_empty(&self.data);
    }

    /// The sandbox of the attempt's first claim.
    pub async fn namespace(&self, attempt: &str) -> PidNamespace {
        namespace(&self.data, attempt).await
    }

    /// Lets an agent go on that waits by [`WAIT`].
    pub async fn go(&self, attempt: &str) {
        let namespace = self.namespace(attempt).await;
        let is_bash = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "bash\n")
        };
        for pid in namespace.processes().into_iter().filter(is_bash) {
            let told = Command::new("kill")
                .args(["-USR1", &pid.to_string()])
                .status();
            assert!(told.unwrap().success());
        }
    }

    pub fn directory(&self, attempt: &str) -> PathBuf {
        self.data.join("attempts").join(attempt).join("1")
    }
}

impl Record {
    /// Everything that was written by setup and agent, in order.
    pub fn output(&self) -> String {
        let text = |body: &EventBody| match body {
            EventBody::Output { stream: _, text } => Some(text.clone()),
            _ => None,
        };
        self.events
            .iter()
            .filter_map(|event| text(&event.body))
            .collect()
    }

    pub fn warnings(&self) -> Vec<String> {
        let text = |body: &EventBody| match body {
            EventBody::Warning { message } => Some(message.clone()),
            _ => None,
        };
        self.events
            .iter()
            .filter_map(|event| text(&event.body))
            .collect()
    }

    /// `ok`, `cancelled` or the failure's code.
    pub fn outcome(&self) -> String {
        use outwork_api::worker::Outcome;
        match &self.finish.as_ref().expect("it is finished").outcome {
            Outcome::Succeeded {} => "ok".to_owned(),
            Outcome::Cancelled {} => "cancelled".to_owned(),
            Outcome::AwaitingInput { question } => format!("asks: {question}"),
            Outcome::Failed { failure } => failure.code.clone(),
        }
    }

    pub fn failure(&self) -> outwork_api::task::Failure {
        match &self.finish.as_ref().expect("it is finished").outcome {
            outwork_api::worker::Outcome::Failed { failure } => failure.clone(),
            other => panic!("it did not fail: {other:?}"),
        }
    }

    pub fn diff(&self) -> String {
        String::from_utf8_lossy(&self.uploads["diff"]).into_owned()
    }
}

pub fn attempt(number: u32) -> String {
    format!("att_{number:032x}")
}

pub async fn namespace(data: &Path, attempt: &str) -> PidNamespace {
    let note = data.join("attempts").join(attempt).join("1/pid_namespace");
    let number = until("a sandbox is noted", || {
        std::fs::read_to_string(&note).ok()?.trim().parse().ok()
    })
    .await;
    PidNamespace(number)
}

/// Looks again and again, and says at the end what for.
pub async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up_at = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up_at, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn assert_empty(data: &Path) {
    for part in ["attempts", "run"] {
        let left: Vec<_> = std::fs::read_dir(data.join(part))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        // Directories of slots stay; their sockets do not.
        let left: Vec<_> = left
            .into_iter()
            .filter(|path| std::fs::read_dir(path).unwrap().next().is_some())
            .collect();
        assert!(left.is_empty(), "left: {left:?}");
    }
}

pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@localhost"])
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
