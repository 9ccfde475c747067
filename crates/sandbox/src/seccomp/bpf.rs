//! Instructions of a filter.

use libc::sock_filter;

/// Where the number of the call is in what a filter looks at.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;

/// The lower half of an argument, which comes first: the architectures known here are little-endian. The kernel looks
/// at no more of those that are checked, so bits set above change nothing.
pub(super) const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

pub(super) const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
pub(super) const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
pub(super) const fn refuse(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

pub(super) fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

pub(super) fn and(mask: u32) -> sock_filter {
    instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask, 0, 0)
}

/// Skip `if_true` or `if_false` instructions.
pub(super) fn jump(condition: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    let code = libc::BPF_JMP | condition | libc::BPF_K;
    instruction(code, value, if_true, if_false)
}

pub(super) fn skip(count: u32) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JA, count, 0, 0)
}

pub(super) fn answer(value: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, value, 0, 0)
}

/// `answer` if what is loaded is `value`.
pub(super) fn answer_if(value: u32, answered: u32) -> [sock_filter; 2] {
    [jump(libc::BPF_JEQ, value, 0, 1), answer(answered)]
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    let code = code as u16;
    sock_filter { code, jt, jf, k }
}
