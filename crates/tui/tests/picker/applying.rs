//! Applying a diff.

use outwork_tui::{Answer, Applied, ApplyPlan, DiffKey, Effect, Trouble};

use crate::made::{Picker, attempt, loaded, summary, task, tasks};

fn opened() -> (Picker, DiffKey) {
    let mut picker = Picker::new(80, 18);
    let row = summary(3, "completed", "x");
    picker.answer(tasks(0, vec![row.clone()])).press("a");
    picker.answer(loaded(task(row.clone(), vec![attempt(1, "succeeded")])));
    let key = DiffKey {
        task: row.id,
        turn: 1,
        attempt: 1,
        repository: None,
    };
    assert!(picker.wanted().contains(&Effect::Preflight(key.clone())));
    (picker, key)
}

fn plan(conflicts: &[&str]) -> ApplyPlan {
    ApplyPlan {
        folder: "/home/ada/engine".to_owned(),
        repository: None,
        files: vec!["src/main.rs".to_owned(), "docs/a.md".to_owned()],
        conflicts: conflicts.iter().map(|text| (*text).to_owned()).collect(),
        skipped: vec!["the diff of docs".to_owned()],
    }
}

#[test]
fn it_is_looked_at_asked_and_then_done() {
    let (mut picker, key) = opened();
    assert!(picker.screen().contains("looking whether it fits"));
    // Too early.
    picker.press("y");
    assert_eq!(picker.wanted(), []);
    picker.answer(Answer::Preflight {
        key: key.clone(),
        result: Ok(plan(&[])),
    });
    insta::assert_snapshot!("apply_asks", picker.screen());
    picker.press("m");
    assert_eq!(picker.wanted(), [], "nothing to merge");
    picker.press("yy");
    let apply = Effect::Apply {
        key: key.clone(),
        merge: false,
    };
    assert_eq!(picker.wanted(), [apply], "once");
    // Nobody leaves while files are written.
    picker.press("<Esc>");
    assert!(picker.screen().contains("applying…"));
    picker.answer(Answer::Applied {
        key,
        result: Ok(Applied {
            files: plan(&[]).files,
            conflicted: Vec::new(),
        }),
    });
    assert!(picker.screen().contains("2 files changed:"));
    picker.press("<Esc>");
    assert!(!picker.screen().contains("2 files changed:"));
}

#[test]
fn conflicts_are_shown_and_merged_only_when_asked() {
    let (mut picker, key) = opened();
    picker.answer(Answer::Preflight {
        key: key.clone(),
        result: Ok(plan(&["src/main.rs: patch does not apply"])),
    });
    insta::assert_snapshot!("apply_conflicts", picker.screen());
    picker.press("y<Enter>");
    assert_eq!(picker.wanted(), []);
    picker.press("m");
    let apply = Effect::Apply {
        key: key.clone(),
        merge: true,
    };
    assert_eq!(picker.wanted(), [apply]);
    picker.answer(Answer::Applied {
        key,
        result: Ok(Applied {
            files: plan(&[]).files,
            conflicted: vec!["src/main.rs".to_owned()],
        }),
    });
    assert!(picker.screen().contains("resolve the conflict markers in:"));
}

#[test]
fn a_folder_that_is_no_clone_is_told_of() {
    let (mut picker, key) = opened();
    picker.answer(Answer::Preflight {
        key,
        result: Err(Trouble {
            message: "this folder is in no git repository".to_owned(),
            details: Vec::new(),
            hint: Some("go to a clone of the task's repository".to_owned()),
        }),
    });
    let screen = picker.screen();
    assert!(screen.contains("in no git repository"), "{screen}");
    assert!(screen.contains("go to a clone"), "{screen}");
}
