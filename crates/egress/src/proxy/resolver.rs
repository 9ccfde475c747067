//! From names to addresses, outside the sandbox.

use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

/// Lookups block a thread each, for as long as the system's resolver likes; others need the threads, too.
const CONCURRENT_LOOKUPS: usize = 32;

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
