//! The commands that people give, and what comes back.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::{Log, Outwork, Repository, outwork, until_or};

impl Outwork {
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

    /// An environment for that repository, as further flags say.
    pub fn environment(&self, label: &str, repository: &Repository, more: &[&str]) -> Value {
        let repository = repository.url();
        let create = ["env", "create", label, "--repo", &repository, "--json"];
        let create = [&create, more].concat();
        self.run(&create).success().json()
    }

    /// A file with that text, for flags that take one.
    pub fn file(&self, text: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.path().join(format!("file-{number}"));
        fs::write(&path, text).expect("a file");
        path.display().to_string()
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

    /// The log of the task's newest turn, of its first attempt.
    pub fn log(&self, task: &str) -> Log {
        Log(self.events(task, 1))
    }

    /// Why the first attempt of a turn failed.
    pub fn failure(&self, task: &str, turn: usize) -> Value {
        self.task(task)["turns"][turn - 1]["attempts"][0]["failure"].clone()
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
