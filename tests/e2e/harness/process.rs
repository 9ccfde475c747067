//! Processes that a test starts, and those that it finds.

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use super::{Kept, until};

/// A child process that ends with the test, and its log.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(super) fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = fs::File::create(&log).expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .expect("outwork starts");
        Self { child, log }
    }

    /// The first line it prints, as JSON.
    pub(super) fn ready(&mut self) -> Value {
        let stdout = self.child.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("readable");
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("no ready line ({error}): {line:?}\n{}", self.log()))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A path as this process sees it, which may have mounts of its own.
    pub fn sees(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        let below_root = path.strip_prefix("/").expect("an absolute path");
        Path::new("/proc")
            .join(self.child.id().to_string())
            .join("root")
            .join(below_root)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }

    /// Waits until it ends by itself, and says how.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        until("it ends by itself", || self.child.try_wait().expect("ours"))
    }

    /// `kill`, and how it ended.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = self.child.id().to_string();
        Command::new("sh")
            .args(["-c", "kill $0", &pid])
            .status()
            .expect("sh runs");
        until("it ends after SIGTERM", || {
            self.child.try_wait().expect("ours")
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.terminate();
        }
        if std::thread::panicking() {
            eprintln!("--- log of process {}\n{}", self.child.id(), self.log());
        }
    }
}

/// Processes whose command line or root names this text: what a sandbox may have left.
pub fn processes_with(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("proc").flatten() {
        let path = entry.path();
        if let Ok(line) = fs::read(path.join("cmdline")) {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(text) {
                found.push(format!("{}: {line}", path.display()));
            }
        }
    }
    found
}

/// A worker with a process of its own.
pub struct Worker {
    process: Process,
    data: PathBuf,
    // Goes last.
    _home: Option<TempDir>,
}

impl Worker {
    pub(super) fn new(process: Process, data: PathBuf, home: Option<TempDir>) -> Self {
        Self {
            process,
            data,
            _home: home,
        }
    }

    pub fn kept(&self) -> Kept {
        Kept::of(&self.data)
    }
}

impl Deref for Worker {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Worker {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Something in a script that waits until the test lets it go on.
pub struct Hold(String);

impl Hold {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Seconds that no other test sleeps.
        Self(format!("9{}{number:03}.25", std::process::id()))
    }

    /// For a script.
    pub fn command(&self) -> String {
        format!("{{ sleep {} || true; }}", self.0)
    }

    /// The processes that wait at it.
    pub fn sleepers(&self) -> Vec<String> {
        let line = format!("sleep {} ", self.0);
        let all = processes_with(&line).into_iter();
        // Shells have it in their command line, too.
        all.filter_map(|found| {
            let (process, of) = found.split_once(": ")?;
            (of == line).then(|| process.rsplit('/').next().unwrap_or_default().to_owned())
        })
        .collect()
    }

    /// Waits until so many have come to it.
    #[track_caller]
    pub fn reached(&self, count: usize) {
        until("scripts come to where they wait", || {
            (self.sleepers().len() == count).then_some(())
        });
    }

    /// Lets those go on that have come to it.
    pub fn release(&self) {
        for process in self.sleepers() {
            // A shell says nothing of this signal.
            let command = ["-c", "kill -PIPE $0", &process];
            Command::new("sh").args(command).status().expect("sh runs");
        }
    }
}
