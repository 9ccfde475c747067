//! Many followers of one stream, each on a connection of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use http_body_util::BodyExt;
use tokio::task::JoinSet;

use crate::http::Connection;

/// How often it is looked whether all have what they wait for.
const LOOK: Duration = Duration::from_millis(1);
/// How soon a follower that was cut off tries again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long all may take, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the events come from.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) address: SocketAddr,
    pub(super) token: String,
    pub(super) path: String,
    /// Whether a follower that was cut off comes back with the last number it saw.
    pub(super) is_resumed: bool,
}

/// They go away with this value.
pub(super) struct Crowd {
    /// The last number that each saw.
    seen: Arc<Vec<AtomicI64>>,
    followers: tokio::sync::Mutex<JoinSet<Result<()>>>,
}

impl Crowd {
    pub(super) fn start(source: Source, count: usize) -> Self {
        let seen: Arc<Vec<AtomicI64>> = Arc::new((0..count).map(|_| AtomicI64::new(0)).collect());
        let mut followers = JoinSet::new();
        for index in 0..count {
            let (source, seen) = (source.clone(), Arc::clone(&seen));
            followers.spawn(async move { follow(&source, &seen[index]).await });
        }
        Self {
            seen,
            followers: followers.into(),
        }
    }

    /// Returns once all have seen that number.
    pub(super) async fn reach(&self, number: i64) -> Result<()> {
        let begin = Instant::now();
        while self.least() < number {
            if let Some(ended) = self.followers.lock().await.try_join_next() {
                ended??;
            }
            ensure!(
                begin.elapsed() < PATIENCE,
                "a follower waits at {}, not {number}",
                self.least()
            );
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// All streams end by themselves, and each had everything up to that number.
    pub(super) async fn end(self, number: i64) -> Result<()> {
        let mut followers = self.followers.into_inner();
        while let Some(ended) = followers.join_next().await {
            ended??;
        }
        for seen in self.seen.iter() {
            let seen = seen.load(Ordering::Relaxed);
            ensure!(seen == number, "a stream ended at {seen}, not {number}");
        }
        Ok(())
    }

    fn least(&self) -> i64 {
        let numbers = self.seen.iter().map(|seen| seen.load(Ordering::Relaxed));
        numbers.min().unwrap_or(0)
    }
}

/// Until the stream ends in order; comes back when it broke off.
async fn follow(source: &Source, seen: &AtomicI64) -> Result<()> {
    loop {
        match once(source, seen).await {
            Ok(()) => return Ok(()),
            Err(Broken::Wrong(error)) => return Err(error),
            Err(Broken::Cut(error)) if !source.is_resumed => return Err(error),
            Err(Broken::Cut(_)) => tokio::time::sleep(AGAIN).await,
        }
    }
}

enum Broken {
    /// The connection broke off, or could not be made.
    Cut(anyhow::Error),
    /// What came is wrong.
    Wrong(anyhow::Error),
}

async fn once(source: &Source, seen: &AtomicI64) -> Result<(), Broken> {
    let cut = Broken::Cut;
    let connection = Connection::open(source.address, &source.token).await;
    let mut connection = connection.map_err(cut)?;
    let after = seen.load(Ordering::Relaxed);
    let after = (after > 0).then_some(after);
    let mut stream = connection.stream(&source.path, after).await.map_err(cut)?;
    let mut lines = Lines::default();
    while let Some(frame) = stream.frame().await {
        let frame = frame.map_err(|error| cut(error.into()))?;
        if let Ok(data) = frame.into_data() {
            lines.read(&data, seen).map_err(Broken::Wrong)?;
        }
    }
    Ok(())
}

/// Bytes of a stream as lines, of which only those with numbers are read.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn read(&mut self, data: &[u8], seen: &AtomicI64) -> Result<()> {
        let mut parts = data.split(|byte| *byte == b'\n');
        let mut part = parts.next().unwrap_or_default();
        for next in parts {
            if self.begun.is_empty() {
                line(part, seen)?;
            } else {
                self.begun.extend_from_slice(part);
                line(&self.begun, seen)?;
                self.begun.clear();
            }
            part = next;
        }
        self.begun.extend_from_slice(part);
        Ok(())
    }
}

fn line(line: &[u8], seen: &AtomicI64) -> Result<()> {
    let Some(number) = line.strip_prefix(b"id: ").or(line.strip_prefix(b"id:")) else {
        return Ok(());
    };
    let number: i64 = std::str::from_utf8(number)?.trim().parse()?;
    let before = seen.swap(number, Ordering::Relaxed);
    if number != before + 1 {
        bail!("event {number} came after event {before}");
    }
    Ok(())
}

/// Raises how many files this process and those it starts may have open, as far as it may.
pub(crate) fn allow_connections() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const NEEDED: u64 = 4096;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < NEEDED) {
        let current = Some(maximum.map_or(NEEDED, |maximum| maximum.min(NEEDED)));
        setrlimit(Resource::Nofile, Rlimit { current, maximum })
            .context("the limit of open files can be raised")?;
    }
    Ok(())
}
