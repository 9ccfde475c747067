//! A proxy in a process of its own: what reads a hostile client's bytes has none of the worker's memory.
//!
//! [`EgressProcess::start`] runs the worker's own program again with [`PROCESS_ARGUMENT`], which must call [`process_main`] before anything
//! else. Configuration and credentials go over standard input, never over arguments or variables; decisions come back over standard output.
//! The process ends when its standard input does, and so when the worker dies, however it dies. A sandbox whose proxy is dead has no network.

mod child;
mod message;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use child::process_main;

use crate::proxy::{Decision, ProxyConfig, Totals};
use message::{Answer, Start};

/// The one argument of the process.
pub const PROCESS_ARGUMENT: &str = "egress-proxy";

/// For the C library of the process, if it is GNU's: string instructions copy at a third of the speed on several of AMD's
/// processors, where source and target lie alike in their pages, and what TLS deciphers is copied often. Never use them.
const LIBRARY_TUNABLES: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.cpu.x86_rep_movsb_threshold=1073741824",
);
/// To start: mostly for the system's certificates to be read.
const START_LIMIT: Duration = Duration::from_secs(20);
/// To end once it was told to.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Decisions that may wait for their reader here; when there are more, they wait in the process, which counts what it drops.
const DECISION_CAPACITY: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("the egress proxy's process cannot be started from {}", .program.display())]
    Spawn { program: PathBuf, source: io::Error },
    #[error("the egress proxy does not start: {reason}")]
    Refused { reason: String },
    #[error("the egress proxy did not start within {} s", START_LIMIT.as_secs())]
    TooSlow,
    #[error("the egress proxy's process ended without a word")]
    Died,
}

/// A running proxy. Dropping it kills it.
#[derive(Debug)]
pub struct EgressProcess {
    socket: PathBuf,
    certificate_authority: Option<String>,
    child: Child,
    /// Its end is the process's.
    stdin: ChildStdin,
    reader: JoinHandle<Option<Totals>>,
    ended: CancellationToken,
}

impl EgressProcess {
    /// Runs `program` as the proxy that listens on a new unix socket at `socket`. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// It cannot be run, or says why it does not listen. Nothing is left of it then.
    pub async fn start(
        program: &Path,
        config: &ProxyConfig,
        socket: &Path,
    ) -> Result<(Self, mpsc::Receiver<Decision>), ProcessError> {
        let spawn = |source| ProcessError::Spawn {
            program: program.to_owned(),
            source,
        };
        let socket = std::path::absolute(socket).map_err(spawn)?;
        let mut child = Command::new(program)
            .arg(PROCESS_ARGUMENT)
            .env_clear()
            .envs([LIBRARY_TUNABLES])
            .current_dir("/")
            // A signal from the terminal is for the worker, which then ends it in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn)?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for");
        };
        let start = Start {
            socket: socket.clone(),
            config: config.clone(),
        };
        let mut lines = BufReader::new(stdout).lines();
        let begun = async {
            // If it is gone already, its last words say more than this error.
            let _ = stdin.write_all(start.line().as_bytes()).await;
            answer(&mut lines).await
        };
        let begun = timeout(START_LIMIT, begun).await;
        let certificate_authority = match begun.map_err(|_| ProcessError::TooSlow)? {
            Some(Answer::Ready {
                certificate_authority,
            }) => certificate_authority,
            Some(Answer::Failed { reason }) => return Err(ProcessError::Refused { reason }),
            Some(Answer::Decision(_) | Answer::Ended { .. }) | None => {
                return Err(ProcessError::Died);
            }
        };
        let (sender, decisions) = mpsc::channel(DECISION_CAPACITY);
        let ended = CancellationToken::new();
        let process = Self {
            socket,
            certificate_authority,
            child,
            stdin,
            reader: tokio::spawn(read(lines, sender, ended.clone())),
            ended,
        };
        Ok((process, decisions))
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The certificate, in PEM, that clients must trust. `None` if TLS passes unread.
    pub fn certificate_authority(&self) -> Option<&str> {
        self.certificate_authority.as_deref()
    }

    /// Its process, while that runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Returns when the process has ended though nobody told it to: from then on the sandbox has no network.
    pub async fn died(&self) {
        self.ended.cancelled().await;
    }

    /// Ends the proxy and every connection, and returns when all decisions are sent. Gives the final totals.
    ///
    /// # Errors
    /// It had died, or did not end in time and was killed: what it had not said is lost.
    pub async fn shutdown(self) -> Result<Totals, ProcessError> {
        let Self {
            socket,
            certificate_authority: _,
            mut child,
            stdin,
            reader,
            ended: _,
        } = self;
        drop(stdin);
        let totals = timeout(END_LIMIT, reader).await;
        // Dead already, or it never will be of itself.
        let _ = child.kill().await;
        // The process removes it, if it can.
        let _ = std::fs::remove_file(socket);
        match totals {
            Ok(Ok(Some(totals))) => Ok(totals),
            Ok(Ok(None) | Err(_)) | Err(_) => Err(ProcessError::Died),
        }
    }
}

type AnswerLines = Lines<BufReader<ChildStdout>>;

/// The next answer. `None`: no more, or none that we know, which a program of another version would say.
async fn answer(lines: &mut AnswerLines) -> Option<Answer> {
    let line = lines.next_line().await.ok()??;
    serde_json::from_str(&line).ok()
}

/// Passes decisions on until the process ends.
async fn read(
    mut lines: AnswerLines,
    decisions: mpsc::Sender<Decision>,
    ended: CancellationToken,
) -> Option<Totals> {
    let _guard = ended.drop_guard();
    loop {
        match answer(&mut lines).await? {
            // Nobody may listen any more; the totals are still wanted.
            Answer::Decision(decision) => drop(decisions.send(*decision).await),
            Answer::Ended { totals } => return Some(totals),
            Answer::Ready { .. } | Answer::Failed { .. } => return None,
        }
    }
}
