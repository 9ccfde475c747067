//! One call of git.

use super::{Git, GitError, LOCAL_LIMIT};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

const STDERR_KEPT_BYTES: usize = 32 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
const STDOUT_LIMIT_BYTES: usize = 256 * 1024 * 1024;

/// What git reads from standard input.
pub(crate) enum Input<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// Chunks as they come; the end of the channel is the end of the input.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    Stream {
        first: Vec<u8>,
        rest: mpsc::Receiver<Vec<u8>>,
    },
}

/// A call being built. Nothing here goes through a shell.
pub(crate) struct Call<'a> {
    command: Command,
    program: &'a Path,
    operation: &'static str,
    input: Input<'a>,
    limit: Duration,
    stdout_limit_bytes: usize,
}

/// How a call ended.
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl Git {
    /// Begins a call. `operation` completes the sentence "git failed to …".
    pub(crate) fn call<'a>(&'a self, operation: &'static str) -> Call<'a> {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "credential.helper=",
        ]);
        command.current_dir("/").kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        Call {
            command,
            program: &self.program,
            operation,
            input: Input::Nothing,
            limit: LOCAL_LIMIT,
            stdout_limit_bytes: STDOUT_LIMIT_BYTES,
        }
    }
}

impl<'a> Call<'a> {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn git_dir(self, dir: &Path) -> Self {
        let mut arg = OsString::from("--git-dir=");
        arg.push(dir);
        self.arg(arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn input(mut self, input: Input<'a>) -> Self {
        self.input = input;
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) fn stdout_limit(mut self, bytes: usize) -> Self {
        self.stdout_limit_bytes = bytes;
        self
    }

    /// Runs and gives the answer whatever the exit code. Dropping the future kills the whole process group.
    pub(crate) async fn output(self) -> Result<Output, GitError> {
        self.run(None).await
    }

    /// Runs and hands on what git writes, as it comes and without limit of size; the end of the channel is the end of the output. Any exit
    /// code but 0 is an error.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) async fn stream(self, sink: mpsc::Sender<Vec<u8>>) -> Result<(), GitError> {
        let operation = self.operation;
        let output = self.run(Some(sink)).await?;
        checked(operation, output).map(drop)
    }

    async fn run(mut self, sink: Option<mpsc::Sender<Vec<u8>>>) -> Result<Output, GitError> {
        let operation = self.operation;
        let stdin = if matches!(self.input, Input::Nothing) {
            Stdio::null()
        } else {
            Stdio::piped()
        };
        self.command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let start = |source| GitError::Start {
            program: self.program.display().to_string(),
            source,
        };
        let mut child = self.command.spawn().map_err(start)?;
        let group = ProcessGroup::of(&child);
        let io = |source| GitError::Io { operation, source };
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let too_large = GitError::OutputTooLarge {
            operation,
            limit_bytes: self.stdout_limit_bytes,
        };
        let whole = async {
            let (written, stdout, stderr) = tokio::join!(
                feed(stdin, self.input),
                async {
                    match sink {
                        Some(sink) => hand_on(stdout, sink).await,
                        None => read_up_to(stdout, self.stdout_limit_bytes).await,
                    }
                },
                read_up_to(stderr, STDERR_KEPT_BYTES)
            );
            written.map_err(io)?;
            let (stdout, stderr) = (stdout.map_err(io)?, stderr.map_err(io)?);
            let Some(stdout) = stdout.whole() else {
                return Err(too_large);
            };
            let status = child.wait().await.map_err(io)?;
            let stderr = String::from_utf8_lossy(&stderr.bytes).trim().to_owned();
            Ok(Output {
                code: status.code(),
                stdout,
                stderr,
            })
        };
        let ended = tokio::time::timeout(self.limit, whole).await;
        match ended {
            Ok(Ok(output)) => {
                group.ended();
                Ok(output)
            }
            Ok(Err(fault)) => {
                group.kill(&mut child).await;
                Err(fault)
            }
            Err(_) => {
                group.kill(&mut child).await;
                Err(GitError::TimedOut {
                    operation,
                    limit_ms: self.limit.as_millis(),
                })
            }
        }
    }

    /// Runs; any exit code but 0 is an error.
    pub(crate) async fn success(self) -> Result<Output, GitError> {
        let operation = self.operation;
        let output = self.output().await?;
        checked(operation, output)
    }
}

fn checked(operation: &'static str, output: Output) -> Result<Output, GitError> {
    match output.code {
        Some(0) => Ok(output),
        code => Err(GitError::Failed {
            operation,
            code,
            stderr: output.stderr,
        }),
    }
}

/// Git may end before it has read everything (a refused patch): a closed pipe is no fault of its own, the exit code tells.
async fn feed(stdin: Option<ChildStdin>, input: Input<'_>) -> std::io::Result<()> {
    let Some(mut stdin) = stdin else {
        return Ok(());
    };
    let written = match input {
        Input::Nothing => Ok(()),
        Input::Bytes(bytes) => stdin.write_all(bytes).await,
        Input::Stream { first, mut rest } => {
            let mut written = stdin.write_all(&first).await;
            while written.is_ok()
                && let Some(chunk) = rest.recv().await
            {
                written = stdin.write_all(&chunk).await;
            }
            written
        }
    };
    match written.and(stdin.shutdown().await) {
        Err(fault) if fault.kind() != std::io::ErrorKind::BrokenPipe => Err(fault),
        _ => Ok(()),
    }
}

struct Kept {
    bytes: Vec<u8>,
    cut: bool,
}

impl Kept {
    fn whole(self) -> Option<Vec<u8>> {
        (!self.cut).then_some(self.bytes)
    }
}

/// Keeps the first `limit` bytes and reads the rest away, so that git is not blocked; standard output is given up at four times the limit.
async fn read_up_to(mut stream: impl AsyncRead + Unpin, limit: usize) -> std::io::Result<Kept> {
    let mut bytes = Vec::new();
    (&mut stream)
        .take(limit as u64)
        .read_to_end(&mut bytes)
        .await?;
    let rest = tokio::io::copy(&mut stream.take(limit as u64 * 3), &mut tokio::io::sink()).await?;
    Ok(Kept {
        bytes,
        cut: rest > 0,
    })
}

/// Hands on what comes, in chunks; an error if nobody takes it any more.
async fn hand_on(
    mut stream: impl AsyncRead + Unpin,
    sink: mpsc::Sender<Vec<u8>>,
) -> std::io::Result<Kept> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        if stream.read_buf(&mut chunk).await? == 0 {
            let bytes = Vec::new();
            return Ok(Kept { bytes, cut: false });
        }
        if sink.send(chunk).await.is_err() {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
    }
}

/// Git starts helpers (ssh, remote-https, index-pack): they share its process group and die with it.
struct ProcessGroup {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl ProcessGroup {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let leader = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        Self { leader }
    }

    #[cfg(not(unix))]
    fn of(_child: &Child) -> Self {
        Self {}
    }

    fn ended(mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
        let _ = &mut self;
    }

    async fn kill(self, child: &mut Child) {
        drop(self);
        // The group is dead or about to be; `start_kill` covers systems without groups. Errors mean that it is gone already.
        let _ = child.start_kill();
        let _ = child.wait().await;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader.take() {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}
