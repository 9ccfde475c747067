//! The system calls that a command may not make, as data, and the filter made of it.
//!
//! A deny-list: what is not named is allowed, because programs that a task needs use almost everything else. Refused
//! calls report EPERM; newer forms of a refused call report ENOSYS, so that C libraries fall back to the older form,
//! whose flags a filter can see. Calls of another architecture (i386, x32) end the process.

use libc::{c_long, sock_filter};

/// May change what a namespace shows, make namespaces, or reach the kernel by paths that rarely matter to programs.
const REFUSED: &[c_long] = &[
    // Mounts.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // Namespaces. `clone` is filtered by its flags below.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Keys are not confined by namespaces.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Much used in attacks on the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    // NUMA placement.
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    // Handles reach past mounts.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
];

/// Only of this architecture.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS__sysctl,
    libc::SYS_uselib,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

/// Answered as if the kernel did not have them: flags in memory, or a newer form of a refused call.
const ABSENT: &[c_long] = &[
    libc::SYS_clone3,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    OPEN_TREE_ATTR,
];

/// Newer than the C library's list; the same on all architectures.
const OPEN_TREE_ATTR: c_long = 467;

const NAMESPACE_FLAGS: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;

/// Families a network namespace confines. AF_VSOCK, which it does not, and the many rarely used ones are refused.
const FAMILIES: &[u32] = &[
    libc::AF_UNIX as u32,
    libc::AF_INET as u32,
    libc::AF_INET6 as u32,
    libc::AF_NETLINK as u32,
];
/// The kind of socket, without flags.
const SOCKET_TYPE_MASK: u32 = 0xf;
/// An old form of a raw socket.
const SOCK_PACKET: u32 = 10;
/// Put characters into a terminal's input, which may be somebody else's.
const TERMINAL_REQUESTS: &[u32] = &[libc::TIOCSTI as u32, 0x541c /* TIOCLINUX */];

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;
/// Set in the numbers of x32 calls.
const X32_BIT: u32 = 0x4000_0000;

// Offsets in `struct seccomp_data`; the lower half of an argument comes first (both architectures are little-endian).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const fn refuse(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// The filter for a sandbox's command.
pub(crate) fn filter() -> Vec<sock_filter> {
    let mut code = vec![
        load(ARCHITECTURE),
        jump(libc::BPF_JEQ, AUDIT_ARCH, 1, 0),
        answer(KILL),
        load(NUMBER),
    ];
    if cfg!(target_arch = "x86_64") {
        code.extend([jump(libc::BPF_JGE, X32_BIT, 0, 1), answer(KILL)]);
    }
    for number in REFUSED.iter().chain(REFUSED_HERE) {
        code.extend([
            jump(libc::BPF_JEQ, *number as u32, 0, 1),
            answer(refuse(libc::EPERM)),
        ]);
    }
    for number in ABSENT {
        code.extend([
            jump(libc::BPF_JEQ, *number as u32, 0, 1),
            answer(refuse(libc::ENOSYS)),
        ]);
    }
    on(
        &mut code,
        libc::SYS_clone,
        &[
            load(argument(0)),
            jump(libc::BPF_JSET, NAMESPACE_FLAGS, 0, 1),
            answer(refuse(libc::EPERM)),
            answer(ALLOW),
        ],
    );
    #[cfg(target_arch = "x86_64")]
    on(&mut code, libc::SYS_mknod, &device(1));
    on(&mut code, libc::SYS_mknodat, &device(2));
    let mut terminal = vec![load(argument(1))];
    for request in TERMINAL_REQUESTS {
        terminal.extend([
            jump(libc::BPF_JEQ, *request, 0, 1),
            answer(refuse(libc::EPERM)),
        ]);
    }
    terminal.push(answer(ALLOW));
    on(&mut code, libc::SYS_ioctl, &terminal);
    on(&mut code, libc::SYS_socket, &socket());
    code.push(answer(ALLOW));
    code
}

/// Pipes and sockets can be made, also as files; devices cannot. The kernel refuses them as well, but for the one that
/// stands for a deleted file in a layer (character, 0:0).
fn device(mode: u32) -> Vec<sock_filter> {
    let mut code = vec![load(argument(mode)), and(libc::S_IFMT)];
    for kind in [libc::S_IFCHR, libc::S_IFBLK] {
        code.extend([jump(libc::BPF_JEQ, kind, 0, 1), answer(refuse(libc::EPERM))]);
    }
    code.push(answer(ALLOW));
    code
}

/// Known families; raw sockets of none but netlink, whose sockets are raw by nature.
fn socket() -> Vec<sock_filter> {
    let mut code = vec![
        load(argument(0)),
        jump(libc::BPF_JEQ, libc::AF_NETLINK as u32, 0, 1),
        answer(ALLOW),
        load(argument(1)),
        and(SOCKET_TYPE_MASK),
        jump(libc::BPF_JEQ, libc::SOCK_RAW as u32, 0, 1),
        answer(refuse(libc::EPERM)),
        jump(libc::BPF_JEQ, SOCK_PACKET, 0, 1),
        answer(refuse(libc::EPERM)),
        load(argument(0)),
    ];
    for family in FAMILIES {
        code.extend([jump(libc::BPF_JEQ, *family, 0, 1), answer(ALLOW)]);
    }
    code.push(answer(refuse(libc::EAFNOSUPPORT)));
    code
}

/// Run `body`, which always answers, if the call is `number`.
fn on(code: &mut Vec<sock_filter>, number: c_long, body: &[sock_filter]) {
    let skip = u8::try_from(body.len()).expect("a body is shorter than 256 instructions");
    code.push(jump(libc::BPF_JEQ, number as u32, 0, skip));
    code.extend_from_slice(body);
}

fn load(offset: u32) -> sock_filter {
    sock_filter {
        code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
        jt: 0,
        jf: 0,
        k: offset,
    }
}

fn and(mask: u32) -> sock_filter {
    sock_filter {
        code: (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: mask,
    }
}

fn jump(condition: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter {
        code: (libc::BPF_JMP | condition | libc::BPF_K) as u16,
        jt: if_true,
        jf: if_false,
        k: value,
    }
}

fn answer(value: u32) -> sock_filter {
    sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: value,
    }
}
