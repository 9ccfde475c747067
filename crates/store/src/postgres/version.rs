//! The version of the settings. Every request asks for it, some more than once; those that ask at the same time share a reading.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::pool::Pool;
use crate::error::StoreError;
use crate::settings::{self, Version};
use crate::sql::{Conn, values};

/// `None`: it could not be read.
type Reading = Shared<BoxFuture<'static, Option<i64>>>;

/// One is read at a time. Whoever asks takes part in the next one, not in that which has begun: what was committed before it asked is in its
/// answer.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedVersion(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The one that has not begun.
    next: Mutex<Option<Reading>>,
    turn: tokio::sync::Mutex<()>,
}

impl SharedVersion {
    pub(super) async fn read(&self, pool: &Arc<Pool>) -> Result<Version, StoreError> {
        let apart = Arc::clone(pool);
        match self.join(async move { read(&apart).await.ok() }).await {
            Some(version) => Ok(Version::Committed(version)),
            // By itself, for the reason.
            None => read(pool).await.map(Version::Committed),
        }
    }

    /// Waits for the next reading; it is this one, unless there is another that waits for its turn.
    fn join(&self, read: impl Future<Output = Option<i64>> + Send + 'static) -> Reading {
        let begin = || {
            let inner = Arc::clone(&self.0);
            let reading = async move {
                let _turn = inner.turn.lock().await;
                inner.next().take();
                read.await
            };
            reading.boxed().shared()
        };
        self.0.next().get_or_insert_with(begin).clone()
    }
}

impl Inner {
    fn next(&self) -> MutexGuard<'_, Option<Reading>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(pool: &Arc<Pool>) -> Result<i64, StoreError> {
    let mut lease = pool.take().await?;
    let mut conn = Conn::Postgres(&mut lease);
    let row = conn.row(settings::VERSION, values![]).await?;
    row.ok_or_else(|| StoreError::corrupt("settings row"))?
        .int("version")
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// A reading that answers when it is told to.
    fn told() -> (oneshot::Sender<i64>, impl Future<Output = Option<i64>>) {
        let (tell, told) = oneshot::channel();
        (tell, async move { told.await.ok() })
    }

    #[test]
    fn one_that_has_begun_is_joined_by_nobody() {
        let shared = SharedVersion::default();
        let (tell_first, read) = told();
        let first = shared.join(read);
        assert!(first.clone().now_or_never().is_none(), "it begins");
        let (tell_second, read) = told();
        let mut second = shared.join(read);
        let mut third = shared.join(async { panic!("it takes part in the second") });
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        tell_first.send(1).expect("it is waited for");
        assert_eq!(first.now_or_never(), Some(Some(1)));
        tell_second.send(2).expect("it is waited for");
        assert_eq!(third.now_or_never(), Some(Some(2)));
        assert_eq!(second.now_or_never(), Some(Some(2)));
    }

    #[test]
    fn who_gives_up_stops_nobody() {
        let shared = SharedVersion::default();
        let mut given_up = shared.join(std::future::pending());
        assert!((&mut given_up).now_or_never().is_none(), "it begins");
        let next = shared.join(async { Some(2) });
        drop(given_up);
        assert_eq!(next.now_or_never(), Some(Some(2)));
        // One that waits for its turn is taken over.
        let mut begun = shared.join(std::future::pending());
        assert!((&mut begun).now_or_never().is_none(), "it begins");
        let mut waits = shared.join(async { Some(3) });
        assert!((&mut waits).now_or_never().is_none());
        drop(waits);
        let last = shared.join(async { panic!("it takes over the one that waits") });
        drop(begun);
        assert_eq!(last.now_or_never(), Some(Some(3)));
    }
}
