//! How much the store takes: acknowledged submits with 64 callers, event rows in appends of 100,
//! and whole lives of attempts (submit, claim, finish) with 64 callers.
//!
//! `cargo run -p outwork-store --example throughput -- [DIRECTORY | postgres://…]`, without an
//! argument in a temporary directory. Figures mean something only from a release build. `… webhook`: where somebody is to be told
//! what happens; without, nothing of that is asked or written.
//!
//! `… -- backlog sqlite|postgres [QUEUED] [LANES] [HELD]`: the rate of whole lives on an empty
//! database beside one with that backlog, in turns, and the ratio. PostgreSQL is a throw-away
//! cluster on this machine.

#![allow(clippy::print_stdout, reason = "its result is what it prints")]

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use outwork_domain::attempt::Outcome;
use outwork_domain::environment::{AgentSpec, Environment, EnvironmentSpec};
use outwork_domain::labels::Labels;
use outwork_domain::limits::AttemptLimits;
use outwork_domain::network::AgentNetwork;
use outwork_domain::principal::PrincipalKind;
use outwork_domain::resources::Resources;
use outwork_domain::task::{Base, Task, Turn};
use outwork_domain::webhook::{self, Webhook};
use outwork_domain::{
    Attempt, AttemptId, Desired, EnvironmentId, Epoch, PrincipalId, Priority, TaskId, Timestamp,
    TokenId, TurnId, WebhookId, WorkerId, WorkspaceId,
};
use outwork_store::{
    AttemptResult, Bootstrap, NewEventRow, NewToken, Store, StoreError, Submission, WebhookRecord,
};
use sqlx::{Connection, Executor};
use tokio::task::JoinSet;
use uuid::Uuid;

const CALLERS: u64 = 64;
const LAST: Duration = Duration::from_secs(3);
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

#[derive(Clone)]
struct Bench {
    store: Store,
    workspace: WorkspaceId,
    principal: PrincipalId,
    environment: EnvironmentId,
    ids: Arc<AtomicU64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    if std::env::args().nth(1).as_deref() == Some("backlog") {
        return backlog(dir.path()).await;
    }
    let is_heard = std::env::args().next_back().as_deref() == Some("webhook");
    let place = std::env::args().nth(1).filter(|place| place != "webhook");
    let store = match place {
        Some(url) if url.starts_with("postgres:") => Store::open_postgres(&url).await?,
        Some(dir) => Store::open_sqlite(&Path::new(&dir).join("throughput.db")).await?,
        None => Store::open_sqlite(&dir.path().join("throughput.db")).await?,
    };
    let bench = Bench::new(store).await?;
    if is_heard {
        bench.listen().await?;
    }
    let submits = measure(&bench, Bench::submit_one).await;
    println!("submit, {CALLERS} callers: {submits:.0}/s acknowledged");
    let lives = measure(&bench, Bench::life).await;
    println!("submit + claim + finish, {CALLERS} callers: {lives:.0}/s");
    let events = measure_events(&bench).await;
    println!("events, 8 callers, 100 an append: {events:.0} rows/s");
    bench.store.close().await;
    Ok(())
}

/// Rounds of the comparison.
const ROUNDS: usize = 5;

async fn backlog(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let argument = |number| std::env::args().nth(number);
    let count = |number, default: u64| argument(number).map_or(Ok(default), |it| it.parse());
    let (queued, lanes, held) = (count(3, 1_000_000)?, count(4, 1)?, count(5, 0)?);
    let engine = argument(2).unwrap_or_else(|| "sqlite".to_owned());
    let mut benches = Vec::new();
    for name in ["empty.db", "full.db"] {
        let place = match engine.as_str() {
            "postgres" => outwork_test_postgres::shared().new_database(),
            _ => dir.join(name).display().to_string(),
        };
        let store = match engine.as_str() {
            "postgres" => Store::open_postgres(&place).await?,
            _ => Store::open_sqlite(Path::new(&place)).await?,
        };
        let bench = Bench::new(store).await?;
        bench.clone().submit_one().await;
        if name == "full.db" {
            fill(&place, queued, lanes, held).await?;
        }
        benches.push(bench);
    }
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (bench, rates) in benches.iter().zip(&mut rates) {
            let rate = measure(bench, Bench::life).await;
            // The first round fills caches.
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let [empty, full] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[ROUNDS / 2]
    });
    println!(
        "{engine}: submit + claim + finish, {CALLERS} callers: {empty:.0}/s empty, {full:.0}/s \
         with {queued} queued in {lanes} lanes and {held} held; ratio {:.2}",
        full / empty
    );
    Ok(())
}

/// Copies the one attempt that waits, past the store.
async fn fill(
    place: &str,
    queued: u64,
    lanes: u64,
    held: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let is_postgres = place.starts_with("postgres:");
    let numbers = |from: u64, to: u64| match is_postgres {
        true => format!("(SELECT generate_series({from}::bigint, {to}::bigint) AS n) s"),
        false => format!(
            "(WITH RECURSIVE s (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM s WHERE n < {to}) \
             SELECT n FROM s) s"
        ),
    };
    let id = |prefix: &str| match is_postgres {
        true => format!("'{prefix}_' || lpad(to_hex(s.n), 32, '0')"),
        false => format!("printf('{prefix}_%032x', s.n)"),
    };
    const FIRST: u64 = 1 << 24;
    let mut statements = vec![
        format!(
            "INSERT INTO principals (id, workspace_id, kind, name, created_at) \
             SELECT {}, p.workspace_id, p.kind, p.name, p.created_at FROM principals p, {}",
            id("prn"),
            numbers(FIRST, FIRST + lanes - 1)
        ),
        format!(
            "INSERT INTO lanes (workspace_id, environment_id, principal_id, priority) \
             SELECT l.workspace_id, l.environment_id, {}, 1 FROM lanes l, {}",
            id("prn"),
            numbers(FIRST, FIRST + lanes - 1)
        ),
    ];
    let copy = |state: &str, from: u64, to: u64| {
        let (epoch, held) = match state {
            "held" => ("1", ["'running'", "'wkr_0'", "1", "a.deadline_at", "NULL"]),
            _ => ("0", ["NULL", "NULL", "NULL", "NULL", "a.visible_at"]),
        };
        let [step, worker, lease, until, visible] = held;
        format!(
            "INSERT INTO attempts (id, workspace_id, task_id, turn_id, number, created_at, limits, \
             epoch, tries, desired, state, step, lease_worker_id, lease_epoch, lease_until, \
             visible_at, deadline_at, due_at, worker_id, last_seq, acked_worker_seq, lane) \
             SELECT {}, a.workspace_id, a.task_id, a.turn_id, s.n, a.created_at, a.limits, {epoch}, \
             0, a.desired, '{state}', {step}, {worker}, {lease}, {until}, {visible}, \
             a.deadline_at, a.due_at, {worker}, 1, 0, 2 + s.n % {lanes} \
             FROM (SELECT * FROM attempts LIMIT 1) a, {}",
            id("att"),
            numbers(from, to)
        )
    };
    if held > 0 {
        statements.push(copy("held", FIRST + queued, FIRST + queued + held - 1));
    }
    statements.push(copy("queued", FIRST, FIRST + queued - 1));
    statements.push("ANALYZE".to_owned());
    for statement in statements {
        let statement = sqlx::AssertSqlSafe(statement);
        match is_postgres {
            true => {
                let mut conn = sqlx::PgConnection::connect(place).await?;
                conn.execute(statement).await?;
            }
            false => {
                let mut conn = sqlx::SqliteConnection::connect(place).await?;
                conn.execute(statement).await?;
            }
        }
    }
    Ok(())
}

/// Runs `once` again and again in all callers; how often, per second.
async fn measure<F>(bench: &Bench, once: impl Fn(Bench) -> F + Copy + Send + 'static) -> f64
where
    F: Future<Output = ()> + Send,
{
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let bench = bench.clone();
        callers.spawn(async move {
            let mut done = 0;
            while begin.elapsed() < LAST {
                once(bench.clone()).await;
                done += 1;
            }
            done
        });
    }
    per_second(callers.join_all().await.into_iter().sum(), begin)
}

async fn measure_events(bench: &Bench) -> f64 {
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let bench = bench.clone();
        callers.spawn(async move {
            let held = bench.claim().await.expect("the submits left some");
            let mut rows = 0;
            while begin.elapsed() < LAST {
                let events = vec![event(); 100];
                let first = i64::try_from(rows + 1).expect("small");
                bench
                    .store
                    .append(bench.workspace, held.id, held.epoch, first, events, NOW)
                    .await
                    .expect("held");
                rows += 100;
            }
            rows
        });
    }
    per_second(callers.join_all().await.into_iter().sum(), begin)
}

fn per_second(number: u64, begin: Instant) -> f64 {
    f64::from(u32::try_from(number).expect("small")) / begin.elapsed().as_secs_f64()
}

fn event() -> NewEventRow {
    NewEventRow {
        at: NOW,
        kind: "output".into(),
        json: format!(r#"{{"type":"output","text":"{}"}}"#, "x".repeat(150)),
    }
}

impl Bench {
    /// Somebody is to be told everything.
    async fn listen(&self) -> Result<(), StoreError> {
        let webhook = Webhook {
            id: WebhookId::from_uuid(Uuid::from_u128(5)),
            workspace_id: self.workspace,
            url: "https://example.com/".into(),
            kinds: None,
            created_by: self.principal,
            created_at: NOW,
            updated_at: NOW,
            state: webhook::State::default(),
        };
        let record = WebhookRecord {
            webhook,
            sealed: vec![1],
            before: None,
        };
        self.store.add_webhook(record).await
    }

    async fn new(store: Store) -> Result<Self, Box<dyn std::error::Error>> {
        let id = |number| Uuid::from_u128(number);
        let workspace = WorkspaceId::from_uuid(id(1));
        let principal = PrincipalId::from_uuid(id(2));
        let environment = EnvironmentId::from_uuid(id(3));
        let token = NewToken {
            token_id: TokenId::from_uuid(id(4)),
            principal_id: principal,
            workspace_id: workspace,
            kind: PrincipalKind::User,
            name: "bench".into(),
            hash: [0; 32],
            expires_at: None,
        };
        let first = Bootstrap {
            workspace_id: workspace,
            workspace_name: "bench".into(),
            tokens: vec![token],
        };
        store.bootstrap(first, NOW).await?;
        let spec = EnvironmentSpec {
            label: "bench".into(),
            repository_url: "/srv/repository".into(),
            branch: None,
            agent: AgentSpec::Codex,
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
            required_labels: Labels::new(),
            max_concurrent: None,
            approvals: 0,
        };
        let made = Environment {
            id: environment,
            workspace_id: workspace,
            created_by: principal,
            revision: 1,
            created_at: NOW,
            updated_at: NOW,
            spec,
        };
        store.insert_environment(&made, Vec::new()).await?;
        Ok(Self {
            store,
            workspace,
            principal,
            environment,
            ids: Arc::new(AtomicU64::new(100)),
        })
    }

    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.ids.fetch_add(1, Ordering::Relaxed)))
    }

    async fn submit_one(self) {
        let (task_id, turn_id) = (
            TaskId::from_uuid(self.uuid()),
            TurnId::from_uuid(self.uuid()),
        );
        let task = Task {
            id: task_id,
            workspace_id: self.workspace,
            created_by: self.principal,
            environment_id: self.environment,
            title: "bench".into(),
            base: Base {
                branch: None,
                commit: "0".repeat(40),
                starting_diff: None,
                starting_session: None,
                further: Vec::new(),
            },
            kind: Default::default(),
            interactive: true,
            priority: Priority::Normal,
            created_at: NOW,
            updated_at: NOW,
        };
        let turn = Turn {
            id: turn_id,
            task_id,
            number: NonZeroU32::MIN,
            created_by: self.principal,
            prompt: "x".repeat(512),
            output_schema: None,
            continues: None,
            composition: None,
            created_at: NOW,
            chosen: None,
        };
        let limits = AttemptLimits::default();
        let attempt = Attempt {
            id: AttemptId::from_uuid(self.uuid()),
            workspace_id: self.workspace,
            task_id,
            turn_id,
            number: NonZeroU32::MIN,
            agent: None,
            created_at: NOW,
            limits,
            epoch: Epoch::ZERO,
            tries: 0,
            desired: Desired::Run,
            state: Attempt::queued(NOW, &limits),
        };
        let submission = Submission {
            task,
            turn,
            attempts: vec![attempt],
            repository: "repository".into(),
            paths: Vec::new(),
        };
        self.store
            .submit(submission, None)
            .await
            .expect("it is in order");
    }

    async fn claim(&self) -> Option<Attempt> {
        let worker = WorkerId::from_uuid(self.uuid());
        let claimed = self
            .store
            .claim(self.workspace, worker, &["codex".into()], 1, NOW)
            .await
            .expect("claiming works");
        Some(claimed.into_iter().next()?.attempt)
    }

    async fn life(self) {
        self.clone().submit_one().await;
        let Some(held) = self.claim().await else {
            return;
        };
        let result = AttemptResult {
            epoch: held.epoch,
            diff: None,
            further_diffs: Vec::new(),
            session: None,
            message: None,
            tokens: None,
            evidence: Default::default(),
        };
        self.store
            .finish(
                self.workspace,
                held.id,
                held.epoch,
                Outcome::Succeeded,
                result,
                0,
                NOW,
            )
            .await
            .expect("held");
    }
}
