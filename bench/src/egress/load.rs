//! The work that is timed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::origin::BARE_ANSWER;
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
    /// So many in all to the bare server: the first bytes of TLS, and a small answer.
    BareConnections {
        count: usize,
        concurrent: usize,
        server: SocketAddr,
    },
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
                let one = |route: Route| async move {
                    let mut client = route.connect().await?;
                    client.get(SMALL_BYTES).await
                };
                connections(route, count, concurrent, one).await
            }
            Self::BareConnections {
                count,
                concurrent,
                server,
            } => {
                let hello = Arc::new(route.client_hello()?);
                let one = move |route: Route| {
                    let hello = Arc::clone(&hello);
                    async move { bare_connection(&route, server, &hello).await }
                };
                connections(route, count, concurrent, one).await
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

async fn connections<F>(
    route: &Route,
    count: usize,
    concurrent: usize,
    one: impl Fn(Route) -> F + Clone + Send + 'static,
) -> Result<Duration>
where
    F: Future<Output = Result<()>> + Send,
{
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    let left = Arc::new(AtomicUsize::new(count));
    for _ in 0..concurrent {
        let (left, route, one) = (Arc::clone(&left), route.clone(), one.clone());
        tasks.spawn(async move {
            while takes_one(&left) {
                one(route.clone()).await?;
            }
            anyhow::Ok(())
        });
    }
    all(tasks).await?;
    Ok(begin.elapsed())
}

async fn bare_connection(route: &Route, server: SocketAddr, hello: &[u8]) -> Result<()> {
    let mut stream = route.dial(server).await?;
    stream.write_all(hello).await?;
    let mut answer = [0; BARE_ANSWER.len()];
    stream.read_exact(&mut answer).await?;
    ensure!(answer == BARE_ANSWER, "another answer came");
    Ok(())
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
