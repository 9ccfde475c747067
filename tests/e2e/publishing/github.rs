//! A stand-in for a GitHub Enterprise Server: `git http-backend`, and the calls that a pull request needs, over a few lines of HTTP/1.1.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Repository, git};

/// May write.
pub const TOKEN: &str = "canary-of-a-push-token";

/// Where a request waits until the test has done what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Somebody asks where the branch is, to push.
    Pushing,
    /// The branch was pushed; the answer is not sent.
    Pushed,
    /// The pull request is open; the answer is not sent.
    Opened,
}

#[derive(Default)]
struct Stops {
    next: Vec<Stage>,
    reached: Option<Stage>,
}

struct Shared {
    host: String,
    root: PathBuf,
    pulls: Mutex<Vec<Value>>,
    stops: Mutex<Stops>,
    changed: Condvar,
}

pub struct GitHub {
    pub host: String,
    bare: PathBuf,
    shared: Arc<Shared>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl GitHub {
    /// Serves the repository as `team/repo.git`.
    pub fn start(repository: &Repository) -> Self {
        let root = repository.path().join("served");
        let bare = root.join("team/repo.git");
        let target = bare.display().to_string();
        repository.git(&["clone", "-q", "--bare", ".", &target]);
        run(&bare, &["config", "http.receivepack", "true"]);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("bound").to_string();
        let shared = Arc::new(Shared {
            host: host.clone(),
            root,
            pulls: Mutex::default(),
            stops: Mutex::default(),
            changed: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // Who asks may be dead by now.
                std::thread::spawn(move || _ = answer(&shared, stream));
            }
        });
        Self { host, bare, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}/team/repo.git", self.host)
    }

    pub fn pulls(&self) -> Vec<Value> {
        self.shared.pulls.lock().expect("no panic").clone()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        run(&self.bare, arguments)
    }

    /// The next requests of these kinds wait, one after the other.
    pub fn stop_at(&self, stages: &[Stage]) {
        self.shared.stops.lock().expect("no panic").next = stages.to_vec();
    }

    /// Waits until a request waits there.
    pub fn reached(&self, stage: Stage) {
        let stops = self.shared.stops.lock().expect("no panic");
        let waited = self
            .shared
            .changed
            .wait_timeout_while(stops, PATIENCE, |stops| stops.reached != Some(stage));
        let (stops, _) = waited.expect("no panic");
        assert_eq!(stops.reached, Some(stage), "it never came so far");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.shared.stops.lock().expect("no panic").reached = None;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn pass(&self, stage: Stage) {
        let mut stops = self.stops.lock().expect("no panic");
        if stops.next.first() != Some(&stage) {
            return;
        }
        stops.next.remove(0);
        stops.reached = Some(stage);
        self.changed.notify_all();
        let waited = self
            .changed
            .wait_while(stops, |stops| stops.reached.is_some());
        drop(waited.expect("no panic"));
    }
}

fn run(dir: &Path, arguments: &[&str]) -> String {
    let output = git(dir).args(arguments).output().expect("git starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

fn answer(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    let request = read(&mut stream)?;
    match request.path.strip_prefix("/api/v3/repos/team/repo") {
        None => backend(shared, &request, &mut stream),
        Some(rest) => {
            let (status, body) = api(shared, &request, rest);
            let body = body.to_string();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        }
    }
}

fn api(shared: &Shared, request: &Request, rest: &str) -> (u16, Value) {
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return (401, json!({"message": "Bad credentials"}));
    }
    let shown = |pull: &Value| {
        let number = &pull["number"];
        json!({"number": number, "html_url": format!("http://{}/team/repo/pull/{number}", shared.host), "title": pull["title"],
            "body": pull["body"], "draft": pull["draft"], "head": {"ref": pull["head"], "repo": {"full_name": "team/repo"}}})
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    match (request.method.as_str(), rest) {
        ("GET", "/pulls") => {
            let pulls = shared.pulls.lock().expect("no panic");
            (200, pulls.iter().map(shown).collect())
        }
        ("POST", "/pulls") => {
            let mut pulls = shared.pulls.lock().expect("no panic");
            let mut pull = body;
            pull["number"] = json!(pulls.len() + 1);
            pulls.push(pull.clone());
            drop(pulls);
            shared.pass(Stage::Opened);
            (201, shown(&pull))
        }
        ("PATCH", _) => {
            let mut pulls = shared.pulls.lock().expect("no panic");
            let pull = pulls.last_mut().expect("a pull request");
            for name in ["title", "body"] {
                if body[name].is_string() {
                    pull[name] = body[name].clone();
                }
            }
            (200, shown(pull))
        }
        _ => (404, json!({"message": "Not Found"})),
    }
}

fn backend(shared: &Shared, request: &Request, stream: &mut TcpStream) -> std::io::Result<()> {
    let asks = request.query.contains("git-receive-pack");
    let pushes = request.path.ends_with("/git-receive-pack");
    let expected = format!(
        "Basic {}",
        STANDARD.encode(format!("x-access-token:{TOKEN}"))
    );
    if (asks || pushes) && request.header("authorization") != Some(&expected) {
        return write!(
            stream,
            "HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    if asks {
        shared.pass(Stage::Pushing);
    }
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REMOTE_USER", "outwork")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_LENGTH", request.body.len().to_string());
    for (name, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        command.env(variable, request.header(name).unwrap_or(""));
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("piped");
    let body = request.body.clone();
    let feeding = std::thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output()?;
    let _git_may_have_read_enough = feeding.join();
    if pushes {
        shared.pass(Stage::Pushed);
    }
    let text = String::from_utf8_lossy(&output.stdout[..output.stdout.len().min(200)]).into_owned();
    let status = text
        .strip_prefix("Status: ")
        .and_then(|rest| rest.get(..3))
        .unwrap_or("200");
    write!(stream, "HTTP/1.1 {status} X\r\nConnection: close\r\n")?;
    stream.write_all(&output.stdout)
}

fn read(stream: &mut TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Vec::new(),
    };
    request.body = match request.header("transfer-encoding") {
        Some("chunked") => chunks(&mut reader)?,
        Some(_) | None => {
            let length = request
                .header("content-length")
                .and_then(|text| text.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body)?;
            body
        }
    };
    Ok(request)
}

fn chunks(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk[..length]);
        if length == 0 {
            return Ok(body);
        }
    }
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}
