//! How long a frame takes with 10,000 tasks, a diff of 10,000 lines and a log of 50,000 rows: `cargo run --release -p
//! outwork-tui --example frames`. A frame is one key, what the model makes of it, and the drawing of 200×60 cells.

#![allow(clippy::print_stdout, reason = "this is what the program prints")]

use std::time::{Duration, Instant};

use outwork_api::page::Page;
use outwork_api::task::{Task, TaskSummary};
use outwork_domain::Timestamp;
use outwork_tui::{Answer, DiffKey, Event, Model, Theme, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

const FRAMES: u32 = 500;

fn main() {
    let now = Timestamp::from_millis(1_795_186_420_120);
    let (mut model, _) = Model::new(Theme::Coloured, "http://127.0.0.1:1", (200, 60), now);
    let mut longest = Duration::ZERO;
    for page in 0..100 {
        let start = Instant::now();
        model.update(Event::Answer(tasks(page)));
        longest = longest.max(start.elapsed());
    }
    println!("taking a page of 100 tasks: at most {longest:?}");
    let mut terminal = Terminal::new(TestBackend::new(200, 60)).expect("memory");
    frames(
        "10,000 tasks, down by rows",
        &mut model,
        &mut terminal,
        KeyCode::Down,
    );
    frames(
        "10,000 tasks, down by pages",
        &mut model,
        &mut terminal,
        KeyCode::PageDown,
    );
    press(&mut model, KeyCode::Home);
    press(&mut model, KeyCode::Char('d'));
    let task: Task = serde_json::from_value(task()).expect("a task");
    let id = task.summary.id.clone();
    let result = Ok(Box::new(task));
    model.update(Event::Answer(Answer::Task {
        task: id.clone(),
        result,
    }));
    let start = Instant::now();
    model.update(Event::Answer(diff(id)));
    println!("taking a diff of 10,000 lines: {:?}", start.elapsed());
    frames(
        "the diff, down by pages",
        &mut model,
        &mut terminal,
        KeyCode::PageDown,
    );
    frames(
        "the diff, down by lines",
        &mut model,
        &mut terminal,
        KeyCode::Down,
    );
    press(&mut model, KeyCode::Char('l'));
    let lines =
        (0..50_000).map(|at| format!("{at:>6}  | a line of output of some command, number {at}"));
    let start = Instant::now();
    model.update(Event::Answer(Answer::Log {
        attempt: "att_1".to_owned(),
        lines: lines.collect(),
    }));
    println!("taking 50,000 lines of a log: {:?}", start.elapsed());
    frames(
        "the log, up by pages",
        &mut model,
        &mut terminal,
        KeyCode::PageUp,
    );
    let start = Instant::now();
    model.update(Event::Resize(120, 60));
    println!("wrapping all of it anew: {:?}", start.elapsed());
}

fn press(model: &mut Model, code: KeyCode) {
    model.update(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
}

fn frames(what: &str, model: &mut Model, terminal: &mut Terminal<TestBackend>, code: KeyCode) {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..FRAMES {
        let start = Instant::now();
        press(model, code);
        terminal.draw(|frame| draw(model, frame)).expect("memory");
        times.push(start.elapsed());
    }
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{what}: median {:?}, p99 {:?}, longest {:?}",
        at(50),
        at(99),
        at(100)
    );
}

fn summary(number: u32) -> Value {
    json!({
        "id": format!("task_{number:032}"), "url": "http://127.0.0.1:1/codex/tasks/x",
        "title": format!("Task {number} with a title of some length that does not fit"),
        "status": "completed", "outcome": "succeeded",
        "created_at": format!("2026-11-20T{:02}:{:02}:{:02}.000Z", 23 - number / 3600, 59 - number / 60 % 60, 59 - number % 60),
        "updated_at": "2026-11-20T00:00:00.000Z", "environment_id": "env_1", "environment_label": "demo",
        "summary": {"files_changed": 1, "lines_added": 3, "lines_removed": 1}, "is_review": false, "attempt_total": 1,
    })
}

fn tasks(page: u32) -> Answer {
    let name = |page: u32| (page > 0).then(|| format!("page {page}"));
    let items = (0..100).map(|row| serde_json::from_value(summary(page * 100 + row)));
    let items: Result<Vec<TaskSummary>, _> = items.collect();
    Answer::Tasks {
        list: 0,
        cursor: name(page),
        page: Ok(Page {
            items: items.expect("tasks"),
            next_cursor: name(page + 1).filter(|_| page < 99),
        }),
    }
}

fn task() -> Value {
    let mut task = summary(0);
    let attempt = json!({"id": "att_1", "number": 1, "state": "succeeded", "cancelling": false, "tries": 1,
        "ended_at": "2026-11-20T00:00:00.000Z"});
    task["commit"] = json!("0123");
    task["turns"] = json!([{"id": "turn_1", "number": 1, "prompt": "x", "created_at": "2026-11-20T00:00:00.000Z",
        "attempts": [attempt]}]);
    task
}

fn diff(task: String) -> Answer {
    let mut text =
        String::from("diff --git a/a.rs b/a.rs\n--- a/a.rs\n+++ b/a.rs\n@@ -1,5000 +1,5000 @@\n");
    for at in 0..5000 {
        text += &format!(
            "-\tlet old = call({at});\t// with tabs\n+\tlet new = Some(\"{at}\");\t// with tabs\n"
        );
    }
    let key = DiffKey {
        task,
        turn: 1,
        attempt: 1,
        repository: None,
    };
    Answer::Diff {
        key,
        result: Ok(text.into_bytes()),
    }
}
