//! A real repository, served by git itself over HTTP, and what a patch makes of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use hyper::{Request, Response, header};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::http::{Body, respond};

/// Bytes that are no text.
pub(crate) const BINARY: &[u8] = b"\x00\x01\xff\xfe binary \x00\r\n";

/// A bare repository with one commit, in a directory of its own.
pub(crate) struct Repository {
    directory: TempDir,
    /// What tasks start from.
    pub(crate) commit: String,
}

/// A tree's files: path to mode and content.
pub(crate) type Files = BTreeMap<String, (String, Vec<u8>)>;

impl Repository {
    pub(crate) async fn new() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("conformance-")
            .tempdir()
            .context("a directory for the repository cannot be made")?;
        let work = directory.path().join("work");
        let bare = directory.path().join("demo.git");
        std::fs::create_dir_all(work.join("folder"))?;
        let lines: String = (1..=20).map(|number| format!("line {number}\n")).collect();
        std::fs::write(work.join("text"), lines)?;
        std::fs::write(work.join("gone"), "to be removed\n")?;
        std::fs::write(work.join("folder/binary"), BINARY)?;
        std::fs::write(work.join("folder/with a space"), "spaced\n")?;
        std::fs::write(work.join(".gitignore"), "ignored\n")?;
        std::fs::write(work.join("windows"), "one\r\ntwo\r\n")?;
        git(&work, &["init", "-q", "-b", "main"]).await?;
        git(&work, &["add", "-A"]).await?;
        git(&work, &["commit", "-q", "-m", "first"]).await?;
        let commit = git(&work, &["rev-parse", "HEAD"]).await?;
        let commit = String::from_utf8(commit)?.trim().to_owned();
        let (from, to) = (work.display().to_string(), bare.display().to_string());
        git(&work, &["clone", "-q", "--bare", &from, &to]).await?;
        Ok(Self { directory, commit })
    }

    fn bare(&self) -> PathBuf {
        self.directory.path().join("demo.git")
    }

    /// The files of the commit.
    pub(crate) async fn base(&self) -> Result<Files> {
        self.tree(&[]).await
    }

    /// The files after these patches, in this order. Fails if one does not apply.
    pub(crate) async fn tree(&self, patches: &[&[u8]]) -> Result<Files> {
        let scratch = tempfile::tempdir()?;
        let clone = scratch.path().join("clone");
        let (from, to) = (
            self.bare().display().to_string(),
            clone.display().to_string(),
        );
        git(
            scratch.path(),
            &["clone", "-q", "--no-checkout", &from, &to],
        )
        .await?;
        git(&clone, &["read-tree", &self.commit]).await?;
        for patch in patches.iter().filter(|patch| !patch.is_empty()) {
            let file = scratch.path().join("patch");
            std::fs::write(&file, patch)?;
            let file = file.display().to_string();
            git(&clone, &["apply", "--cached", "--whitespace=nowarn", &file])
                .await
                .context("the diff does not apply to its base")?;
        }
        let listing = git(&clone, &["ls-files", "-s", "-z"]).await?;
        let mut files = Files::new();
        for entry in listing
            .split(|byte| *byte == 0)
            .filter(|entry| !entry.is_empty())
        {
            let entry = String::from_utf8_lossy(entry);
            let (head, path) = entry.split_once('\t').context("an entry of the index")?;
            let mut words = head.split(' ');
            let (mode, object) = (words.next(), words.next());
            let (mode, object) = mode.zip(object).context("a mode and an object")?;
            let content = git(&clone, &["cat-file", "blob", object]).await?;
            files.insert(path.to_owned(), (mode.to_owned(), content));
        }
        Ok(files)
    }

    /// A patch against the commit that writes these files as text.
    pub(crate) async fn patch(&self, writes: &[(&str, &str)]) -> Result<Vec<u8>> {
        let scratch = tempfile::tempdir()?;
        let clone = scratch.path().join("clone");
        let (from, to) = (
            self.bare().display().to_string(),
            clone.display().to_string(),
        );
        git(scratch.path(), &["clone", "-q", &from, &to]).await?;
        for (path, content) in writes {
            std::fs::write(clone.join(path), content)?;
        }
        git(&clone, &["add", "-A"]).await?;
        git(&clone, &["diff", "--cached", "--binary", "--full-index"]).await
    }

    /// Answers git's own requests below `/git/`, as RFC 3875 says.
    pub(crate) async fn serve(&self, request: Request<Bytes>) -> Result<Response<Body>> {
        let path = request
            .uri()
            .path()
            .strip_prefix("/git")
            .unwrap_or_default();
        let header = |name: &str| {
            let value = request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let mut child = command(self.directory.path())
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", self.directory.path())
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", request.method().as_str())
            .env("PATH_INFO", path)
            .env("QUERY_STRING", request.uri().query().unwrap_or_default())
            .env("CONTENT_TYPE", header("content-type"))
            .env("CONTENT_LENGTH", request.body().len().to_string())
            .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
            .env("GIT_PROTOCOL", header("git-protocol"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("git http-backend cannot be started")?;
        let mut stdin = child.stdin.take().context("it was piped")?;
        stdin.write_all(request.body()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?.stdout;
        let end = output.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.context("git http-backend wrote no head")?;
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let status = value("Status: ").and_then(|text| text.get(..3)?.parse().ok());
        let content_type = value("Content-Type: ").unwrap_or_default();
        let mut response = respond(
            status.unwrap_or(200),
            content_type,
            output[end + 4..].to_vec(),
        );
        let none = "no-cache".parse().expect("plain text");
        response.headers_mut().insert(header::CACHE_CONTROL, none);
        Ok(response)
    }
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        .kill_on_drop(true)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Conformance")
            .env(format!("GIT_{who}_EMAIL"), "conformance@example.invalid")
            .env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    command
}

async fn git(directory: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = command(directory)
        .args(arguments)
        .output()
        .await
        .context("git cannot be started")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("git {}: {said}", arguments[0]);
    }
    Ok(output.stdout)
}

/// Fails unless both trees are the same; says where they differ.
pub(crate) fn same(found: &Files, expected: &Files) -> Result<()> {
    let paths = found.keys().chain(expected.keys());
    for path in paths {
        let (is, should) = (found.get(path), expected.get(path));
        ensure!(
            is == should,
            "`{path}` is {}, and should be {}",
            shown(is),
            shown(should)
        );
    }
    Ok(())
}

fn shown(file: Option<&(String, Vec<u8>)>) -> String {
    match file {
        None => "not there".to_owned(),
        Some((mode, content)) => {
            let start = &content[..content.len().min(80)];
            format!("{mode} {:?}", String::from_utf8_lossy(start))
        }
    }
}
