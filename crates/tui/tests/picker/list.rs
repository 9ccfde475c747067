//! The list of tasks.

use outwork_tui::{Answer, Effect, EnvironmentRow, Trouble};

use crate::made::{Picker, page, summary, tasks};

fn some() -> Vec<outwork_api::task::TaskSummary> {
    vec![
        summary(1, "running", "Add a health endpoint to the server"),
        summary(2, "needs_input", "Rename the crate"),
        summary(75, "completed", "Fix the flaky test of the lease"),
        summary(
            4000,
            "failed",
            "Upgrade the framework, whatever it takes, in all of the services",
        ),
        summary(90_000, "pending", "漢字 in the docs"),
    ]
}

#[test]
fn tasks_are_listed_on_screens_of_all_sizes() {
    let mut picker = Picker::new(80, 12);
    picker.answer(tasks(0, some()));
    insta::assert_snapshot!("list_80", picker.screen());
    picker.resize(110, 10);
    insta::assert_snapshot!("list_110", picker.screen());
    picker.resize(32, 9);
    insta::assert_snapshot!("list_32", picker.screen());
    for (columns, rows) in [(1, 1), (3, 2), (10, 3), (20, 4), (200, 60)] {
        picker.resize(columns, rows).screen();
        picker.press("?").screen();
        picker.press("q^o").screen();
        picker.press("<Esc>n").screen();
        picker.press("<Esc>");
    }
}

#[test]
fn the_selection_stays_on_its_task_when_rows_come_and_change() {
    let mut picker = Picker::new(80, 8);
    picker.answer(tasks(0, some())).press("j");
    assert!(picker.selected().contains("Rename the crate"));
    let mut newer = some();
    newer.insert(0, summary(0, "pending", "Newest"));
    newer[2].status = "running".to_owned();
    picker.answer(tasks(0, newer));
    let selected = picker.selected();
    assert!(selected.contains("Rename the crate"), "{selected}");
    assert!(selected.contains("running"), "{selected}");
    picker.press("G");
    assert!(picker.selected().contains("in the docs"));
    picker.press("g");
    assert!(picker.selected().contains("Newest"));
    picker.press("<Up><PgUp>");
    assert!(picker.selected().contains("Newest"));
}

#[test]
fn a_server_that_does_not_answer_is_told_of_and_the_screen_goes_on() {
    let mut picker = Picker::new(80, 10);
    let missed = || Answer::Tasks {
        list: 0,
        cursor: None,
        page: Err(Trouble {
            message: "the server did not answer within 5 seconds".to_owned(),
            details: Vec::new(),
            hint: Some("it is asked again".to_owned()),
        }),
    };
    picker.answer(missed());
    insta::assert_snapshot!("list_without_a_server", picker.screen());
    picker.wanted();
    let again = picker.at(2500).wanted();
    assert!(matches!(again[..], [Effect::ListTasks { .. }]), "{again:?}");
    // One that is on its way is not asked for once more.
    assert_eq!(picker.at(6000).wanted(), []);
    picker.answer(tasks(0, some()));
    assert!(!picker.screen().contains("did not answer"));
    picker.answer(missed()).press("j");
    assert!(picker.selected().contains("Rename"), "{}", picker.screen());
}

#[test]
fn older_tasks_are_loaded_when_somebody_comes_near_them() {
    let mut picker = Picker::new(80, 24);
    let rows = |from: u32| {
        (from..from + 100)
            .map(|n| summary(n, "completed", "x"))
            .collect()
    };
    picker.wanted();
    picker.answer(Answer::Tasks {
        list: 0,
        cursor: None,
        page: Ok(page(rows(1), Some("second"))),
    });
    assert_eq!(picker.wanted(), [], "far from the end");
    picker.press("G");
    let second = || Effect::ListTasks {
        list: 0,
        environment: None,
        reviews: false,
        cursor: Some("second".to_owned()),
    };
    assert_eq!(picker.wanted(), [second()]);
    picker.answer(Answer::Tasks {
        list: 0,
        cursor: Some("second".to_owned()),
        page: Ok(page(rows(101), None)),
    });
    assert!(picker.screen().contains("100/200"), "{}", picker.screen());
    // What is seen is kept up to date, also further down.
    picker.press("G").wanted();
    let refreshed = picker.at(3000).wanted();
    assert!(refreshed.contains(&second()), "{refreshed:?}");
    assert_eq!(refreshed.len(), 2);
}

#[test]
fn the_folder_and_then_the_person_choose_the_environment() {
    let row = |label: &str, id: &str, is_here| EnvironmentRow {
        id: id.to_owned(),
        label: label.to_owned(),
        repository: format!("https://h/ada/{label}"),
        is_here,
    };
    let rows = vec![row("demo", "env_1", false), row("engine", "env_2", true)];
    let mut picker = Picker::new(90, 14);
    picker.answer(tasks(0, some())).wanted();
    picker.answer(Answer::Environments(Ok(rows.clone())));
    let of = |list, environment: Option<&str>| Effect::ListTasks {
        list,
        environment: environment.map(str::to_owned),
        reviews: false,
        cursor: None,
    };
    assert_eq!(picker.wanted(), [of(1, Some("env_2"))]);
    // An answer for the list before is none for this one.
    picker.answer(tasks(0, some()));
    assert!(!picker.screen().contains("Rename"));
    picker.answer(tasks(1, Vec::new())).press("^o");
    insta::assert_snapshot!("environments", picker.screen());
    picker.press("de");
    insta::assert_snapshot!("environments_searched", picker.screen());
    picker.wanted();
    picker.press("<Enter>");
    assert_eq!(picker.wanted(), [of(2, Some("env_1"))]);
    picker.press("^o<Enter>");
    assert!(picker.wanted().contains(&of(3, None)));
    // Who has chosen is not overruled.
    picker.answer(Answer::Environments(Ok(rows)));
    assert_eq!(picker.wanted(), []);
    assert!(picker.screen().contains("all environments"));
}

#[test]
fn reviews_have_a_list_of_their_own() {
    let mut picker = Picker::new(80, 10);
    let mut review = summary(4, "completed", "Look at it");
    review.is_review = true;
    // A server that does not know the filter sends all.
    picker.answer(tasks(0, [some(), vec![review.clone()]].concat()));
    assert!(!picker.screen().contains("Look at it"));
    picker.wanted();
    picker.press("v");
    let wanted = |list, environment: Option<&str>, reviews| Effect::ListTasks {
        list,
        environment: environment.map(str::to_owned),
        reviews,
        cursor: None,
    };
    assert_eq!(picker.wanted(), [wanted(1, None, true)]);
    picker.answer(tasks(1, [some(), vec![review]].concat()));
    let screen = picker.screen();
    assert!(
        screen.contains("Look at it") && !screen.contains("Rename"),
        "{screen}"
    );
    assert!(screen.contains("code reviews"), "{screen}");
    // Of another environment they are reviews still.
    picker.press("^o<Enter>");
    assert_eq!(picker.wanted().last(), Some(&wanted(2, None, true)));
    picker.press("v");
    assert_eq!(picker.wanted(), [wanted(3, None, false)]);
}
