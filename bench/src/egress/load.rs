//! The work that is timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use super::route::Route;

/// Of a small answer.
const SMALL_BYTES: u64 = 1 << 10;

#[derive(Clone, Copy)]
pub(super) enum Work {
    /// One answer of so many bytes.
    Download(u64),
    /// So many small answers in all, on connections that are kept and made before the time runs.
    Requests { count: usize, connections: usize },
    /// So many connections in all with one small answer each.
    NewConnections { count: usize, concurrent: usize },
}

impl Work {
    /// How long it takes. Any other answer than the right one is an error.
    pub(super) async fn through(self, route: &Route) -> Result<Duration> {
        match self {
            Self::Download(bytes) => {
                let mut client = route.connect().await?;
                let begin = Instant::now();
                client.get(bytes).await?;
                Ok(begin.elapsed())
            }
            Self::Requests { count, connections } => requests(route, count, connections).await,
            Self::NewConnections { count, concurrent } => {
                new_connections(route, count, concurrent).await
            }
        }
    }
}

async fn requests(route: &Route, count: usize, connections: usize) -> Result<Duration> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        let mut client = route.connect().await?;
        client.get(SMALL_BYTES).await?;
        clients.push(client);
    }
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    let left = Arc::new(AtomicUsize::new(count));
    for mut client in clients {
        let left = Arc::clone(&left);
        tasks.spawn(async move {
            while takes_one(&left) {
                client.get(SMALL_BYTES).await?;
            }
            anyhow::Ok(())
        });
    }
    all(tasks).await?;
    Ok(begin.elapsed())
}

async fn new_connections(route: &Route, count: usize, concurrent: usize) -> Result<Duration> {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    let left = Arc::new(AtomicUsize::new(count));
    for _ in 0..concurrent {
        let (left, route) = (Arc::clone(&left), route.clone());
        tasks.spawn(async move {
            while takes_one(&left) {
                let mut client = route.connect().await?;
                client.get(SMALL_BYTES).await?;
            }
            anyhow::Ok(())
        });
    }
    all(tasks).await?;
    Ok(begin.elapsed())
}

fn takes_one(left: &AtomicUsize) -> bool {
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    taken.is_ok()
}

async fn all(mut tasks: JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
