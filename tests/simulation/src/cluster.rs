//! The control plane: one database, and the servers in front of it. All of it is what ships; only nothing moves by itself.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outwork_api::worker::WorkerApi;
use outwork_domain::environment::{AgentSpec, Environment, EnvironmentSpec};
use outwork_domain::limits::AttemptLimits;
use outwork_domain::network::AgentNetwork;
use outwork_domain::principal::{Principal, PrincipalKind, Role};
use outwork_domain::resources::Resources;
use outwork_domain::task::{Base, Task, Turn};
use outwork_domain::{
    Attempt, AttemptId, Desired, EnvironmentId, Epoch, PrincipalId, Priority, TaskId, Timestamp,
    TokenId, TurnId, WorkspaceId,
};
use outwork_git::Git;
use outwork_server::{
    Clock, GitGatewayConfig, OtherKey, Random, Server, ServerConfig, WebhookConfig,
};
use outwork_store::{Bootstrap, Change, NewToken, Objects, Store, Submission};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::dice::Dice;
use crate::time::{ServerClock, TrueTime};

const WORKSPACE: WorkspaceId = WorkspaceId::from_uuid(Uuid::from_u128(1));
const PERSON: PrincipalId = PrincipalId::from_uuid(Uuid::from_u128(2));
const WORKERS: PrincipalId = PrincipalId::from_uuid(Uuid::from_u128(3));
const ENVIRONMENT: EnvironmentId = EnvironmentId::from_uuid(Uuid::from_u128(4));

/// The agent of all tasks.
pub const AGENT: &str = "command";
/// What the only repository is called.
pub const REPOSITORY: &str = "repository";

/// A database with its schema, a workspace and an environment, to be copied: making one takes longer than a whole seed.
#[derive(Debug)]
pub struct Template {
    directory: tempfile::TempDir,
}

impl Template {
    /// Makes it, in memory where there is such a file system.
    pub async fn make() -> Self {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let directory = directory.expect("a temporary directory can be made");
        let store = Store::open_sqlite(&directory.path().join("template.db")).await;
        let store = store.expect("a database can be made");
        let clock = ServerClock {
            time: TrueTime::default(),
            ahead_ms: 0,
        };
        let now = clock.now();
        let token = NewToken {
            token_id: TokenId::from_uuid(Uuid::from_u128(5)),
            principal_id: PERSON,
            workspace_id: WORKSPACE,
            kind: PrincipalKind::User,
            name: "person".to_owned(),
            hash: [0; 32],
            expires_at: None,
        };
        let first = Bootstrap {
            workspace_id: WORKSPACE,
            workspace_name: "simulation".to_owned(),
            tokens: vec![token],
        };
        store.bootstrap(first, now).await.expect("a workspace");
        let environment = environment(now);
        let made = store.insert_environment(&environment, Vec::new()).await;
        made.expect("an environment");
        store.close().await;
        Self { directory }
    }

    /// An empty directory with a copy of the database in it.
    fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir_in(self.directory.path()).expect("a directory for a seed");
        for suffix in ["", "-wal"] {
            let from = self.directory.path().join(format!("template.db{suffix}"));
            if from.exists() {
                let to = copy.path().join(format!("outwork.db{suffix}"));
                fs::copy(from, to).expect("the database can be copied");
            }
        }
        copy
    }
}

/// The control plane of one seed.
pub struct Cluster {
    /// Rows.
    pub store: Store,
    objects: Objects,
    git: Git,
    limits: AttemptLimits,
    random: Arc<SeededRandom>,
    changes: broadcast::Receiver<Arc<[Change]>>,
    servers: Vec<Slot>,
    directory: tempfile::TempDir,
}

struct Slot {
    clock: ServerClock,
    running: Option<Running>,
}

struct Running {
    server: Server,
    api: Arc<dyn WorkerApi>,
    shutdown: CancellationToken,
}

struct SeededRandom(Mutex<Dice>);

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&dice.number().to_le_bytes()[..part.len()]);
        }
    }
}

impl Cluster {
    /// With as many servers as there are numbers, none of them started.
    pub async fn open(
        template: &Template,
        time: TrueTime,
        limits: AttemptLimits,
        ahead_ms: &[u64],
        dice: Dice,
    ) -> Self {
        let directory = template.copy();
        let store = Store::open_sqlite(&directory.path().join("outwork.db")).await;
        let store = store.expect("the copy opens");
        let objects = Objects::open_directory(&directory.path().join("objects"));
        let private = directory.path().join("git");
        let slot = |ahead_ms: &u64| Slot {
            clock: ServerClock {
                time: time.clone(),
                ahead_ms: *ahead_ms,
            },
            running: None,
        };
        Self {
            changes: store.changes(),
            store,
            objects: objects.expect("a directory for objects"),
            // No verb of the worker protocol starts it.
            git: Git::isolated("git", "/nonexistent".as_ref(), &private).expect("a directory"),
            servers: ahead_ms.iter().map(slot).collect(),
            limits,
            random: Arc::new(SeededRandom(Mutex::new(dice))),
            directory,
        }
    }

    /// Where the workers may keep their files.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().join("workers")
    }

    /// The database itself, for planted bugs.
    pub fn database(&self) -> PathBuf {
        self.directory.path().join("outwork.db")
    }

    /// Starts that server, if it is not running.
    pub async fn start(&mut self, index: usize) {
        let slot = &mut self.servers[index];
        if slot.running.is_some() {
            return;
        }
        let shutdown = CancellationToken::new();
        let config = ServerConfig {
            store: self.store.clone(),
            objects: self.objects.clone(),
            public_url: "http://outwork.example".to_owned(),
            clock: Arc::new(slot.clock.clone()),
            random: Arc::clone(&self.random) as Arc<dyn Random>,
            secret_key: [7; 32],
            other_key: OtherKey::Refuse,
            git: self.git.clone(),
            resolve_limit: ServerConfig::RESOLVE_LIMIT,
            git_gateway: GitGatewayConfig::default(),
            webhooks: WebhookConfig::default(),
            limits: self.limits,
            attempts_per_turn: ServerConfig::ATTEMPTS_PER_TURN,
            model: None,
            free_space: Arc::new(|| None),
            reserve_bytes: ServerConfig::RESERVE_BYTES,
            version: "simulated".to_owned(),
            shutdown: shutdown.clone(),
        };
        let server = Server::start_stepped(config).await;
        let server = server.expect("a server starts on its own database");
        let principal = Principal {
            id: WORKERS,
            workspace_id: WORKSPACE,
            kind: PrincipalKind::Worker,
            name: "workers".to_owned(),
            role: Role::Viewer,
            worker_id: None,
        };
        let api = server.worker_api(&principal.worker().expect("it is a worker"));
        slot.running = Some(Running {
            server,
            api,
            shutdown,
        });
    }

    /// Kills that server. What it was told and has not answered is lost.
    pub fn kill(&mut self, index: usize) {
        if let Some(running) = self.servers[index].running.take() {
            running.shutdown.cancel();
        }
    }

    /// How many servers there are, running or not.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// Whether that server runs.
    pub fn is_up(&self, index: usize) -> bool {
        self.servers[index].running.is_some()
    }

    /// The worker protocol of that server, if it runs.
    pub fn api(&self, index: usize) -> Option<Arc<dyn WorkerApi>> {
        let running = self.servers[index].running.as_ref()?;
        Some(Arc::clone(&running.api))
    }

    /// One turn of that server's reconcilers, if it runs.
    pub async fn step(&self, index: usize) {
        if let Some(running) = &self.servers[index].running {
            running.server.step().await.expect("the database works");
        }
    }

    /// What that server's clock shows.
    pub fn now(&self, index: usize) -> Timestamp {
        self.servers[index].clock.now()
    }

    /// A person submits a task.
    pub async fn submit(&self, attempts: u32, dice: &mut Dice) -> (TaskId, Vec<Attempt>) {
        let now = self.now(0);
        let task_id = TaskId::from_uuid(uuid(dice));
        let turn_id = TurnId::from_uuid(uuid(dice));
        let attempt = |number| Attempt {
            id: AttemptId::from_uuid(uuid(dice)),
            workspace_id: WORKSPACE,
            task_id,
            turn_id,
            number: NonZeroU32::new(number).expect("from 1"),
            agent: None,
            created_at: now,
            limits: self.limits,
            epoch: Epoch::ZERO,
            tries: 0,
            desired: Desired::Run,
            state: Attempt::queued(now, &self.limits),
        };
        let attempts: Vec<_> = (1..=attempts).map(attempt).collect();
        let submission = Submission {
            task: task(task_id, now),
            turn: turn(task_id, turn_id, now),
            attempts: attempts.clone(),
            repository: REPOSITORY.to_owned(),
            paths: Vec::new(),
        };
        let submitted = self.store.submit(submission, None).await;
        submitted.expect("the task is in order");
        (task_id, attempts)
    }

    /// What was committed since this was last asked.
    pub fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        loop {
            match self.changes.try_recv() {
                Ok(commit) => changes.extend(commit.iter().copied()),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return changes,
                Err(TryRecvError::Lagged(_)) => panic!("more changed than one verb can change"),
            }
        }
    }

    /// The workspace of everything.
    pub fn workspace(&self) -> WorkspaceId {
        WORKSPACE
    }

    /// What was uploaded under that key.
    pub async fn object(&self, key: &outwork_domain::ObjectKey) -> Option<Vec<u8>> {
        let found = self.objects.get(key).await.expect("objects can be read");
        found.map(|bytes| bytes.to_vec())
    }

    /// Stops everything and forgets it.
    pub async fn close(mut self) {
        for index in 0..self.servers.len() {
            self.kill(index);
        }
        self.store.close().await;
    }
}

fn uuid(dice: &mut Dice) -> Uuid {
    Uuid::from_u128((u128::from(dice.number()) << 64) | u128::from(dice.number()))
}

fn task(id: TaskId, now: Timestamp) -> Task {
    Task {
        id,
        workspace_id: WORKSPACE,
        created_by: PERSON,
        environment_id: ENVIRONMENT,
        title: "simulated".to_owned(),
        base: Base {
            branch: None,
            commit: "0".repeat(40),
            starting_diff: None,
            starting_session: None,
            further: Vec::new(),
        },
        kind: Default::default(),
        interactive: false,
        priority: Priority::Normal,
        created_at: now,
        updated_at: now,
    }
}

fn turn(task_id: TaskId, id: TurnId, now: Timestamp) -> Turn {
    Turn {
        id,
        task_id,
        number: NonZeroU32::MIN,
        created_by: PERSON,
        prompt: "simulated".to_owned(),
        output_schema: None,
        continues: None,
        composition: None,
        created_at: now,
        chosen: None,
    }
}

fn environment(now: Timestamp) -> Environment {
    Environment {
        id: ENVIRONMENT,
        workspace_id: WORKSPACE,
        created_by: PERSON,
        revision: 1,
        created_at: now,
        updated_at: now,
        spec: EnvironmentSpec {
            label: "simulation".to_owned(),
            repository_url: format!("/srv/{REPOSITORY}"),
            branch: None,
            agent: AgentSpec::Command("true".to_owned()),
            further_repositories: Vec::new(),
            base_image: None,
            runtimes: Vec::new(),
            setup_script: None,
            maintenance_script: None,
            verify_command: None,
            verify_timeout: Duration::from_secs(600),
            variables: Vec::new(),
            setup_timeout: Duration::from_secs(60),
            timeout: Duration::from_secs(60),
            network: AgentNetwork::Off,
            resources: Resources::default(),
            nested_namespaces: false,
            max_tokens: None,
            required_labels: Default::default(),
            max_concurrent: None,
            approvals: 0,
        },
    }
}
