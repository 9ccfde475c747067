//! Calls that limits are held and watched by.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::{Forked, check, clone};

/// As [`super::fork_into`], with the child in the control group (of version 2) whose directory is `group`.
///
/// # Safety
/// As for [`super::fork_into`].
pub(crate) unsafe fn fork_into_group(
    namespaces: u64,
    group: Option<BorrowedFd<'_>>,
) -> io::Result<Forked> {
    // SAFETY: all zeroes is a valid `clone_args`: a plain integer structure.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = namespaces;
    if let Some(group) = group {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = group.as_raw_fd() as u64;
    }
    // SAFETY: the caller keeps to the same rules.
    unsafe { clone(arguments) }
}

/// The C library's constant is too short for its own value.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// See no group but the own one and those below.
pub(crate) fn unshare_cgroup_namespace() -> io::Result<()> {
    // SAFETY: takes no memory.
    check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }.into())?;
    Ok(())
}

/// What this process and those it starts take is given out in small pages.
pub(crate) fn refuse_huge_pages() -> io::Result<()> {
    // SAFETY: takes no memory; unused arguments are zero, as asked for.
    check(unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) }.into())?;
    Ok(())
}

/// This thread is to be scheduled soon when it wakes, for short turns, on a machine that is busy. Costs others nothing, so
/// everybody may; since Linux 6.12.
pub(crate) fn ask_for_short_turns() -> io::Result<()> {
    const TURN_NS: u64 = 100_000;
    /// `struct sched_attr` in its first version.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    // SAFETY: these take no memory.
    let (policy, nice) = unsafe {
        (
            libc::sched_getscheduler(0),
            libc::getpriority(libc::PRIO_PROCESS, 0),
        )
    };
    if policy != libc::SCHED_OTHER {
        return Ok(()); // Somebody has arranged for it already.
    }
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime: TURN_NS,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the structure outlives the call, which reads as much of it as its size says.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, ptr::from_ref(&attributes), 0) })?;
    Ok(())
}

/// Bytes of memory file systems and shared memory on the whole machine.
pub(crate) fn shared_memory_bytes() -> u64 {
    // SAFETY: all zeroes is a valid `sysinfo`, which the call fills and which outlives it; it has no failure but a bad
    // address.
    let mut info: libc::sysinfo = unsafe { std::mem::zeroed() };
    unsafe { libc::sysinfo(ptr::from_mut(&mut info)) };
    u64::from(info.mem_unit) * info.sharedram as u64
}

/// Of the file system that the kernel keeps shared memory in which has no name, as seen by one's own.
pub(crate) fn shared_memory_device() -> Option<u64> {
    let own = rustix::fs::memfd_create("device", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
    Some(rustix::fs::fstat(own).ok()?.st_dev)
}

/// Do two processes have one memory? `None` where the kernel does not say.
pub(crate) fn share_memory(one: i32, other: i32) -> Option<bool> {
    const KCMP_VM: libc::c_long = 1;
    // SAFETY: takes no memory.
    let result = unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_VM, 0, 0) };
    (result >= 0).then_some(result == 0)
}
