//! `git http-backend` behind a few lines of HTTP/1.1, with rules in front.

use crate::bed::command_lines_with;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

pub const TOKEN: &str = "canary-9b3f21e07c55";

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub target: String,
    /// User and password of `Authorization: Basic`.
    pub login: Option<String>,
    /// Command lines on this machine that hold the token while the request is answered.
    pub leaks: Vec<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub enum Answer {
    /// What git http-backend says.
    Git,
    /// Status line and headers after the version, with an empty body.
    Plain(String),
    /// A status with a text for people.
    Text(&'static str, String),
}

pub const ASK: &str = "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"test\"";

pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Serves the repositories below `root`.
    pub async fn start(
        root: PathBuf,
        rule: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, rule) = (Arc::clone(&seen), Arc::new(rule));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (root, log, rule) = (root.clone(), Arc::clone(&log), Arc::clone(&rule));
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let Some(request) = read(&mut stream).await else {
                        return;
                    };
                    log.lock().expect("no panic").push(request.clone());
                    let answer = match rule(&request) {
                        Answer::Git => backend(&root, &request).await,
                        Answer::Plain(head) => {
                            format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into()
                        }
                        Answer::Text(status, text) => format!(
                            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                            text.len()
                        )
                        .into(),
                    };
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { port, seen }
    }

    /// A server that wants the token, and nothing else.
    pub async fn with_login(root: PathBuf, login: &'static str) -> Self {
        Self::start(root, move |request| match request.login.as_deref() {
            Some(given) if given == login => Answer::Git,
            Some(_) | None => Answer::Plain(ASK.to_owned()),
        })
        .await
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/team/repo.git", self.port)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    /// The logins that came, in order, each once.
    pub fn logins(&self) -> Vec<Option<String>> {
        let mut logins: Vec<_> = self.seen().into_iter().map(|seen| seen.login).collect();
        logins.dedup();
        logins.sort();
        logins.dedup();
        logins
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ');
    let mut seen = Seen {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        ..Seen::default()
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        seen.headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
    }
    if let Some(length) = seen.header("content-length") {
        let mut body = vec![0; length.parse().ok()?];
        stream.read_exact(&mut body).await.ok()?;
        seen.body = body;
    }
    if let Some(value) = seen.header("authorization") {
        let basic = value.strip_prefix("Basic ").expect("Basic");
        let login = STANDARD.decode(basic).expect("Base64");
        seen.login = Some(String::from_utf8(login).expect("text"));
        seen.leaks = command_lines_with(TOKEN);
    }
    Some(seen)
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known == name)?;
        Some(value)
    }
}

/// RFC 3875.
async fn backend(root: &Path, request: &Seen) -> Vec<u8> {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", request.header("content-type").unwrap_or(""))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env(
            "HTTP_CONTENT_ENCODING",
            request.header("content-encoding").unwrap_or(""),
        )
        .env("GIT_PROTOCOL", request.header("git-protocol").unwrap_or(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(&request.body).await.expect("written");
    drop(stdin);
    let output = child.wait_with_output().await.expect("git ends");
    let split = output
        .stdout
        .windows(4)
        .position(|four| four == b"\r\n\r\n");
    let (head, body) = output.stdout.split_at(split.expect("a head"));
    let head = String::from_utf8_lossy(head);
    let status = head
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .unwrap_or("200 OK");
    let mut answer = format!(
        "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\nConnection: close",
        body.len() - 4
    )
    .into_bytes();
    answer.extend(body);
    answer
}
