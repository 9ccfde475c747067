//! Which system calls a command may make, and the filter made of that.
//!
//! An allow-list, kept as data with a reason for each group ([`calls`]). Calls that are known and not for a sandbox
//! report EPERM. All others, also those that a newer kernel brings, report ENOSYS, so that C libraries fall back to
//! older ones. Calls of another architecture (i386, x32) end the process.
//!
//! Made here and not by a library: the ones there are know one answer besides "allowed", and look at the calls one after
//! the other. This one halves the numbers that are left at each step, and looks at arguments last, so that the kernel
//! notices which calls are always allowed and does not run it for them at all.

mod arguments;
mod bpf;
mod calls;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use libc::sock_filter;

use arguments::Check;
use bpf::{ALLOW, ARCHITECTURE, KILL, NUMBER, answer, jump, load, refuse, skip};
use calls::Rule;

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;
/// Set in the numbers of x32 calls.
const X32_BIT: u32 = 0x4000_0000;

/// What follows from the number of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Answer(u32),
    Check(Check),
}

const UNKNOWN: Action = Action::Answer(refuse(libc::ENOSYS));

/// The filter for a command. With `nesting` it may make namespaces of its own, and mount what it likes in them.
pub(crate) fn filter(nesting: bool) -> Vec<sock_filter> {
    let mut code = vec![
        load(ARCHITECTURE),
        jump(libc::BPF_JEQ, AUDIT_ARCH, 1, 0),
        answer(KILL),
        load(NUMBER),
    ];
    code.extend(search(&ranges(nesting)));
    code
}

/// From each of these numbers on, up to the next, calls are treated alike. The first is 0.
fn ranges(nesting: bool) -> Vec<(u32, Action)> {
    let mut starts = BTreeMap::from([(0, UNKNOWN)]);
    if cfg!(target_arch = "x86_64") {
        starts.extend([(X32_BIT, Action::Answer(KILL)), (X32_BIT << 1, UNKNOWN)]);
    }
    for group in calls::groups() {
        for call in group.calls {
            starts.insert(call.number, action(group.rule, nesting));
        }
    }
    let known: Vec<u32> = calls::groups()
        .flat_map(|group| group.calls)
        .map(|call| call.number)
        .collect();
    for number in known {
        starts.entry(number + 1).or_insert(UNKNOWN);
    }
    let mut ranges: Vec<(u32, Action)> = starts.into_iter().collect();
    ranges.dedup_by_key(|(_, action)| *action);
    ranges
}

fn action(rule: Rule, nesting: bool) -> Action {
    Action::Answer(match rule {
        Rule::Allow => ALLOW,
        Rule::Check(Check::Clone) | Rule::Nesting { otherwise: _ } if nesting => ALLOW,
        Rule::Check(check) => return Action::Check(check),
        Rule::Nesting { otherwise } => refuse(otherwise),
        Rule::Refuse => refuse(libc::EPERM),
        Rule::Absent => refuse(libc::ENOSYS),
    })
}

/// Instructions that find the range of the number that is loaded, and answer.
fn search(ranges: &[(u32, Action)]) -> Vec<sock_filter> {
    if let [(_, action)] = ranges {
        return match action {
            Action::Answer(value) => vec![answer(*value)],
            Action::Check(check) => check.body(),
        };
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (from, low, high) = (high[0].0, search(low), search(high));
    let mut code = match u8::try_from(low.len()) {
        Ok(length) => vec![jump(libc::BPF_JGE, from, length, 0)],
        // Further than a condition can jump.
        Err(_) => vec![jump(libc::BPF_JGE, from, 0, 1), skip(low.len() as u32)],
    };
    code.extend(low);
    code.extend(high);
    code
}
