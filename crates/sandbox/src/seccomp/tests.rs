//! The filter, run by a small machine that knows the instructions it is made of.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use libc::sock_filter;
#[allow(clippy::wildcard_imports)] // Hundreds of names, each with a prefix of its own.
use linux_raw_sys::general::*;

use super::bpf::{ALLOW, KILL, refuse};
use super::{AUDIT_ARCH, calls, filter};

const EPERM: u32 = refuse(libc::EPERM);
const ENOSYS: u32 = refuse(libc::ENOSYS);

/// Numbers of Linux 6.18, from its own tables.
#[cfg(target_arch = "x86_64")]
const ASSIGNED: [std::ops::RangeInclusive<u32>; 2] = [0..=336, 424..=469];
#[cfg(target_arch = "aarch64")]
const ASSIGNED: [std::ops::RangeInclusive<u32>; 3] = [0..=243, 260..=294, 424..=469];

/// What the filter answers, and after how many instructions.
fn run(code: &[sock_filter], architecture: u32, number: u32, arguments: &[u64]) -> (u32, usize) {
    let mut words = vec![number, architecture, 0, 0];
    for index in 0..6 {
        let argument = arguments.get(index).copied().unwrap_or(0);
        words.extend([argument as u32, (argument >> 32) as u32]);
    }
    let (mut loaded, mut at) = (0, 0);
    for steps in 1..=code.len() {
        let sock_filter { code, jt, jf, k } = code[at];
        at += 1;
        let branch = |is: bool| usize::from(if is { jt } else { jf });
        match u32::from(code) {
            0x20 => loaded = words[k as usize / 4],
            0x54 => loaded &= k,
            0x05 => at += k as usize,
            0x15 => at += branch(loaded == k),
            0x35 => at += branch(loaded >= k),
            0x45 => at += branch(loaded & k != 0),
            0x06 => return (k, steps),
            other => panic!("an instruction that is not made: {other:#x}"),
        }
    }
    panic!("the filter does not end");
}

fn answered(nesting: bool, number: u32, arguments: &[u64]) -> u32 {
    run(&filter(nesting), AUDIT_ARCH, number, arguments).0
}

#[test]
fn each_call_of_the_kernel_is_in_one_group_that_says_why() {
    let mut found = BTreeMap::new();
    for group in calls::groups() {
        assert!(group.why.ends_with('.'), "{:?}", group.why);
        for call in group.calls {
            match found.entry(call.number) {
                Entry::Vacant(place) => drop(place.insert(call.name)),
                Entry::Occupied(other) => panic!("{} is twice: {other:?}", call.name),
            }
        }
    }
    let numbers: Vec<u32> = found.into_keys().collect();
    let assigned: Vec<u32> = ASSIGNED.into_iter().flatten().collect();
    assert_eq!(numbers, assigned);
}

#[test]
fn each_call_is_answered_as_its_group_says() {
    for nesting in [false, true] {
        let code = filter(nesting);
        for group in calls::groups() {
            let expected = match group.rule {
                calls::Rule::Allow => ALLOW,
                calls::Rule::Nesting { otherwise: _ } if nesting => ALLOW,
                calls::Rule::Nesting { otherwise } => refuse(otherwise),
                calls::Rule::Refuse => EPERM,
                calls::Rule::Absent => ENOSYS,
                calls::Rule::Check(_) => continue, // By its arguments, below.
            };
            for call in group.calls {
                let (answer, steps) = run(&code, AUDIT_ARCH, call.number, &[]);
                assert_eq!(answer, expected, "{} nesting {nesting}", call.name);
                assert!(steps <= 16, "{} takes {steps} instructions", call.name);
            }
        }
    }
}

#[test]
fn what_is_not_known_does_not_exist() {
    for number in [337, 400, 423, 470, 1000, 0x3fff_ffff, 0x8000_0000, u32::MAX] {
        assert_eq!(answered(false, number, &[]), ENOSYS, "{number}");
    }
}

#[test]
fn calls_of_other_architectures_end_the_process() {
    const I386: u32 = 0x4000_0003;
    let code = filter(true);
    for number in [0, __NR_getpid, u32::MAX] {
        assert_eq!(run(&code, I386, number, &[]).0, KILL);
    }
    if cfg!(target_arch = "x86_64") {
        for number in [0, __NR_getpid, 512, 0x3fff_ffff] {
            assert_eq!(answered(true, 0x4000_0000 | number, &[]), KILL);
        }
    }
}

#[test]
fn namespaces_are_for_sandboxes_that_asked_for_them() {
    let thread = (libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND) as u64;
    assert_eq!(answered(false, __NR_clone, &[thread]), ALLOW);
    for flag in [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ] {
        let flags = flag as u64 | libc::SIGCHLD as u64;
        for high in [0, 1 << 40] {
            assert_eq!(answered(false, __NR_clone, &[flags | high]), EPERM);
            assert_eq!(answered(true, __NR_clone, &[flags | high]), ALLOW);
        }
    }
    assert_eq!(answered(true, __NR_clone3, &[]), ENOSYS);
}

#[test]
fn sockets_are_of_known_families_and_kinds() {
    let family = refuse(libc::EAFNOSUPPORT);
    let protocol = refuse(libc::EPROTONOSUPPORT);
    let kind = refuse(libc::ESOCKTNOSUPPORT);
    let socket = |arguments: [u64; 3]| answered(false, __NR_socket, &arguments);
    let flags = (libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as u64;
    for (arguments, expected) in [
        ([1, 1, 0], ALLOW),
        ([1, 2 | flags, 0], ALLOW),
        ([1, 5, 0], ALLOW),
        ([1, 3, 0], kind),
        ([2, 1 | flags, 6], ALLOW),
        ([10, 2 | flags, 17], ALLOW),
        ([2, 1 | flags, 262], protocol),
        ([2, 1, 132], protocol),
        ([2, 3, 1], EPERM),
        ([10, 3 | flags, 255], EPERM),
        ([2, 10, 0], EPERM),
        ([2, 5, 132], EPERM),
        ([16, 3 | flags, 0], ALLOW),
        ([16, 2, 0], ALLOW),
        ([16, 3, 9], protocol),
        ([16, 3, 12], protocol),
        ([17, 3, 0], family),
        ([40, 1, 0], family),
        ([38, 5, 0], family),
        ([40 | 1 << 32, 1, 0], family),
        ([2 | 1 << 32, 3, 1], EPERM),
    ] {
        assert_eq!(socket(arguments), expected, "{arguments:?}");
    }
    let pair = |arguments: [u64; 3]| answered(false, __NR_socketpair, &arguments);
    assert_eq!(pair([1, 1 | flags, 0]), ALLOW);
    assert_eq!(pair([1, 3, 0]), kind);
    assert_eq!(pair([30, 1, 0]), family);
    assert_eq!(pair([2, 1, 0]), family);
}

#[test]
fn terminals_devices_settings_and_personalities_are_looked_at() {
    let ioctl = |request: u64| answered(false, __NR_ioctl, &[0, request]);
    // TIOCSTI, TIOCLINUX, TIOCSETD; TIOCGWINSZ.
    for request in [0x5412, 0x541c, 0x5423] {
        assert_eq!(ioctl(request), EPERM);
        assert_eq!(ioctl(request | 1 << 32), EPERM);
        assert_eq!(ioctl(request | 0xffff_ffff << 32), EPERM);
    }
    assert_eq!(ioctl(0x5413), ALLOW);
    let make = |mode: u32| answered(false, __NR_mknodat, &[0, 0, u64::from(mode)]);
    assert_eq!(make(libc::S_IFIFO | 0o600), ALLOW);
    assert_eq!(make(libc::S_IFSOCK | 0o600), ALLOW);
    assert_eq!(make(libc::S_IFCHR), EPERM);
    assert_eq!(make(libc::S_IFBLK | 0o666), EPERM);
    let set = |option: u64| answered(false, __NR_prctl, &[option]);
    assert_eq!(set(libc::PR_SET_NAME as u64), ALLOW);
    assert_eq!(set(libc::PR_SET_MM as u64), EPERM);
    assert_eq!(set(62), EPERM);
    let play = |personality: u64| answered(false, __NR_personality, &[personality]);
    for personality in [0, 8, 0xffff_ffff, u64::MAX] {
        assert_eq!(play(personality), ALLOW);
    }
    assert_eq!(play(0x40_0000), EPERM);
    assert_eq!(play(0x4_0000 | 1 << 32), EPERM);
}
