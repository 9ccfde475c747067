//! Data directories that other versions made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use outwork_api::session::{self, Session, SessionFile};
use outwork_domain::principal::PrincipalKind;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use crate::harness::{Done, Outwork, Repository, agents_dir, outwork, scratch};

const TASK: &str = "task_00000000000000000000000000000004";
const ATTEMPT: &str = "att_00000000000000000000000000000006";
const DIFF: &str = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+old\n";
const THREAD: &str = "01a22b60-c62a-7160-b147-ab5dbf7e2950";

fn migrations() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/migrations/sqlite")
}

/// The numbers of all migrations and their files.
fn levels() -> Vec<(i64, PathBuf)> {
    let entries = fs::read_dir(migrations()).expect("they are there");
    let mut levels: Vec<(i64, PathBuf)> = entries
        .map(|entry| {
            let path = entry.expect("readable").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let number = name.split('_').next().expect("a number").parse();
            (number.expect("a number"), path)
        })
        .collect();
    levels.sort();
    levels
}

async fn migrate(conn: &mut SqliteConnection, level: i64) {
    let some = tempfile::tempdir().expect("a directory");
    for (number, path) in levels() {
        if number <= level {
            let name = path.file_name().expect("a name");
            fs::copy(&path, some.path().join(name)).expect("it is there");
        }
    }
    let migrator = Migrator::new(some.path()).await.expect("migrations");
    migrator.run(conn).await.expect("it fits");
}

/// What the first version wrote: a task that has ended, its diff and its session, and an environment for a new one.
fn rows(repository: &str, tokens: &[(&str, String)]) -> Vec<String> {
    let hex = |token: &str| {
        let hash = outwork_server::token::parse(token).expect("a token");
        hash.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let mut rows = vec![
        "INSERT INTO workspaces VALUES ('ws_00000000000000000000000000000001', 'default', 1)"
            .to_owned(),
    ];
    for (number, (kind, token)) in tokens.iter().enumerate() {
        let principal = format!("prn_0000000000000000000000000000001{number}");
        rows.push(format!(
            "INSERT INTO principals VALUES ('{principal}', 'ws_00000000000000000000000000000001', '{kind}', 'ada', 1)"
        ));
        rows.push(format!(
            "INSERT INTO tokens VALUES ('tok_0000000000000000000000000000001{number}', '{principal}', x'{}', 1, NULL)",
            hex(token)
        ));
    }
    for (id, label, agent, command) in [
        (
            "env_00000000000000000000000000000003",
            "old",
            "codex",
            "NULL",
        ),
        (
            "env_00000000000000000000000000000008",
            "new",
            "command",
            "'echo 2 >> a'",
        ),
    ] {
        rows.push(format!(
            "INSERT INTO environments (id, workspace_id, created_by, revision, created_at, updated_at, label, \
             label_folded, repository_url, agent, agent_command, variables, timeout_ms) VALUES ('{id}', \
             'ws_00000000000000000000000000000001', 'prn_00000000000000000000000000000010', 1, 5, 6, '{label}', \
             '{label}', '{repository}', '{agent}', {command}, '[]', 3600000)"
        ));
    }
    rows.push(format!(
        "INSERT INTO tasks VALUES ('{TASK}', 'ws_00000000000000000000000000000001', \
         'prn_00000000000000000000000000000010', 'env_00000000000000000000000000000003', 'from long ago', 'main', \
         'abc', NULL, 8, 9)"
    ));
    rows.push(format!(
        "INSERT INTO turns VALUES ('turn_00000000000000000000000000000005', '{TASK}', 1, \
         'prn_00000000000000000000000000000010', 'do it', NULL, 8)"
    ));
    rows.push(format!(
        "INSERT INTO attempts (id, workspace_id, task_id, turn_id, number, created_at, limits, epoch, tries, desired, \
         state, ended_at, worker_id, last_seq, acked_worker_seq) VALUES ('{ATTEMPT}', \
         'ws_00000000000000000000000000000001', '{TASK}', 'turn_00000000000000000000000000000005', 1, 8, \
         '{{\"queued_ms\":1,\"lease_ms\":1,\"preparing_ms\":1,\"setting_up_ms\":1,\"running_ms\":1,\
         \"collecting_ms\":1,\"awaiting_input_ms\":1,\"cancelling_ms\":1,\"grace_ms\":1,\"tries\":1}}', 1, 1, 'run', \
         'succeeded', 9, 'wkr_00000000000000000000000000000007', 1, 0)"
    ));
    rows.push(format!(
        "INSERT INTO events VALUES ('{ATTEMPT}', 1, 9, 1, NULL, 'state', '{{\"type\":\"state\",\"state\":\"succeeded\"}}')"
    ));
    rows.push(format!(
        "INSERT INTO results (attempt_id, epoch, diff_key, files_changed, lines_added, lines_removed, diff_size_bytes, \
         session_key) VALUES ('{ATTEMPT}', 1, 'attempts/{ATTEMPT}/1/diff.patch', 1, 1, 1, {}, \
         'attempts/{ATTEMPT}/1/session')",
        DIFF.len()
    ));
    rows
}

fn session() -> Vec<u8> {
    let meta = format!(
        "{{\"timestamp\":\"2026-11-30T07:34:52.770Z\",\"type\":\"session_meta\",\"payload\":{{\"id\":\"{THREAD}\",\
         \"timestamp\":\"2026-11-30T07:34:52.212Z\",\"cwd\":\"/workspace/app\",\"source\":\"exec\"}}}}\n"
    );
    let said = "{\"timestamp\":\"2026-11-30T07:34:53.000Z\",\"type\":\"response_item\",\"payload\":{\"type\":\"message\",\
         \"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"from long ago\"}]}}\n";
    session::pack(&Session {
        agent: "codex".to_owned(),
        thread_id: THREAD.to_owned(),
        files: vec![SessionFile {
            path: format!(".codex/sessions/2026/11/30/rollout-2026-11-30T07-34-52-{THREAD}.jsonl"),
            contents: [meta.as_str(), said].concat().into_bytes(),
        }],
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}

fn connect(data: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(data.join("outwork.sqlite"))
        .create_if_missing(true)
}

/// A data directory as the version with that migration had it.
fn made_by(level: i64, repository: &Repository) -> TempDir {
    let dir = scratch();
    let data = dir.path().join("data");
    let objects = data.join("objects/attempts").join(ATTEMPT).join("1");
    fs::create_dir_all(&objects).expect("directories");
    fs::write(objects.join("diff.patch"), DIFF).expect("an object");
    fs::write(objects.join("session"), session()).expect("an object");
    let tokens = [
        ("user", PrincipalKind::User, "admin.token"),
        ("worker", PrincipalKind::Worker, "worker.token"),
    ]
    .map(|(kind, of, file)| {
        let (token, _) = outwork_server::token::new_token(of, [level as u8; 32]);
        fs::write(data.join(file), token.reveal()).expect("a file");
        (kind, token.reveal().to_owned())
    });
    block_on(async {
        let mut conn = SqliteConnection::connect_with(&connect(&data))
            .await
            .expect("new");
        migrate(&mut conn, 1).await;
        for row in rows(&repository.url(), &tokens) {
            let statement = sqlx::query(sqlx::AssertSqlSafe(row.clone()));
            statement
                .execute(&mut conn)
                .await
                .unwrap_or_else(|error| panic!("{row}: {error}"));
        }
        migrate(&mut conn, level).await;
        conn.close().await.expect("closed");
    });
    dir
}

fn server(data: &Path, command: &str) -> Command {
    let mut server = outwork();
    server
        .args([command, "--json", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data);
    if command == "up" {
        server.arg("--agents-dir").arg(agents_dir());
    }
    server.stdin(Stdio::null());
    server
}

#[test]
fn the_data_of_each_earlier_version_is_taken_over() {
    let mut levels = levels();
    let (newest, _) = levels.pop().expect("migrations");
    assert!(levels.len() >= 5, "{levels:?}");
    for (level, _) in levels {
        let repository = Repository::with(&[("a", "1\n")]);
        let dir = made_by(level, &repository);
        let data = dir.path().join("data");
        let command = server(&data, "up");
        let outwork = Outwork::from_command(command, dir);
        let old = outwork.task(TASK);
        assert_eq!(
            (&old["title"], &old["outcome"]),
            (&"from long ago".into(), &"succeeded".into()),
            "{old:#}"
        );
        assert_eq!(outwork.diff(TASK, &[]), DIFF.as_bytes());
        let home = outwork.dir.path().join("codex");
        let exported = Done::of(
            outwork
                .command(&["session", "export", TASK, "--json"])
                .env("CODEX_HOME", &home)
                .output(),
        );
        let exported = exported.success().json();
        assert_eq!(exported["thread_id"], THREAD);
        let rollout = fs::read_to_string(exported["paths"][0].as_str().expect("a path"));
        assert!(rollout.expect("readable").contains("from long ago"));
        let new = outwork.exec("new", "go on", &[]);
        assert_eq!(
            new["outcome"],
            "succeeded",
            "{new:#}\n{}",
            outwork.process.log()
        );
        let id = new["id"].as_str().expect("an id");
        assert!(String::from_utf8_lossy(&outwork.diff(id, &[])).contains("+2\n"));
        assert!(
            data.join(format!("outwork.sqlite.before-{newest:04}"))
                .is_file()
        );
    }
}

#[test]
fn the_data_of_a_newer_version_is_refused() {
    let repository = Repository::with(&[("a", "1\n")]);
    let dir = made_by(1, &repository);
    let data = dir.path().join("data");
    block_on(async {
        let mut conn = SqliteConnection::connect_with(&connect(&data))
            .await
            .expect("there");
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'later', TRUE, x'00', 1)";
        sqlx::query(newer).execute(&mut conn).await.expect("a row");
        conn.close().await.expect("closed");
    });
    let refused = Done::of(server(&data, "server").output()).code(1);
    assert!(
        refused.stderr.contains("newer version of Outwork"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("9999"), "{}", refused.stderr);
    let mut backup = outwork();
    backup
        .arg("backup")
        .arg(dir.path().join("backup"))
        .arg("--data-dir")
        .arg(&data);
    let refused = Done::of(backup.output()).code(1);
    assert!(
        refused.stderr.contains("Back up with the version")
            || refused.stderr.contains("back up with the version"),
        "{}",
        refused.stderr
    );
}
