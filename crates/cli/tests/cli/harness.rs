//! Runs commands in this process: real parsing, real HTTP, real git; only the surroundings are made.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use clap::{CommandFactory, Parser};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use outwork_cli::{ClientCommand, ExitStatus, GlobalArgs, Io};
use outwork_domain::Timestamp;

use crate::server::Server;

/// The program as the composition root would build it.
#[derive(Parser)]
#[command(name = "outwork", version = "0.1.0", term_width = 100)]
pub struct Program {
    #[command(flatten)]
    pub globals: GlobalArgs,
    #[command(subcommand)]
    pub command: ClientCommand,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> serde_json::Value {
        let line = self.stdout.lines().last().expect("a line");
        serde_json::from_str(line).expect("JSON")
    }

    /// Fails with everything that was said.
    #[track_caller]
    pub fn expect(self, status: ExitStatus) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }
}

/// A command's surroundings.
pub struct Setup {
    pub variables: BTreeMap<OsString, OsString>,
    pub dir: PathBuf,
    pub stdin: Vec<u8>,
    pub stdin_is_terminal: bool,
    pub stdout_is_terminal: bool,
    pub stdout_closes_after: Option<usize>,
    pub interrupt: BoxFuture<'static, ()>,
    pub checks: Vec<outwork_cli::Check>,
    pub width: u16,
    /// What has been written to standard error so far.
    pub stderr: Shared,
}

impl Setup {
    /// Signed in to `server` by variables; in a folder without a repository.
    pub fn new(server: &Server) -> Self {
        Self::without_server()
            .var("OUTWORK_URL", &server.url)
            .var("OUTWORK_TOKEN", "ow_good")
    }

    pub fn without_server() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let path = std::env::vars_os()
            .find(|(name, _)| name == "PATH")
            .expect("a PATH")
            .1;
        Self {
            variables: BTreeMap::from([("PATH".into(), path)]),
            dir: PathBuf::from("/"),
            stdin: Vec::new(),
            stdin_is_terminal: false,
            stdout_is_terminal: false,
            stdout_closes_after: None,
            interrupt: std::future::pending().boxed(),
            checks: Vec::new(),
            width: 160,
            stderr: Shared::default(),
        }
    }

    pub fn var(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.variables
            .insert(name.into(), value.as_ref().to_owned());
        self
    }

    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = dir.to_owned();
        self
    }

    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = text.into();
        self
    }

    pub fn terminal(mut self) -> Self {
        self.stdout_is_terminal = true;
        self
    }

    pub async fn run(self, args: &[&str]) -> Ran {
        let line = [&["outwork"], args].concat();
        let Program { globals, command } = match Program::try_parse_from(line) {
            Ok(program) => program,
            Err(error) => panic!("{args:?} cannot be parsed: {error}"),
        };
        let stdout = Shared::default();
        let stderr = self.stderr;
        let io = Io {
            stdin: Box::new(Cursor::new(self.stdin)),
            stdout: match self.stdout_closes_after {
                None => Box::new(stdout.clone()),
                Some(lines) => Box::new(Closing {
                    inner: stdout.clone(),
                    lines,
                }),
            },
            stderr: Box::new(stderr.clone()),
            stdin_is_terminal: self.stdin_is_terminal,
            stdout_is_terminal: self.stdout_is_terminal,
            can_page: false,
            stderr_is_terminal: false,
            width: self.stdout_is_terminal.then_some(self.width),
            variables: self.variables,
            current_dir: self.dir,
            program: "outwork".into(),
            now: || Timestamp::from_millis(1_795_186_500_000),
            random: || 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
            interrupts: self
                .interrupt
                .into_stream()
                .chain(futures_util::stream::pending())
                .boxed(),
            hide_typing: || Box::new(()),
            open_screen: || Err(io::Error::other("no terminal in this test")),
            root_command: Program::command,
            checks: std::future::ready(self.checks).boxed(),
            local: std::future::ready(Err(outwork_cli::error::CliError::failed(
                "not in this test",
            )))
            .boxed_local(),
        };
        let status = outwork_cli::run(command, globals, io).await;
        Ran {
            status,
            stdout: stdout.text(),
            stderr: stderr.text(),
        }
    }
}

/// A stream that remembers.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe whose reader goes away after some lines.
struct Closing {
    inner: Shared,
    lines: usize,
}

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.inner.text().lines().count() >= self.lines {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A repository with one commit: `file` holds `one\ntwo\nthree\n`.
pub struct Repo {
    pub dir: tempfile::TempDir,
}

impl Repo {
    pub fn new() -> Self {
        let repo = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        repo.git(&["init", "-q", "-b", "main"]);
        repo.write("file", "one\ntwo\nthree\n");
        repo.git(&["add", "."]);
        repo.git(&["commit", "-q", "-m", "first"]);
        repo
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("written");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("read")
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(args)
            .current_dir(self.path())
            .env_remove("GIT_DIR")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .expect("git runs");
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The diff of changing `file` to `text`; the tree is as before.
    pub fn diff_to(&self, text: &str) -> Vec<u8> {
        let before = self.read("file");
        self.write("file", text);
        let diff = self.git(&["diff", "--binary", "--full-index"]);
        self.write("file", &before);
        diff.into_bytes()
    }
}
