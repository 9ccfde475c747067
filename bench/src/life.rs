//! Whole lives of attempts, as many callers as there are connections: each submits one, leases one,
//! finishes it, and begins again.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use crate::control::{self, Control, PROMPT_BYTES, Worker};
use crate::floor::{Finish, Lease, Leased, Submit, Submitted};
use crate::http::Connection;

/// One caller.
pub(crate) trait Life: Send + 'static {
    /// From the submission to the acknowledged end.
    fn once(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Runs all callers for that long; how many lives they made, and how many a second that is.
pub(crate) async fn run<L: Life>(callers: Vec<L>, lasts: Duration) -> Result<(u64, f64)> {
    let begin = Instant::now();
    let mut running = JoinSet::new();
    for mut caller in callers {
        running.spawn(async move {
            let mut lives = 0;
            while begin.elapsed() < lasts {
                caller.once().await?;
                lives += 1;
            }
            anyhow::Ok(lives)
        });
    }
    let mut lives = 0;
    while let Some(ended) = running.join_next().await {
        lives += ended??;
    }
    Ok((lives, lives as f64 / begin.elapsed().as_secs_f64()))
}

/// At the floor.
pub(crate) struct AtFloor {
    connection: Connection,
    worker: String,
}

impl AtFloor {
    pub(crate) async fn callers(address: std::net::SocketAddr, count: usize) -> Result<Vec<Self>> {
        let mut callers = Vec::with_capacity(count);
        for number in 0..count {
            callers.push(Self {
                connection: Connection::open(address, "").await?,
                worker: format!("worker-{number}"),
            });
        }
        Ok(callers)
    }
}

impl Life for AtFloor {
    async fn once(&mut self) -> Result<()> {
        let submit = Submit { prompt: prompt() };
        let _stored: Submitted = self.connection.post("/submit", &submit, None).await?;
        let worker = self.worker.clone();
        let leased: Option<Leased> = self
            .connection
            .post("/lease", &Lease { worker }, None)
            .await?;
        let Leased { id, epoch, prompt } = leased.context("as many are queued as ask")?;
        ensure!(epoch == 1 && prompt.len() >= PROMPT_BYTES, "another task");
        self.connection.tell("/finish", &Finish { id, epoch }).await
    }
}

/// At Outwork: a person's connection and a worker's.
pub(crate) struct AtOutwork {
    person: Connection,
    worker: Worker,
}

impl AtOutwork {
    pub(crate) async fn callers(control: &Control, count: usize) -> Result<Vec<Self>> {
        let mut callers = Vec::with_capacity(count);
        for number in 0..count {
            callers.push(Self {
                person: control.connect().await?,
                worker: control.worker(&format!("worker-{number}")).await?,
            });
        }
        Ok(callers)
    }
}

impl Life for AtOutwork {
    async fn once(&mut self) -> Result<()> {
        control::submit(&mut self.person, &prompt(), &new_key()).await?;
        let held = self.worker.acquire(10_000).await?;
        let held = held.context("as many are queued as ask")?;
        ensure!(held.prompt.len() >= PROMPT_BYTES, "another task");
        self.worker.finish(&held).await
    }
}

/// A key that no other request of this run has.
pub(crate) fn new_key() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("bench-{}-{number:016x}", std::process::id())
}

pub(crate) fn prompt() -> String {
    "x".repeat(PROMPT_BYTES)
}

/// Every life that was counted is there and ended; nothing else is.
pub(crate) fn check(counted: Result<(u64, u64)>, lives: u64, database: &Path) -> Result<()> {
    let (all, ended) = counted?;
    ensure!(
        all == lives && ended == lives,
        "{lives} lives were acknowledged; {} holds {all}, of which {ended} ended",
        database.display()
    );
    Ok(())
}
