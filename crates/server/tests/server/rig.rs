//! A server on a port of its own, and what a person and a worker do with it.

pub mod http;
pub mod log;
pub mod repository;
pub mod sse;
pub mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use outwork_domain::limits::AttemptLimits;
use outwork_domain::principal::PrincipalKind;
use outwork_domain::{PrincipalId, Timestamp, TokenId, WorkspaceId};
use outwork_git::Git;
use outwork_server::{
    Clock, GitGatewayConfig, ModelDefault, OtherKey, Random, Server, ServerConfig, StartError,
    WebhookConfig, new_token, serve,
};
use outwork_store::{Bootstrap, NewToken, Objects, Store};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use http::Client;

/// 2026-11-20T14:53:40Z.
const START_MS: i64 = 1_795_186_420_000;

/// A clock that stands still until it is told to go on.
pub struct ManualClock {
    now_ms: AtomicI64,
    /// How far it goes on once it was looked at.
    then_ms: AtomicI64,
}

impl ManualClock {
    fn go_on(&self, by_ms: i64) {
        self.now_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).expect("a short time")
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let then_ms = self.then_ms.swap(0, Ordering::SeqCst);
        Timestamp::from_millis(self.now_ms.fetch_add(then_ms, Ordering::SeqCst))
    }
}

struct RealRandom;

impl Random for RealRandom {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system gives random bytes");
    }
}

/// What may differ between tests.
pub struct Setting {
    pub limits: AttemptLimits,
    pub model: Option<ModelDefault>,
    pub database: Database,
    pub git_gateway: GitGatewayConfig,
    pub webhooks: WebhookConfig,
}

pub enum Database {
    Sqlite,
    /// Its address.
    Postgres(String),
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            limits: AttemptLimits::default(),
            model: None,
            database: Database::Sqlite,
            git_gateway: GitGatewayConfig::default(),
            webhooks: WebhookConfig::default(),
        }
    }
}

/// A server and two workspaces.
pub struct Rig {
    pub clock: Arc<ManualClock>,
    pub free_bytes: Arc<AtomicU64>,
    pub url: String,
    pub server: Server,
    pub store: Store,
    pub user_token: String,
    pub worker_token: String,
    pub directory: TempDir,
    pub setting: Setting,
    listening: JoinHandle<std::io::Result<()>>,
    shutdown: CancellationToken,
}

impl Rig {
    pub async fn start() -> Self {
        Self::start_with(Setting::default()).await
    }

    pub async fn start_with(setting: Setting) -> Self {
        log::capture();
        let directory = TempDir::new().expect("a temporary directory");
        let clock = Arc::new(ManualClock {
            now_ms: AtomicI64::new(START_MS),
            then_ms: AtomicI64::new(0),
        });
        let (user_token, user) = token(PrincipalKind::User, 1, 1);
        let (worker_token, worker) = token(PrincipalKind::Worker, 1, 2);
        let free_bytes = Arc::new(AtomicU64::new(u64::MAX));
        let (store, url, server, listening, shutdown) = up(
            &setting,
            &directory,
            &clock,
            &free_bytes,
            vec![user, worker],
        )
        .await;
        Self {
            clock,
            free_bytes,
            url,
            server,
            store,
            user_token,
            worker_token,
            directory,
            setting,
            listening,
            shutdown,
        }
    }

    /// Stops the server and starts it again on the same data, on another port.
    pub async fn restart(self, away: Duration) -> Self {
        self.restart_after(millis(away)).await
    }

    /// The same, after somebody has set the clock back.
    pub async fn restart_earlier(self, back: Duration) -> Self {
        self.restart_after(-millis(back)).await
    }

    async fn restart_after(self, away_ms: i64) -> Self {
        let Self {
            clock,
            free_bytes,
            server,
            store,
            user_token,
            worker_token,
            directory,
            setting,
            listening,
            shutdown,
            url: _,
        } = self;
        shutdown.cancel();
        listening
            .await
            .expect("the server does not panic")
            .expect("the server stops in order");
        server.stopped().await;
        store.close().await;
        clock.go_on(away_ms);
        let (store, url, server, listening, shutdown) =
            up(&setting, &directory, &clock, &free_bytes, Vec::new()).await;
        Self {
            clock,
            free_bytes,
            url,
            server,
            store,
            user_token,
            worker_token,
            directory,
            setting,
            listening,
            shutdown,
        }
    }

    /// Stops the server, and waits until all that it started has ended.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.listening
            .await
            .expect("the server does not panic")
            .expect("the server stops in order");
        self.server.stopped().await;
        self.store.close().await;
    }

    /// Starts a second server on the same data with that key, and stops it again.
    pub async fn start_beside(&self, key: u8, other_key: OtherKey) -> Result<(), StartError> {
        let shutdown = CancellationToken::new();
        let free = Arc::clone(&self.free_bytes);
        let config = ServerConfig {
            secret_key: [key; 32],
            other_key,
            ..config(
                &self.setting,
                &self.directory,
                &self.clock,
                &self.store,
                free,
                shutdown.clone(),
            )
        };
        let server = Server::start(config).await?;
        shutdown.cancel();
        server.stopped().await;
        Ok(())
    }

    /// Lets time pass in which the server works, and what is due happen.
    pub async fn pass(&self, time: Duration) {
        // First, so that the server never finds itself to have been away.
        let then = self.clock.now() + time;
        self.store.mark_alive(then).await.expect("the store works");
        self.clock.go_on(millis(time));
        self.server.reconcile();
    }

    /// Lets time pass while the reaper, which is the only one to look at the clock by itself, is at work, and waits until it has noticed.
    pub async fn hesitate(&self, time: Duration) {
        let begun = self.clock.now();
        self.clock.then_ms.store(millis(time), Ordering::SeqCst);
        until(
            async || self.store.last_alive().await.expect("the store works"),
            |alive_at| alive_at.is_some_and(|alive_at| alive_at >= begun + time),
        )
        .await;
    }

    /// Lets time pass in which the server does nothing, and waits until it has noticed.
    pub async fn stand_still(&self, time: Duration) {
        self.clock.go_on(millis(time));
        self.server.reconcile();
        until(
            async || self.store.last_alive().await.expect("the store works"),
            |alive_at| *alive_at == Some(self.clock.now()),
        )
        .await;
    }

    pub fn user(&self) -> Client {
        Client::new(&self.url, Some(&self.user_token))
    }

    pub fn nobody(&self) -> Client {
        Client::new(&self.url, None)
    }

    pub fn worker_client(&self) -> Client {
        Client::new(&self.url, Some(&self.worker_token))
    }

    /// A person or worker of another workspace.
    pub async fn stranger(&self, kind: PrincipalKind) -> Client {
        let (plain, token) = token(kind, 2, 10 + kind as u128);
        self.store
            .add_workspace(token.workspace_id, "second", self.clock.now())
            .await
            .expect("a second workspace");
        self.store
            .add_token(token, self.clock.now())
            .await
            .expect("a token can be added");
        Client::new(&self.url, Some(&plain))
    }

    /// An environment with the `command` agent on that repository.
    pub async fn environment(&self, label: &str, repository: &PathBuf) -> Value {
        let body = json!({"label": label, "repository_url": repository, "agent": {"name": "command", "command": "cat"}});
        self.user()
            .post("/api/v1/environments", &body)
            .await
            .expect(201)
    }

    /// A task on that environment.
    pub async fn task(&self, environment: &str, prompt: &str) -> Value {
        self.user()
            .post(
                "/api/v1/tasks",
                &json!({"environment": environment, "prompt": prompt}),
            )
            .await
            .expect(201)
    }

    pub async fn get(&self, path: &str) -> Value {
        self.user().get(path).await.expect(200)
    }
}

fn token(kind: PrincipalKind, workspace: u128, number: u128) -> (String, NewToken) {
    let mut random = [0; 32];
    RealRandom.fill(&mut random);
    let (plain, hash) = new_token(kind, random);
    let token = NewToken {
        token_id: TokenId::from_uuid(Uuid::from_u128(100 * workspace + number)),
        principal_id: PrincipalId::from_uuid(Uuid::from_u128(100 * workspace + number)),
        workspace_id: WorkspaceId::from_uuid(Uuid::from_u128(workspace)),
        kind,
        name: format!("{}-{workspace}", kind.as_str()),
        hash,
        expires_at: None,
    };
    (plain.reveal().to_owned(), token)
}

type Up = (
    Store,
    String,
    Server,
    JoinHandle<std::io::Result<()>>,
    CancellationToken,
);

async fn up(
    setting: &Setting,
    directory: &TempDir,
    clock: &Arc<ManualClock>,
    free_bytes: &Arc<AtomicU64>,
    tokens: Vec<NewToken>,
) -> Up {
    let store = match &setting.database {
        Database::Sqlite => Store::open_sqlite(&directory.path().join("outwork.db")).await,
        Database::Postgres(url) => Store::open_postgres(url).await,
    };
    let store = store.expect("the store opens");
    let first = Bootstrap {
        workspace_id: WorkspaceId::from_uuid(Uuid::from_u128(1)),
        workspace_name: "first".to_owned(),
        tokens,
    };
    store
        .bootstrap(first, clock.now())
        .await
        .expect("the first workspace");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let shutdown = CancellationToken::new();
    let free = Arc::clone(free_bytes);
    let config = config(setting, directory, clock, &store, free, shutdown.clone());
    let server = Server::start(config).await.expect("the server starts");
    let listening = tokio::spawn(serve(listener, server.router(), shutdown.clone()));
    (store, url, server, listening, shutdown)
}

fn config(
    setting: &Setting,
    directory: &TempDir,
    clock: &Arc<ManualClock>,
    store: &Store,
    free: Arc<AtomicU64>,
    shutdown: CancellationToken,
) -> ServerConfig {
    let path = std::env::var_os("PATH").expect("there is a PATH");
    ServerConfig {
        store: store.clone(),
        objects: Objects::open_directory(&directory.path().join("objects"))
            .expect("a directory for objects"),
        public_url: "https://outwork.example".to_owned(),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        random: Arc::new(RealRandom),
        secret_key: [7; 32],
        other_key: OtherKey::Refuse,
        git: Git::isolated("git", &path, &directory.path().join("git")).expect("a git"),
        resolve_limit: ServerConfig::RESOLVE_LIMIT,
        git_gateway: setting.git_gateway.clone(),
        webhooks: setting.webhooks.clone(),
        limits: setting.limits,
        attempts_per_turn: ServerConfig::ATTEMPTS_PER_TURN,
        model: setting.model.clone(),
        free_space: Arc::new(move || Some(free.load(Ordering::SeqCst))),
        reserve_bytes: ServerConfig::RESERVE_BYTES,
        version: "0.0.0-test".to_owned(),
        shutdown,
    }
}

/// Asks until `done` says so, and fails with the last answer after 20 seconds.
pub async fn until<T: std::fmt::Debug>(
    mut ask: impl AsyncFnMut() -> T,
    done: impl Fn(&T) -> bool,
) -> T {
    let begun = std::time::Instant::now();
    loop {
        let last = ask().await;
        if done(&last) {
            return last;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it never came so far; last: {last:#?}"
        );
        tokio::task::yield_now().await;
    }
}
