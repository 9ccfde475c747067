//! Several servers on one PostgreSQL and one bucket, and a balancer in front of them that knows no
//! sessions.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use outwork_test_s3::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

use super::{Machine, Outwork};

/// The servers. The first one's commands and workers come through the balancer.
pub struct Servers {
    // Before the bucket that they use.
    members: Vec<Outwork>,
    balancer: Balancer,
    pub bucket: outwork_test_s3::Server,
}

impl Servers {
    /// So many servers, with further flags for each.
    pub fn start(count: usize, flags: &[&str]) -> Self {
        let bucket = outwork_test_s3::Server::start(&["outwork"]);
        let database = outwork_test_postgres::shared().new_database();
        let endpoint = bucket.endpoint();
        let own = [
            "--database",
            &database,
            "--objects",
            "s3://outwork/team",
            "--objects-endpoint",
            &endpoint,
            "--objects-allow-http",
        ];
        let flags = [&own, flags].concat();
        let machine = Machine::with_variables(&credentials());
        let mut members: Vec<Outwork> = Vec::new();
        for _ in 0..count {
            let first = members.first().map(|first| first.dir.path().join("data"));
            members.push(Outwork::member(first.as_deref(), &machine, &flags));
        }
        let balancer = Balancer::start(members.iter().map(address).collect());
        members[0].url = balancer.url();
        Self {
            members,
            balancer,
            bucket,
        }
    }

    /// All of them, through the balancer.
    pub fn front(&self) -> &Outwork {
        &self.members[0]
    }

    /// A command for one of them.
    pub fn command_at(&self, server: usize, arguments: &[&str]) -> Command {
        let mut command = self.front().command(arguments);
        command.env("OUTWORK_URL", self.url(server));
        command
    }

    /// Where one of them is.
    pub fn url(&self, server: usize) -> String {
        format!("http://{}", self.balancer.backends()[server])
    }

    /// What one of them says of itself: the status and the body.
    pub fn readiness(&self, server: usize) -> (u16, String) {
        get(self.balancer.backends()[server], "/readyz?verbose")
    }

    /// From now on new connections go to that one, as long as it lives.
    pub fn prefer(&self, server: usize) {
        self.balancer.first.store(server, Ordering::SeqCst);
        self.balancer.turns.store(false, Ordering::SeqCst);
    }

    /// `kill -9`.
    pub fn kill(&mut self, server: usize) {
        self.members[server].process.kill();
    }

    /// `kill`, and the same server again at the same address.
    pub fn restart(&mut self, server: usize) {
        let address = self.balancer.backends()[server].to_string();
        let front = self.front().url.clone();
        let member = &mut self.members[server];
        assert!(
            member.process.terminate().success(),
            "{}",
            member.process.log()
        );
        member.listen_on(&address);
        member.restart();
        self.members[0].url = front;
    }

    /// Where one of them keeps what it keeps.
    pub fn data(&self, server: usize) -> std::path::PathBuf {
        self.members[server].dir.path().join("data")
    }
}

/// The variables that name who may use the bucket.
pub fn credentials() -> [(&'static str, &'static str); 3] {
    [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
        ("AWS_REGION", "eu-central-1"),
    ]
}

fn address(member: &Outwork) -> SocketAddr {
    let text = member.url.trim_start_matches("http://");
    text.parse().expect("an address")
}

fn get(server: SocketAddr, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(server).expect("it listens");
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: outwork\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    (status.parse().expect("a number"), body.to_owned())
}

/// Gives each connection to the next server that takes it.
struct Balancer {
    address: SocketAddr,
    backends: Arc<Vec<SocketAddr>>,
    first: Arc<AtomicUsize>,
    /// Whether the servers take turns.
    turns: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
}

impl Balancer {
    fn start(backends: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let balancer = Self {
            address: listener.local_addr().expect("it is bound"),
            backends: Arc::new(backends),
            first: Arc::default(),
            turns: Arc::new(AtomicBool::new(true)),
            closed: Arc::default(),
        };
        let backends = Arc::clone(&balancer.backends);
        let (first, turns) = (Arc::clone(&balancer.first), Arc::clone(&balancer.turns));
        let closed = Arc::clone(&balancer.closed);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let from = match turns.load(Ordering::SeqCst) {
                    true => first.fetch_add(1, Ordering::SeqCst),
                    false => first.load(Ordering::SeqCst),
                };
                let order = (0..backends.len()).map(|n| backends[(from + n) % backends.len()]);
                let server = order.into_iter().find_map(|to| TcpStream::connect(to).ok());
                // With no server left the client is hung up on, and comes back.
                let Some(server) = server else { continue };
                join(&client, &server);
                join(&server, &client);
            }
        });
        balancer
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn backends(&self) -> &[SocketAddr] {
        &self.backends
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // So that the thread looks.
        drop(TcpStream::connect(self.address));
    }
}

/// Passes on what comes, in one direction, on a thread of its own.
fn join(from: &TcpStream, to: &TcpStream) {
    let mut from = from.try_clone().expect("descriptors are left");
    let mut to = to.try_clone().expect("descriptors are left");
    std::thread::spawn(move || {
        let ended = io::copy(&mut from, &mut to);
        // One that broke is broken for the other side, too.
        let how = match ended {
            Ok(_) => Shutdown::Write,
            Err(_) => Shutdown::Both,
        };
        let _is_gone = to.shutdown(how);
    });
}

impl Outwork {
    /// A server of several: the first one's tokens and key, and a data directory of its own.
    fn member(first: Option<&std::path::Path>, machine: &Machine, flags: &[&str]) -> Self {
        let dir = super::scratch();
        if let Some(first) = first {
            let data = dir.path().join("data");
            fs::create_dir(&data).expect("a directory");
            for file in ["admin.token", "worker.token", "secret.key"] {
                fs::copy(first.join(file), data.join(file)).expect("the first one made it");
            }
        }
        Self::server_in(dir, machine.clone(), flags)
    }
}
