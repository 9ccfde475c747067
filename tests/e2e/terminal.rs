//! On a real terminal: what is typed, what is shown, what Ctrl-C does.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::harness::{Engine, Outwork, Repository, clean};

const PATIENCE: Duration = Duration::from_secs(20);

/// A command on a pseudo terminal, which `script` makes.
pub struct Terminal {
    script: Child,
    /// Until nothing more is typed.
    keyboard: Option<ChildStdin>,
    screen: Arc<(Mutex<(String, bool)>, Condvar)>,
}

impl Terminal {
    /// `line` is for a shell; `outwork` in it is the program.
    pub fn run(outwork: &Outwork, columns: u16, line: &str) -> Self {
        let mut script = clean("script");
        script
            .env("OUTWORK_URL", &outwork.url)
            .env("OUTWORK_TOKEN", &outwork.token)
            .env("OUTWORK_CONFIG_DIR", outwork.dir.path().join("config"));
        Self::start(&mut script, columns, line)
    }

    /// `script` is that program with the variables that the line is to have.
    pub fn start(script: &mut Command, columns: u16, line: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_outwork");
        // Ctrl-C is for the program; the shell goes on and tells how that ended.
        let line = format!(
            "trap : INT; stty cols {columns}; outwork() {{ '{program}' \"$@\"; }}; {line}; echo \"exit $?\""
        );
        let mut script = script
            .args(["--quiet", "--flush", "--command", &line, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`script` of util-linux is installed");
        let screen: Arc<(Mutex<(String, bool)>, Condvar)> = Arc::default();
        let mut output = script.stdout.take().expect("piped");
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let count = output.read(&mut bytes).unwrap_or(0);
                let (text, change) = &*shown;
                let mut text = text.lock().expect("no panic");
                text.0 += &String::from_utf8_lossy(&bytes[..count]);
                text.1 = count == 0;
                change.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        let keyboard = script.stdin.take();
        Self {
            script,
            keyboard,
            screen,
        }
    }

    pub fn press(&mut self, keys: &str) {
        let keyboard = self.keyboard.as_mut().expect("it has not ended");
        keyboard.write_all(keys.as_bytes()).expect("typed");
        keyboard.flush().expect("typed");
    }

    /// All that was shown so far.
    pub fn shown(&self) -> String {
        self.screen.0.lock().expect("no panic").0.clone()
    }

    /// Waits until the screen has `text`, and gives all of it.
    #[track_caller]
    pub fn until(&self, text: &str) -> String {
        self.until_it(text, |shown| shown.contains(text))
    }

    /// Waits until what was shown so far, escape sequences and all, is as it should be.
    #[track_caller]
    pub fn until_it(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let (screen, change) = &*self.screen;
        let mut shown = screen.lock().expect("no panic");
        while !holds(&shown.0) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !shown.1,
                "{what:?} is not in {:?}",
                shown.0
            );
            shown = change.wait_timeout(shown, left).expect("no panic").0;
        }
        shown.0.clone()
    }

    /// All that was shown, once the command has ended as expected.
    #[track_caller]
    pub fn ended(mut self, code: i32) -> String {
        // The whole line: a part of it may come first.
        let text = self.until(&format!("exit {code}\r\n"));
        self.keyboard = None;
        self.script.wait().expect("waited for");
        text
    }

    /// All that was shown, once the line has ended by itself.
    #[track_caller]
    pub fn closed(mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let (screen, change) = &*self.screen;
        let mut shown = screen.lock().expect("no panic");
        while !shown.1 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end: {:?}", shown.0);
            shown = change.wait_timeout(shown, left).expect("no panic").0;
        }
        let text = shown.0.clone();
        drop(shown);
        self.keyboard = None;
        text
    }
}

impl Drop for Terminal {
    /// Also when the test fails: with `script` goes its terminal, and with that what runs on it.
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

#[test]
fn a_token_that_is_typed_is_not_shown() {
    let outwork = Outwork::up(Engine::Sqlite);
    let config = outwork.dir.path().join("another");
    let line = format!("OUTWORK_CONFIG_DIR='{}' outwork login", config.display());
    let mut terminal = Terminal::run(&outwork, 80, &line);
    terminal.until("token (not shown): ");
    terminal.press(&format!("{}\n", outwork.token));
    let shown = terminal.ended(0);
    assert!(!shown.contains(&outwork.token), "{shown}");
    assert!(shown.contains("signed in to"), "{shown}");
    let kept = std::fs::read_to_string(config.join("credentials.toml")).expect("kept");
    assert!(kept.contains(&outwork.token), "the typed token was kept");

    // Whoever changes their mind gets a terminal that shows what they type.
    let line = format!("{line}; stty -a");
    let mut terminal = Terminal::run(&outwork, 80, &line);
    terminal.until("token (not shown): ");
    terminal.press("\u{3}");
    let shown = terminal.ended(0);
    assert!(shown.contains(" echo "), "{shown}");
}

#[test]
fn lists_fit_the_terminal_and_their_short_ids_name_tasks() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    let title = "a title that is much longer than what a narrow terminal has room for";
    let task = outwork.exec("demo", title, &[]);
    let id = task["id"].as_str().expect("an id");
    let shown = Terminal::run(&outwork, 60, "NO_COLOR=1 outwork --no-pager list").ended(0);
    let rows: Vec<&str> = shown.lines().collect();
    assert_eq!(rows.len(), 3, "a header, a row, the exit code: {shown}");
    assert!(rows[1].ends_with('…'), "{shown}");
    assert_eq!(rows[1].chars().count(), 60, "{shown}");
    let short = rows[1].split(' ').next().expect("an id");
    assert!(id.ends_with(short), "{short} {id}");
    let status = outwork.run(&["status", short, "--json"]).success().json();
    assert_eq!(status["id"], id);
}

#[test]
fn ctrl_c_leaves_the_task_running_and_says_so() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("slow", &repository, "echo begun; sleep 60");
    let mut terminal = Terminal::run(&outwork, 200, "outwork exec --env slow --wait x");
    terminal.until("| begun");
    terminal.press("\u{3}");
    let shown = terminal.ended(130);
    assert!(
        shown.contains("the task goes on; follow it with"),
        "{shown}"
    );
    let tasks = outwork.run(&["list", "--json"]).json();
    assert_eq!(tasks["tasks"][0]["status"], "running", "{tasks}");
    let id = tasks["tasks"][0]["id"].as_str().expect("an id").to_owned();
    let mut terminal = Terminal::run(&outwork, 200, &format!("outwork log -f {id}"));
    terminal.until("| begun");
    terminal.press("\u{3}");
    terminal.ended(130);
    outwork.run(&["cancel", &id]).success();
}
