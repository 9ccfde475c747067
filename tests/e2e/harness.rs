//! What the tests stand on: a running Outwork, its commands, a repository, and what they say.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test.
pub const OUTWORK: &str = env!("CARGO_BIN_EXE_outwork");

/// How long anything may take before a test says what it saw last.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Which store a test runs on.
#[derive(Clone, Copy, Debug)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Makes a module with the test for each store.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name($crate::harness::Engine::Sqlite) })+
        }
        mod postgres {
            $(#[test] fn $name() { super::$name($crate::harness::Engine::Postgres) })+
        }
    };
}
pub(crate) use on_both_stores;

/// A directory for a test, on the disk of the target folder: agents refuse homes below `/tmp`.
pub fn scratch() -> TempDir {
    tempfile::Builder::new()
        .prefix("e2e-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a directory for the test")
}

/// A child process that ends with the test, and its log.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(command: &mut Command, log: PathBuf) -> Self {
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
    fn ready(&mut self) -> Value {
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

/// A running server, with or without a worker in it.
pub struct Outwork {
    // Before the directory that its log lies in.
    pub process: Process,
    pub dir: TempDir,
    pub url: String,
    pub token: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Outwork {
    /// `outwork up` on that store.
    pub fn up(engine: Engine) -> Self {
        Self::start("up", engine, &[])
    }

    /// `outwork up` or `outwork server` with more variables in its environment.
    pub fn start(command: &str, engine: Engine, variables: &[(&str, &str)]) -> Self {
        let dir = scratch();
        let data = dir.path().join("data").display().to_string();
        let mut arguments: Vec<String> = [
            command,
            "--data-dir",
            &data,
            "--listen",
            "127.0.0.1:0",
            "--json",
        ]
        .map(String::from)
        .to_vec();
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(outwork_test_postgres::shared().new_database()),
        };
        if let Some(database) = database {
            arguments.extend(["--database".to_owned(), database]);
        }
        if command == "up" {
            arguments.extend([
                "--agents-dir".to_owned(),
                agents_dir().display().to_string(),
            ]);
        }
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<Vec<_>>();
        let (process, ready) = launch(dir.path(), &arguments, &variables);
        let (url, token) = address(&ready, &process);
        Self {
            dir,
            process,
            url,
            token,
            arguments,
            variables,
        }
    }

    /// A server from a command of the test's own; it must print the ready line.
    pub fn from_command(mut command: Command, dir: TempDir) -> Self {
        let mut process = Process::start(&mut command, dir.path().join("server.log"));
        let ready = process.ready();
        let (url, token) = address(&ready, &process);
        Self {
            dir,
            process,
            url,
            token,
            arguments: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// From the next start on it listens there, where its workers look for it.
    pub fn listen_on(&mut self, address: &str) {
        let flag = self
            .arguments
            .iter()
            .position(|argument| argument == "--listen");
        self.arguments[flag.expect("--listen is there") + 1] = address.to_owned();
    }

    /// Starts it again on the same data, after it was stopped or killed.
    pub fn restart(&mut self) {
        let (process, ready) = launch(self.dir.path(), &self.arguments, &self.variables);
        (self.url, self.token) = address(&ready, &process);
        self.process = process;
    }

    /// One more worker, as a process of its own that talks HTTP.
    pub fn worker(&self, name: &str) -> Process {
        let token_file = self.dir.path().join("data/worker.token");
        let mut command = outwork();
        command
            .args(["worker", "--name", name, "--json", "--url", &self.url])
            .arg("--token-file")
            .arg(token_file)
            .arg("--data-dir")
            .arg(self.dir.path().join(name))
            .arg("--agents-dir")
            .arg(agents_dir());
        let log = self.dir.path().join(format!("{name}.log"));
        let mut process = Process::start(&mut command, log);
        let ready = process.ready();
        assert_eq!(ready["event"], "ready", "{ready}");
        process
    }

    /// A command of the client, ready to run.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = outwork();
        command
            .args(arguments)
            .env("OUTWORK_URL", &self.url)
            .env("OUTWORK_TOKEN", &self.token)
            .env("OUTWORK_CONFIG_DIR", self.dir.path().join("config"))
            .current_dir(self.dir.path());
        command
    }

    /// Runs a command of the client.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Done {
        Done::of(self.command(arguments).stdin(Stdio::null()).output())
    }

    /// Runs a command of the client with text on its standard input.
    pub fn run_with_input<S: AsRef<OsStr>>(&self, arguments: &[S], input: &[u8]) -> Done {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("outwork starts");
        let mut stdin = child.stdin.take().expect("piped");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A command that refuses early closes its end; what it says is what counts.
            let _ = stdin.write_all(&input);
        });
        let done = Done::of(child.wait_with_output());
        writer.join().expect("the input was handed over");
        done
    }

    /// An environment with a plain command as its agent.
    pub fn command_environment(&self, label: &str, repository: &Repository, agent: &str) -> Value {
        let repository = repository.url();
        self.run(&[
            "env",
            "create",
            label,
            "--repo",
            &repository,
            "--agent",
            "command",
            "--agent-command",
            agent,
            "--json",
        ])
        .success()
        .json()
    }

    /// Submits, waits, and gives the task as printed last, whatever came of it.
    pub fn exec(&self, environment: &str, prompt: &str, more: &[&str]) -> Value {
        let mut arguments = vec!["exec", "--env", environment, "--wait", "--json"];
        arguments.extend(more);
        arguments.push(prompt);
        self.run(&arguments).last_json()
    }

    /// Submits without waiting; the task's id.
    pub fn submit(&self, environment: &str, prompt: &str, more: &[&str]) -> String {
        let mut arguments = vec!["exec", "--env", environment, "--json"];
        arguments.extend(more);
        arguments.push(prompt);
        let task = self.run(&arguments).success().last_json();
        task["id"].as_str().expect("an id").to_owned()
    }

    /// A task as `status --json` shows it.
    pub fn task(&self, id: &str) -> Value {
        self.run(&["status", id, "--json"]).last_json()
    }

    /// Waits until the task has a property.
    pub fn task_until(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = until_or(what, || {
            last = self.task(id);
            holds(&last).then(|| last.clone())
        });
        found
            .unwrap_or_else(|| panic!("{what} did not come true: {last:#}\n{}", self.process.log()))
    }

    /// Waits until the task has ended.
    pub fn ended(&self, id: &str) -> Value {
        self.task_until(id, "the task ends", |task| {
            matches!(task["status"].as_str(), Some("completed" | "failed"))
        })
    }

    /// The task's diff, byte for byte.
    pub fn diff(&self, id: &str, more: &[&str]) -> Vec<u8> {
        let mut arguments = vec!["diff", id];
        arguments.extend(more);
        self.run(&arguments).success().stdout
    }

    /// The events of an attempt.
    pub fn events(&self, task: &str, attempt: u32) -> Vec<Value> {
        let attempt = attempt.to_string();
        let log = self
            .run(&["log", task, "--attempt", &attempt, "--json"])
            .success();
        log.json_lines()
    }
}

fn launch(dir: &Path, arguments: &[String], variables: &[(String, String)]) -> (Process, Value) {
    let mut command = outwork();
    command.args(arguments);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let mut process = Process::start(&mut command, dir.join("server.log"));
    let ready = process.ready();
    assert_eq!(ready["event"], "ready", "{ready}\n{}", process.log());
    (process, ready)
}

fn address(ready: &Value, process: &Process) -> (String, String) {
    let url = ready["url"].as_str().expect("a url").to_owned();
    let token_file = ready["token_file"].as_str().expect("a token file");
    let token = fs::read_to_string(process.sees(token_file)).expect("the token");
    (url, token.trim().to_owned())
}

/// The binary with nothing of this process' environment but what programs need.
pub fn outwork() -> Command {
    clean(OUTWORK)
}

/// A program, likewise.
pub fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "HOME", "RUST_BACKTRACE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Where the real agents are installed: once, and kept between runs.
pub fn agents_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .expect("the target folder")
            .join("agents");
        let done = Done::of(
            Command::new(OUTWORK)
                .args(["agent", "install", "codex", "--agents-dir"])
                .arg(&dir)
                .stdin(Stdio::null())
                .output(),
        );
        done.success();
        dir
    })
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Done {
    pub fn of(output: std::io::Result<Output>) -> Self {
        let output = output.expect("outwork runs");
        Self {
            code: output.status.code().expect("it was not killed"),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.text(), self.stderr);
        self
    }

    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.text(), self.stderr);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.text(), self.stderr))
    }

    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The last line printed, which with `--json` is the task.
    #[track_caller]
    pub fn last_json(&self) -> Value {
        let text = self.text();
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{error}: {text}\n{}", self.stderr))
    }
}

/// A real repository, made for the test.
pub struct Repository {
    pub dir: TempDir,
}

impl Repository {
    /// One commit on `main` with these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repository = Self { dir: scratch() };
        repository.git(&["init", "-q", "-b", "main"]);
        repository.commit("start", files);
        repository
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn url(&self) -> String {
        self.path().display().to_string()
    }

    /// Writes the files and commits everything.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) {
        for (name, content) in files {
            let path = self.path().join(name);
            fs::create_dir_all(path.parent().expect("inside")).expect("a folder");
            fs::write(path, content).expect("a file");
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// Runs git here and gives what it printed.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let (code, text) = self.try_git(arguments);
        assert_eq!(code, 0, "git {arguments:?}: {text}");
        text
    }

    pub fn try_git(&self, arguments: &[&str]) -> (i32, String) {
        let output = git(self.path()).args(arguments).output().expect("git runs");
        let text = [output.stdout, output.stderr].concat();
        let code = output.status.code().expect("git was not killed");
        (code, String::from_utf8_lossy(&text).trim_end().to_owned())
    }

    /// A clone as the person has it.
    pub fn clone_here(&self) -> Self {
        let clone = Self { dir: scratch() };
        clone.git(&["clone", "-q", &self.url(), "."]);
        clone
    }
}

/// Git, with a person and without this machine's configuration.
pub fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Test")
            .env(format!("GIT_{who}_EMAIL"), "test@example.invalid")
            .env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    command
}

/// Polls until there is a value; panics when patience ends.
#[track_caller]
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    until_or(what, probe).unwrap_or_else(|| panic!("{what}: not within {PATIENCE:?}"))
}

fn until_or<T>(_what: &str, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(value) = probe() {
            return Some(value);
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    None
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
