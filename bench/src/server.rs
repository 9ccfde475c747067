//! A running `outwork up`, as the benchmarks need it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::Bench;

/// A server with a worker; ends with the value.
pub(crate) struct Server {
    child: Child,
    url: String,
    token: String,
    dir: TempDir,
}

impl Server {
    pub(crate) fn up(bench: &Bench, variables: &[(&str, &str)]) -> Result<Self> {
        Self::up_with(bench, variables, &[])
    }

    pub(crate) fn up_with(
        bench: &Bench,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Result<Self> {
        let dir = tempfile::tempdir_in(&bench.scratch)?;
        let mut child = Command::new(&bench.outwork)
            .args(["up", "--listen", "127.0.0.1:0", "--json", "--data-dir"])
            .arg(dir.path().join("data"))
            .arg("--agents-dir")
            .arg(&bench.agents_dir)
            .args(arguments)
            .env("OUTWORK_CONFIG_DIR", dir.path().join("config"))
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(dir.path().join("log"))?)
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line)
            .with_context(|| fs::read_to_string(dir.path().join("log")).unwrap_or_default())?;
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        let token = fs::read_to_string(text("token_file"))?.trim().to_owned();
        Ok(Self {
            child,
            url: text("url"),
            token,
            dir,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the worker keeps.
    pub(crate) fn worker_dir(&self) -> PathBuf {
        self.dir.path().join("data/worker")
    }

    /// Runs a command of the client; it must succeed.
    pub(crate) fn run(&self, bench: &Bench, arguments: &[&str]) -> Result<Output> {
        let output = self.client(bench, arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "outwork {arguments:?}: {said}");
        Ok(output)
    }

    /// Starts a command of the client.
    pub(crate) fn spawn(&self, bench: &Bench, arguments: &[&str], stdout: Stdio) -> Result<Child> {
        let mut command = self.client(bench, arguments);
        Ok(command.stdout(stdout).stderr(Stdio::null()).spawn()?)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A command of the client, ready to run.
    pub(crate) fn client(&self, bench: &Bench, arguments: &[&str]) -> Command {
        let mut command = Command::new(&bench.outwork);
        command
            .args(arguments)
            .env("OUTWORK_URL", &self.url)
            .env("OUTWORK_TOKEN", &self.token)
            .env("OUTWORK_CONFIG_DIR", self.dir.path().join("config"))
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("sh")
            .args(["-c", "kill $0", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

/// A repository with some files and one commit.
pub(crate) fn repository(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    for number in 0..50 {
        fs::write(dir.join(format!("file-{number}.txt")), "line\n".repeat(40))?;
    }
    git(dir, &["init", "-q", "-b", "main"])?;
    git(dir, &["add", "."])?;
    git(
        dir,
        &[
            "-c",
            "user.name=b",
            "-c",
            "user.email=b@example.invalid",
            "commit",
            "-qm",
            "start",
        ],
    )
}

/// Runs git; it must succeed.
pub(crate) fn git(dir: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new("git")
        .current_dir(dir)
        .args(arguments)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "git {arguments:?}");
    Ok(())
}
