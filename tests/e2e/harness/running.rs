//! A server and its workers.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{By, Engine, Kept, Machine, OUTWORK, Process, Worker};
use super::{agents_dir, open_scratch, outwork, processes_with, scratch};

/// Nobody's id, for an ordinary user.
pub const ORDINARY: u32 = 65533;

/// A running server, with or without a worker in it.
pub struct Outwork {
    // The processes before the directory that their logs lie in, the worker before its server.
    hired: Option<Worker>,
    pub process: Process,
    pub dir: TempDir,
    pub url: String,
    pub token: String,
    arguments: Vec<String>,
    machine: Machine,
}

impl Outwork {
    /// `outwork up` on that store.
    pub fn up(engine: Engine) -> Self {
        Self::start("up", engine, &[])
    }

    /// `outwork up` with flags for its worker.
    pub fn up_with(engine: Engine, flags: &[&str]) -> Self {
        Self::start_with("up", engine, Machine::default(), flags)
    }

    /// A server and a worker, on SQLite.
    pub fn run_by(who: By, flags: &[&str]) -> Self {
        Self::run_on(Machine::default(), who, flags)
    }

    /// The same on another machine.
    pub fn run_on(machine: Machine, who: By, flags: &[&str]) -> Self {
        match who {
            By::Tester => Self::start_with("up", Engine::Sqlite, machine, flags),
            By::Ordinary => {
                let mut outwork = Self::start_with("server", Engine::Sqlite, machine, &[]);
                outwork.hired = Some(outwork.ordinary_worker(flags));
                outwork
            }
        }
    }

    /// Its own processes, server and worker.
    pub fn process_ids(&self) -> Vec<u32> {
        let worker = self.hired.iter().map(|worker| worker.id());
        worker.chain([self.process.id()]).collect()
    }

    /// `outwork up` or `outwork server` with more variables in its environment.
    pub fn start(command: &str, engine: Engine, variables: &[(&str, &str)]) -> Self {
        Self::start_with(command, engine, Machine::with_variables(variables), &[])
    }

    fn start_with(command: &str, engine: Engine, machine: Machine, flags: &[&str]) -> Self {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(outwork_test_postgres::shared().new_database()),
        };
        let mut all: Vec<&str> = Vec::new();
        if let Some(database) = &database {
            all.extend(["--database", database]);
        }
        let agents = match command {
            "up" => Some(agents_dir().display().to_string()),
            _ => None,
        };
        if let Some(agents) = &agents {
            all.extend(["--agents-dir", agents]);
        }
        all.extend(flags);
        Self::start_in(scratch(), command, machine, &all)
    }

    /// `outwork server` with its data in that directory.
    pub(super) fn server_in(dir: TempDir, machine: Machine, flags: &[&str]) -> Self {
        Self::start_in(dir, "server", machine, flags)
    }

    fn start_in(dir: TempDir, command: &str, machine: Machine, flags: &[&str]) -> Self {
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
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let (process, ready) = launch(dir.path(), &arguments, &machine);
        let (url, token) = address(&ready, &process);
        Self {
            hired: None,
            dir,
            process,
            url,
            token,
            arguments,
            machine,
        }
    }

    /// A server from a command of the test's own; it must print the ready line.
    pub fn from_command(mut command: Command, dir: TempDir) -> Self {
        let mut process = Process::start(&mut command, dir.path().join("server.log"));
        let ready = process.ready();
        let (url, token) = address(&ready, &process);
        Self {
            hired: None,
            dir,
            process,
            url,
            token,
            arguments: Vec::new(),
            machine: Machine::default(),
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
        let (process, ready) = launch(self.dir.path(), &self.arguments, &self.machine);
        (self.url, self.token) = address(&ready, &process);
        self.process = process;
    }

    /// One more worker, as a process of its own that talks HTTP.
    pub fn worker(&self, name: &str) -> Worker {
        self.worker_with(name, &[])
    }

    /// The same with more flags. A name that was used before is the same worker's again.
    pub fn worker_with(&self, name: &str, flags: &[&str]) -> Worker {
        let token_file = self.dir.path().join("data/worker.token");
        self.worker_of(name, &self.url, Some(&token_file), flags)
    }

    /// The same with a token of its own: which it has kept, or for which its flags say how to enrol.
    pub fn own_worker(&self, name: &str, flags: &[&str]) -> Worker {
        self.worker_of(name, &self.url, None, flags)
    }

    /// A worker of a server at another address that takes this one's tokens.
    pub fn worker_at(&self, name: &str, url: &str) -> Worker {
        let token_file = self.dir.path().join("data/worker.token");
        self.worker_of(name, url, Some(&token_file), &[])
    }

    fn worker_of(
        &self,
        name: &str,
        url: &str,
        token_file: Option<&Path>,
        flags: &[&str],
    ) -> Worker {
        let mut command = outwork();
        command.arg("worker");
        let flags: Vec<&OsStr> = flags.iter().map(OsStr::new).collect();
        let agents = [OsStr::new("--agents-dir"), agents_dir().as_os_str()];
        let flags = [flags, agents.to_vec()].concat();
        let data = self.dir.path().join(name);
        let process = self.launch_worker(command, name, url, token_file, &data, &flags);
        Worker::new(process, data, None)
    }

    /// A worker of somebody without rights, in a directory that everybody can reach.
    fn ordinary_worker(&self, flags: &[&str]) -> Worker {
        let home = open_scratch();
        // The target folder may be closed to others. What this process itself writes could not be
        // executed while another thread starts something.
        let program = home.path().join("outwork");
        let copied = Command::new("cp").arg(OUTWORK).arg(&program).status();
        assert!(copied.expect("cp runs").success());
        let token_file = home.path().join("token");
        fs::copy(self.dir.path().join("data/worker.token"), &token_file).expect("the token");
        let data = home.path().join("data");
        fs::create_dir(&data).expect("a directory");
        let mut command = if rustix::process::geteuid().is_root() {
            for path in [&token_file, &data] {
                std::os::unix::fs::chown(path, Some(ORDINARY), Some(ORDINARY)).expect("root can");
            }
            let id = ORDINARY.to_string();
            let start = ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"];
            let mut command = self.machine.command(&start);
            command.arg(program);
            command
        } else {
            self.machine.command(&[program])
        };
        command.arg("worker").env("HOME", &data);
        let flags: Vec<&OsStr> = flags.iter().map(OsStr::new).collect();
        let process = self.launch_worker(
            command,
            "ordinary",
            &self.url,
            Some(&token_file),
            &data,
            &flags,
        );
        Worker::new(process, data, Some(home))
    }

    fn launch_worker(
        &self,
        mut command: Command,
        name: &str,
        url: &str,
        token_file: Option<&Path>,
        data: &Path,
        flags: &[&OsStr],
    ) -> Process {
        command
            .args(["--name", name, "--json", "--url", url])
            .arg("--data-dir")
            .arg(data)
            .args(flags);
        if let Some(token_file) = token_file {
            command.arg("--token-file").arg(token_file);
        }
        let log = self.dir.path().join(format!("{name}.log"));
        let mut process = Process::start(&mut command, log);
        let ready = process.ready();
        assert_eq!(ready["event"], "ready", "{ready}\n{}", process.log());
        process
    }

    /// The address of its PostgreSQL, if it has one.
    pub fn database(&self) -> Option<&str> {
        let mut arguments = self.arguments.iter();
        arguments.find(|argument| *argument == "--database")?;
        arguments.next().map(String::as_str)
    }

    /// Where its worker keeps what it keeps.
    pub fn kept(&self) -> Kept {
        match &self.hired {
            Some(worker) => worker.kept(),
            None => Kept::of(&self.dir.path().join("data")),
        }
    }

    /// Ends it; then nothing may be left of its attempts.
    #[track_caller]
    pub fn end(mut self) {
        let kept = self.kept();
        if let Some(mut worker) = self.hired.take() {
            assert!(worker.terminate().success(), "{}", worker.log());
            kept.assert_idle();
        }
        assert!(self.process.terminate().success(), "{}", self.process.log());
        kept.assert_idle();
        let dir = self.dir.path().display().to_string();
        assert_eq!(processes_with(&dir), Vec::<String>::new());
    }
}

fn launch(dir: &Path, arguments: &[String], machine: &Machine) -> (Process, Value) {
    let mut command = machine.command(&[OUTWORK]);
    command.args(arguments);
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
