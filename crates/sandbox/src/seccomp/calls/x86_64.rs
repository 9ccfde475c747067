//! What only this architecture has: calls from before there were better ones.

#[allow(clippy::wildcard_imports)] // Hundreds of names, each with a prefix of its own.
use linux_raw_sys::general::*;

use super::{Check, Group, absent, allow, calls, check, refuse};

/// Newer than the headers that the other names are from.
const UPROBE: u32 = 336;

pub(super) const OLD: &[Group] = &[
    allow(
        "Old forms of the same.",
        calls![
            __NR_access __NR_chmod __NR_chown __NR_creat __NR_futimesat __NR_getdents __NR_lchown __NR_link
            __NR_lstat __NR_mkdir __NR_open __NR_readlink __NR_rename __NR_rmdir __NR_stat __NR_symlink __NR_unlink
            __NR_utime __NR_utimes
        ],
    ),
    allow(
        "Old forms of the same.",
        calls![
            __NR_dup2 __NR_pipe
        ],
    ),
    allow(
        "Old forms of the same.",
        calls![
            __NR_epoll_create __NR_epoll_wait __NR_poll __NR_select __NR_eventfd __NR_signalfd __NR_inotify_init
        ],
    ),
    allow(
        "Old forms of the same, and where threads keep their own memory.",
        calls![
            __NR_fork __NR_vfork __NR_arch_prctl
        ],
    ),
    allow("Old forms of the same.", calls![__NR_getpgrp]),
    allow("Old forms of the same.", calls![__NR_pause]),
    allow(
        "Old forms of the same.",
        calls![
            __NR_alarm __NR_time
        ],
    ),
    check(
        Check::Device { mode: 1 },
        "The old form of the same.",
        calls![__NR_mknod],
    ),
    refuse(
        "Of this processor: ports, segments.",
        calls![
            __NR_ioperm __NR_iopl __NR_modify_ldt
        ],
    ),
    absent(
        "The kernel has not had them for long, or never, or only for traps that it sets itself.",
        calls![
            __NR__sysctl __NR_sysfs __NR_uselib __NR_ustat __NR_create_module __NR_get_kernel_syms __NR_query_module
            __NR_getpmsg __NR_putpmsg __NR_afs_syscall __NR_tuxcall __NR_security __NR_vserver __NR_epoll_ctl_old
            __NR_epoll_wait_old __NR_get_thread_area __NR_set_thread_area __NR_uretprobe UPROBE
        ],
    ),
];
