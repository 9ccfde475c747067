//! Text of others that wants to act on the terminal.

use outwork_api::task::{Failure, WaitingFor};
use outwork_tui::{Answer, ApplyPlan, DiffKey, EnvironmentRow, Theme, Trouble, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::made::{Picker, attempt, loaded, summary, task, tasks};

const HOSTILE: &str =
    "a\u{1b}[2J\u{1b}]52;c;ZXZpbA==\u{7}b\u{9b}31mc\u{202e}d\u{e0041}e\rf\u{8}\tg\u{1b}";

/// Every cell holds text, and nothing of a sequence is left but what `plain` writes out.
fn assert_harmless(picker: &Picker) {
    let mut terminal = Terminal::new(TestBackend::new(120, 40)).expect("memory");
    let drawn = terminal.draw(|frame| draw(&picker.model, frame));
    let buffer = drawn.expect("memory").buffer;
    for cell in &buffer.content {
        for c in cell.symbol().chars() {
            let acts = c.is_control() || matches!(c, '\u{202e}' | '\u{e0041}');
            assert!(!acts, "{c:?} in {:?}", cell.symbol());
        }
    }
    let text = picker.screen();
    for left in ["[2J", "52;c", "\u{fffd}"] {
        assert!(!text.contains(left), "{left:?} in {text}");
    }
}

fn trouble() -> Trouble {
    Trouble {
        message: HOSTILE.to_owned(),
        details: vec![HOSTILE.to_owned()],
        hint: Some(HOSTILE.to_owned()),
    }
}

#[test]
fn nothing_that_comes_from_elsewhere_acts_on_the_terminal() {
    let mut picker = Picker::with_theme(Theme::TrueColour, 120, 40);
    let mut row = summary(3, "completed", HOSTILE);
    row.environment_label = HOSTILE.to_owned();
    row.environment_id = HOSTILE.to_owned();
    row.url = HOSTILE.to_owned();
    row.outcome = Some(HOSTILE.to_owned());
    row.waiting_for = Some(WaitingFor {
        reason: HOSTILE.to_owned(),
        text: HOSTILE.to_owned(),
    });
    picker.answer(tasks(0, vec![row.clone()]));
    assert!(picker.screen().contains("ab"), "{}", picker.screen());
    assert_harmless(&picker);
    picker.answer(Answer::Environments(Ok(vec![EnvironmentRow {
        id: HOSTILE.to_owned(),
        label: HOSTILE.to_owned(),
        repository: HOSTILE.to_owned(),
        is_here: false,
    }])));
    picker.press("^o");
    assert_harmless(&picker);
    picker.press("<Down><Enter>");
    assert_harmless(&picker);
    picker
        .press("^o<Enter>")
        .answer(tasks(2, vec![row.clone()]));
    picker.press("<Enter>");
    let mut asks = attempt(1, HOSTILE);
    asks.question = Some(HOSTILE.to_owned());
    asks.message = Some(HOSTILE.to_owned());
    asks.failure = Some(Failure {
        code: HOSTILE.to_owned(),
        message: HOSTILE.to_owned(),
        hint: Some(HOSTILE.to_owned()),
    });
    let mut whole = task(row.clone(), vec![asks, attempt(2, HOSTILE)]);
    whole.branch = Some(HOSTILE.to_owned());
    whole.commit = HOSTILE.to_owned();
    picker.answer(loaded(whole));
    assert_harmless(&picker);
    picker.press("i");
    assert_harmless(&picker);
    picker.press("<Esc>l").answer(Answer::Log {
        attempt: "att_1".to_owned(),
        lines: vec![HOSTILE.to_owned()],
    });
    assert_harmless(&picker);
    picker.answer(Answer::LogEnded {
        attempt: "att_1".to_owned(),
        trouble: Some(trouble()),
    });
    assert_harmless(&picker);
    let key = DiffKey {
        task: row.id,
        turn: 1,
        attempt: 1,
        repository: None,
    };
    let diff = format!("diff --git a/{HOSTILE} b/{HOSTILE}\n@@ -0,0 +1 @@ {HOSTILE}\n+{HOSTILE}\n");
    picker.press("d").answer(Answer::Diff {
        key: key.clone(),
        result: Ok(diff.into_bytes()),
    });
    assert_harmless(&picker);
    for attempt in [1, 2] {
        picker.press("s").answer(Answer::Diff {
            key: DiffKey {
                attempt,
                ..key.clone()
            },
            result: match attempt {
                1 => Ok(format!("diff --git a/x b/{HOSTILE}\n@@ -0,0 +1 @@\n+{HOSTILE}\n").into()),
                _ => Err(trouble()),
            },
        });
        assert_harmless(&picker);
    }
    let texts = || vec![HOSTILE.to_owned()];
    picker.press("a").answer(Answer::Preflight {
        key: key.clone(),
        result: Ok(ApplyPlan {
            folder: HOSTILE.to_owned(),
            repository: None,
            files: texts(),
            conflicts: texts(),
            skipped: texts(),
        }),
    });
    assert_harmless(&picker);
    picker.press("m").answer(Answer::Applied {
        key,
        result: Err(trouble()),
    });
    assert_harmless(&picker);
    picker
        .press("<Esc>")
        .answer(Answer::Cancelled(Err(trouble())));
    assert_harmless(&picker);
}
