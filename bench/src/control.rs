//! A running `outwork server`, and its public API and worker API as the benchmarks call them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Bench;
use crate::http::Connection;
use crate::server::repository;

/// What tasks start from. A commit is not asked for before a worker checks it out, and none does.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// So long that the whole request has about 512 bytes.
pub(crate) const PROMPT_BYTES: usize = 380;
/// The version of the worker protocol that is spoken here.
const PROTOCOL_VERSION: u32 = 4;

/// A server without a worker; ends with the value.
pub(crate) struct Control {
    child: Child,
    outwork: PathBuf,
    arguments: Vec<String>,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    pub(crate) worker_token: String,
    dir: TempDir,
}

impl Control {
    /// With SQLite in a directory of its own, or with that PostgreSQL.
    pub(crate) async fn start(bench: &Bench, database: Option<&str>) -> Result<Self> {
        Self::start_with(bench, database, &[]).await
    }

    /// The same, with further arguments.
    pub(crate) async fn start_with(
        bench: &Bench,
        database: Option<&str>,
        further: &[&str],
    ) -> Result<Self> {
        let dir = tempfile::tempdir_in(&bench.scratch)?;
        let mut arguments = vec!["server".to_owned(), "--json".to_owned()];
        arguments.push("--data-dir".to_owned());
        arguments.push(dir.path().join("data").display().to_string());
        if let Some(database) = database {
            arguments.extend(["--database".to_owned(), database.to_owned()]);
        }
        arguments.extend(further.iter().map(ToString::to_string));
        let (child, ready) = run(&bench.outwork, &arguments, "127.0.0.1:0", dir.path())?;
        let token = |name: &str| -> Result<String> {
            let file = ready[name].as_str().context("it names its token")?;
            Ok(fs::read_to_string(file)?.trim().to_owned())
        };
        let (token, worker_token) = (token("token_file")?, token("worker_token_file")?);
        let control = Self {
            child,
            outwork: bench.outwork.clone(),
            arguments,
            address: address(&ready)?,
            token,
            worker_token,
            dir,
        };
        control.make_environment().await?;
        Ok(control)
    }

    /// Starts it again on the same data and at the same address, after [`Control::kill`].
    pub(crate) fn restart(&mut self) -> Result<()> {
        let listen = self.address.to_string();
        (self.child, _) = run(&self.outwork, &self.arguments, &listen, self.dir.path())?;
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The SQLite database.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("data/outwork.sqlite")
    }

    async fn make_environment(&self) -> Result<()> {
        let source = self.dir.path().join("repository");
        repository(&source)?;
        let environment = json!({
            "label": "bench",
            "repository_url": source,
            "agent": {"name": "command", "command": "true"},
        });
        let mut connection = self.connect().await?;
        let _made: Value = connection
            .post("/api/v1/environments", &environment, None)
            .await?;
        Ok(())
    }

    /// A person's connection.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        Connection::open(self.address, &self.token).await
    }

    /// Registers a worker with one slot, on a connection of its own.
    pub(crate) async fn worker(&self, name: &str) -> Result<Worker> {
        let mut connection = Connection::open(self.address, &self.worker_token).await?;
        let register = json!({
            "protocol_version": PROTOCOL_VERSION,
            "name": name,
            "slots": 1,
            "agents": ["command"],
            "isolation": "none",
        });
        let Registered {
            worker,
            heartbeat_interval_ms,
        } = connection
            .post("/api/worker/v1/register", &register, None)
            .await?;
        Ok(Worker {
            connection,
            id: worker,
            heartbeat_interval_ms,
        })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ended_already = self.kill();
    }
}

fn run(outwork: &Path, arguments: &[String], listen: &str, dir: &Path) -> Result<(Child, Value)> {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("log"))?;
    let mut child = Command::new(outwork)
        .args(arguments)
        .args(["--listen", listen])
        .env("OUTWORK_CONFIG_DIR", dir.join("config"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
    let ready = serde_json::from_str(&line)
        .with_context(|| fs::read_to_string(dir.join("log")).unwrap_or_default())?;
    Ok((child, ready))
}

fn address(ready: &Value) -> Result<SocketAddr> {
    let url = ready["url"].as_str().context("it says its address")?;
    Ok(url.trim_start_matches("http://").parse()?)
}

#[derive(Deserialize)]
struct Registered {
    worker: String,
    heartbeat_interval_ms: u64,
}

/// A registered worker that runs nothing.
pub(crate) struct Worker {
    pub(crate) connection: Connection,
    pub(crate) id: String,
    pub(crate) heartbeat_interval_ms: u64,
}

#[derive(Deserialize)]
struct Acquired {
    assignments: Vec<Assignment>,
}

/// What is read of an assignment.
#[derive(Deserialize)]
pub(crate) struct Assignment {
    pub(crate) attempt: String,
    pub(crate) epoch: i64,
    pub(crate) task: String,
    pub(crate) prompt: String,
}

impl Worker {
    /// `POST /acquire`, a long poll; `None` when nothing came in that time.
    pub(crate) async fn acquire(&mut self, wait_ms: u64) -> Result<Option<Assignment>> {
        let ask = json!({"worker": self.id, "max": 1, "wait_ms": wait_ms});
        let Acquired { mut assignments } = self
            .connection
            .post("/api/worker/v1/acquire", &ask, None)
            .await?;
        ensure!(assignments.len() <= 1, "one was asked for");
        Ok(assignments.pop())
    }

    /// `POST /attempts/ATTEMPT/finish`: succeeded, without events of its own.
    pub(crate) async fn finish(&mut self, held: &Assignment) -> Result<()> {
        self.finish_after(held, 0).await
    }

    /// The same, after so many events.
    pub(crate) async fn finish_after(&mut self, held: &Assignment, last_seq: i64) -> Result<()> {
        let finish = json!({
            "epoch": held.epoch,
            "outcome": {"result": "succeeded"},
            "has_session": false,
            "last_seq": last_seq,
        });
        let path = format!("/api/worker/v1/attempts/{}/finish", held.attempt);
        self.connection.tell(&path, &finish).await
    }

    /// `POST /attempts/ATTEMPT/events`; the number of the last one that is stored.
    pub(crate) async fn append(
        &mut self,
        held: &Assignment,
        first_seq: i64,
        events: &[Value],
    ) -> Result<i64> {
        let append = json!({"epoch": held.epoch, "first_seq": first_seq, "events": events});
        let path = format!("/api/worker/v1/attempts/{}/events", held.attempt);
        let answer: Value = self.connection.post(&path, &append, None).await?;
        answer["acknowledged_seq"]
            .as_i64()
            .context("it says what it has")
    }

    /// `POST /heartbeat` without leases.
    pub(crate) async fn heartbeat(&mut self) -> Result<()> {
        let beat = json!({"worker": self.id, "leases": []});
        let _answer: Value = self
            .connection
            .post("/api/worker/v1/heartbeat", &beat, None)
            .await?;
        Ok(())
    }
}

#[derive(Deserialize)]
struct Task {
    id: String,
}

/// `POST /tasks` under a key that was not used before; the task's id.
pub(crate) async fn submit(person: &mut Connection, prompt: &str, key: &str) -> Result<String> {
    let new = json!({"environment": "bench", "prompt": prompt, "commit": COMMIT});
    let Task { id } = person.post("/api/v1/tasks", &new, Some(key)).await?;
    Ok(id)
}

/// How many attempts are there, and how many of them succeeded.
pub(crate) fn count(database: &Path) -> Result<(u64, u64)> {
    let conn = rusqlite::Connection::open(database)?;
    conn.query_row(
        "SELECT count(*), count(*) FILTER (WHERE state = 'succeeded') FROM attempts",
        [],
        |row| {
            let number = |column| row.get(column).map(i64::unsigned_abs);
            Ok((number(0)?, number(1)?))
        },
    )
    .context("the attempts can be counted")
}
