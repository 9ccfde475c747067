//! The launcher's time while the sandbox runs: waiting for its end, and watching the limits that the kernel does not
//! hold, or holds without saying to whom it happened.
//!
//! From outside, with the worker's rights: nothing that a command does to itself or to the first process changes what is
//! counted. In this one thread: no look takes long, see the bounds of each.

mod disk;
mod group;
mod inside;
mod memory;
mod number;
mod processes;
mod walk;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitOptions};

use super::NO_DESCRIPTORS;
use super::groups::Groups;
use crate::control::{self, ToLauncher, ToWorker};
use crate::error::{SandboxError, Step};
use crate::limit_hit::{Consequence, LimitHit};
use crate::plan::Plan;
use crate::syscalls;
use inside::Inside;

pub(super) struct Watch {
    inside: Inside,
    watchers: Vec<Box<dyn Watcher>>,
}

/// When the first process began, by the clock that file systems use.
#[derive(Clone, Copy)]
pub(super) struct Begun(Timespec);

impl Begun {
    pub(super) fn now() -> Self {
        Self(rustix::time::clock_gettime(
            rustix::time::ClockId::RealtimeCoarse,
        ))
    }
}

/// Looks after one limit, or several that are held in the same way.
trait Watcher {
    /// When to look next.
    fn due(&self) -> Instant;
    /// What has been reached since the last look; who can be killed for it has been.
    fn look(&mut self, inside: &Inside, now: Instant) -> Vec<LimitHit>;
    /// The last look, when everything inside is gone.
    fn at_the_end(&mut self) -> Vec<LimitHit> {
        Vec::new()
    }
}

enum Event {
    SandboxEnded,
    WorkerGone,
    FromInit,
    Due,
}

impl Watch {
    pub(super) fn new(
        plan: &Plan,
        groups: &Groups,
        init: Pid,
        begun: Begun,
    ) -> Result<Self, SandboxError> {
        let now = Instant::now();
        let mut watchers: Vec<Box<dyn Watcher>> = Vec::new();
        if let Some(watcher) = memory::MemoryWatch::new(plan, init, now) {
            watchers.push(Box::new(watcher));
        }
        if let Some(watcher) = group::GroupWatch::new(plan, groups, now) {
            watchers.push(Box::new(watcher));
        }
        if let Some(watcher) = processes::ProcessWatch::new(plan, now) {
            watchers.push(Box::new(watcher));
        }
        if let Some(watcher) = disk::DiskWatch::new(plan, begun, now)? {
            watchers.push(Box::new(watcher));
        }
        Ok(Self {
            inside: Inside::default(),
            watchers,
        })
    }

    /// Wait for the end of the first process, and cause it when the worker is gone or a limit asks for it.
    pub(super) fn until_the_end(
        mut self,
        control: &OwnedFd,
        init: &OwnedFd,
        pidfd: &OwnedFd,
        child: Pid,
    ) -> Result<(), SandboxError> {
        let mut init = Some(init);
        // Where the kernel is too old it makes no difference.
        let _ = syscalls::ask_for_short_turns();
        loop {
            match self.next_event(control, init, pidfd)? {
                Event::SandboxEnded => break,
                Event::WorkerGone => {
                    kill(pidfd);
                    break;
                }
                Event::FromInit => {
                    let received = init.map(control::receive::<ToLauncher>);
                    match received {
                        Some(Ok(Some((message, files)))) => self.inside.receive(&message, files),
                        // It is about to end.
                        Some(Ok(None)) | None => init = None,
                        // Nothing would be watched any more.
                        Some(Err(error)) => {
                            kill(pidfd);
                            return Err(SandboxError::caused_by(
                                Step::Supervise,
                                "what the first process says",
                                error,
                            ));
                        }
                    }
                }
                Event::Due => {
                    if self.look(control) {
                        kill(pidfd);
                        self.watchers.clear();
                    }
                }
            }
        }
        // Ends when the kernel has ended everything in the namespace.
        rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(child), WaitOptions::empty()))
            .map_err(lost)?;
        for watcher in &mut self.watchers {
            tell(control, watcher.at_the_end());
        }
        Ok(())
    }

    fn next_event(
        &self,
        control: &OwnedFd,
        init: Option<&OwnedFd>,
        pidfd: &OwnedFd,
    ) -> Result<Event, SandboxError> {
        // Until there is something to look at nothing is due.
        let due = self.watchers.iter().map(|watcher| watcher.due()).min();
        let timeout = due.filter(|_| self.inside.has_started()).map(|due| {
            let left = due.saturating_duration_since(Instant::now());
            Timespec::try_from(left).expect("no look is years away")
        });
        // No event is asked for on the socket to the worker: a hang-up is always reported.
        let mut fds = vec![
            PollFd::new(pidfd, PollFlags::IN),
            PollFd::new(control, PollFlags::empty()),
        ];
        fds.extend(init.map(|init| PollFd::new(init, PollFlags::IN)));
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(lost(error)),
        }
        let happened = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        Ok(match () {
            () if happened(0) => Event::SandboxEnded,
            () if happened(1) => Event::WorkerGone,
            () if happened(2) => Event::FromInit,
            () => Event::Due,
        })
    }

    /// Returns whether the sandbox is to end.
    fn look(&mut self, control: &OwnedFd) -> bool {
        let mut ends = false;
        for watcher in &mut self.watchers {
            let now = Instant::now();
            if watcher.due() > now {
                continue;
            }
            let hits = watcher.look(&self.inside, now);
            ends |= hits
                .iter()
                .any(|hit| hit.consequence == Consequence::SandboxKilled);
            tell(control, hits);
        }
        ends
    }
}

fn kill(pidfd: &OwnedFd) {
    // The only failure left is that it has ended.
    let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
}

/// If the worker is gone there is nobody to tell.
fn tell(control: &OwnedFd, hits: Vec<LimitHit>) {
    for hit in hits {
        let _ = control::send(control, &ToWorker::LimitHit(hit), &NO_DESCRIPTORS);
    }
}

fn lost(error: rustix::io::Errno) -> SandboxError {
    SandboxError::caused_by(Step::Supervise, "waiting", error)
}

/// What this thread has computed so far. A look that is held up by others has not cost more.
fn computed() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}

/// As long as it took, times this, is the least time until the next look of that kind.
fn rest(took: Duration, share: u32) -> Duration {
    took.saturating_mul(share)
}
