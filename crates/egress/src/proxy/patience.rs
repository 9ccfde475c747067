//! How long a client may take for what it is to say next.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// The one timer of a connection. To set a timer later costs nothing, while a new one for each request wakes the runtime that waits for
/// others.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        let timer = Box::pin(sleep(limit));
        Self { limit, timer }
    }

    /// What `future` returns, if it does within the limit from now on.
    pub(super) async fn wait<F: Future>(&mut self, future: F) -> Option<F::Output> {
        self.timer.as_mut().reset(Instant::now() + self.limit);
        tokio::select! {
            biased;
            output = future => Some(output),
            () = &mut self.timer => None,
        }
    }
}
