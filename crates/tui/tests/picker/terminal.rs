//! A real terminal, which a panic gives back. The process that panics is this test's own program again.

use std::process::{Command, Stdio};

/// Not a test: what [`a_panic_gives_the_terminal_back`] starts on a terminal.
#[test]
#[ignore = "started by another test"]
fn child_that_panics() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let _screen = outwork_tui::Screen::open().expect("a terminal");
        panic!("on purpose");
    });
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let program = std::env::current_exe().expect("this program");
    let line = format!(
        "stty cols 80 rows 24; '{}' --exact terminal::child_that_panics --ignored --nocapture; stty -a",
        program.display()
    );
    let output = Command::new("script")
        .args(["--quiet", "--flush", "--command", &line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .output()
        .expect("`script` of util-linux is installed");
    let shown = String::from_utf8_lossy(&output.stdout);
    let at = |what: &str| {
        shown
            .find(what)
            .unwrap_or_else(|| panic!("no {what:?} in {shown:?}"))
    };
    // The message comes after the screen is back, or else it would be gone with the other one.
    assert!(at("\u{1b}[?1049h") < at("\u{1b}[?1049l"));
    assert!(at("\u{1b}[?1049l") < at("on purpose"));
    assert!(at("\u{1b}[?25l") < at("\u{1b}[?25h"));
    assert!(at("\u{1b}[?1000h") < at("\u{1b}[?1000l"));
    assert!(at("on purpose") < at(" icanon "), "{shown}");
    at(" echo ");
}
