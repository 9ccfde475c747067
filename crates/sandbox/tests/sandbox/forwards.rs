//! Ports inside that lead to unix sockets of the host.

use std::path::Path;

use outwork_sandbox::{Forward, Network, Spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::harness::{directory, python, run, stdout};

fn forwarding(mut spec: Spec, port: u16, socket: &Path) -> Spec {
    spec.network = Network::Forwards(vec![Forward {
        listen_port: port,
        unix_socket: socket.to_owned(),
    }]);
    spec
}

/// Answers each connection with what it read, when the other side has finished.
fn echo_server(listener: UnixListener) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                stream.write_all(&all).await.unwrap();
            });
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_connections_at_once_come_back_whole() {
    let dir = directory();
    let socket = dir.path().join("gateway.sock");
    let server = echo_server(UnixListener::bind(&socket).unwrap());
    let script = "
import socket, threading, os
def one(n):
    body = bytes([n]) * (2_000_000 + n)
    s = socket.create_connection(('127.0.0.1', 8080))
    def send():
        s.sendall(body); s.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=send); t.start()
    back = b''.join(iter(lambda: s.recv(1 << 16), b''))
    t.join(); results[n] = back == body
results = {}
threads = [threading.Thread(target=one, args=(n,)) for n in range(16)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(results), all(results.values()))";
    assert_eq!(
        stdout(&forwarding(python(script), 8080, &socket)).await,
        "16 True\n"
    );
    server.abort();
}

#[tokio::test]
async fn a_server_that_speaks_first_and_in_turns_is_heard() {
    let dir = directory();
    let socket = dir.path().join("gateway.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"hello\n").await.unwrap();
        let mut word = [0; 6];
        stream.read_exact(&mut word).await.unwrap();
        stream.write_all(&word).await.unwrap();
    });
    let script = "
import socket
f = socket.create_connection(('127.0.0.1', 8080)).makefile('rw')
print(f.readline(), end=''); f.write('world\\n'); f.flush(); print(f.read(), end='')";
    assert_eq!(
        stdout(&forwarding(python(script), 8080, &socket)).await,
        "hello\nworld\n"
    );
    server.await.unwrap();
}

#[tokio::test]
async fn the_socket_may_come_later_and_have_a_long_name() {
    let dir = directory();
    let long = dir.path().join("d".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let socket = long.join("s");
    let script = "
import socket
def attempt():
    s = socket.create_connection(('127.0.0.1', 8080))
    try: s.sendall(b'x'); s.shutdown(socket.SHUT_WR); return s.recv(10)
    except OSError: return b''
print(attempt())";
    let spec = forwarding(python(script), 8080, &socket);
    assert_eq!(
        stdout(&spec).await,
        "b''\n",
        "nobody listens on the host: the connection ends"
    );
    // Bound by way of the directory: the name itself is too long for an address.
    let directory = std::fs::File::open(&long).unwrap();
    let short = format!(
        "/proc/self/fd/{}/s",
        std::os::fd::AsRawFd::as_raw_fd(&directory)
    );
    let server = echo_server(UnixListener::bind(short).unwrap());
    assert_eq!(stdout(&spec).await, "b'x'\n");
    server.abort();
}

#[tokio::test]
async fn the_hosts_socket_and_other_ports_are_not_there() {
    let dir = directory();
    let socket = dir.path().join("gateway.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let script = format!(
        "
import socket, os
print(os.path.exists('{0}'), socket.socket().connect_ex(('127.0.0.1', 8081)), '{0}' in open('/proc/net/unix').read())
print([l.split()[1] for l in open('/proc/net/tcp').readlines()[1:]])",
        socket.display()
    );
    let output = run(&forwarding(python(&script), 8080, &socket)).await;
    assert_eq!(
        output.stdout, "False 111 False\n['0100007F:1F90']\n",
        "{output:?}"
    );
}
