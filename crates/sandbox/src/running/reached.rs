//! Limits that were reached, as the launcher tells of them.

use rustix::process::Signal;
use tokio::sync::mpsc;

use super::ExitStatus;
use crate::limit_hit::{Consequence, LimitHit};

const KEPT: usize = 64;
/// A shell's code for what it waited for was ended by a signal, less the signal's number.
const SHELL_SIGNAL: i32 = 128;

#[derive(Debug)]
pub(super) struct Reached {
    told: mpsc::Sender<LimitHit>,
    to_take: Option<mpsc::Receiver<LimitHit>>,
    sandbox_killed: Option<LimitHit>,
    process_killed: Option<LimitHit>,
}

impl Default for Reached {
    fn default() -> Self {
        let (told, to_take) = mpsc::channel(KEPT);
        Self {
            told,
            to_take: Some(to_take),
            sandbox_killed: None,
            process_killed: None,
        }
    }
}

impl Reached {
    pub(super) fn add(&mut self, hit: LimitHit) {
        match hit.consequence {
            Consequence::SandboxKilled => self.sandbox_killed = Some(hit.clone()),
            Consequence::ProcessKilled => self.process_killed = Some(hit.clone()),
            Consequence::Refused => {}
        }
        // Full, or nobody wants to know.
        let _ = self.told.try_send(hit);
    }

    pub(super) fn take(&mut self) -> Option<mpsc::Receiver<LimitHit>> {
        self.to_take.take()
    }

    pub(super) fn ended_by(&self, exit: ExitStatus) -> Option<LimitHit> {
        let kill = Signal::KILL.as_raw();
        let by_kill =
            exit == ExitStatus::Signal(kill) || exit == ExitStatus::Code(SHELL_SIGNAL + kill);
        let own = self.process_killed.as_ref().filter(|_| by_kill);
        self.sandbox_killed.as_ref().or(own).cloned()
    }
}
