//! Running a command to its end, within a time, and judging how it ended.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{OUTWORK, clean, git, scratch};

/// What takes longer hangs: three times what the client waits for an answer.
pub const DEADLINE: Duration = Duration::from_secs(120);
/// The exit codes that `outwork help exit-codes` names, and a task's that ended.
const DOCUMENTED: [i32; 7] = [0, 1, 2, 4, 5, 124, 130];
/// More is no answer for people.
const LONGEST_LINE: usize = 3000;

/// A home and a repository to stand in.
pub struct Place {
    pub dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = scratch();
        let here = dir.path().join("one/two/here");
        fs::create_dir_all(&here).expect("made");
        fs::create_dir(dir.path().join("home")).expect("made");
        run(git(&here).args(["init", "-q", "-b", "main"]));
        fs::write(here.join("file"), "one\n").expect("written");
        run(git(&here).args(["add", "."]));
        run(git(&here).args(["commit", "-q", "-m", "first"]));
        run(git(&here).args(["remote", "add", "origin", "https://h/ada/engine"]));
        fs::write(here.join("token"), "secret\n").expect("written");
        fs::write(here.join(".outwork.toml"), "verify = \"true\"\n").expect("written");
        Self { dir }
    }

    pub fn here(&self) -> std::path::PathBuf {
        self.dir.path().join("one/two/here")
    }

    /// The program with nothing around it but this.
    pub fn command(&self, program: impl AsRef<Path>, url: &str) -> Command {
        let mut command = clean(program.as_ref());
        command
            .current_dir(self.here())
            .env("HOME", self.dir.path().join("home"))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("OUTWORK_URL", url)
            .env("OUTWORK_TOKEN", "ow_good")
            .env("BROWSER", "true")
            .env("NO_COLOR", "1")
            // Its own codes are no fault of ours.
            .env("OUTWORK_PAGER", "cat")
            .stdin(Stdio::null());
        command
    }

    pub fn outwork(&self, url: &str, words: &[impl AsRef<std::ffi::OsStr>]) -> Command {
        let mut command = self.command(OUTWORK, url);
        command.args(words);
        command
    }
}

fn run(command: &mut Command) {
    assert!(command.status().expect("git runs").success());
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Ran {
    /// Fails when it does not end; it does not stay then.
    pub fn of(command: &mut Command) -> Result<Self, String> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot be started: {error}"))?;
        let stdout = all_of(child.stdout.take());
        let stderr = all_of(child.stderr.take());
        let status = ended(&mut child)?;
        Ok(Self {
            status,
            stdout: stdout.join().expect("no panic"),
            stderr: stderr.join().expect("no panic"),
        })
    }

    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn error(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// What is wrong with how it ended, whatever it was asked.
    pub fn faults(&self, has_exact_output: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let error = self.error();
        if !self.code().is_some_and(|code| DOCUMENTED.contains(&code)) {
            faults.push(format!("ended with {}", self.status));
        }
        if error.contains("panicked") {
            faults.push("panicked".to_owned());
        }
        if !has_exact_output {
            faults.extend(raw(&self.stdout));
        }
        faults.extend(raw(&self.stderr));
        let long = error.lines().find(|line| line.len() > LONGEST_LINE);
        // What was typed may be told when it worked.
        if let Some(line) = long.filter(|_| self.code() != Some(0)) {
            faults.push(format!("says a line of {} bytes", line.len()));
        }
        faults
    }

    /// Whether it says once, in a sentence, why it failed.
    pub fn says_why(&self) -> Vec<String> {
        let error = self.error();
        let said = error.lines().filter(|line| line.starts_with("error: "));
        match said.map(str::len).collect::<Vec<_>>()[..] {
            [length] if length > "error: ".len() => Vec::new(),
            _ => vec!["does not say once why".to_owned()],
        }
    }
}

/// What a terminal would act on, or not show.
pub fn raw(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let acts = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}' | '\u{202e}' | '\u{2066}' | '\u{e0041}')
    };
    let found: String = text.chars().filter(acts).take(5).collect();
    (!found.is_empty()).then(|| format!("shows {found:?}"))
}

fn all_of(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // More than this is a command that never ends, which its time tells.
            let _ = stream.take(256 << 20).read_to_end(&mut bytes);
        }
        bytes
    })
}

fn ended(child: &mut Child) -> Result<ExitStatus, String> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            return Ok(status);
        }
        if begun.elapsed() > DEADLINE {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
            return Err(format!("does not end within {DEADLINE:?}"));
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Does all of it, `at_once` at a time, and fails with all that went wrong.
pub fn each<T: Sync>(cases: &[T], at_once: usize, check: impl Fn(&T) -> Vec<String> + Sync) {
    let next = AtomicUsize::new(0);
    let faults: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(cases.len()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = check(case);
                    faults.lock().expect("no panic").extend(found);
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic");
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        cases.len(),
        faults.join("\n")
    );
}

/// The faults with what was called and what came of it.
pub fn told(faults: Vec<String>, case: &str, ran: &Ran) -> Vec<String> {
    let said: String = ran.error().chars().take(300).collect();
    faults
        .into_iter()
        .map(|fault| format!("{case}: {fault} ({}; {said:?})", ran.status))
        .collect()
}

/// Arguments as the system takes them.
pub fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}
