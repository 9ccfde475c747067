//! Every system call that is known, with what is answered and why. What is not here, because it is newer than this list,
//! is answered as if the kernel did not have it.
//!
//! A call is allowed because programs need it, not because nothing is known against it.

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[allow(clippy::wildcard_imports)] // Hundreds of names, each with a prefix of its own.
use linux_raw_sys::general::*;

use super::arguments::Check;

/// Calls that are answered alike.
pub(super) struct Group {
    pub(super) rule: Rule,
    /// For whoever wants to change it.
    #[cfg_attr(not(test), expect(dead_code))]
    pub(super) why: &'static str,
    pub(super) calls: &'static [Call],
}

pub(super) struct Call {
    pub(super) number: u32,
    /// For messages of tests.
    #[cfg_attr(not(test), expect(dead_code))]
    pub(super) name: &'static str,
}

/// What is answered.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Allow,
    /// It depends on the arguments.
    Check(Check),
    /// Allowed where the command may make namespaces of its own.
    Nesting {
        otherwise: i32,
    },
    /// EPERM: it is known, and it is not for a sandbox.
    Refuse,
    /// ENOSYS: programs fall back to an older call, or do without.
    Absent,
}

/// All of this architecture.
pub(super) fn groups() -> impl Iterator<Item = &'static Group> {
    COMMON.iter().chain(OLD)
}

/// Forms that newer architectures never had.
#[cfg(target_arch = "x86_64")]
use x86_64::OLD;
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[Group] = &[];

const fn allow(why: &'static str, calls: &'static [Call]) -> Group {
    let rule = Rule::Allow;
    Group { rule, why, calls }
}

const fn check(check: Check, why: &'static str, calls: &'static [Call]) -> Group {
    let rule = Rule::Check(check);
    Group { rule, why, calls }
}

const fn nesting(otherwise: i32, why: &'static str, calls: &'static [Call]) -> Group {
    let rule = Rule::Nesting { otherwise };
    Group { rule, why, calls }
}

const fn refuse(why: &'static str, calls: &'static [Call]) -> Group {
    let rule = Rule::Refuse;
    Group { rule, why, calls }
}

const fn absent(why: &'static str, calls: &'static [Call]) -> Group {
    let rule = Rule::Absent;
    Group { rule, why, calls }
}

macro_rules! calls {
    ($($name:ident)*) => {
        &[$(crate::seccomp::calls::Call { number: $name, name: stringify!($name) }),*]
    };
}
#[cfg(target_arch = "x86_64")]
use calls;

/// On all architectures.
const COMMON: &[Group] = &[
    allow(
        "Files by name: reading, making, removing, their attributes. The mounts decide which.",
        calls![
            __NR_openat __NR_openat2 __NR_close_range __NR_faccessat __NR_faccessat2 __NR_fchmodat __NR_fchmodat2
            __NR_fchownat __NR_linkat __NR_mkdirat __NR_newfstatat __NR_readlinkat __NR_renameat __NR_renameat2
            __NR_statx __NR_symlinkat __NR_unlinkat __NR_utimensat __NR_chdir __NR_fchdir __NR_getcwd __NR_truncate
            __NR_umask __NR_statfs __NR_fstatfs __NR_setxattr __NR_lsetxattr __NR_fsetxattr __NR_getxattr
            __NR_lgetxattr __NR_fgetxattr __NR_listxattr __NR_llistxattr __NR_flistxattr __NR_removexattr
            __NR_lremovexattr __NR_fremovexattr __NR_setxattrat __NR_getxattrat __NR_listxattrat __NR_removexattrat
        ],
    ),
    allow(
        "Open files: bytes in and out, locks, what they are.",
        calls![
            __NR_close __NR_read __NR_write __NR_readv __NR_writev __NR_pread64 __NR_pwrite64 __NR_preadv
            __NR_pwritev __NR_preadv2 __NR_pwritev2 __NR_lseek __NR_dup __NR_dup3 __NR_fcntl __NR_flock __NR_fstat
            __NR_fchmod __NR_fchown __NR_getdents64 __NR_ftruncate __NR_fallocate __NR_fadvise64 __NR_readahead
            __NR_copy_file_range __NR_sendfile __NR_splice __NR_tee __NR_vmsplice __NR_pipe2 __NR_memfd_create
        ],
    ),
    allow(
        "Getting what was written to the disk. Of the whole machine too: scripts call it, and it only costs time.",
        calls![
            __NR_fsync __NR_fdatasync __NR_msync __NR_sync __NR_syncfs __NR_sync_file_range
        ],
    ),
    allow(
        "Waiting for any of many things.",
        calls![
            __NR_epoll_create1 __NR_epoll_ctl __NR_epoll_pwait __NR_epoll_pwait2 __NR_ppoll __NR_pselect6
            __NR_eventfd2 __NR_signalfd4 __NR_inotify_init1 __NR_inotify_add_watch __NR_inotify_rm_watch
        ],
    ),
    allow(
        "Memory of its own. Locking it is limited.",
        calls![
            __NR_brk __NR_mmap __NR_munmap __NR_mprotect __NR_mremap __NR_madvise __NR_mincore __NR_mlock
            __NR_mlock2 __NR_munlock __NR_mlockall __NR_munlockall __NR_mseal __NR_map_shadow_stack __NR_membarrier
            __NR_pkey_alloc __NR_pkey_free __NR_pkey_mprotect
        ],
    ),
    allow(
        "Processes and threads: starting, ending, waiting. New namespaces are not to be had by these.",
        calls![
            __NR_execve __NR_execveat __NR_exit __NR_exit_group __NR_wait4 __NR_waitid __NR_set_tid_address
            __NR_set_robust_list __NR_get_robust_list __NR_rseq __NR_futex __NR_futex_waitv __NR_futex_wait
            __NR_futex_wake __NR_futex_requeue __NR_restart_syscall __NR_pidfd_open
        ],
    ),
    allow(
        "Who and where a process is. Capabilities can only be given up, ids are those of the map.",
        calls![
            __NR_getpid __NR_getppid __NR_gettid __NR_getpgid __NR_setpgid __NR_getsid __NR_setsid __NR_getuid
            __NR_geteuid __NR_getgid __NR_getegid __NR_getresuid __NR_getresgid __NR_getgroups __NR_capget
            __NR_capset __NR_setuid __NR_setgid __NR_setreuid __NR_setregid __NR_setresuid __NR_setresgid
            __NR_setfsuid __NR_setfsgid __NR_setgroups
        ],
    ),
    allow(
        "Signals. Whom they reach, the process id namespace decides.",
        calls![
            __NR_kill __NR_tkill __NR_tgkill __NR_rt_sigaction __NR_rt_sigpending __NR_rt_sigprocmask
            __NR_rt_sigqueueinfo __NR_rt_sigreturn __NR_rt_sigsuspend __NR_rt_sigtimedwait __NR_rt_tgsigqueueinfo
            __NR_sigaltstack __NR_pidfd_send_signal
        ],
    ),
    allow(
        "Its share of the machine: what it uses, its limits, its turn. Real-time turns and better ones are beyond the limits.",
        calls![
            __NR_getrlimit __NR_setrlimit __NR_prlimit64 __NR_getrusage __NR_times __NR_getpriority __NR_setpriority
            __NR_ioprio_get __NR_ioprio_set __NR_getcpu __NR_sysinfo __NR_uname __NR_sched_yield
            __NR_sched_getaffinity __NR_sched_setaffinity __NR_sched_getattr __NR_sched_setattr __NR_sched_getparam
            __NR_sched_setparam __NR_sched_getscheduler __NR_sched_setscheduler __NR_sched_get_priority_max
            __NR_sched_get_priority_min __NR_sched_rr_get_interval
        ],
    ),
    allow(
        "Time: reading it, waiting for it.",
        calls![
            __NR_clock_gettime __NR_clock_getres __NR_clock_nanosleep __NR_nanosleep __NR_gettimeofday
            __NR_getitimer __NR_setitimer __NR_timer_create __NR_timer_delete __NR_timer_getoverrun
            __NR_timer_gettime __NR_timer_settime __NR_timerfd_create __NR_timerfd_gettime __NR_timerfd_settime
        ],
    ),
    allow(
        "Sockets that are there. Which can be made is checked below.",
        calls![
            __NR_accept __NR_accept4 __NR_bind __NR_connect __NR_getpeername __NR_getsockname __NR_getsockopt
            __NR_setsockopt __NR_listen __NR_recvfrom __NR_recvmmsg __NR_recvmsg __NR_sendmmsg __NR_sendmsg
            __NR_sendto __NR_shutdown
        ],
    ),
    allow(
        "Messages, semaphores and memory between processes, in a namespace of their own.",
        calls![
            __NR_mq_open __NR_mq_unlink __NR_mq_timedsend __NR_mq_timedreceive __NR_mq_notify __NR_mq_getsetattr
            __NR_msgctl __NR_msgget __NR_msgrcv __NR_msgsnd __NR_semctl __NR_semget __NR_semop __NR_semtimedop
            __NR_shmat __NR_shmctl __NR_shmdt __NR_shmget
        ],
    ),
    allow(
        "Random bytes, and fences that programs put around themselves.",
        calls![
            __NR_getrandom __NR_seccomp __NR_landlock_create_ruleset __NR_landlock_add_rule
            __NR_landlock_restrict_self
        ],
    ),
    check(
        Check::Clone,
        "Starting a process, but not in a new namespace.",
        calls![__NR_clone],
    ),
    check(
        Check::Socket,
        "Only families that a network namespace confines, and of these no raw sockets.",
        calls![__NR_socket],
    ),
    check(
        Check::SocketPair,
        "Only what stays inside by its nature.",
        calls![__NR_socketpair],
    ),
    check(
        Check::Ioctl,
        "A thousand requests to what is open. Those that reach through a terminal are refused.",
        calls![__NR_ioctl],
    ),
    check(
        Check::Device { mode: 2 },
        "Pipes and sockets as files, but no devices.",
        calls![__NR_mknodat],
    ),
    check(
        Check::Prctl,
        "Settings of a process by itself.",
        calls![__NR_prctl],
    ),
    check(
        Check::Personality,
        "How old a kernel to play, but not to forget protections.",
        calls![__NR_personality],
    ),
    nesting(
        libc::EPERM,
        "Mounts and namespaces: what the sandbox is made of.",
        calls![
            __NR_mount __NR_umount2 __NR_pivot_root __NR_chroot __NR_unshare __NR_setns __NR_sethostname
            __NR_setdomainname
        ],
    ),
    nesting(
        libc::ENOSYS,
        "Newer forms of the same: programs fall back to the older ones, and are refused there.",
        calls![
            __NR_open_tree __NR_open_tree_attr __NR_move_mount __NR_fsopen __NR_fsconfig __NR_fsmount __NR_fspick
            __NR_mount_setattr
        ],
    ),
    refuse(
        "Keys are not confined by namespaces.",
        calls![
            __NR_add_key __NR_request_key __NR_keyctl
        ],
    ),
    refuse(
        "Much used in attacks on the kernel, and nothing that a build or an agent needs.",
        calls![
            __NR_bpf __NR_perf_event_open __NR_userfaultfd __NR_io_uring_setup __NR_io_uring_enter
            __NR_io_uring_register
        ],
    ),
    refuse(
        "Into other processes: their memory, their descriptors, their steps.",
        calls![
            __NR_ptrace __NR_process_vm_readv __NR_process_vm_writev __NR_process_madvise __NR_process_mrelease
            __NR_kcmp __NR_pidfd_getfd
        ],
    ),
    refuse(
        "Handles reach past mounts, and watching whole mounts sees what others do.",
        calls![
            __NR_name_to_handle_at __NR_open_by_handle_at __NR_fanotify_init __NR_fanotify_mark
        ],
    ),
    refuse(
        "Where memory lies among processors: of no use in a share of a machine, and a long list of faults.",
        calls![
            __NR_mbind __NR_get_mempolicy __NR_set_mempolicy __NR_set_mempolicy_home_node __NR_migrate_pages
            __NR_move_pages
        ],
    ),
    refuse(
        "The machine: its code, its clock, its disks, its log, its end.",
        calls![
            __NR_init_module __NR_finit_module __NR_delete_module __NR_kexec_load __NR_kexec_file_load __NR_reboot
            __NR_settimeofday __NR_clock_settime __NR_clock_adjtime __NR_adjtimex __NR_swapon __NR_swapoff
            __NR_quotactl __NR_quotactl_fd __NR_acct __NR_syslog __NR_vhangup __NR_lookup_dcookie
        ],
    ),
    absent(
        "Its flags lie in memory, where no filter sees them. Programs fall back to `clone`.",
        calls![__NR_clone3],
    ),
    absent(
        "Disk requests of an old kind, of which the whole machine has a fixed number. Databases fall back.",
        calls![
            __NR_io_setup __NR_io_destroy __NR_io_submit __NR_io_cancel __NR_io_getevents __NR_io_pgetevents
        ],
    ),
    absent(
        "Tells of mounts, security modules and namespaces more than `/proc` does.",
        calls![
            __NR_statmount __NR_listmount __NR_lsm_get_self_attr __NR_lsm_set_self_attr __NR_lsm_list_modules
        ],
    ),
    absent(
        "New, and hardly used: what the cache holds, attributes by file, memory that nobody else can count.",
        calls![
            __NR_cachestat __NR_file_getattr __NR_file_setattr __NR_memfd_secret
        ],
    ),
    absent(
        "The kernel has not had them for long, or never.",
        calls![
            __NR_nfsservctl __NR_remap_file_pages
        ],
    ),
];
