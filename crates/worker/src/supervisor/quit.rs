//! When nothing more is to be taken.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Supervisor;
use super::standing::Standing;

/// Hears of every reason to take nothing more.
pub(super) struct Quit {
    shutdown: CancellationToken,
    revoked: CancellationToken,
    standing: watch::Receiver<Standing>,
}

impl Supervisor {
    pub(super) fn quit(&self) -> Quit {
        Quit {
            shutdown: self.shutdown.clone(),
            revoked: self.told.revoked.clone(),
            standing: self.told.subscribe(),
        }
    }
}

impl Quit {
    pub(super) fn is_now(&self) -> bool {
        let is_wanted = self.standing.borrow().desired.is_run();
        self.shutdown.is_cancelled() || self.revoked.is_cancelled() || !is_wanted
    }

    pub(super) async fn wait(&mut self) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = self.revoked.cancelled() => {}
            // Whoever tells lives as long as the worker.
            _ = self.standing.wait_for(|standing| !standing.desired.is_run()) => {}
        }
    }
}
