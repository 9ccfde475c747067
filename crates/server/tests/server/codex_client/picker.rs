//! `codex cloud` on a terminal: the client's own browser of tasks.

use std::path::Path;
use std::time::Duration;

use outwork_test_codex::{Client, Terminal};

use super::{Stand, hand_in, in_every_version, in_version, target};
use crate::rig::until;
use crate::rig::worker::Worker;

in_every_version!(
    a_task_is_opened_and_applied,
    attempts_are_compared,
    another_environment_is_chosen,
    an_error_is_shown,
);

// The composers of 0.89 and 0.101 clear the text at Enter and send nothing, whatever the server is.
in_version!(composing_v0_130, 2, a_task_is_composed);
in_version!(composing_v0_140, 3, a_task_is_composed);
in_version!(composing_v0_151, 4, a_task_is_composed);

const ENTER: &str = "\r";
const ESCAPE: &str = "\u{1b}";
const RIGHT: &str = "\u{1b}[C";
const DOWN: &str = "\u{1b}[B";
const CONTROL_N: &str = "\u{e}";

/// With its list loaded.
fn picker(client: &Client, directory: &Path, expected: &str) -> Terminal {
    let terminal = client.on_terminal(directory, &["cloud"]);
    terminal.until_it(expected, |shown| {
        shown.contains(expected) && shown.contains("Loaded tasks")
    });
    terminal
}

async fn file_is(path: &Path, expected: &str) {
    let read = async || {
        tokio::time::sleep(Duration::from_millis(20)).await;
        // Git puts a new file in the place of the old one.
        std::fs::read_to_string(path).unwrap_or_default()
    };
    until(read, |text| text == expected).await;
}

async fn a_task_is_opened_and_applied(version: &'static str) {
    let stand = Stand::start().await;
    stand
        .done("first task", &stand.diff(&[("file", b"three\n")]))
        .await;
    for (number, client) in stand.clients(version).into_iter().enumerate() {
        let clone = stand.another_clone(&format!("picker-{number}"));
        let terminal = picker(&client, &clone, "[READY] first task");
        // The only environment there is was found.
        terminal.until("Cloud Tasks • App");
        terminal.until("+1/−1");
        terminal.press(ENTER);
        let shown = terminal.until("I did what you asked.");
        assert_eq!(shown.matches("I did what you asked.").count(), 1, "{shown}");
        terminal.press_until(RIGHT, "+three");
        terminal.press(ESCAPE);
        terminal.until_it("the list", |shown| !shown.contains("+three"));
        terminal.press("a");
        terminal.until("applies cleanly");
        terminal.press("y");
        file_is(&clone.join("file"), "three\n").await;
        terminal.until_it("the list", |shown| !shown.contains("Apply Changes?"));
        terminal.press("q");
        assert_eq!(terminal.ended(), 0);
        client.kept_to_its_server();
    }
}

async fn a_task_is_composed(version: &'static str) {
    let stand = Stand::start().await;
    for (number, client) in stand.clients(version).into_iter().enumerate() {
        let terminal = picker(&client, &stand.clone, "Cloud Tasks • App");
        terminal.press("n");
        terminal.until("Compose new task");
        let prompt = format!("from picker {number}");
        terminal.type_text(&prompt);
        terminal.press(CONTROL_N);
        terminal.until("Parallel Attempts");
        terminal.press(DOWN);
        terminal.until("› 2 attempts");
        terminal.press(ENTER);
        terminal.until_it("the composer", |shown| !shown.contains("Parallel Attempts"));
        terminal.press(ENTER);
        let listed = async || {
            tokio::time::sleep(Duration::from_millis(20)).await;
            stand.rig.get("/api/v1/tasks?limit=1").await["items"][0].clone()
        };
        let task = until(listed, |task| task["title"] == prompt).await;
        let task = stand.task(task["id"].as_str().expect("an id")).await;
        assert_eq!(task["turns"][0]["prompt"], prompt);
        assert_eq!(task["branch"], "main");
        let attempts = task["turns"][0]["attempts"].as_array().expect("a list");
        assert_eq!(attempts.len(), 2);
        terminal.until(&format!("[PENDING] {prompt}"));
        terminal.press("q");
        assert_eq!(terminal.ended(), 0);
        client.kept_to_its_server();
    }
}

async fn attempts_are_compared(version: &'static str) {
    let stand = Stand::start().await;
    let worker = Worker::register(&stand.rig, "w").await;
    let id = stand.submit("change it", 2).await;
    let task = stand.task(&id).await;
    let first = &task["turns"][0]["attempts"][0]["id"];
    let diffs = [b"second\n".as_slice(), b"third\n"].map(|text| stand.diff(&[("file", text)]));
    for claim in worker.acquire(4, 10_000).await {
        let is_first = *first == claim.attempt.as_str();
        hand_in(&worker, &claim, &diffs[usize::from(!is_first)]).await;
    }
    for client in stand.clients(version) {
        let terminal = picker(&client, &stand.clone, "[READY] change it");
        terminal.press(ENTER);
        terminal.until("I did what you asked.");
        terminal.press_until(RIGHT, "+second");
        terminal.press_until("\t", "+third");
        terminal.press(ESCAPE);
        terminal.until_it("the list", |shown| !shown.contains("+third"));
        terminal.press("q");
        assert_eq!(terminal.ended(), 0);
        client.kept_to_its_server();
    }
}

async fn another_environment_is_chosen(version: &'static str) {
    let stand = Stand::start().await;
    stand.rig.environment("Site", &stand.origin).await;
    stand.rig.task("Site", "other task").await;
    stand.submit("first task", 1).await;
    for client in stand.clients(version) {
        let terminal = client.on_terminal(&stand.clone, &["cloud"]);
        // Of several environments without a difference the client takes one at random.
        terminal.until_it("a task", |shown| {
            shown.contains("first task") || shown.contains("other task")
        });
        terminal.press("o");
        terminal.until("Select Environment");
        // The environments are loaded beside the tasks.
        terminal.until("  Site  env_");
        terminal.press("Site");
        terminal.until("Search: Site");
        terminal.press_until(DOWN, "› Site");
        terminal.press(ENTER);
        terminal.until_it("the tasks of Site", |shown| {
            shown.contains("Cloud Tasks • Site")
                && shown.contains("[PENDING] other task")
                && !shown.contains("first task")
                && !shown.contains("Select Environment")
        });
        terminal.press("q");
        assert_eq!(terminal.ended(), 0);
        client.kept_to_its_server();
    }
}

async fn an_error_is_shown(version: &'static str) {
    let stand = Stand::start().await;
    for base in stand.bases() {
        let client = Client::new(target(), version, &base, "sk-canary");
        let terminal = client.on_terminal(&stand.clone, &["cloud"]);
        let shown = terminal.until("Failed to load tasks");
        assert!(!shown.contains("canary"), "{shown}");
        terminal.press("q");
        assert_eq!(terminal.ended(), 0);
        client.kept_to_its_server();
    }
}
