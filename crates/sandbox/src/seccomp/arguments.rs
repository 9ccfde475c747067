//! Calls of which the arguments decide.

use libc::sock_filter;

use super::bpf::{ALLOW, and, answer, answer_if, argument, jump, load, refuse};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Clone,
    Device {
        /// Which argument says what is to be made.
        mode: u32,
    },
    Ioctl,
    Personality,
    Prctl,
    Socket,
    SocketPair,
}

const NAMESPACE_FLAGS: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;

/// Requests to what is open, refused with EPERM.
const REQUESTS_REFUSED: [u32; 3] = [
    // Put characters into a terminal's input, which may be somebody else's.
    libc::TIOCSTI as u32,
    libc::TIOCLINUX as u32,
    // Loads a line discipline into the kernel.
    libc::TIOCSETD as u32,
];

/// Settings that a process may not make, refused with EPERM.
const SETTINGS_REFUSED: [u32; 3] = [
    // Where its memory is said to be.
    libc::PR_SET_MM as u32,
    // With whom it shares a processor's core: others would have to wait.
    62, // PR_SCHED_CORE
    // Sharing pages with strangers tells what they hold.
    67, // PR_SET_MEMORY_MERGE
];

/// Of 32 or 64 bits, of Linux 2.6 or as it is; the last one asks. All else takes protections away.
const PERSONALITIES: [u32; 5] = [0, 0x8, 0x2_0000, 0x2_0008, u32::MAX];

/// The kind of a socket, without flags.
const KIND_MASK: u32 = 0xf;
const STREAM: u32 = libc::SOCK_STREAM as u32;
const DATAGRAM: u32 = libc::SOCK_DGRAM as u32;
const PACKETS: u32 = libc::SOCK_SEQPACKET as u32;
const UNIX: u32 = libc::AF_UNIX as u32;
const INET: u32 = libc::AF_INET as u32;
const INET6: u32 = libc::AF_INET6 as u32;
const NETLINK: u32 = libc::AF_NETLINK as u32;

impl Check {
    /// Instructions that always answer.
    pub(super) fn body(self) -> Vec<sock_filter> {
        match self {
            Self::Clone => vec![
                load(argument(0)),
                jump(libc::BPF_JSET, NAMESPACE_FLAGS, 0, 1),
                answer(refuse(libc::EPERM)),
                answer(ALLOW),
            ],
            Self::Device { mode } => {
                // The kernel refuses these as well, but for the one that stands for a deleted file in a layer
                // (character, 0:0).
                let kinds = [libc::S_IFCHR, libc::S_IFBLK];
                let start = vec![load(argument(mode)), and(libc::S_IFMT)];
                unless(start, &kinds, libc::EPERM)
            }
            Self::Ioctl => unless(vec![load(argument(1))], &REQUESTS_REFUSED, libc::EPERM),
            Self::Prctl => unless(vec![load(argument(0))], &SETTINGS_REFUSED, libc::EPERM),
            Self::Personality => only(vec![load(argument(0))], &PERSONALITIES, libc::EPERM),
            Self::Socket => socket(),
            // Of other families there is one that can make pairs, and it is not confined.
            Self::SocketPair => {
                let mut code = vec![load(argument(0)), jump(libc::BPF_JEQ, UNIX, 1, 0)];
                code.push(answer(refuse(libc::EAFNOSUPPORT)));
                code.extend(unix());
                code
            }
        }
    }
}

/// Families that a network namespace confines, and of these what programs use. AF_VSOCK, which it does not confine, and
/// the many rarely used ones do not exist; nor do raw sockets, and protocols that few have looked at.
fn socket() -> Vec<sock_filter> {
    let (unix, internet, netlink) = (unix(), internet(), netlink());
    let mut code = vec![load(argument(0))];
    for (families, body) in [
        (&[UNIX][..], unix),
        (&[INET, INET6], internet),
        (&[NETLINK], netlink),
    ] {
        let length = u8::try_from(body.len()).expect("a body is shorter than 256 instructions");
        let mut left = families.len() as u8;
        for family in families {
            left -= 1;
            // The last one that is not it goes on behind the body.
            let otherwise = if left == 0 { length } else { 0 };
            code.push(jump(libc::BPF_JEQ, *family, left, otherwise));
        }
        code.extend(body);
    }
    code.push(answer(refuse(libc::EAFNOSUPPORT)));
    code
}

fn unix() -> Vec<sock_filter> {
    let kinds = [STREAM, DATAGRAM, PACKETS];
    only(kind(), &kinds, libc::ESOCKTNOSUPPORT)
}

fn internet() -> Vec<sock_filter> {
    let protocols = [0, libc::IPPROTO_TCP as u32, libc::IPPROTO_UDP as u32];
    let mut code = kind();
    code.extend([
        jump(libc::BPF_JEQ, STREAM, 2, 0),
        jump(libc::BPF_JEQ, DATAGRAM, 1, 0),
        answer(refuse(libc::EPERM)),
    ]);
    let start = [code, vec![load(argument(2))]].concat();
    // That is how programs learn that a kernel does not have MPTCP, for example.
    only(start, &protocols, libc::EPROTONOSUPPORT)
}

/// Addresses and routes, which the C library asks for. Of audit, firewalls and devices programs learn that there is none.
fn netlink() -> Vec<sock_filter> {
    let route = [libc::NETLINK_ROUTE as u32];
    only(vec![load(argument(2))], &route, libc::EPROTONOSUPPORT)
}

fn kind() -> Vec<sock_filter> {
    vec![load(argument(1)), and(KIND_MASK)]
}

/// Allow these values only.
fn only(start: Vec<sock_filter>, values: &[u32], errno: i32) -> Vec<sock_filter> {
    let mut code = start;
    code.extend(values.iter().flat_map(|value| answer_if(*value, ALLOW)));
    code.push(answer(refuse(errno)));
    code
}

/// Allow all values but these.
fn unless(start: Vec<sock_filter>, values: &[u32], errno: i32) -> Vec<sock_filter> {
    let mut code = start;
    let refused = refuse(errno);
    code.extend(values.iter().flat_map(|value| answer_if(*value, refused)));
    code.push(answer(ALLOW));
    code
}
