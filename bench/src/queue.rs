//! A long queue: the rate of lives when a million attempts wait, beside the rate of an empty
//! server; and how long two hundred workers that drain 10,000 wait for each.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::Bench;
use crate::control::{self, Control, Worker};
use crate::life::{self, AtOutwork, new_key, prompt};
use crate::machine::{Judge, Watch, millis};
use crate::player;
use crate::stats::{Bar, Rates, Series};

const QUEUED: u64 = 1_000_000;
const CALLERS: usize = 64;
const ROUNDS: usize = 5;
const LASTS: Duration = Duration::from_millis(1500);

const WORKERS: usize = 200;
const TO_DRAIN: usize = 10_000;

pub(crate) fn run(bench: &Bench) -> Result<()> {
    println!("Long queues");
    let watch = Watch::start(&bench.scratch)?;
    let runtime = player::runtime()?;
    let (empty, full) = runtime.block_on(beside_empty(bench))?;
    let drained = runtime.block_on(drain(bench))?;
    let judge = watch.end(&bench.scratch)?;
    report(&judge, &empty, &full, &drained);
    Ok(())
}

async fn beside_empty(bench: &Bench) -> Result<(Rates, Rates)> {
    let empty = Control::start(bench, None).await?;
    let mut full = Control::start(bench, None).await?;
    let first = control::submit(&mut full.connect().await?, &prompt(), &new_key()).await?;
    full.kill()?;
    multiply(&full.database(), &first)?;
    full.restart()?;
    let (mut at_empty, mut at_full) = (Rates::default(), Rates::default());
    let (mut of_empty, mut of_full) = (0, 0);
    for _ in 0..ROUNDS {
        let (lives, rate) = life::run(AtOutwork::callers(&empty, CALLERS).await?, LASTS).await?;
        of_empty += lives;
        at_empty.push(rate);
        let (lives, rate) = life::run(AtOutwork::callers(&full, CALLERS).await?, LASTS).await?;
        of_full += lives;
        at_full.push(rate);
    }
    let database = empty.database();
    life::check(control::count(&database), of_empty, &database)?;
    let (all, ended) = control::count(&full.database())?;
    ensure!(
        all == QUEUED + of_full && ended == of_full,
        "{of_full} lives were acknowledged; {all} attempts are stored, {ended} ended"
    );
    Ok((at_empty, at_full))
}

/// Makes a million tasks of one, with their turns, attempts and first events, as if each had been
/// submitted: copies of its rows with ids of their own. Through the API it would take minutes.
fn multiply(database: &Path, first: &str) -> Result<()> {
    let conn = Connection::open(database)?;
    conn.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -200000; BEGIN; \
         CREATE TEMP TABLE numbers (n TEXT); \
         WITH RECURSIVE count (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM count LIMIT 999999) \
         INSERT INTO numbers SELECT printf('%012x', n) FROM count;",
    )?;
    let ids: [String; 2] = conn.query_row(
        "SELECT turn_id, id FROM attempts WHERE task_id = ?1",
        [first],
        |row| Ok([row.get(0)?, row.get(1)?]),
    )?;
    let [turn, attempt] = ids;
    for (table, of) in [
        ("tasks", "id"),
        ("turns", "task_id"),
        ("attempts", "task_id"),
        ("events", "attempt_id"),
    ] {
        let key = if table == "events" {
            attempt.as_str()
        } else {
            first
        };
        let columns = columns(&conn, table)?;
        // The last twelve digits of an id are its own.
        let values = columns.iter().map(|column| match (table, column.as_str()) {
            ("tasks" | "turns" | "attempts", "id") | (_, "task_id" | "turn_id" | "attempt_id") => {
                format!("substr({column}, 1, length({column}) - 12) || n")
            }
            (_, column) => column.to_owned(),
        });
        let values = values.collect::<Vec<_>>().join(", ");
        let names = columns.join(", ");
        let sql = format!(
            "INSERT INTO {table} ({names}) SELECT {values} FROM numbers, {table} AS one \
             WHERE one.{of} = ?1 ORDER BY n"
        );
        let copied = conn.execute(&sql, [key])?;
        ensure!(
            copied as u64 == QUEUED - 1,
            "{copied} rows of {table} were made"
        );
    }
    ensure!(!turn.is_empty(), "the task has a turn");
    conn.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}

fn columns(conn: &Connection, table: &str) -> Result<Vec<String>> {
    let mut statement = conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// How long each `acquire` took while the queue was drained, in order.
async fn drain(bench: &Bench) -> Result<Vec<Duration>> {
    let control = Control::start(bench, None).await?;
    fill(&control).await?;
    let mut workers = JoinSet::new();
    let left = Arc::new(AtomicUsize::new(TO_DRAIN));
    let mut registered = Vec::with_capacity(WORKERS);
    for number in 0..WORKERS {
        registered.push(control.worker(&format!("worker-{number}")).await?);
    }
    for worker in registered {
        workers.spawn(drains(worker, Arc::clone(&left)));
    }
    let mut waits = Vec::with_capacity(TO_DRAIN);
    while let Some(ended) = workers.join_next().await {
        waits.extend(ended??);
    }
    let (all, ended) = control::count(&control.database())?;
    let expected = u64::try_from(TO_DRAIN)?;
    ensure!(
        all == expected && ended == expected && waits.len() == TO_DRAIN,
        "{TO_DRAIN} were submitted; {all} are stored, {ended} ended, {} were leased",
        waits.len()
    );
    waits.sort_by_key(|(at, _)| *at);
    Ok(waits.into_iter().map(|(_, took)| took).collect())
}

async fn fill(control: &Control) -> Result<()> {
    let mut people = JoinSet::new();
    for _ in 0..CALLERS {
        let mut person = control.connect().await?;
        people.spawn(async move {
            for _ in 0..TO_DRAIN / CALLERS {
                control::submit(&mut person, &prompt(), &new_key()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = people.join_next().await {
        ended??;
    }
    let mut person = control.connect().await?;
    for _ in 0..TO_DRAIN % CALLERS {
        control::submit(&mut person, &prompt(), &new_key()).await?;
    }
    Ok(())
}

/// Takes and ends until none is left; when each was asked for, and how long it took.
async fn drains(mut worker: Worker, left: Arc<AtomicUsize>) -> Result<Vec<(Instant, Duration)>> {
    let mut waits = Vec::new();
    let takes_one = |left: usize| left.checked_sub(1);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, takes_one)
        .is_ok()
    {
        let at = Instant::now();
        let held = worker.acquire(30_000).await?.context("one is left")?;
        waits.push((at, at.elapsed()));
        worker.finish(&held).await?;
    }
    Ok(waits)
}

fn report(judge: &Judge, empty: &Rates, full: &Rates, drained: &[Duration]) {
    println!(
        "{}",
        empty.row(&format!("lives, nothing waits, {CALLERS} callers"))
    );
    println!("{}", full.row("lives, a million wait"));
    let tenth = TO_DRAIN / 10;
    // The first of each worker waited for all others' first.
    let first = Series::from(&drained[WORKERS..WORKERS + tenth]);
    let last = Series::from(&drained[TO_DRAIN - WORKERS - tenth..TO_DRAIN - WORKERS]);
    println!(
        "  {WORKERS} workers drain {TO_DRAIN}: p50 of acquire {:.1} ms with all waiting, {:.1} ms with none left to wait",
        millis(first.median()),
        millis(last.median())
    );
    judge.judge(
        Bar::AtLeast(0.9),
        "lives at a million queued, of the empty rate",
        full.ratio(empty),
    );
    judge.judge(
        Bar::AtMost(2.0),
        "pick-up with 10,000 queued, times that of the last",
        first.ratio(&last),
    );
    println!();
}
