//! The worker that is tried, as a process, and what its agents leave to be seen.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// How a worker is started: a program and its arguments, with places for what differs.
#[derive(Clone, Debug)]
pub struct Template(Vec<String>);

impl Template {
    /// `{url}`, `{token}`, `{token_file}` and `{dir}` (a directory that is the same after a restart) are replaced in each word.
    ///
    /// # Errors
    /// Nothing to start, or no `{url}`.
    pub fn new(words: Vec<String>) -> Result<Self> {
        let all = words.join(" ");
        if words.is_empty() || !all.contains("{url}") {
            return Err(anyhow!(
                "the worker's command must name the server with {{url}}"
            ));
        }
        Ok(Self(words))
    }

    /// Whether a restarted worker finds what it had.
    pub(crate) fn keeps(&self) -> bool {
        self.0.iter().any(|word| word.contains("{dir}"))
    }

    fn command(&self, url: &str, token: &str, directory: &Path) -> Result<Command> {
        let token_file = directory.join("token");
        fs::write(&token_file, token).context("the token cannot be written")?;
        let data = directory.join("data");
        let fill = |word: &String| {
            word.replace("{url}", url)
                .replace("{token_file}", &token_file.display().to_string())
                .replace("{token}", token)
                .replace("{dir}", &data.display().to_string())
        };
        let words: Vec<String> = self.0.iter().map(fill).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        Ok(command)
    }
}

/// A worker that runs. It is killed when this is dropped.
pub(crate) struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    pub(crate) fn start(
        template: &Template,
        url: &str,
        token: &str,
        directory: &Path,
    ) -> Result<Self> {
        let log = directory.join("log");
        let file = fs::OpenOptions::new().create(true).append(true).open(&log);
        let file = file.context("the worker's log cannot be written")?;
        let mut command = template.command(url, token, directory)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .context("the worker cannot be started")?;
        Ok(Self { child, log })
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .await
            .context("the worker cannot be killed")
    }

    /// Asks it to stop (SIGTERM).
    pub(crate) fn terminate(&self) -> Result<()> {
        let id = self.child.id().context("the worker has ended by itself")?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let pid = pid.context("the worker's id is none")?;
        kill_process(pid, Signal::TERM).context("the worker cannot be told to stop")
    }

    /// How it ended; `None` if it did not within that time.
    pub(crate) async fn ended(&mut self, within: Duration) -> Result<Option<ExitStatus>> {
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(status) => Ok(Some(status?)),
            Err(_) => Ok(None),
        }
    }

    /// The end of what it said.
    pub(crate) fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

/// Something in an agent's command that can be seen while it waits, and lasts until the agent is killed.
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Seconds that nothing else sleeps.
        Self(format!("7{}{number:03}.125", std::process::id()))
    }

    /// For a command: waits for longer than any check.
    pub(crate) fn wait(&self) -> String {
        format!("sleep {}", self.0)
    }

    /// Whether a process of it is there.
    pub(crate) fn is_there(&self) -> bool {
        let line = format!("sleep\0{}\0", self.0);
        let Ok(entries) = fs::read_dir("/proc") else {
            return false;
        };
        entries.flatten().any(|entry| {
            let command = fs::read(entry.path().join("cmdline"));
            command.is_ok_and(|command| command == line.as_bytes())
        })
    }
}
