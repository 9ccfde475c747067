//! A server that agents are let to reach: HTTPS on loopback, with git repositories and WebSockets.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::{Repository, git};

/// The longest body that anything here sends.
const BODY_BYTES: u64 = 1 << 20;

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// Below `/git/` the repositories of a directory, elsewhere an answer that names the request. It ends with the test.
pub struct Origin {
    pub port: u16,
    /// Whom to trust, in PEM.
    pub certificate: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    pub fn start(names: &[&str], repositories: &Path) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("usual versions")
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], private.into())
            .expect("a key that fits");
        let (config, repositories) = (Arc::new(config), repositories.to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let origin = Self {
            port,
            certificate: key.cert.pem(),
            heads: Arc::clone(&heads),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, heads) = (Arc::clone(&config), Arc::clone(&heads));
                let repositories = repositories.clone();
                std::thread::spawn(move || {
                    let tls = ServerConnection::new(config).expect("a good configuration");
                    let stream = BufReader::new(StreamOwned::new(tls, stream));
                    // What the other side gives up is its own concern; the tests look at what it says.
                    let _ = answer(stream, &heads, &repositories);
                });
            }
        });
        origin
    }

    /// The heads of the requests so far: the first line, and headers with their names in lower case.
    pub fn heads(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.clone()
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: HashMap<String, String>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// One request, and the end.
fn answer(
    mut stream: Stream,
    heads: &Mutex<Vec<String>>,
    repositories: &Path,
) -> std::io::Result<()> {
    let request = head(&mut stream, heads)?;
    if request.header("upgrade") == "websocket" {
        return echo(stream);
    }
    let body = body(&mut stream, &request)?;
    let answer = match request.path.strip_prefix("/git") {
        Some(path) => of_git(&request, path, body, repositories)?,
        None => {
            let text = format!("{} {}\n", request.method, request.path);
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            )
            .into_bytes()
        }
    };
    let (line, rest) = halves(&answer, b"\r\n");
    let stream = stream.get_mut();
    stream.write_all(line)?;
    stream.write_all(b"\r\nconnection: close\r\n")?;
    stream.write_all(rest)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn head(stream: &mut Stream, heads: &Mutex<Vec<String>>) -> std::io::Result<Request> {
    let mut lines = stream.lines();
    let mut next = || lines.next().transpose().map(Option::unwrap_or_default);
    let first = next()?;
    let mut headers = HashMap::new();
    let mut text = format!("{first}\n");
    loop {
        let line = next()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        text += &format!("{name}: {value}\n");
        headers.insert(name, value);
    }
    heads
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(text);
    let mut parts = first.split(' ');
    let method = parts.next().unwrap_or_default().to_owned();
    let target = parts.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
    })
}

fn body(stream: &mut Stream, request: &Request) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if request.header("transfer-encoding") == "chunked" {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim(), 16).unwrap_or(0);
            stream.take(size.min(BODY_BYTES)).read_to_end(&mut body)?;
            stream.read_line(&mut String::new())?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    let length = request.header("content-length").parse().unwrap_or(0);
    stream.take(BODY_BYTES.min(length)).read_to_end(&mut body)?;
    Ok(body)
}

/// What git itself answers.
fn of_git(
    request: &Request,
    path: &str,
    body: Vec<u8>,
    repositories: &Path,
) -> std::io::Result<Vec<u8>> {
    let mut child = git(repositories)
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", repositories)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "somebody")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", request.header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.header("content-encoding"))
        .env("GIT_PROTOCOL", request.header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(&body));
    let answer = child.wait_with_output()?.stdout;
    // Git need not read all of it.
    let _ = writer.join();
    let (head, body) = halves(&answer, b"\r\n\r\n");
    let head = String::from_utf8_lossy(head);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: "));
    let status = status.unwrap_or("200 OK");
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\n\r\n");
    Ok([head.as_bytes(), body].concat())
}

/// Before and after the first `between`.
fn halves<'a>(bytes: &'a [u8], between: &[u8]) -> (&'a [u8], &'a [u8]) {
    let at = bytes
        .windows(between.len())
        .position(|window| window == between);
    let at = at.unwrap_or(bytes.len());
    let after = bytes.len().min(at + between.len());
    (&bytes[..at], &bytes[after..])
}

/// Becomes something else than HTTP, for a client that sends the key of RFC 6455's own example.
fn echo(mut stream: Stream) -> std::io::Result<()> {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.get_mut().write_all(answer.as_bytes())?;
    stream.get_mut().flush()?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    stream.get_mut().write_all(line.as_bytes())?;
    stream.get_mut().flush()
}

/// Its repository `demo.git`, which may be pushed to.
pub fn repository(directory: &Path) {
    let bare = directory.join("demo.git").display().to_string();
    let from = Repository::with(&[("readme", "cloned\n")]);
    from.git(&["clone", "-q", "--bare", ".", &bare]);
    from.git(&["-C", &bare, "config", "http.receivepack", "true"]);
}
