//! A process that only has a user namespace.

use std::ffi::{c_int, c_void};
use std::io;
use std::ptr;

use rustix::process::{Pid, Signal, WaitOptions};

use super::check;

/// More than the few frames need that it has.
const STACK_BYTES: usize = 16 << 10;
const STACK_ALIGNMENT: usize = 16;

/// A child in a user namespace of its own, and otherwise where this process is, that waits until it is dropped. It shares
/// this process's memory, of which a fork would copy the page tables.
pub(crate) struct IdleProcess {
    pid: Pid,
    /// The child's.
    _stack: Box<[u8]>,
}

impl IdleProcess {
    pub(crate) fn in_new_user_namespace() -> io::Result<Self> {
        let mut stack = vec![0_u8; STACK_BYTES].into_boxed_slice();
        let end = stack.as_mut_ptr().wrapping_add(STACK_BYTES);
        let top = end.wrapping_sub(end.addr() % STACK_ALIGNMENT);
        let parent = rustix::process::getpid().as_raw_nonzero().get();
        // SAFETY: the child runs `idle` on a stack that is its own and outlives it. Its argument is a number.
        let child = unsafe {
            libc::clone(
                idle,
                top.cast(),
                libc::CLONE_VM | libc::CLONE_NEWUSER | libc::SIGCHLD,
                ptr::without_provenance_mut(parent as usize),
            )
        };
        let child = check(child.into())?;
        let pid = Pid::from_raw(child as libc::pid_t).expect("a child's number is not 0");
        Ok(Self { pid, _stack: stack })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }
}

impl Drop for IdleProcess {
    fn drop(&mut self) {
        // Nobody else waits for it, so its number is its own until here.
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        let _ = rustix::io::retry_on_intr(|| {
            rustix::process::waitpid(Some(self.pid), WaitOptions::empty())
        });
    }
}

/// Waits, and ends when its parent does. Calls nothing that fails and would say so in the `errno` that it shares.
extern "C" fn idle(parent: *mut c_void) -> c_int {
    // SAFETY: no call takes memory.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // It may have ended before that.
        while libc::getppid() as usize == parent.addr() {
            libc::pause();
        }
    }
    0
}
