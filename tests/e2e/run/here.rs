//! A person with a clone and nothing else: no server, no login, no configuration.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{
    By, Done, Kept, ORDINARY, OUTWORK, Repository, clean, git, open_scratch, processes_with, until,
};

/// The person's home and clone.
pub struct Here {
    home: TempDir,
    who: By,
}

impl Here {
    pub fn by(who: By, repository: &Repository) -> Self {
        let home = open_scratch();
        // The target folder may be closed to others. What this process itself writes could not be
        // executed while another thread starts something.
        let copied = Command::new("cp")
            .arg(OUTWORK)
            .arg(home.path().join("outwork"))
            .status();
        assert!(copied.expect("cp runs").success());
        fs::create_dir(home.path().join("home")).expect("a directory");
        let here = Self { home, who };
        let cloned = git(here.home.path())
            .args(["clone", "-q", &repository.url()])
            .arg(here.path())
            .status();
        assert!(cloned.expect("git runs").success());
        if here.is_another() {
            let owner = format!("{ORDINARY}:{ORDINARY}");
            let mut chown = Command::new("chown");
            let chown = chown.args(["-R", &owner]).arg(here.home.path());
            assert!(chown.status().expect("chown runs").success());
        }
        here
    }

    pub fn home(&self) -> PathBuf {
        self.home.path().join("home")
    }

    /// The clone.
    pub fn path(&self) -> PathBuf {
        self.home().join("clone")
    }

    /// Whether the person is not who runs the test.
    fn is_another(&self) -> bool {
        self.who == By::Ordinary && rustix::process::geteuid().is_root()
    }

    /// A program as this person starts it.
    fn command_of(&self, program: &str) -> Command {
        let mut command = match self.is_another() {
            false => clean(program),
            true => {
                let id = ORDINARY.to_string();
                let mut command = clean("setpriv");
                command.args(["--reuid", &id, "--regid", &id, "--clear-groups", program]);
                command
            }
        };
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "Test")
                .env(format!("GIT_{who}_EMAIL"), "test@example.invalid");
        }
        command.env("HOME", self.home()).stdin(Stdio::null());
        command
    }

    /// `outwork` with these arguments, in the clone.
    pub fn line(&self, arguments: &[&str]) -> Command {
        let program = self.home.path().join("outwork").display().to_string();
        let mut command = self.command_of(&program);
        command.args(arguments).current_dir(self.path());
        command
    }

    /// Runs `outwork`.
    pub fn command(&self, arguments: &[&str]) -> Done {
        Done::of(self.line(arguments).output())
    }

    /// Runs `outwork run`.
    pub fn run(&self, arguments: &[&str]) -> Done {
        self.command(&[&["run"], arguments].concat())
    }

    /// Starts `outwork run`.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let child = self
            .line(&[&["run"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Running(Some(child.expect("outwork starts")))
    }

    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut git = self.command_of("git");
        let output = git.args(arguments).current_dir(self.path()).output();
        let done = Done::of(output).code(0);
        done.text().trim_end().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::write(&path, text).expect("a file");
        if self.is_another() {
            chown(path, Some(ORDINARY), Some(ORDINARY)).expect("root can");
        }
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).expect("a file")
    }

    pub fn commit(&self, name: &str, text: &str) {
        self.write(name, text);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", name]);
    }

    /// A file with that text, beside the clone.
    pub fn file(&self, text: &str) -> String {
        let path = self.home.path().join(format!("file-{}", text.len()));
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    fn data(&self) -> PathBuf {
        self.home().join(".local/share/outwork/run")
    }

    /// The data directory of commands that found so many others.
    pub fn place(&self, number: u32) -> PathBuf {
        self.data().join(number.to_string())
    }

    /// All of them.
    pub fn places(&self) -> Vec<String> {
        names(&self.data())
    }

    /// What is in the home, to the depth of the one directory that is used.
    pub fn in_home(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folder = PathBuf::new();
        for part in [".local", "share", "outwork", "run"] {
            let names = names(&self.home().join(&folder)).into_iter();
            let others = names.filter(|name| name != part && name != "clone");
            found.extend(others.map(|name| folder.join(name).display().to_string()));
            folder.push(part);
        }
        found.push(folder.display().to_string());
        found
    }

    /// The tasks of the first place, newest first, as a server on it tells them.
    pub fn tasks(&self) -> Vec<Value> {
        self.with_server(|ask| {
            let listed = ask(&["list", "--json"]);
            let tasks = listed["tasks"].as_array().expect("tasks").iter();
            let ids = tasks.map(|task| task["id"].as_str().expect("an id"));
            ids.map(|id| ask(&["status", id, "--json"])).collect()
        })
    }

    /// The environments of the first place, likewise.
    pub fn environments(&self) -> Vec<Value> {
        self.with_server(|ask| {
            let listed = ask(&["env", "list", "--json"]);
            listed["environments"]
                .as_array()
                .expect("environments")
                .clone()
        })
    }

    /// Asks a server on the first place, by commands that print JSON.
    fn with_server<T>(&self, with: impl FnOnce(&dyn Fn(&[&str]) -> Value) -> T) -> T {
        let data = self.place(1).display().to_string();
        let flags = ["--data-dir", &data, "--listen", "127.0.0.1:0", "--json"];
        let mut server = self.line(&[&["server"], &flags[..]].concat());
        let mut server = server.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let stdout = server.stdout.take().expect("piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        // It is to end, whatever comes of this.
        let server = Running(Some(server));
        read.expect("readable");
        let ready: Value = serde_json::from_str(&line).expect("a ready line");
        let url = ready["url"].as_str().expect("a url");
        let answer = with(&|arguments| {
            let token = data.clone() + "/admin.token";
            let mut command = self.line(&[&["--url", url], arguments].concat());
            Done::of(command.env("OUTWORK_TOKEN_FILE", token).output())
                .code(0)
                .json()
        });
        drop(server);
        answer
    }

    /// No process, no mount, no directory of an attempt.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        for place in self.places() {
            Kept::of(&self.data().join(place)).assert_idle();
        }
        let dir = self.home.path().display().to_string();
        // The launcher of the next sandbox notices by itself that its worker has ended.
        until("all processes have ended", || {
            processes_with(&dir).is_empty().then_some(())
        });
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// `outwork run`, while it runs. What it prints is little: the pipes hold it.
pub struct Running(Option<Child>);

impl Running {
    pub fn signal(&self, name: &str) {
        let pid = self.0.as_ref().expect("it runs").id().to_string();
        let kill = Command::new("sh")
            .args(["-c", "kill -$0 $1", name, &pid])
            .status();
        assert!(kill.expect("sh runs").success());
    }

    /// Waits until it ends by itself.
    pub fn ended(mut self) -> Done {
        let mut child = self.0.take().expect("it runs");
        until("outwork run ends", || {
            child.try_wait().expect("ours").map(drop)
        });
        Done::of(child.wait_with_output())
    }

    /// Waits for one that was killed.
    pub fn killed(mut self) {
        let mut child = self.0.take().expect("it runs");
        child.wait().expect("ours");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
