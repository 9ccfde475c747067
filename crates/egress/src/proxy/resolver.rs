//! From names to addresses, outside the sandbox.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

/// Lookups block a thread each, for as long as the system's resolver likes; others need the threads, too.
const CONCURRENT_LOOKUPS: usize = 32;

/// How long an answer is used again: a client opens many connections at once, and a tunnel is checked before it is opened and dialled after.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);
const REMEMBERED_NAMES: usize = 256;

/// Gives the addresses of a name. Whatever it says is checked before it is dialled.
pub trait Resolver: fmt::Debug + Send + Sync {
    /// `name` is lower case, without a final dot, and no address.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The machine's own resolver, with its hosts file and search list. One serves all proxies of a process, and bounds their lookups together.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    permits: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        let permits = Arc::new(Semaphore::new(CONCURRENT_LOOKUPS));
        Self { permits }
    }
}

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        async move {
            let permits = Arc::clone(&self.permits);
            let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
            let name = name.to_owned();
            let lookup = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                // Kept by the thread, not by the one who waits and may have left.
                drop(permit);
                Ok(found?.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        }
        .boxed()
    }
}

/// Asks a resolver, and remembers its answers for a moment. They are checked each time that they are used.
#[derive(Debug)]
pub(super) struct Names {
    resolver: Arc<dyn Resolver>,
    remembered: Mutex<HashMap<String, (Instant, Vec<IpAddr>)>>,
}

impl Names {
    pub(super) fn new(resolver: Arc<dyn Resolver>) -> Self {
        let remembered = Mutex::default();
        Self {
            resolver,
            remembered,
        }
    }

    /// `name` is lower case, without a final dot, and no address.
    pub(super) async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Some(addresses) = self.remembered(name) {
            return Ok(addresses);
        }
        let addresses = self.resolver.resolve(name).await?;
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_NAMES {
            remembered.clear();
        }
        remembered.insert(name.to_owned(), (Instant::now(), addresses.clone()));
        Ok(addresses)
    }

    fn remembered(&self, name: &str) -> Option<Vec<IpAddr>> {
        let remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (since, addresses) = remembered.get(name)?;
        (since.elapsed() < REMEMBERED_FOR).then(|| addresses.clone())
    }
}
