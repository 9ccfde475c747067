//! What was acknowledged is there: after a restart, a kill, a crash of the database, and whatever
//! becomes of the writes beside it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use outwork_domain::TaskId;
use outwork_store::{OpenError, Store, StoreError, Submitted};
use tokio::task::JoinSet;

use crate::bed::{Bed, Place, at};
use crate::past_the_store::execute;

/// Tells the child process of a test what to do; see [`child_of_a_test`].
const CHILD: &str = "OUTWORK_STORE_TEST_CHILD";

async fn a_database_opens_again_with_all_in_it(bed: Bed) {
    let submission = bed.submit(2, at(0)).await;
    let before = bed.record(submission.task.id).await;
    bed.store.close().await;
    let refused = bed.store.ping().await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    let store = bed.place.open().await;
    let after = store.task(bed.workspace, submission.task.id).await;
    assert_eq!(after.expect("works"), Some(before));
    store.ping().await.expect("it reads and writes");
    store.close().await;
}

async fn a_database_of_a_newer_version_is_refused(bed: Bed) {
    bed.store.close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                 execution_time) SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    execute(&bed.place, newer.into())
        .await
        .expect("one row is there");
    let refused = match &bed.place {
        Place::Sqlite(path) => Store::open_sqlite(path).await,
        Place::Postgres(url) => Store::open_postgres(url).await,
    };
    let Err(OpenError::NewerSchema {
        found: 9999,
        known: 68,
    }) = refused
    else {
        panic!("{refused:?}");
    };
    let undo = "DELETE FROM _sqlx_migrations WHERE version = 9999";
    execute(&bed.place, undo.into()).await.expect("it is there");
}

/// Many wait at once, so they are committed together; every third fails.
async fn a_write_that_fails_does_not_touch_those_beside_it(bed: Bed) {
    let mut writes = JoinSet::new();
    for number in 0..90 {
        let bed = bed.clone();
        writes.spawn(async move {
            let mut submission = bed.submission(1, at(number));
            if number % 3 == 0 {
                // Fails in its last statement, after it has written a task and a turn.
                submission.attempts[0].workspace_id = bed.other_id();
            }
            let answer = bed.store.submit(submission.clone(), None).await;
            (number, submission.task.id, answer)
        });
    }
    for (number, task, answer) in writes.join_all().await {
        let stored = bed.store.task(bed.workspace, task).await.expect("works");
        if number % 3 == 0 {
            assert!(
                matches!(answer, Err(StoreError::Corrupt { .. })),
                "{answer:?}"
            );
            assert_eq!(stored, None);
        } else {
            assert_eq!(answer.expect("it is in order"), Submitted::New);
            assert!(stored.is_some());
        }
    }
}

impl Bed {
    fn other_id(&self) -> outwork_domain::WorkspaceId {
        outwork_domain::WorkspaceId::from_uuid(self.uuid())
    }
}

async fn acknowledged_writes_survive_a_kill(bed: Bed) {
    bed.submit(1, at(0)).await;
    bed.store.close().await;
    let place = match &bed.place {
        Place::Sqlite(path) => format!("sqlite {}", path.display()),
        Place::Postgres(url) => format!("postgres {url}"),
    };
    for round in 0..3 {
        let acknowledged = kill_a_writer(&place, round);
        let store = bed.place.open().await;
        for task in &acknowledged {
            let record = store.task(bed.workspace, *task).await.expect("works");
            let record = record.unwrap_or_else(|| panic!("{task:?} was acknowledged"));
            assert_eq!(record.turns[0].attempts.len(), 2, "whole or not at all");
        }
        store.close().await;
    }
}

/// Starts this test binary as a process that submits tasks, and kills it after it has
/// acknowledged some. Answers those.
fn kill_a_writer(place: &str, round: u32) -> Vec<TaskId> {
    let mut child = Command::new(std::env::current_exe().expect("it runs"))
        .args(["--exact", "durability::child_of_a_test", "--nocapture"])
        .env(CHILD, format!("{round} {place}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts again");
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut acknowledged = Vec::new();
    for line in output.lines() {
        let line = line.expect("text");
        if let Some(task) = line.strip_prefix("acknowledged ") {
            acknowledged.push(task.parse().expect("an id"));
        }
        if acknowledged.len() == 200 {
            child.kill().expect("it runs");
        }
    }
    child.wait().expect("it was started");
    assert!(
        acknowledged.len() >= 200,
        "only {} were written",
        acknowledged.len()
    );
    acknowledged
}

/// Not a test: what [`kill_a_writer`] runs in a process of its own. Started by the test runner it
/// has nothing to do.
#[test]
fn child_of_a_test() {
    let Some(order) = std::env::var_os(CHILD) else {
        return;
    };
    let order = order.into_string().expect("text");
    let [round, engine, address]: [&str; 3] = order
        .splitn(3, ' ')
        .collect::<Vec<_>>()
        .try_into()
        .expect("three words");
    let place = match engine {
        "sqlite" => Place::Sqlite(address.into()),
        _ => Place::Postgres(address.into()),
    };
    let round: u64 = round.parse().expect("a number");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(write_until_killed(place, (round + 1) << 32));
}

async fn write_until_killed(place: Place, first_id: u64) {
    let bed = Bed::reopen(place, first_id).await;
    let mut writers = JoinSet::new();
    for _ in 0..16 {
        let bed = bed.clone();
        writers.spawn(async move {
            loop {
                let task = bed.submit(2, at(1)).await.task.id;
                // One write per line, so that a kill does not leave half an id.
                use std::io::Write;
                let line = format!("acknowledged {task}\n");
                std::io::stdout()
                    .write_all(line.as_bytes())
                    .expect("the parent reads");
            }
        });
    }
    writers.join_all().await;
}

/// A second process on the file: both write, both wait for the other's lock, nothing breaks.
#[test]
fn a_second_writer_on_the_file_corrupts_nothing() {
    crate::bed::run(crate::bed::Engine::Sqlite, |bed: Bed| async move {
        let second = Bed {
            store: bed.place.open().await,
            ..bed.clone()
        };
        let mut writes = JoinSet::new();
        for number in 0..60 {
            let bed = if number % 2 == 0 {
                bed.clone()
            } else {
                second.clone()
            };
            writes.spawn(async move { bed.submit(1, at(number)).await.task.id });
        }
        for task in writes.join_all().await {
            assert_eq!(bed.record(task).await, second.record(task).await);
        }
        second.store.close().await;
        execute(&bed.place, "PRAGMA wal_checkpoint".into())
            .await
            .expect("it is a database");
    });
}

/// The database restarts under the store: writes go on, nothing acknowledged is lost.
#[test]
fn a_crash_of_postgres_is_survived() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let cluster = outwork_test_postgres::Cluster::start();
    let url = cluster.new_database();
    runtime.block_on(async {
        let bed = Bed::new(Place::Postgres(url)).await;
        let mut tasks = Vec::new();
        for round in 0..3 {
            tasks.push(bed.submit(1, at(round)).await.task.id);
            tokio::task::block_in_place(|| cluster.crash());
            // No call in between: the connections that the pool holds are dead.
            tasks.push(bed.submit(1, at(round)).await.task.id);
        }
        for task in tasks {
            bed.record(task).await;
        }
        bed.store.close().await;
    });
}

on_both!(
    a_database_opens_again_with_all_in_it,
    a_database_of_a_newer_version_is_refused,
    a_write_that_fails_does_not_touch_those_beside_it,
    acknowledged_writes_survive_a_kill,
);
