//! A task that is open.

use outwork_api::task::RepositoryDiff;
use outwork_tui::{Answer, DiffKey, Effect, Theme, Trouble, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use crate::made::{Picker, attempt, loaded, summary, task, tasks};

const DIFF: &str = "diff --git a/src/main.rs b/src/main.rs\nindex 1..2 100644\n--- a/src/main.rs\n\
    +++ b/src/main.rs\n@@ -1,3 +1,3 @@ fn main() {\n \tlet a = 1;\n-\tlet b = 2;\n+\tlet b = 3;\n }\n\
    diff --git a/docs/a.md b/docs/a.md\n@@ -0,0 +1 @@\n+a line that is rather long and goes on and on beyond what there is room for on a screen\n";

fn key(attempt: u32) -> DiffKey {
    DiffKey {
        task: summary(3, "completed", "").id,
        turn: 1,
        attempt,
        repository: None,
    }
}

fn diff(attempt: u32, text: &str) -> Answer {
    Answer::Diff {
        key: key(attempt),
        result: Ok(text.as_bytes().to_vec()),
    }
}

/// A picker in which a finished task with three attempts is open.
fn opened(columns: u16, rows: u16) -> Picker {
    let mut picker = Picker::new(columns, rows);
    let row = summary(3, "completed", "Make b three");
    picker.answer(tasks(0, vec![row.clone()])).press("<Enter>");
    let attempts = vec![
        attempt(1, "succeeded"),
        attempt(2, "failed"),
        attempt(3, "succeeded"),
    ];
    picker.answer(loaded(task(row, attempts)));
    picker
}

fn log(attempt: u32, lines: &[&str]) -> Answer {
    Answer::Log {
        attempt: format!("att_{attempt}"),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

#[test]
fn a_task_has_an_overview_a_log_and_a_diff() {
    let mut picker = opened(80, 20);
    insta::assert_snapshot!("task_overview", picker.screen());
    picker.answer(log(
        1,
        &[
            "  0.0s  agent: started",
            "  1.2s  $ cargo test",
            "  1.9s  | ok",
            "  2.0s  The agent says something that is longer than eighty columns, and so it has to be wrapped.",
        ],
    ));
    picker.press("l");
    insta::assert_snapshot!("task_log", picker.screen());
    picker.wanted();
    picker.press("d");
    assert_eq!(picker.wanted(), [Effect::LoadDiff(key(1))]);
    assert!(picker.screen().contains("loading…"));
    picker.answer(diff(1, DIFF));
    insta::assert_snapshot!("task_diff", picker.screen());
    picker.press("<Right><Right>");
    insta::assert_snapshot!("task_diff_sideways", picker.screen());
    // The same diff is not loaded twice.
    picker.press("ol3");
    assert_eq!(picker.wanted(), []);
    picker.press("q");
    assert!(
        picker
            .wanted()
            .contains(&Effect::FollowLog { attempt: None })
    );
    assert!(picker.selected().contains("Make b three"));
}

#[test]
fn one_goes_from_attempt_to_attempt() {
    let mut picker = opened(80, 20);
    picker.press("d").answer(diff(1, DIFF)).wanted();
    let follow = |number: u32| Effect::FollowLog {
        attempt: Some(format!("att_{number}")),
    };
    picker.press("<Tab>");
    assert_eq!(picker.wanted(), [follow(2), Effect::LoadDiff(key(2))]);
    assert!(picker.screen().contains("attempt 2/3 failed"));
    // What comes late for another attempt is not shown.
    picker.answer(diff(1, DIFF)).answer(log(1, &["old"]));
    assert!(picker.screen().contains("loading…"));
    picker.press("[[").wanted();
    assert!(picker.screen().contains("attempt 3/3"));
    picker.answer(Answer::Diff {
        key: key(3),
        result: Err(Trouble {
            message: "the attempt has no diff".to_owned(),
            ..Trouble::default()
        }),
    });
    assert!(picker.screen().contains("the attempt has no diff"));
    picker.press("]o");
    assert!(
        picker.screen().contains("> Attempt 1: succeeded"),
        "{}",
        picker.screen()
    );
}

#[test]
fn the_log_follows_until_somebody_scrolls_and_again_from_its_end() {
    let mut picker = Picker::new(60, 10);
    let row = summary(3, "running", "Long");
    picker.answer(tasks(0, vec![row.clone()])).press("<Enter>");
    picker.answer(loaded(task(row, vec![attempt(1, "running")])));
    let lines = |from: u32| (from..from + 20).map(|n| format!("line {n}")).collect();
    let more = |from| Answer::Log {
        attempt: "att_1".to_owned(),
        lines: lines(from),
    };
    picker.answer(more(0));
    assert!(picker.screen().contains("line 19"));
    assert!(picker.screen().contains("following"));
    picker.press("<PgUp>").answer(more(20));
    assert!(picker.screen().contains("line 13"), "{}", picker.screen());
    assert!(!picker.screen().contains("line 39"));
    picker.press("G").answer(more(40));
    assert!(picker.screen().contains("line 59"));
    picker.answer(Answer::LogAway {
        attempt: "att_1".to_owned(),
    });
    assert!(picker.screen().contains("connection lost"));
}

#[test]
fn files_and_repositories_of_a_diff_can_be_gone_to() {
    let mut picker = Picker::new(80, 9);
    let row = summary(3, "completed", "Two");
    let mut two = attempt(1, "succeeded");
    two.diffs = ["app", "docs"]
        .map(|name| RepositoryDiff {
            repository: name.to_owned(),
            summary: row.summary,
        })
        .to_vec();
    picker.answer(tasks(0, vec![row.clone()])).press("d");
    picker.answer(loaded(task(row, vec![two]))).wanted();
    let of = |name: &str| DiffKey {
        repository: Some(name.to_owned()),
        ..key(1)
    };
    picker.answer(Answer::Diff {
        key: of("app"),
        result: Ok(DIFF.into()),
    });
    picker.press("}");
    let screen = picker.screen();
    assert!(screen.contains("a/docs/a.md"), "{screen}");
    picker.press("{");
    assert!(picker.screen().contains("a/src/main.rs"));
    picker.press("R");
    assert_eq!(picker.wanted(), [Effect::LoadDiff(of("docs"))]);
}

#[test]
fn a_task_is_asked_for_while_it_runs_and_its_final_diff_is_loaded_again() {
    let mut picker = Picker::new(80, 20);
    let row = summary(3, "running", "Running");
    picker
        .answer(tasks(0, vec![row.clone()]))
        .press("d")
        .wanted();
    picker.answer(loaded(task(row.clone(), vec![attempt(1, "running")])));
    picker.answer(diff(1, DIFF)).wanted();
    let load = Effect::LoadTask {
        task: row.id.clone(),
    };
    assert_eq!(picker.at(1100).wanted(), [load]);
    assert_eq!(picker.at(2200).wanted(), [], "the first is on its way");
    let ended = summary(3, "completed", "Running");
    picker.answer(loaded(task(ended, vec![attempt(1, "succeeded")])));
    assert_eq!(picker.wanted(), [Effect::LoadDiff(key(1))]);
}

#[test]
fn what_comes_in_is_green_and_what_goes_is_red() {
    for (theme, added, removed) in [
        (Theme::Coloured, Color::Green, Color::Red),
        (Theme::TrueColour, Color::Green, Color::Red),
        (Theme::Plain, Color::Reset, Color::Reset),
    ] {
        let mut picker = Picker::with_theme(theme, 80, 20);
        let row = summary(3, "completed", "x");
        picker.answer(tasks(0, vec![row.clone()])).press("d");
        picker.answer(loaded(task(row, vec![attempt(1, "succeeded")])));
        picker.answer(diff(1, DIFF));
        let mut terminal = Terminal::new(TestBackend::new(80, 20)).expect("memory");
        let drawn = terminal.draw(|frame| draw(&picker.model, frame));
        let buffer = drawn.expect("memory").buffer.clone();
        let colour = |sign: &str| {
            let line = (2..20)
                .find(|y| buffer[(0, *y)].symbol() == sign && buffer[(1, *y)].symbol() == " ");
            buffer[(0, line.expect("a line"))].fg
        };
        assert_eq!((colour("+"), colour("-")), (added, removed), "{theme:?}");
        let is_coloured = buffer.content.iter().any(|cell| cell.fg != Color::Reset);
        assert_eq!(is_coloured, theme != Theme::Plain);
    }
}

/// What is drawn at the first place of each text, as `fg on bg`; `+` where it is dim.
fn styles(picker: &Picker, texts: &[&str]) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(80, 20)).expect("memory");
    let drawn = terminal.draw(|frame| draw(&picker.model, frame));
    let buffer = drawn.expect("memory").buffer.clone();
    let screen = picker.screen();
    let style = |text: &&str| {
        let place = screen
            .lines()
            .zip(0..)
            .find_map(|(line, y)| Some((line.find(text)?, y)));
        let (x, y) = place.unwrap_or_else(|| panic!("no {text:?} in {screen}"));
        let cell = &buffer[(x as u16, y)];
        let dim = match cell.modifier.contains(ratatui::style::Modifier::DIM) {
            true => "+",
            false => "",
        };
        format!("{dim}{} on {}", cell.fg, cell.bg)
    };
    texts.iter().map(style).collect()
}

const CODE: &str = "diff --git a/src/main.rs b/src/main.rs\n--- a/src/main.rs\n+++ b/src/main.rs\n@@ -1,4 +1,4 @@ fn main() {\n \
    \tlet a = 1;\n-\tlet b = \"two\"; /* it\n-\tstays */\n+\t// why\n+\tgo(Some(4))\n }\n";

#[test]
fn code_in_a_diff_has_colours_where_there_are_any() {
    let words = [
        "let a", "1;", "stays", "\"two", "/* it", "go(", "Some", "4)", "// why", "}",
    ];
    for (theme, expected) in [
        (
            Theme::Coloured,
            [
                "Magenta on Reset",
                "Cyan on Reset",
                "+Red on Reset",
                "Yellow on Reset",
                "+Red on Reset",
                "Blue on Reset",
                "Cyan on Reset",
                "Cyan on Reset",
                "+Green on Reset",
                "Reset on Reset",
            ],
        ),
        (
            Theme::TrueColour,
            [
                "Magenta on Reset",
                "Cyan on Reset",
                "#A8B2AC on #461A1E",
                "#F0D282 on #461A1E",
                "#A8B2AC on #461A1E",
                "#96C4FF on #103620",
                "#82D6DE on #103620",
                "#F8B082 on #103620",
                "#A8B2AC on #103620",
                "Reset on Reset",
            ],
        ),
        (Theme::Plain, ["Reset on Reset"; 10]),
    ] {
        let mut picker = Picker::with_theme(theme, 80, 20);
        let row = summary(3, "completed", "x");
        picker.answer(tasks(0, vec![row.clone()])).press("d");
        picker.answer(loaded(task(row, vec![attempt(1, "succeeded")])));
        picker.answer(diff(1, CODE));
        assert_eq!(styles(&picker, &words), expected, "{theme:?}");
        // Sideways, the same words have the same colours.
        picker.press("<Right>");
        assert_eq!(styles(&picker, &words[7..8]), expected[7..8], "{theme:?}");
    }
}

#[test]
fn a_comment_is_one_also_where_only_its_middle_is_seen() {
    let mut text =
        "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1,0 +1,102 @@\n+/* begins\n".to_owned();
    text += &"+ goes on\n".repeat(100);
    text += "+ last */ int after;\n";
    let mut picker = Picker::with_theme(Theme::Coloured, 80, 20);
    let row = summary(3, "completed", "x");
    picker.answer(tasks(0, vec![row.clone()])).press("d");
    picker.answer(loaded(task(row, vec![attempt(1, "succeeded")])));
    picker.answer(diff(1, &text)).press("G");
    let seen = styles(&picker, &["goes on", "last", "int after"]);
    assert_eq!(
        seen,
        ["+Green on Reset", "+Green on Reset", "Magenta on Reset"]
    );
}
