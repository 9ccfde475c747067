//! The mouse, and screens that become other ones.

use outwork_tui::{Answer, ApplyPlan, DiffKey, Effect, Event, Trouble};
use ratatui::crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::made::{Picker, attempt, loaded, summary, task, tasks, time};

fn mouse(picker: &mut Picker, kind: MouseEventKind, row: u16) {
    picker.event(Event::Mouse(MouseEvent {
        kind,
        column: 3,
        row,
        modifiers: KeyModifiers::NONE,
    }));
}

const CLICK: MouseEventKind = MouseEventKind::Down(MouseButton::Left);
const DOWN: MouseEventKind = MouseEventKind::ScrollDown;
const UP: MouseEventKind = MouseEventKind::ScrollUp;

/// A list of 40 tasks, the newest being task 0.
fn listed(columns: u16, rows: u16) -> Picker {
    let mut picker = Picker::new(columns, rows);
    let rows = (0..40).map(|number| summary(number, "completed", &format!("Title {number:02}.")));
    picker.answer(tasks(0, rows.collect()));
    picker.wanted();
    picker
}

#[test]
fn a_click_selects_a_second_one_opens_and_the_wheel_moves() {
    let mut picker = listed(80, 14);
    mouse(&mut picker, CLICK, 5);
    assert!(
        picker.selected().contains("Title 03."),
        "{}",
        picker.screen()
    );
    // Above the list, below it, and on what lies above it, a click is nothing.
    for row in [0, 1, 12, 13, 60] {
        mouse(&mut picker, CLICK, row);
    }
    picker.press("?");
    mouse(&mut picker, CLICK, 4);
    mouse(&mut picker, DOWN, 4);
    picker.press("x");
    assert!(
        picker.selected().contains("Title 03."),
        "{}",
        picker.screen()
    );
    mouse(&mut picker, DOWN, 5);
    assert!(
        picker.selected().contains("Title 06."),
        "{}",
        picker.screen()
    );
    mouse(&mut picker, UP, 5);
    mouse(&mut picker, UP, 5);
    assert!(
        picker.selected().contains("Title 00."),
        "{}",
        picker.screen()
    );
    // Further down, rows are what is seen there.
    picker.press("G");
    mouse(&mut picker, CLICK, 2);
    assert!(
        picker.selected().contains("Title 30."),
        "{}",
        picker.screen()
    );
    picker.wanted();
    mouse(&mut picker, CLICK, 2);
    let task = summary(30, "completed", "").id;
    assert_eq!(picker.wanted(), [Effect::LoadTask { task }]);
}

#[test]
fn the_wheel_scrolls_what_is_seen() {
    let mut picker = listed(80, 14);
    picker.press("l");
    let row = summary(0, "completed", "x");
    picker.answer(loaded(task(row.clone(), vec![attempt(1, "succeeded")])));
    picker.answer(Answer::Log {
        attempt: "att_1".to_owned(),
        lines: (0..50).map(|line| format!("line {line:02}.")).collect(),
    });
    let first = |picker: &Picker| {
        let screen = picker.screen();
        screen.lines().nth(2).unwrap_or_default().to_owned()
    };
    assert_eq!(first(&picker), "line 40.");
    mouse(&mut picker, UP, 5);
    assert_eq!(first(&picker), "line 37.");
    mouse(&mut picker, DOWN, 5);
    assert_eq!(first(&picker), "line 40.");
    let key = DiffKey {
        task: row.id,
        turn: 1,
        attempt: 1,
        repository: None,
    };
    picker.press("a").answer(Answer::Preflight {
        key,
        result: Ok(ApplyPlan {
            folder: "/clone".to_owned(),
            files: (0..40).map(|number| format!("file {number:02}.")).collect(),
            ..ApplyPlan::default()
        }),
    });
    assert!(picker.screen().contains("file 00."), "{}", picker.screen());
    mouse(&mut picker, DOWN, 5);
    assert!(!picker.screen().contains("file 00."), "{}", picker.screen());
    mouse(&mut picker, UP, 5);
    assert!(picker.screen().contains("file 00."), "{}", picker.screen());
    // What lies below has not moved.
    picker.press("<Esc>");
    assert_eq!(first(&picker), "line 40.");
}

#[test]
fn what_is_seen_follows_the_screen() {
    let mut picker = listed(80, 24);
    picker.press("<PgDn>");
    assert!(
        picker.selected().contains("Title 20."),
        "{}",
        picker.screen()
    );
    // The selection stays seen.
    picker.resize(80, 8);
    assert!(
        picker.selected().contains("Title 20."),
        "{}",
        picker.screen()
    );
    picker.press("l");
    let row = summary(20, "completed", "x");
    picker.answer(loaded(task(row, vec![attempt(1, "succeeded")])));
    picker.answer(Answer::Log {
        attempt: "att_1".to_owned(),
        lines: vec!["word ".repeat(30)],
    });
    let lines = |picker: &Picker| {
        let screen = picker.screen();
        screen.lines().filter(|line| line.contains("word")).count()
    };
    assert_eq!(lines(&picker), 2);
    picker.resize(40, 12);
    assert_eq!(lines(&picker), 4);
    picker.resize(200, 12);
    assert_eq!(lines(&picker), 1);
    // The overview, too.
    picker.press("o");
    let url = |picker: &Picker| picker.screen().contains("Page         http");
    assert!(url(&picker));
    picker.resize(60, 12);
    assert!(!url(&picker));
}

#[test]
fn an_open_task_is_asked_for_again_when_the_network_breaks() {
    let mut picker = listed(80, 14);
    picker.press("<Enter>").wanted();
    let id = summary(0, "completed", "").id;
    let load = Effect::LoadTask { task: id.clone() };
    let missed = || Answer::Task {
        task: id.clone(),
        result: Err(Trouble {
            message: "the server did not answer within 5 seconds".to_owned(),
            ..Trouble::default()
        }),
    };
    picker.answer(missed());
    assert!(
        picker.screen().contains("did not answer"),
        "{}",
        picker.screen()
    );
    assert_eq!(picker.at(6000).wanted(), std::slice::from_ref(&load));
    assert_eq!(picker.at(12_000).wanted(), [], "it is on its way");
    picker.answer(missed());
    assert_eq!(picker.at(18_000).wanted(), [load]);
    let row = summary(0, "completed", "x");
    picker.answer(loaded(task(row, vec![attempt(1, "succeeded")])));
    assert!(
        !picker.screen().contains("did not answer"),
        "{}",
        picker.screen()
    );
}

#[test]
fn what_is_seen_stays_where_it_is_when_tasks_come_in_above_it() {
    let mut picker = listed(80, 14);
    picker.press("G");
    let titles = |picker: &Picker| {
        let screen = picker.screen();
        let words = screen.split_whitespace();
        let numbers = words.filter(|word| word.starts_with("3") && word.ends_with('.'));
        numbers.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = titles(&picker);
    assert_eq!(before.len(), 10, "{}", picker.screen());
    let mut newer = summary(0, "pending", "Newer");
    newer.id = format!("task_{:032}", 99);
    newer.created_at = time(5000);
    picker.answer(tasks(0, vec![newer]));
    assert!(picker.screen().contains("41/41"), "{}", picker.screen());
    assert_eq!(titles(&picker), before);
}
