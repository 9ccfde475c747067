//! The real `git http-backend` behind a server that wants a password, and that can be told to behave otherwise.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::rig::repository;

/// The stored credential.
pub const TOKEN: &str = "canary-of-a-stored-token";
/// What an endless answer has in all.
pub const ENDLESS_BYTES: u64 = 1 << 30;
const PIECE_BYTES: usize = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    Git,
    Status(u16),
    /// Sends readers there, path and query as they were asked.
    Moved(String),
    /// Sends readers of `/team/old` to `/team/repo.git`.
    Renamed,
    /// A page for people.
    Page,
    /// No answer at all.
    Silent,
    /// The first piece of an answer, and nothing more.
    Stalls,
    /// A pack without an end worth the name.
    Endless,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
}

struct Shared {
    root: PathBuf,
    mode: Mutex<Mode>,
    seen: Mutex<Vec<Seen>>,
    sent: AtomicU64,
    /// Answers under way that were not given up.
    open: AtomicUsize,
}

#[derive(Clone)]
pub struct Upstream {
    pub host: String,
    pub repository: PathBuf,
    shared: Arc<Shared>,
}

impl Upstream {
    /// Serves `team/repo.git`, whose branch `main` has two commits.
    pub async fn start(directory: &Path) -> Self {
        let made = repository::make(directory);
        let root = directory.join("served");
        let bare = root.join("team/repo.git");
        let target = bare.display().to_string();
        repository::git(&made, &["clone", "--quiet", "--bare", ".", &target]);
        let shared = Arc::new(Shared {
            root,
            mode: Mutex::new(Mode::Git),
            seen: Mutex::default(),
            sent: AtomicU64::new(0),
            open: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let host = listener.local_addr().expect("an address").to_string();
        let routes = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self {
            host,
            repository: bare,
            shared,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/team/repo.git", self.host)
    }

    /// Answers how it behaved before.
    pub fn behave(&self, mode: Mode) -> Mode {
        std::mem::replace(&mut *self.shared.mode.lock().expect("no panic"), mode)
    }

    /// The requests since this was asked last.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().expect("no panic"))
    }

    /// How much of endless answers was taken.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.to_string();
    let path = parts.uri.path().to_owned();
    let login = login(&parts.headers);
    shared.seen.lock().expect("no panic").push(Seen {
        method: parts.method.to_string(),
        target: target.clone(),
        headers: parts.headers.clone(),
    });
    let to = |location: String| (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
    let mode = shared.mode.lock().expect("no panic").clone();
    if let (Mode::Renamed, Some(rest)) = (&mode, target.strip_prefix("/team/old")) {
        return to(format!("/team/repo.git{rest}"));
    }
    if login.as_deref() != Some(&format!("ada:{TOKEN}")) {
        let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"upstream\"")];
        return (StatusCode::UNAUTHORIZED, ask).into_response();
    }
    match mode {
        Mode::Git | Mode::Renamed => backend(&shared.root, &path, parts, body).await,
        Mode::Status(status) => StatusCode::from_u16(status)
            .expect("a status")
            .into_response(),
        Mode::Moved(host) => to(format!("http://{host}{target}")),
        Mode::Page => ([(header::CONTENT_TYPE, "text/html")], "<h1>Sign in</h1>").into_response(),
        Mode::Silent => {
            let _open = Open::new(&shared);
            std::future::pending().await
        }
        Mode::Stalls | Mode::Endless => {
            let kind = match parts.method.as_str() {
                "GET" => "application/x-git-upload-pack-advertisement",
                _ => "application/x-git-upload-pack-result",
            };
            let most = if mode == Mode::Stalls {
                PIECE_BYTES as u64
            } else {
                ENDLESS_BYTES
            };
            let pieces = pieces(Open::new(&shared), most);
            ([(header::CONTENT_TYPE, kind)], Body::from_stream(pieces)).into_response()
        }
    }
}

/// Counts an answer for as long as somebody waits for it.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn pieces(open: Open, most: u64) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    stream::unfold((open, 0), move |(open, sent)| async move {
        if sent >= most {
            // Nothing more comes, and no end.
            std::future::pending::<()>().await;
        }
        open.0.sent.fetch_add(PIECE_BYTES as u64, Ordering::SeqCst);
        let piece = Ok(Bytes::from_static(&[0; PIECE_BYTES]));
        Some((piece, (open, sent + PIECE_BYTES as u64)))
    })
}

fn login(headers: &HeaderMap) -> Option<String> {
    use base64::Engine as _;
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let encoded = value.strip_prefix("Basic ")?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded);
    String::from_utf8(decoded.ok()?).ok()
}

/// RFC 3875.
async fn backend(
    root: &Path,
    path: &str,
    parts: axum::http::request::Parts,
    body: Body,
) -> Response {
    let text = |name: &str| {
        let value = parts.headers.get(name);
        value
            .map_or("", |value| value.to_str().expect("text"))
            .to_owned()
    };
    let body = to_bytes(body, usize::MAX).await.expect("a whole request");
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", path)
        .env("QUERY_STRING", parts.uri.query().unwrap_or(""))
        .env("CONTENT_TYPE", text("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .env("GIT_PROTOCOL", text("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git starts");
    let mut stdin = child.stdin.take().expect("piped");
    tokio::spawn(async move { stdin.write_all(&body).await });
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut response = Response::builder();
    loop {
        let mut line = String::new();
        stdout.read_line(&mut line).await.expect("a head");
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>().expect("a status")),
            name => response.header(name, value),
        };
    }
    let pieces = stream::unfold((stdout, child), |(mut stdout, child)| async move {
        let mut piece = vec![0; PIECE_BYTES];
        let read = stdout.read(&mut piece).await.expect("git is read");
        piece.truncate(read);
        (read > 0).then_some((Ok::<_, std::io::Error>(piece), (stdout, child)))
    });
    response.body(Body::from_stream(pieces)).expect("an answer")
}
