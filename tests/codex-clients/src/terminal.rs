//! A program on a pseudo terminal, which `script` makes, and what its screen shows.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const ROWS: u16 = 30;
const COLUMNS: u16 = 110;
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(3);

/// A running program.
pub struct Terminal {
    script: Child,
    keyboard: Arc<Mutex<ChildStdin>>,
    screen: Arc<(Mutex<Screen>, Condvar)>,
}

struct Screen {
    parser: vt100::Parser,
    ended: bool,
}

impl Terminal {
    pub fn run<S: AsRef<OsStr>>(
        program: &Path,
        arguments: &[S],
        directory: &Path,
        environment: &[(String, String)],
    ) -> Self {
        // The arguments come as variables, so that no shell reads them.
        let names: Vec<String> = (0..arguments.len())
            .map(|number| format!("ARGUMENT_{number}"))
            .collect();
        let words: String = names.iter().map(|name| format!(" \"${name}\"")).collect();
        let line = format!("stty rows {ROWS} cols {COLUMNS}; exec \"$PROGRAM\"{words}");
        let mut script = Command::new("script");
        script
            .args([
                "--quiet",
                "--flush",
                "--return",
                "--command",
                &line,
                "/dev/null",
            ])
            .current_dir(directory)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .envs(names.iter().zip(arguments))
            .env("PROGRAM", program)
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut script = script.spawn().expect("`script` of util-linux is installed");
        let screen = Screen {
            parser: vt100::Parser::new(ROWS, COLUMNS, 0),
            ended: false,
        };
        let screen = Arc::new((Mutex::new(screen), Condvar::new()));
        let keyboard = Arc::new(Mutex::new(script.stdin.take().expect("piped")));
        let output = script.stdout.take().expect("piped");
        let (shown, answers) = (Arc::clone(&screen), Arc::clone(&keyboard));
        std::thread::spawn(move || show(output, &shown, &answers));
        Self {
            script,
            keyboard,
            screen,
        }
    }

    /// Types.
    pub fn press(&self, keys: &str) {
        let mut keyboard = self.keyboard.lock().expect("no panic");
        keyboard.write_all(keys.as_bytes()).expect("typed");
        keyboard.flush().expect("typed");
    }

    /// Types a text of one line, each character when the one before it is shown: what comes faster than fingers is taken for a paste, and
    /// the line break after it for a part of that.
    #[track_caller]
    pub fn type_text(&self, text: &str) {
        let mut typed = String::new();
        for character in text.chars() {
            typed.push(character);
            self.press(&character.to_string());
            self.until(typed.trim_end());
        }
    }

    /// Presses a key until the screen has `text`: a program that still loads something drops what it cannot do yet.
    #[track_caller]
    pub fn press_until(&self, key: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.press(key);
            if self.comes_within(AGAIN, text) {
                return;
            }
        }
        self.until(text);
    }

    fn comes_within(&self, time: Duration, text: &str) -> bool {
        let deadline = Instant::now() + time;
        let (screen, change) = &*self.screen;
        let mut screen = screen.lock().expect("no panic");
        loop {
            if screen.parser.screen().contents().contains(text) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || screen.ended {
                return false;
            }
            screen = change.wait_timeout(screen, left).expect("no panic").0;
        }
    }

    /// Waits until the screen has `text`, and gives all of it.
    #[track_caller]
    pub fn until(&self, text: &str) -> String {
        self.until_it(text, |shown| shown.contains(text))
    }

    /// Waits until the screen is as it should be, and gives all of it.
    #[track_caller]
    pub fn until_it(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let (screen, change) = &*self.screen;
        let mut screen = screen.lock().expect("no panic");
        loop {
            let shown = screen.parser.screen().contents();
            if is_so(&shown) {
                return shown;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !screen.ended,
                "{what} did not come:\n{shown}"
            );
            screen = change.wait_timeout(screen, left).expect("no panic").0;
        }
    }

    /// Waits for its end; the exit code.
    #[track_caller]
    pub fn ended(mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        let (screen, change) = &*self.screen;
        let mut screen = screen.lock().expect("no panic");
        while !screen.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "it did not end:\n{}",
                screen.parser.screen().contents()
            );
            screen = change.wait_timeout(screen, left).expect("no panic").0;
        }
        drop(screen);
        let status = self.script.wait().expect("waited for");
        status.code().expect("it was not killed")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// Shows what the program writes, and answers what it asks the terminal.
fn show(mut output: impl Read, screen: &(Mutex<Screen>, Condvar), keyboard: &Mutex<ChildStdin>) {
    let mut bytes = [0; 8192];
    loop {
        let count = output.read(&mut bytes).unwrap_or(0);
        let Ok(mut shown) = screen.0.lock() else {
            // The test has failed.
            return;
        };
        shown.parser.process(&bytes[..count]);
        shown.ended = count == 0;
        let (row, column) = shown.parser.screen().cursor_position();
        screen.1.notify_all();
        drop(shown);
        if count == 0 {
            return;
        }
        let mut answer = String::new();
        if contains(&bytes[..count], b"\x1b[6n") {
            answer += &format!("\x1b[{};{}R", row + 1, column + 1);
        }
        if contains(&bytes[..count], b"\x1b[c") {
            answer += "\x1b[?1;2c";
        }
        if !answer.is_empty() {
            let mut keyboard = keyboard.lock().expect("no panic");
            // A program that has gone needs no answer.
            let _ = keyboard
                .write_all(answer.as_bytes())
                .and_then(|()| keyboard.flush());
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
