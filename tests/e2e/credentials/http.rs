//! `git http-backend` behind a few lines of HTTP/1.1 that ask for a password.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secrets::canary::Canaries;
use crate::secrets::places::{self, Process};

pub struct Server {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    /// The token that it takes now.
    token: Mutex<Option<String>>,
    seen: Mutex<Seen>,
    canaries: Canaries,
    held: Mutex<Held>,
    changed: Condvar,
}

/// Requests for packs that wait.
#[derive(Default)]
struct Held {
    holds: bool,
    waiting: usize,
}

/// What was seen while requests with a password were answered.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub logins: u32,
    /// Processes that showed a token: in their command lines, and in their environment.
    pub by_command_line: Vec<Process>,
    pub by_environment: Vec<Process>,
    /// The same for lease tokens.
    pub leases_by_command_line: Vec<String>,
    pub leases_by_environment: Vec<String>,
}

impl Server {
    /// Serves the repositories below `root`, and watches what shows the values of `canaries` meanwhile.
    pub fn start(root: &Path, canaries: Canaries) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            token: Mutex::default(),
            seen: Mutex::default(),
            canaries,
            held: Mutex::default(),
            changed: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || shared.answer(&stream));
            }
        });
        Self { port, shared }
    }

    /// From now on it takes this token and no other.
    pub fn take(&self, token: Option<&str>) {
        *self.shared.token.lock().expect("no panic") = token.map(str::to_owned);
    }

    /// From now on packs are not given out before [`Self::let_go`].
    pub fn hold(&self) {
        self.shared.held.lock().expect("no panic").holds = true;
    }

    /// How many wait for a pack.
    pub fn waiting(&self) -> usize {
        self.shared.held.lock().expect("no panic").waiting
    }

    pub fn let_go(&self) {
        self.shared.held.lock().expect("no panic").holds = false;
        self.shared.changed.notify_all();
    }

    pub fn seen(&self) -> Seen {
        self.shared.seen.lock().expect("no panic").clone()
    }
}

/// How a lease token begins: the kind, and the version.
pub const LEASE_TOKEN: &str = "ow_lA";

/// The command lines of the processes that show a lease token in that file of theirs.
fn lease_tokens(file: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc")
        .expect("/proc is there")
        .flatten();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let shown = processes.filter(|entry| read(entry.path().join(file)).contains(LEASE_TOKEN));
    shown
        .map(|entry| read(entry.path().join("cmdline")))
        .collect()
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut stream = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut words = lines.first()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        let mut request = Self {
            method,
            target,
            headers: headers.collect(),
            body: Vec::new(),
        };
        let length = request.header("content-length").parse().unwrap_or(0);
        request.body = vec![0; length];
        stream.read_exact(&mut request.body).ok()?;
        Some(request)
    }

    fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The password, whoever it is of.
    fn password(&self) -> Option<String> {
        let basic = self.header("authorization").strip_prefix("Basic ")?;
        let login = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
        Some(login.split_once(':')?.1.to_owned())
    }
}

impl Shared {
    fn answer(&self, mut stream: &TcpStream) {
        let Some(request) = Request::read(stream) else {
            return;
        };
        let password = request.password();
        if password.is_some() {
            let (by_command_line, by_environment) = places::in_processes(&self.canaries);
            let mut seen = self.seen.lock().expect("no panic");
            seen.logins += 1;
            seen.by_command_line.extend(by_command_line);
            seen.by_environment.extend(by_environment);
            seen.leases_by_command_line.extend(lease_tokens("cmdline"));
            seen.leases_by_environment.extend(lease_tokens("environ"));
        }
        if request.method == "POST" {
            let mut held = self.held.lock().expect("no panic");
            held.waiting += 1;
            let waits = |held: &mut Held| held.holds;
            let mut held = self.changed.wait_while(held, waits).expect("no panic");
            held.waiting -= 1;
        }
        let token = self.token.lock().expect("no panic").clone();
        let answer = match password {
            Some(password) if Some(&password) == token.as_ref() => self.backend(&request),
            Some(_) | None => {
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"test\"\r\n\
                               Content-Length: 0\r\nConnection: close\r\n\r\n"
                    .into()
            }
        };
        // Who asks may have gone.
        let _ = stream.write_all(&answer);
    }

    /// RFC 3875.
    fn backend(&self, request: &Request) -> Vec<u8> {
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", request.header("content-type"))
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", request.header("content-encoding"))
            .env("GIT_PROTOCOL", request.header("git-protocol"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(&request.body).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends").stdout;
        let split = output.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = output.split_at(split.expect("a head"));
        let head = String::from_utf8_lossy(head);
        let mut statuses = head
            .lines()
            .filter_map(|line| line.strip_prefix("Status: "));
        let status = statuses.next().unwrap_or("200 OK");
        let length = body.len() - 4;
        let mut answer =
            format!("HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {length}\r\nConnection: close")
                .into_bytes();
        answer.extend(body);
        answer
    }
}
