//! Git, and git over http as RFC 3875 has it.

use std::path::Path;
use std::process::{Command, Stdio};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use tokio::io::AsyncWriteExt;

pub fn run(directory: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.current_dir(directory).args(arguments);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = git.output().expect("git starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

/// Whoever may write has the right password; everybody may read.
pub async fn answer(root: &Path, parts: &Parts, body: Vec<u8>, may_write: bool) -> Response {
    let query = parts.uri.query().unwrap_or("");
    let writes =
        parts.uri.path().ends_with("/git-receive-pack") || query.contains("git-receive-pack");
    if writes && !may_write {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"GitHub\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    backend(root, parts, body).await
}

/// What git itself answers, to whoever may ask.
pub async fn backend(root: &Path, parts: &Parts, body: Vec<u8>) -> Response {
    let text = |name: &str| {
        let value = parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REMOTE_USER", "outwork")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
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
    let output = child.wait_with_output().await.expect("git ends");
    let mut parts = output.stdout.windows(4);
    let end = parts.position(|part| part == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&output.stdout[..end]).into_owned();
    let mut response = Response::builder();
    for line in head.lines() {
        match line.split_once(": ") {
            Some(("Status", status)) => {
                let number: u16 = status[..3].parse().expect("a status");
                response = response.status(number);
            }
            Some((name, value)) => response = response.header(name, value),
            None => {}
        }
    }
    let rest = output.stdout[end + 4..].to_vec();
    response.body(Body::from(rest)).expect("an answer")
}

/// The password of a request of git's.
pub fn password(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let encoded = value.strip_prefix("Basic ")?;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()?;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}
