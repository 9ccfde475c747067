//! Processes that the suite starts, and those that it finds.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use outwork_failpoint::FIRED;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a process may take until it says that it is ready. The machine may be busy.
const READY: Duration = Duration::from_secs(120);

/// A child with its log; killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// Where the log of this process begins in the file.
    log_start: u64,
    /// Up to where failure points were looked for.
    looked_at: u64,
    /// A failure point killed it.
    killed_itself: bool,
}

/// What a process said first.
pub(crate) enum First {
    Ready(Value),
    /// It ended before.
    Ended,
}

/// A failure point that fired.
pub(crate) struct Fired {
    pub(crate) name: String,
    /// `kill`, `delay` or `refuse`.
    pub(crate) done: String,
    /// What was not written.
    pub(crate) file: Option<PathBuf>,
}

impl Fired {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        Some(Self {
            name: words.next()?.to_owned(),
            done: words.next()?.to_owned(),
            file: words.next().map(PathBuf::from),
        })
    }
}

impl Process {
    /// Starts it; `log` is appended to.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = fs::File::options().create(true).append(true).open(log)?;
        let log_start = file.metadata()?.len();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .with_context(|| format!("{command:?} does not start"))?;
        Ok(Self {
            child,
            log: log.to_owned(),
            log_start,
            looked_at: log_start,
            killed_itself: false,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The line of JSON that it prints when it is ready.
    pub(crate) async fn first(&mut self) -> Result<First> {
        let stdout = self.child.stdout.take().context("asked once")?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| line)
        });
        let line = tokio::time::timeout(READY, reading).await;
        let line = line.with_context(|| format!("not ready in time: {}", self.log()))???;
        if line.is_empty() {
            return Ok(First::Ended);
        }
        Ok(First::Ready(serde_json::from_str(&line)?))
    }

    /// What this process wrote to its log.
    pub(crate) fn log(&self) -> String {
        self.log_from(self.log_start)
    }

    fn log_from(&self, start: u64) -> String {
        let mut text = Vec::new();
        let read = fs::File::open(&self.log).and_then(|mut log| {
            log.seek(SeekFrom::Start(start))?;
            log.read_to_end(&mut text)
        });
        // All that is written there is text.
        let read = read.map(|_| String::from_utf8(text).unwrap_or_default());
        read.unwrap_or_default()
    }

    /// The failure points that fired since this was last asked.
    pub(crate) fn fired(&mut self) -> Vec<Fired> {
        let log = self.log_from(self.looked_at);
        // A line that is just being written is for the next time.
        let whole = log.rfind('\n').map_or(0, |end| end + 1);
        self.looked_at += whole as u64;
        let log = &log[..whole];
        let lines = log.lines().filter_map(|line| line.strip_prefix(FIRED));
        let fired: Vec<_> = lines.filter_map(Fired::parse).collect();
        self.killed_itself |= fired.iter().any(|fired| fired.done == "kill");
        fired
    }

    /// Whether one of those that were told killed it.
    pub(crate) fn killed_itself(&self) -> bool {
        self.killed_itself
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal_to(self.child.id(), signal);
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it has ended.
    pub(crate) async fn end_within(&mut self, time: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if start.elapsed() > time {
                bail!("process {} did not end: {}", self.id(), self.log());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// A signal to any process; one that is gone is no error.
pub(crate) fn signal_to(id: u32, signal: Signal) {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

/// A process on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: u32,
    /// With blanks between the arguments.
    pub(crate) line: String,
    variables: Vec<u8>,
}

impl Found {
    /// The value of a variable in its environment.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let mut variables = self.variables.split(|byte| *byte == 0);
        let value = variables.find_map(|variable| {
            let rest = variable.strip_prefix(name.as_bytes())?;
            rest.strip_prefix(b"=")
        })?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

/// All processes but this one that `holds`.
pub(crate) fn processes(holds: impl Fn(&Found) -> bool) -> Vec<Found> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let found = Found {
                id,
                line: String::from_utf8_lossy(&line).replace('\0', " "),
                variables: fs::read(entry.path().join("environ")).unwrap_or_default(),
            };
            (id != own && !line.is_empty() && holds(&found)).then_some(found)
        })
        .collect()
}

/// Whether the process runs a program below `dir`, also one that was removed meanwhile.
pub(crate) fn runs_below(id: u32, dir: &Path) -> bool {
    let program = fs::read_link(format!("/proc/{id}/exe"));
    program.is_ok_and(|program| {
        let dir = dir.as_os_str().as_bytes();
        program.as_os_str().as_bytes().starts_with(dir)
    })
}
