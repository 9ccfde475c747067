//! The picker on a real terminal.

use std::net::TcpListener;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Engine, OUTWORK, Outwork, Repository, processes_with};
use crate::terminal::Terminal;

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

/// The picker on a pseudo terminal.
struct Picker(Terminal);

impl Picker {
    /// `line` is for a shell, and ends with the program.
    fn run(outwork: &Outwork, line: &str) -> Self {
        let line = format!("stty rows {ROWS}; {line}; echo \"left $?\"; stty -a");
        Self(Terminal::run(outwork, COLUMNS, &line))
    }

    fn press(&mut self, keys: &str) {
        self.0.press(keys);
    }

    /// Waits until the screen has `text` on one line.
    #[track_caller]
    fn until(&self, text: &str) {
        self.0.until_it(text, |shown| {
            screen(shown).screen().contents().contains(text)
        });
    }

    /// All that was shown, once it has ended with that code and the terminal is as it was before.
    #[track_caller]
    fn left(self, code: u8) -> String {
        let shown = self.0.ended(0);
        let parser = screen(&shown);
        let screen = parser.screen();
        let text = screen.contents();
        assert!(text.contains(&format!("left {code}")), "{text}");
        assert!(!screen.alternate_screen(), "{shown:?}");
        assert!(!screen.hide_cursor(), "{shown:?}");
        assert!(!screen.bracketed_paste(), "{shown:?}");
        let mouse = screen.mouse_protocol_mode();
        assert_eq!(mouse, vt100::MouseProtocolMode::None, "{shown:?}");
        // It had it, or else the above says nothing.
        assert!(shown.contains("\u{1b}[?1049h"), "{shown:?}");
        for setting in ["icanon", "echo", "isig"] {
            let is_set = text.split_whitespace().any(|word| word == setting);
            assert!(is_set, "{setting}: {text}");
        }
        shown
    }
}

/// What a terminal shows that got this.
fn screen(shown: &str) -> vt100::Parser {
    let mut parser = vt100::Parser::new(ROWS, COLUMNS, 0);
    parser.process(shown.as_bytes());
    parser
}

#[test]
fn one_moves_opens_reads_the_diff_applies_it_and_leaves() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "one\n")]);
    // What it says and writes would clear the screen, name the window and write to the clipboard.
    let agent = r#"printf 'two \033[2J\033]52;c;ZXZpbA==\007 end\n' >> a; printf 'said \033]0;evil\007 so\n'"#;
    outwork.command_environment("demo", &repository, agent);
    outwork.exec("demo", "older task", &[]);
    outwork.exec("demo", "title \u{1b}]0;evil\u{7}of \u{1b}[2Jmine", &[]);
    let clone = repository.clone_here();
    let line = format!("cd '{}'; outwork", clone.path().display());
    let mut terminal = Picker::run(&outwork, &line);
    // The folder's environment is found by its remote.
    terminal.until("which is this folder's");
    terminal.until("older task");
    terminal.press("jk\r");
    // Of titles the server strips what acts; the prompt comes as it was written.
    terminal.until("title of mine");
    terminal.press("l");
    terminal.until("| said  so");
    terminal.press("d");
    terminal.until("+two  end");
    terminal.press("a");
    terminal.until("would change");
    terminal.press("y");
    terminal.until("1 file changed");
    terminal.press("q");
    terminal.until("a apply");
    terminal.press("q");
    terminal.until("STATUS");
    terminal.press("q");
    let shown = terminal.left(0);
    for hostile in ["\u{7}", "\u{1b}]", "\u{1b}[2Jmine"] {
        assert!(!shown.contains(hostile), "{hostile:?} in {shown:?}");
    }
    let applied = std::fs::read(clone.path().join("a")).expect("the file");
    assert!(applied.starts_with(b"one\ntwo "), "{applied:?}");
}

#[test]
fn a_task_is_written_followed_and_stopped() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "one\n")]);
    outwork.command_environment("demo", &repository, "echo begun; sleep 60");
    // By the flag: where `NO_COLOR` is set, the terminal's library leaves colours out by itself.
    let mut terminal = Picker::run(&outwork, "outwork cloud --color never");
    terminal.until("no tasks yet");
    // The only environment there is is meant.
    terminal.press("n");
    terminal.until("Environment: demo");
    terminal.press("wait for me\r");
    terminal.until("sent: task");
    terminal.press("l");
    terminal.until("| begun");
    terminal.press("c");
    terminal.until("Stop task");
    terminal.press("y");
    terminal.until("asked to stop");
    terminal.until("cancelled");
    terminal.press("\u{3}");
    let shown = terminal.left(0);
    for colour in ["[31m", "[32m", "[36m", "[38;5;"] {
        assert!(!shown.contains(colour), "{colour} in {shown:?}");
    }
}

#[test]
fn a_signal_ends_it_and_gives_the_terminal_back() {
    let outwork = Outwork::up(Engine::Sqlite);
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mark = format!("--url {} cloud-tasks", outwork.url);
        let terminal = Picker::run(&outwork, &format!("outwork {mark}"));
        terminal.until("no tasks yet");
        let processes = processes_with(&mark);
        let id = processes.iter().find_map(|found| {
            let (process, line) = found.split_once(": ")?;
            // The shell has it in its command line, too.
            let is_it = line.starts_with(OUTWORK);
            is_it.then(|| process.rsplit('/').next()?.parse().ok())?
        });
        let id = Pid::from_raw(id.expect("the picker runs")).expect("a process");
        kill_process(id, signal).expect("it runs");
        terminal.left(130);
    }
}

#[test]
fn without_a_server_it_explains_and_without_a_terminal_it_helps() {
    let outwork = Outwork::up(Engine::Sqlite);
    let line = "unset OUTWORK_URL OUTWORK_TOKEN; HOME=/nonexistent outwork";
    let shown = Terminal::run(&outwork, 80, line).ended(4);
    assert!(shown.contains("no server is configured"), "{shown}");
    assert!(shown.contains("outwork up"), "{shown}");
    let none: [&str; 0] = [];
    let done = outwork.run(&none).code(2);
    assert!(done.stderr.contains("Usage: outwork"), "{}", done.stderr);
    let done = outwork.run(&["cloud"]).code(2);
    assert!(done.stderr.contains("needs a terminal"), "{}", done.stderr);
}

#[test]
fn the_mouse_opens_tasks_and_a_wider_terminal_shows_more() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "one\n")]);
    outwork.command_environment("demo", &repository, "echo done");
    outwork.exec("demo", "first task", &[]);
    outwork.exec("demo", "second task", &[]);
    let wanted = outwork.dir.path().join("wider");
    let line = format!(
        "(while ! [ -e '{}' ]; do sleep 0.1; done; stty cols 100 </dev/tty) & outwork cloud",
        wanted.display()
    );
    let mut terminal = Picker::run(&outwork, &line);
    let shown = terminal.0.until_it("the first task", |shown| {
        screen(shown).screen().contents().contains("first task")
    });
    assert!(!shown.contains("ENVIRONMENT"), "{shown:?}");
    // The second row: the list begins below two rows of head.
    let click = "\u{1b}[<0;20;4M\u{1b}[<0;20;4m";
    terminal.press(click);
    terminal.press(click);
    terminal.until("Prompt");
    terminal.until("first task");
    terminal.press("q");
    terminal.until("second task");
    std::fs::write(&wanted, "").expect("written");
    terminal.0.until("ENVIRONMENT");
    terminal.press("q");
    terminal.left(0);
}

#[test]
fn a_server_that_never_answers_is_told_of_after_five_seconds() {
    let outwork = Outwork::up(Engine::Sqlite);
    // It takes connections, and nobody reads what comes.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound");
    let line = format!("OUTWORK_URL=http://{address} outwork cloud");
    let mut terminal = Picker::run(&outwork, &line);
    terminal.until("loading");
    // Usable before and after.
    terminal.press("?");
    terminal.until("half of one");
    terminal.press("x");
    terminal.until("did not answer within 5 seconds");
    terminal.press("n");
    terminal.until("New task");
    terminal.press("\u{1b}");
    terminal.press("\u{3}");
    terminal.left(0);
}
