//! A fresh database with one workspace and one environment, and short ways to put things into it.

use std::future::Future;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outwork_domain::environment::{AgentSpec, Environment, EnvironmentSpec};
use outwork_domain::evidence::{
    Evidence, TestCounts, Verification, VerificationState, WithOriginalTests,
};
use outwork_domain::labels::Labels;
use outwork_domain::limits::AttemptLimits;
use outwork_domain::network::AgentNetwork;
use outwork_domain::principal::PrincipalKind;
use outwork_domain::resources::Resources;
use outwork_domain::task::{Base, Task, Turn};
use outwork_domain::{
    Attempt, AttemptId, Desired, EnvironmentId, Epoch, ObjectKey, PrincipalId, Priority, TaskId,
    Timestamp, TokenId, TurnId, WorkerId, WorkspaceId,
};
use outwork_store::{
    AttemptResult, Bootstrap, Claimed, DiffStat, Idempotency, NewEventRow, NewToken, Store,
    StoredDiff, Submission, TaskRecord, Tokens,
};
use uuid::Uuid;

use crate::invariants;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Where the database is, to open it again.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Place {
    pub(crate) async fn open(&self) -> Store {
        match self {
            Self::Sqlite(path) => Store::open_sqlite(path).await,
            Self::Postgres(url) => Store::open_postgres(url).await,
        }
        .expect("the database opens")
    }
}

#[derive(Clone)]
pub(crate) struct Bed {
    pub(crate) store: Store,
    pub(crate) place: Place,
    pub(crate) workspace: WorkspaceId,
    pub(crate) principal: PrincipalId,
    pub(crate) environment: Environment,
    pub(crate) ids: Arc<AtomicU64>,
}

/// Runs one test on one engine, then looks at what it left.
pub(crate) fn run<F: Future<Output = ()>>(engine: Engine, test: impl FnOnce(Bed) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let place = match engine {
        Engine::Sqlite => Place::Sqlite(dir.path().join("outwork.db")),
        Engine::Postgres => Place::Postgres(outwork_test_postgres::shared().new_database()),
    };
    runtime.block_on(async {
        let bed = Bed::new(place).await;
        let again = bed.place.clone();
        let (workspace, store) = (bed.workspace, bed.store.clone());
        test(bed).await;
        store.close().await;
        let store = again.open().await;
        invariants::check(&store, workspace).await;
        store.close().await;
    });
}

/// The time `ms` after the tests' beginning.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

pub(crate) fn limits() -> AttemptLimits {
    AttemptLimits {
        lease: Duration::from_secs(30),
        tries: 3,
        ..AttemptLimits::default()
    }
}

impl Bed {
    pub(crate) async fn new(place: Place) -> Self {
        let store = place.open().await;
        let ids = Arc::new(AtomicU64::new(1));
        let (workspace, principal) = bootstrap(&store, &ids).await;
        let environment = environment(workspace, principal, next(&ids), "main");
        store
            .insert_environment(&environment, Vec::new())
            .await
            .expect("the label is free");
        Self {
            store,
            place,
            workspace,
            principal,
            environment,
            ids,
        }
    }

    /// In another process, on the database that [`Bed::new`] made; ids from `first_id`.
    pub(crate) async fn reopen(place: Place, first_id: u64) -> Self {
        let made = Arc::new(AtomicU64::new(1));
        let workspace = WorkspaceId::from_uuid(next(&made));
        let principal = PrincipalId::from_uuid(next(&made));
        next(&made);
        Self {
            store: place.open().await,
            place,
            workspace,
            principal,
            environment: environment(workspace, principal, next(&made), "main"),
            ids: Arc::new(AtomicU64::new(first_id)),
        }
    }

    pub(crate) fn uuid(&self) -> Uuid {
        next(&self.ids)
    }

    pub(crate) fn worker(&self) -> WorkerId {
        WorkerId::from_uuid(self.uuid())
    }

    pub(crate) fn new_environment(&self, label: &str) -> Environment {
        environment(self.workspace, self.principal, self.uuid(), label)
    }

    /// A task with `attempts` attempts, submitted at `now`.
    pub(crate) fn submission(&self, attempts: u32, now: Timestamp) -> Submission {
        let task = Task {
            id: TaskId::from_uuid(self.uuid()),
            workspace_id: self.workspace,
            created_by: self.principal,
            environment_id: self.environment.id,
            title: "fix it".into(),
            base: Base {
                branch: Some("main".into()),
                commit: "0123abcd".into(),
                starting_diff: None,
                starting_session: None,
                further: Vec::new(),
            },
            kind: Default::default(),
            interactive: true,
            priority: Priority::Normal,
            created_at: now,
            updated_at: now,
        };
        let turn = self.turn(task.id, 1, now);
        Submission {
            attempts: self.attempts(&turn, attempts, now),
            task,
            turn,
            repository: "repository".into(),
            paths: Vec::new(),
        }
    }

    pub(crate) fn turn(&self, task_id: TaskId, number: u32, now: Timestamp) -> Turn {
        Turn {
            id: TurnId::from_uuid(self.uuid()),
            task_id,
            number: NonZeroU32::new(number).expect("from 1"),
            created_by: self.principal,
            prompt: "fix it\nplease: ü 🦀 \\ \" '".into(),
            output_schema: Some(r#"{"type":"object"}"#.into()),
            continues: None,
            composition: None,
            created_at: now,
            chosen: None,
        }
    }

    pub(crate) fn attempts(&self, turn: &Turn, number: u32, now: Timestamp) -> Vec<Attempt> {
        (1..=number)
            .map(|number| Attempt {
                id: AttemptId::from_uuid(self.uuid()),
                workspace_id: self.workspace,
                task_id: turn.task_id,
                turn_id: turn.id,
                number: NonZeroU32::new(number).expect("from 1"),
                agent: None,
                created_at: now,
                limits: limits(),
                epoch: Epoch::ZERO,
                tries: 0,
                desired: Desired::Run,
                state: Attempt::queued(now, &limits()),
            })
            .collect()
    }

    pub(crate) async fn submit(&self, attempts: u32, now: Timestamp) -> Submission {
        let submission = self.submission(attempts, now);
        self.store
            .submit(submission.clone(), None)
            .await
            .expect("it is taken");
        submission
    }

    /// Submits a task with one attempt, and a worker takes it.
    pub(crate) async fn held(&self, now: Timestamp) -> Claimed {
        self.submit(1, now).await;
        self.claim(self.worker(), now).await
    }

    /// The worker takes the attempt that waits longest.
    pub(crate) async fn claim(&self, worker: WorkerId, now: Timestamp) -> Claimed {
        self.claim_many(worker, 1, now)
            .await
            .pop()
            .expect("an attempt waits")
    }

    pub(crate) async fn claim_many(
        &self,
        worker: WorkerId,
        max: u32,
        now: Timestamp,
    ) -> Vec<Claimed> {
        self.store
            .claim(self.workspace, worker, &agents(), max, now)
            .await
            .expect("claiming works")
    }

    pub(crate) async fn state(&self, attempt: AttemptId) -> Attempt {
        self.store
            .attempt(self.workspace, attempt)
            .await
            .expect("reading works")
            .expect("it exists")
            .attempt
    }

    pub(crate) async fn record(&self, task: TaskId) -> TaskRecord {
        self.store
            .task(self.workspace, task)
            .await
            .expect("reading works")
            .expect("it exists")
    }

    /// The bodies of the log.
    pub(crate) async fn log(&self, attempt: AttemptId) -> Vec<String> {
        self.store
            .events(self.workspace, attempt, 0, u32::MAX)
            .await
            .expect("reading works")
            .into_iter()
            .map(|event| event.json)
            .collect()
    }

    pub(crate) fn idempotency(&self, key: &str, request: u8) -> Idempotency {
        Idempotency {
            principal_id: self.principal,
            route: "POST /tasks".into(),
            key: key.into(),
            fingerprint: [request; 32],
            expires_at: at(1_000),
        }
    }

    /// A workspace beside the first.
    pub(crate) async fn other_workspace(&self) -> Self {
        let workspace_id = WorkspaceId::from_uuid(self.uuid());
        self.store
            .add_workspace(workspace_id, "other", at(1))
            .await
            .expect("it is new");
        let principal = PrincipalId::from_uuid(self.uuid());
        let token = token(workspace_id, principal, self.uuid(), [9; 32]);
        self.store
            .add_token(token, at(0))
            .await
            .expect("the workspace exists");
        let environment = environment(workspace_id, principal, self.uuid(), "main");
        self.store
            .insert_environment(&environment, Vec::new())
            .await
            .expect("the label is free there");
        Self {
            workspace: workspace_id,
            principal,
            environment,
            ..self.clone()
        }
    }
}

pub(crate) fn agents() -> Vec<String> {
    vec!["command".into(), "codex".into()]
}

pub(crate) fn events(from: i64, number: i64) -> Vec<NewEventRow> {
    (from..from + number)
        .map(|n| NewEventRow {
            at: at(n),
            kind: "message".into(),
            json: format!(r#"{{"type":"message","text":"number {n}"}}"#),
        })
        .collect()
}

/// All that can be known of an attempt.
pub(crate) fn evidence() -> Evidence {
    Evidence {
        verification: Some(Verification {
            state: VerificationState::Failed,
            command: "make 'test' ü".into(),
            exit_code: Some(0),
            duration: Duration::from_millis(1_234),
            tests: Some(TestCounts {
                runner: "pytest".into(),
                passed: 3,
                failed: 1,
                skipped: 2,
            }),
            tail: "1 failed\n\u{1b}[0m \"ü\"".into(),
            with_original_tests: Some(WithOriginalTests {
                state: VerificationState::TimedOut,
                exit_code: None,
                changed: vec!["tests/a ü.py".into()],
            }),
        }),
        agent_time: Some(Duration::from_millis(99)),
        paths: vec!["src/a.py".into(), "tests/a ü.py".into()],
        changed_tests: vec!["tests/a ü.py".into()],
    }
}

pub(crate) fn result(claimed: &Attempt) -> AttemptResult {
    AttemptResult {
        epoch: claimed.epoch,
        diff: Some(StoredDiff {
            key: ObjectKey::diff(claimed.id, claimed.epoch),
            stat: DiffStat {
                files_changed: 1,
                lines_added: 2,
                lines_removed: 3,
            },
            size_bytes: 99,
        }),
        further_diffs: Vec::new(),
        session: Some(ObjectKey::session(claimed.id, claimed.epoch)),
        message: Some("done".into()),
        tokens: Some(Tokens {
            input: 10,
            cached_input: 4,
            output: 5,
            reasoning: 1,
            uncounted_calls: 0,
        }),
        evidence: evidence(),
    }
}

pub(crate) fn token(
    workspace_id: WorkspaceId,
    principal_id: PrincipalId,
    id: Uuid,
    hash: [u8; 32],
) -> NewToken {
    NewToken {
        token_id: TokenId::from_uuid(id),
        principal_id,
        workspace_id,
        kind: PrincipalKind::User,
        name: "ada".into(),
        hash,
        expires_at: None,
    }
}

fn next(ids: &AtomicU64) -> Uuid {
    Uuid::from_u128(u128::from(ids.fetch_add(1, Ordering::Relaxed)))
}

async fn bootstrap(store: &Store, ids: &AtomicU64) -> (WorkspaceId, PrincipalId) {
    let workspace_id = WorkspaceId::from_uuid(next(ids));
    let principal = PrincipalId::from_uuid(next(ids));
    let first = Bootstrap {
        workspace_id,
        workspace_name: "first".into(),
        tokens: vec![token(workspace_id, principal, next(ids), [1; 32])],
    };
    let made = store.bootstrap(first, at(0)).await.expect("it is empty");
    assert_eq!(made, workspace_id);
    (workspace_id, principal)
}

fn environment(
    workspace_id: WorkspaceId,
    created_by: PrincipalId,
    id: Uuid,
    label: &str,
) -> Environment {
    Environment {
        id: EnvironmentId::from_uuid(id),
        workspace_id,
        created_by,
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
        spec: EnvironmentSpec {
            label: label.into(),
            repository_url: "/srv/repository".into(),
            branch: None,
            agent: AgentSpec::Command("cat > out".into()),
            further_repositories: Vec::new(),
            base_image: None,
            runtimes: Vec::new(),
            maintenance_script: None,
            verify_command: None,
            verify_timeout: Duration::from_secs(600),
            setup_timeout: Duration::from_secs(1200),
            setup_script: Some("echo 'set up'".into()),
            variables: vec![("A".into(), "1".into()), ("B".into(), "zwei \"2\"".into())],
            timeout: Duration::from_secs(60),
            network: AgentNetwork::Off,
            resources: Resources::default(),
            nested_namespaces: false,
            max_tokens: None,
            required_labels: Labels::new(),
            max_concurrent: None,
            approvals: 0,
        },
    }
}
