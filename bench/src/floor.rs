//! The floor: the least that durable lives of attempts over HTTP can cost. A bare axum server, and
//! one SQLite writer that commits what waits in one transaction (WAL, `synchronous=FULL`) and
//! answers after the commit. No tokens, no idempotency, no log, no second table.
//!
//! Three calls are one life: `POST /submit`, `POST /lease`, `POST /finish`. It is this program
//! again, in a process of its own, as the server that is measured beside it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Writes in one transaction, at most.
const GROUP: usize = 256;
const LEASE_MS: i64 = 10_000;

const SCHEMA: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     CREATE TABLE tasks (id INTEGER PRIMARY KEY, prompt TEXT NOT NULL, state TEXT NOT NULL, \
     epoch INTEGER NOT NULL, worker TEXT, until INTEGER) STRICT; \
     CREATE INDEX queued ON tasks (id) WHERE state = 'queued';";
const SUBMIT: &str = "INSERT INTO tasks (prompt, state, epoch) VALUES (?1, 'queued', 0)";
const LEASE: &str = "UPDATE tasks SET state = 'held', epoch = epoch + 1, worker = ?1, until = ?2 \
     WHERE id = (SELECT id FROM tasks WHERE state = 'queued' ORDER BY id LIMIT 1) \
     RETURNING id, epoch, prompt";
const FINISH: &str =
    "UPDATE tasks SET state = 'done', until = NULL WHERE id = ?1 AND epoch = ?2 AND state = 'held'";

#[derive(Serialize, Deserialize)]
pub(crate) struct Submit {
    pub(crate) prompt: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Submitted {
    pub(crate) id: i64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) worker: String,
}

/// Nothing is queued when it is `null`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Leased {
    pub(crate) id: i64,
    pub(crate) epoch: i64,
    pub(crate) prompt: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Finish {
    pub(crate) id: i64,
    pub(crate) epoch: i64,
}

enum Write {
    Submit(Submit, oneshot::Sender<Submitted>),
    Lease(Lease, oneshot::Sender<Option<Leased>>),
    Finish(Finish, oneshot::Sender<bool>),
}

/// What a write gives, until it is durable.
enum Done {
    Submitted(Submitted, oneshot::Sender<Submitted>),
    Leased(Option<Leased>, oneshot::Sender<Option<Leased>>),
    Finished(bool, oneshot::Sender<bool>),
}

type Queue = mpsc::Sender<Write>;

/// Serves until it is killed; `say` is told the address.
pub(crate) async fn serve(file: &Path, say: impl FnOnce(SocketAddr)) -> Result<()> {
    let conn = Connection::open(file)?;
    conn.execute_batch(SCHEMA)?;
    let (queue, waiting) = mpsc::channel();
    std::thread::spawn(move || write(conn, &waiting).expect("the floor can write"));
    let router = Router::new()
        .route("/submit", post(submit))
        .route("/lease", post(lease))
        .route("/finish", post(finish))
        .with_state(queue);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(listener.local_addr()?);
    use axum::serve::ListenerExt;
    let listener = listener.tap_io(|connection| {
        let _slower = connection.set_nodelay(true);
    });
    axum::serve(listener, router.into_make_service()).await?;
    Ok(())
}

async fn ask<T>(queue: &Queue, write: impl FnOnce(oneshot::Sender<T>) -> Write) -> T {
    let (sender, answer) = oneshot::channel();
    queue.send(write(sender)).expect("the writer runs");
    answer.await.expect("the writer answers")
}

async fn submit(State(queue): State<Queue>, Json(body): Json<Submit>) -> Json<Submitted> {
    Json(ask(&queue, |sender| Write::Submit(body, sender)).await)
}

async fn lease(State(queue): State<Queue>, Json(body): Json<Lease>) -> Json<Option<Leased>> {
    Json(ask(&queue, |sender| Write::Lease(body, sender)).await)
}

async fn finish(State(queue): State<Queue>, Json(body): Json<Finish>) -> StatusCode {
    match ask(&queue, |sender| Write::Finish(body, sender)).await {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::CONFLICT,
    }
}

/// Takes all that waits, commits it together, then answers.
fn write(conn: Connection, waiting: &mpsc::Receiver<Write>) -> Result<()> {
    while let Ok(first) = waiting.recv() {
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let group = std::iter::once(first).chain(waiting.try_iter().take(GROUP - 1));
        let done = group.map(|write| run(&conn, write));
        let done = done.collect::<Result<Vec<_>>>()?;
        conn.prepare_cached("COMMIT")?.execute([])?;
        // Who has gone needs no answer.
        for done in done {
            match done {
                Done::Submitted(answer, caller) => drop(caller.send(answer)),
                Done::Leased(answer, caller) => drop(caller.send(answer)),
                Done::Finished(answer, caller) => drop(caller.send(answer)),
            }
        }
    }
    Ok(())
}

fn run(conn: &Connection, write: Write) -> Result<Done> {
    Ok(match write {
        Write::Submit(Submit { prompt }, caller) => {
            let hit = conn.prepare_cached(SUBMIT)?.execute([prompt])?;
            anyhow::ensure!(hit == 1, "the task was not stored");
            let id = conn.last_insert_rowid();
            Done::Submitted(Submitted { id }, caller)
        }
        Write::Lease(Lease { worker }, caller) => {
            let mut statement = conn.prepare_cached(LEASE)?;
            let mut rows = statement.query((worker, LEASE_MS))?;
            let leased = match rows.next()? {
                Some(row) => Some(Leased {
                    id: row.get(0)?,
                    epoch: row.get(1)?,
                    prompt: row.get(2)?,
                }),
                None => None,
            };
            Done::Leased(leased, caller)
        }
        Write::Finish(Finish { id, epoch }, caller) => {
            let hit = conn.prepare_cached(FINISH)?.execute((id, epoch))?;
            Done::Finished(hit == 1, caller)
        }
    })
}

/// How many tasks are there, and how many of them are done.
pub(crate) fn count(file: &Path) -> Result<(u64, u64)> {
    let conn = Connection::open(file)?;
    conn.query_row(
        "SELECT count(*), count(*) FILTER (WHERE state = 'done') FROM tasks",
        [],
        |row| {
            let number = |column| row.get(column).map(i64::unsigned_abs);
            Ok((number(0)?, number(1)?))
        },
    )
    .context("the floor's tasks can be counted")
}
