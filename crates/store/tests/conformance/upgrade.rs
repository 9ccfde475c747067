//! A database that an older version made.

use std::path::Path;
use std::time::Duration;

use outwork_domain::environment::{AgentSpec, EnvironmentSpec};
use outwork_domain::network::AgentNetwork;
use outwork_domain::resources::Resources;
use outwork_store::{Store, settle_sqlite, sqlite_damage, sqlite_schema};
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::bed::{Engine, Place};
use crate::past_the_store::execute;

const ROWS: [&str; 10] = [
    "INSERT INTO workspaces VALUES ('ws_00000000000000000000000000000001', 'first', 1)",
    "INSERT INTO principals VALUES ('prn_00000000000000000000000000000002', \
     'ws_00000000000000000000000000000001', 'user', 'ada', 1)",
    "INSERT INTO environments (id, workspace_id, created_by, revision, created_at, updated_at, \
     label, label_folded, repository_url, agent, setup_script, variables, timeout_ms) VALUES \
     ('env_00000000000000000000000000000003', 'ws_00000000000000000000000000000001', \
     'prn_00000000000000000000000000000002', 4, 5, 6, 'App', 'app', '/srv/app.git', 'codex', \
     'make', '[[\"A\",\"1\"]]', 7000)",
    "INSERT INTO tasks VALUES ('task_00000000000000000000000000000004', \
     'ws_00000000000000000000000000000001', 'prn_00000000000000000000000000000002', \
     'env_00000000000000000000000000000003', 'title', 'main', 'abc', NULL, 8, 9)",
    "INSERT INTO turns VALUES ('turn_00000000000000000000000000000005', \
     'task_00000000000000000000000000000004', 1, 'prn_00000000000000000000000000000002', 'do', \
     NULL, 8)",
    "INSERT INTO attempts (id, workspace_id, task_id, turn_id, number, created_at, limits, epoch, \
     tries, desired, state, ended_at, worker_id, last_seq, acked_worker_seq) VALUES \
     ('att_00000000000000000000000000000006', 'ws_00000000000000000000000000000001', \
     'task_00000000000000000000000000000004', 'turn_00000000000000000000000000000005', 1, 8, \
     '{\"queued_ms\":1,\"lease_ms\":1,\"preparing_ms\":1,\"setting_up_ms\":1,\"running_ms\":1,\
     \"collecting_ms\":1,\"awaiting_input_ms\":1,\"cancelling_ms\":1,\"grace_ms\":1,\"tries\":1}', \
     1, 1, 'run', 'succeeded', 9, 'wkr_00000000000000000000000000000007', 1, 0)",
    "INSERT INTO events VALUES ('att_00000000000000000000000000000006', 1, 9, 1, NULL, 'state', \
     '{\"type\":\"state\",\"state\":\"succeeded\"}')",
    "INSERT INTO results (attempt_id, epoch, diff_key, files_changed, lines_added, lines_removed, \
     diff_size_bytes) VALUES ('att_00000000000000000000000000000006', 1, 'd', 1, 2, 3, 4)",
    "INSERT INTO workers VALUES ('wkr_00000000000000000000000000000007', \
     'ws_00000000000000000000000000000001', 'w', 1, '[]', 1, 1)",
    "INSERT INTO models (workspace_id, base_url, name, context_window, updated_at) VALUES \
     ('ws_00000000000000000000000000000001', 'u', 'm', 1, 1)",
];

/// Brings the schema to where the version with migration `level` had it.
async fn migrate(place: &Place, engine: &str, level: i64) {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(engine);
    let dir = tempfile::tempdir().expect("a directory");
    for entry in std::fs::read_dir(&migrations).expect("it is there") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name");
        if number(&path) <= level {
            std::fs::copy(&path, dir.path().join(name)).expect("it is there");
        }
    }
    let migrator = Migrator::new(dir.path()).await.expect("migrations");
    match place {
        Place::Sqlite(path) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new()
                .filename(path)
                .create_if_missing(true);
            let mut conn = SqliteConnection::connect_with(&options)
                .await
                .expect("there");
            migrator.run(&mut conn).await.expect("it fits");
            conn.close().await.expect("closed");
        }
        Place::Postgres(url) => {
            let mut conn = PgConnection::connect(url).await.expect("there");
            migrator.run(&mut conn).await.expect("it fits");
            conn.close().await.expect("closed");
        }
    }
}

fn number(migration: &Path) -> i64 {
    let name = migration.file_name().expect("a name").to_string_lossy();
    let number = name.split('_').next().expect("a number");
    number.parse().expect("a number")
}

/// All earlier levels: each but the newest migration's.
fn levels(engine: &str) -> Vec<i64> {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(engine);
    let entries = std::fs::read_dir(migrations).expect("it is there");
    let mut levels: Vec<i64> = entries
        .map(|entry| number(&entry.expect("readable").path()))
        .collect();
    levels.sort();
    levels.pop();
    levels
}

/// Rows of the first version, which went through the migrations up to `level`.
async fn brought_up_to_date(place: Place, engine: &str, level: i64) {
    migrate(&place, engine, 1).await;
    for row in ROWS {
        execute(&place, row.into()).await.expect(row);
    }
    migrate(&place, engine, level).await;
    let store = place.open().await;
    if let Place::Sqlite(path) = &place {
        kept_as_it_was(path, level).await;
    }
    let workspace = "ws_00000000000000000000000000000001"
        .parse()
        .expect("an id");
    let environment = store.environment_by_label(workspace, "app").await;
    let record = environment.expect("works").expect("there");
    assert_eq!((record.secrets.len(), record.injections.len()), (0, 0));
    assert_eq!(record.cache_generation, 0);
    let expected = EnvironmentSpec {
        label: "App".into(),
        repository_url: "/srv/app.git".into(),
        branch: None,
        agent: AgentSpec::Codex,
        further_repositories: Vec::new(),
        base_image: None,
        runtimes: Vec::new(),
        setup_script: Some("make".into()),
        maintenance_script: None,
        verify_command: None,
        verify_timeout: Duration::from_secs(600),
        variables: vec![("A".into(), "1".into())],
        setup_timeout: Duration::from_secs(1200),
        timeout: Duration::from_secs(7),
        network: AgentNetwork::Off,
        resources: Resources::default(),
        nested_namespaces: false,
        max_tokens: None,
        required_labels: Default::default(),
        max_concurrent: None,
        approvals: 0,
    };
    assert_eq!(record.environment.spec, expected);
    assert_eq!(record.environment.revision, 4);
    let task = "task_00000000000000000000000000000004"
        .parse()
        .expect("an id");
    let task = store
        .task(workspace, task)
        .await
        .expect("works")
        .expect("there");
    assert_eq!(
        (task.repository.as_str(), task.task.base.further.len()),
        ("app", 0)
    );
    let attempt = &task.turns[0].attempts[0];
    assert_eq!(attempt.repository, "app");
    assert_eq!(attempt.isolation, None);
    let result = attempt.result.as_ref().expect("one was handed in");
    assert_eq!(
        (result.diff.is_some(), result.further_diffs.len()),
        (true, 0)
    );
    // It has to register anew before it is given an attempt.
    let workers = store.workers(workspace).await.expect("works");
    assert_eq!(workers[0].worker.isolation, None);
    assert!(store.model(workspace).await.expect("works").is_some());
    store.close().await;
}

/// The database as it was lies beside the one that was brought up to date.
async fn kept_as_it_was(path: &Path, level: i64) {
    let known = Store::sqlite_schema_known();
    let name = format!("outwork.db.before-{known:04}");
    let kept = path.with_file_name(name);
    assert_eq!(sqlite_schema(&kept).await.expect("a database"), level);
    assert_eq!(sqlite_schema(path).await.expect("a database"), known);
    let mode = std::fs::metadata(&kept).expect("there").permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o600
    );
    assert_eq!(sqlite_damage(&kept).await.expect("readable"), [""; 0]);
    let part = kept.with_extension(format!("before-{known:04}.part"));
    assert!(!part.exists());
}

fn run(engine: Engine) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let name = match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    };
    let levels = levels(name);
    assert!(levels.len() >= 5, "{levels:?}");
    for level in levels {
        let dir = tempfile::tempdir().expect("a directory");
        let place = match engine {
            Engine::Sqlite => Place::Sqlite(dir.path().join("outwork.db")),
            Engine::Postgres => Place::Postgres(outwork_test_postgres::shared().new_database()),
        };
        runtime.block_on(brought_up_to_date(place, name, level));
    }
}

#[test]
fn a_database_of_this_version_is_not_copied() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let dir = tempfile::tempdir().expect("a directory");
    let place = Place::Sqlite(dir.path().join("outwork.db"));
    runtime.block_on(async {
        for _ in 0..2 {
            place.open().await.close().await;
        }
        let path = dir.path().join("outwork.db");
        settle_sqlite(&path).await.expect("nobody uses it");
    });
    let files = std::fs::read_dir(dir.path()).expect("readable");
    let names = files.map(|file| file.expect("readable").file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["outwork.db", "outwork.db.reserve"], "no copy");
}

#[test]
fn an_older_sqlite_database_is_brought_up_to_date() {
    run(Engine::Sqlite);
}

#[test]
fn an_older_postgresql_database_is_brought_up_to_date() {
    run(Engine::Postgres);
}
