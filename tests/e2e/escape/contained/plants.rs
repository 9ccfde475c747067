//! What the host has for probes to find, and must have unchanged and unvisited afterwards.

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Where files are planted, as far as whoever runs the tests may. Not in /usr and /opt, which are shown.
const PLACES: &[&str] = &["/tmp", "/var/tmp", "/run", "/root", "/home", "/srv"];

pub struct Plants {
    /// In every planted thing.
    pub canary: String,
    folders: Vec<TempDir>,
    tcp: TcpListener,
    udp: UdpSocket,
    abstract_name: String,
    by_name: UnixListener,
    by_path: Vec<(PathBuf, UnixListener)>,
    segment: Segment,
}

impl Plants {
    pub fn new() -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let places = PLACES.iter().map(PathBuf::from).chain(home);
        let folders: Vec<_> = places
            .filter_map(|place| {
                tempfile::Builder::new()
                    .prefix("escape-")
                    .tempdir_in(place)
                    .ok()
            })
            .collect();
        let random = folders
            .first()
            .expect("/tmp can be written")
            .path()
            .file_name();
        let random = random
            .and_then(|name| name.to_str())
            .expect("plain text")
            .to_owned();
        let canary = format!("canary-of-{random}");
        let mut by_path = Vec::new();
        for folder in &folders {
            // For whoever gets there: permissions alone must not be what keeps probes away.
            fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("ours");
            fs::write(folder.path().join("canary"), &canary).expect("written");
            let path = folder.path().join("socket");
            let listener = UnixListener::bind(&path).expect("a socket");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("ours");
            listener.set_nonblocking(true).expect("it can be asked");
            by_path.push((path, listener));
        }
        let abstract_name = format!("outwork-{random}");
        let address = SocketAddr::from_abstract_name(&abstract_name).expect("short enough");
        let by_name = UnixListener::bind_addr(&address).expect("a socket");
        by_name.set_nonblocking(true).expect("it can be asked");
        let (tcp, udp) = same_port();
        Self {
            canary,
            folders,
            tcp,
            udp,
            abstract_name,
            by_name,
            by_path,
            segment: Segment::new(),
        }
    }

    /// What probes are told, as variables without `ESCAPE_`.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let port = self.tcp.local_addr().expect("bound").port();
        let sockets = self.by_path.iter().map(|(path, _)| path.as_path());
        vec![
            ("CANARY", backwards(&self.canary)),
            ("HOST_PORTS", port.to_string()),
            ("HOST_ABSTRACT", backwards(&self.abstract_name)),
            ("HOST_SOCKETS", backwards(&joined(sockets))),
            ("HOST_SHM", self.segment.0.clone()),
        ]
    }

    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(TempDir::path)
    }

    /// All is as it was, and nobody came.
    #[track_caller]
    pub fn verify(self) {
        for folder in &self.folders {
            let entries = fs::read_dir(folder).expect("it is there").flatten();
            let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
            names.sort();
            assert_eq!(names, ["canary", "socket"], "{}", folder.path().display());
            let content = fs::read_to_string(folder.path().join("canary")).expect("it is there");
            assert_eq!(content, self.canary, "{}", folder.path().display());
        }
        for (path, listener) in &self.by_path {
            nobody(&path.display().to_string(), listener.accept().map(|_| ()));
        }
        nobody("the abstract socket", self.by_name.accept().map(|_| ()));
        nobody("TCP", self.tcp.accept().map(|_| ()));
        nobody("UDP", self.udp.recv(&mut [0; 64]).map(|_| ()));
        assert!(self.segment.is_there(), "the segment is gone");
    }
}

#[track_caller]
fn nobody(what: &str, came: std::io::Result<()>) {
    let error = came.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{what}");
}

/// The same number for both protocols: variables name one.
fn same_port() -> (TcpListener, UdpSocket) {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("bound")) else {
            continue;
        };
        tcp.set_nonblocking(true).expect("it can be asked");
        udp.set_nonblocking(true).expect("it can be asked");
        return (tcp, udp);
    }
    panic!("no port is free for both protocols");
}

/// Shared memory of System V, which outlives processes.
struct Segment(String);

impl Segment {
    fn new() -> Self {
        let made = Command::new("ipcmk")
            .args(["--shmem", "64", "--mode", "0666"])
            .output();
        let said = String::from_utf8(made.expect("ipcmk (util-linux) starts").stdout);
        let said = said.expect("text");
        Self(said.split_whitespace().last().expect("a number").to_owned())
    }

    fn is_there(&self) -> bool {
        let listed = Command::new("ipcs")
            .args(["--shmems", "--id", &self.0])
            .output();
        let listed = listed.expect("ipcs (util-linux) starts");
        String::from_utf8_lossy(&listed.stdout).contains("bytes=64")
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // Also of a test that fails; one that is gone has been told of.
        let _ = Command::new("ipcrm").args(["--shmem-id", &self.0]).output();
    }
}

/// A search for the text must not find the variable that tells it.
pub fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

pub fn joined<'a>(paths: impl Iterator<Item = &'a Path>) -> String {
    let paths: Vec<_> = paths.map(|path| path.display().to_string()).collect();
    paths.join(",")
}

#[test]
fn what_nobody_came_to_is_as_it_was() {
    Plants::new().verify();
}

#[test]
#[should_panic(expected = "TCP")]
fn a_visitor_is_noticed() {
    let plants = Plants::new();
    let address = plants.tcp.local_addr().expect("bound");
    std::net::TcpStream::connect(address).expect("it listens");
    plants.verify();
}

#[test]
#[should_panic(expected = "canary")]
fn a_file_that_was_left_is_noticed() {
    let plants = Plants::new();
    let folder = plants.folders().next().expect("one");
    fs::write(folder.join("left"), "").expect("written");
    plants.verify();
}
