//! What a command cannot get past where there is no control group: for a limit of memory it keeps the steps small
//! between two looks, for one of processor time it is all there is.

use libc::sock_filter;
use rustix::process::{Resource, Rlimit};
use rustix::thread::CpuSet;

use crate::error::{SandboxError, Step};
use crate::plan::{Hold, Plan};
use crate::syscalls;

/// In the process that becomes the command.
pub(super) fn put_up(plan: &Plan) -> Result<(), SandboxError> {
    if let (Some(Hold::Watched { .. }), Some(bytes)) = (plan.holds.memory, plan.limits.memory_bytes)
    {
        private_memory(bytes)?;
    }
    if let Some(Hold::Processors { count }) = plan.holds.cpu {
        run_on(count)?;
    }
    Ok(())
}

/// After this the command cannot take them down.
pub(super) fn close(plan: &Plan) -> Result<(), SandboxError> {
    let install = |filter: &[sock_filter], what: &str| {
        syscalls::install_filter(filter)
            .map_err(|e| SandboxError::caused_by(Step::FilterSyscalls, what, e))
    };
    if let Some(Hold::Watched { .. }) = plan.holds.memory {
        install(&stay_visible(), "visibility")?;
    }
    if let Some(Hold::Processors { count: _ }) = plan.holds.cpu {
        install(&stay_on_processors(), "processors")?;
    }
    Ok(())
}

/// A little more than all may have, so that who reaches the limit is killed and named, as in a control group. Counts
/// what can be written and is not shared; not address space, of which some runtimes reserve terabytes. Without huge
/// pages memory is not taken faster than it is looked at.
fn private_memory(bytes: u64) -> Result<(), SandboxError> {
    let fault = |e: std::io::Error| SandboxError::caused_by(Step::SetLimits, "memory", e);
    let most = bytes.saturating_add(bytes / 8);
    let ceiling = rustix::process::getrlimit(Resource::Data)
        .maximum
        .unwrap_or(u64::MAX);
    let limit = Some(most.min(ceiling));
    rustix::process::setrlimit(
        Resource::Data,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )
    .map_err(|e| fault(e.into()))?;
    syscalls::refuse_huge_pages().map_err(fault)
}

/// On the one that the kernel has just chosen for this process, and the next ones.
fn run_on(count: u32) -> Result<(), SandboxError> {
    let fault = |e: rustix::io::Errno| SandboxError::caused_by(Step::SetLimits, "processors", e);
    let allowed = rustix::thread::sched_getaffinity(None).map_err(fault)?;
    let here = rustix::thread::sched_getcpu();
    let numbers = (here..CpuSet::MAX_CPU).chain(0..here);
    let mut chosen = CpuSet::new();
    for number in numbers
        .filter(|number| allowed.is_set(*number))
        .take(count as usize)
    {
        chosen.set(number);
    }
    rustix::thread::sched_setaffinity(None, &chosen).map_err(fault)
}

// Filters of their own, beside the one for all commands: calls of other architectures are that one's matter, and it ends
// whoever makes them.

fn stay_on_processors() -> [sock_filter; 4] {
    [
        load(NUMBER),
        unless(libc::SYS_sched_setaffinity as u32, 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ]
}

/// The descriptors of a process that hides itself (`PR_SET_DUMPABLE`) show only to the host's root. It is told that it
/// is hidden now: nobody inside can trace it in any case, and some programs end when they cannot hide.
fn stay_visible() -> [sock_filter; 8] {
    [
        load(NUMBER),
        unless(libc::SYS_prctl as u32, 5),
        load(argument(0)),
        unless(libc::PR_SET_DUMPABLE as u32, 3),
        load(argument(1)),
        unless(0, 1),
        answer(libc::SECCOMP_RET_ERRNO),
        answer(libc::SECCOMP_RET_ALLOW),
    ]
}

/// Of the call's number in what a filter sees.
const NUMBER: u32 = 0;
/// Of the lower half of an argument.
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, offset)
}

/// Skip as many instructions if what was loaded is not `value`.
fn unless(value: u32, skip: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, skip, value)
}

fn answer(value: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, value)
}

fn instruction(code: u32, jf: u8, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf,
        k,
    }
}
