//! Long results on a terminal.

use crate::harness::{Engine, Outwork, Repository, until};
use crate::terminal::Terminal;

/// A task with more of a log than a screen has room for.
fn long_log() -> (Outwork, String) {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "seq -f 'number %g' 300; echo 2 >> a");
    let task = outwork.exec("demo", "count", &[]);
    let id = task["id"].as_str().expect("an id").to_owned();
    (outwork, id)
}

#[test]
fn the_pager_is_the_one_that_the_variables_name() {
    let (outwork, id) = long_log();
    let shown = |line: &str| {
        let shown = Terminal::run(&outwork, 120, line).ended(0);
        let rows = shown.lines().map(str::trim_end);
        let rows: Vec<String> = rows.map(str::to_owned).collect();
        rows
    };
    let paged = "PAGER=false OUTWORK_PAGER=\"sed 's/^/P: /'\"";
    for command in [
        "list",
        "status X",
        "log X",
        "diff X",
        "cloud list",
        "env list",
    ] {
        let command = command.replace('X', &id);
        let rows = shown(&format!("{paged} outwork {command}"));
        assert!(rows[0].starts_with("P: "), "{command}: {rows:#?}");
        assert_eq!(rows.last().map(String::as_str), Some("exit 0"), "{command}");
    }
    let straight = [
        format!("{paged} outwork --no-pager list"),
        // In a pipe nobody reads page by page.
        format!("{paged} outwork list | cat"),
        format!("{paged} outwork list --json"),
        format!("{paged} outwork log {id} --follow"),
        "PAGER=cat outwork list".to_owned(),
        "PAGER= outwork list".to_owned(),
        "TERM=dumb outwork list".to_owned(),
        // The result is worth more than the wish.
        "PAGER='no-such-pager -x' outwork list".to_owned(),
    ];
    for line in straight {
        let rows = shown(&line);
        assert!(
            rows.len() > 1 && !rows[0].starts_with("P: "),
            "{line}: {rows:#?}"
        );
    }
}

#[test]
fn who_has_read_enough_leaves_and_has_a_sane_terminal() {
    let (outwork, id) = long_log();
    let line = format!("outwork log {id}; echo \"left $?\"; stty -a");
    let mut terminal = Terminal::run(&outwork, 80, &line);
    let first = terminal.until("number 5");
    assert!(!first.contains("number 250"), "it stops at the first page");
    terminal.press("G");
    terminal.until("number 300");
    // Ctrl-C is for the pager, which stays: the shell does not come back meanwhile.
    terminal.press("\u{3}");
    // What is typed just then is lost.
    let all = until("the first page is there again", || {
        terminal.press("g");
        let shown = terminal.shown();
        (shown.matches("number 5\u{1b}").count() > 1).then_some(shown)
    });
    assert!(!all.contains("left"), "{all}");
    terminal.press("q");
    let shown = terminal.ended(0);
    let left = shown.split("left ").nth(1).expect("it has left");
    assert!(left.starts_with('0'), "{left}");
    for setting in ["echo", "icanon", "isig"] {
        let is_set = left.split_whitespace().any(|word| word == setting);
        assert!(is_set, "{setting}: {left}");
    }
    assert!(!shown.contains("error"), "{shown}");

    // One that ends first is no error either.
    let line = format!("PAGER='head -n 1' outwork log {id}");
    let shown = Terminal::run(&outwork, 80, &line).ended(0);
    assert_eq!(shown.lines().count(), 2, "{shown}");
}

#[test]
fn what_is_said_beside_waits_for_the_pager() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "true");
    for _ in 0..2 {
        outwork.exec("demo", "x", &[]);
    }
    let line = "PAGER='sed s/^/P:/' outwork list --limit 1";
    let shown = Terminal::run(&outwork, 120, line).ended(0);
    let rows: Vec<&str> = shown.lines().collect();
    assert_eq!(rows.len(), 4, "{shown}");
    assert!(rows[1].starts_with("P:"), "{shown}");
    assert!(rows[2].contains("go on with --cursor"), "{shown}");
    // What fails needs none.
    let shown = Terminal::run(&outwork, 120, "PAGER='sed s/^/P:/' outwork log nothing").ended(2);
    assert!(!shown.contains("P:"), "{shown}");
}
