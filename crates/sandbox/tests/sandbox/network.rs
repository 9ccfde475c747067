//! No packet can leave.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::harness::{python, stdout};

/// Refuses to go on where anything but loopback is visible.
const GUARD: &str = "
import socket, errno, time
up = [l.split(':')[0].strip() for l in open('/proc/net/dev') if ':' in l]
hardware = [n for n in up if n not in ('lo', 'sit0', 'ip6tnl0', 'tunl0', 'gre0', 'gretap0', 'erspan0', 'ip_vti0', 'ip6_vti0', 'ip6gre0')]
assert hardware == [], hardware
def attempt(family, kind, address):
    begin = time.monotonic()
    s = socket.socket(family, kind); s.settimeout(5)
    try:
        s.connect(address)
        if kind == socket.SOCK_DGRAM: s.send(b'x')
        return 'connected'
    except OSError as e:
        assert time.monotonic() - begin < 2, 'not at once'
        return errno.errorcode.get(e.errno, str(e))
";

#[tokio::test]
async fn only_loopback_exists_and_it_is_up() {
    let script = "
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen()
print(up, attempt(socket.AF_INET, socket.SOCK_STREAM, l.getsockname()))
print(open('/proc/net/route').read().count('\\n'))";
    assert_eq!(
        stdout(&python(&format!("{GUARD}{script}"))).await,
        "['lo'] connected\n1\n"
    );
}

#[tokio::test]
async fn addresses_outside_are_unreachable_at_once() {
    let script = "
for a in ('10.0.0.1', '192.168.0.1', '172.17.0.1', '169.254.169.254', '192.0.2.1', '198.51.100.7'):
    for k in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        print(attempt(socket.AF_INET, k, (a, 53)))
for a in ('2001:db8::1', 'fd00:ec2::254'):
    print(attempt(socket.AF_INET6, socket.SOCK_STREAM, (a, 80)))";
    assert_eq!(
        stdout(&python(&format!("{GUARD}{script}"))).await,
        "ENETUNREACH\n".repeat(14)
    );
}

#[tokio::test]
async fn the_hosts_loopback_and_abstract_sockets_are_unreachable() {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    let name = format!("outwork-sandbox-test-{}", std::process::id());
    let abstract_socket =
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    abstract_socket.set_nonblocking(true).unwrap();
    let port = tcp.local_addr().unwrap().port();
    let script = format!(
        "
print(attempt(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', {port})))
print(attempt(socket.AF_UNIX, socket.SOCK_STREAM, '\\0{name}'))
print(open('/proc/net/unix').read().count('outwork'))"
    );
    assert_eq!(
        stdout(&python(&format!("{GUARD}{script}"))).await,
        "ECONNREFUSED\nECONNREFUSED\n0\n"
    );
    for accepted in [
        tcp.accept().map(|_| ()),
        abstract_socket.accept().map(|_| ()),
    ] {
        assert_eq!(accepted.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn names_do_not_resolve_and_fail_soon() {
    let script = "
begin = time.monotonic()
try: print(socket.getaddrinfo('example.com', 80))
except socket.gaierror: print('no', time.monotonic() - begin < 5)";
    assert_eq!(
        stdout(&python(&format!("{GUARD}{script}"))).await,
        "no True\n"
    );
}
