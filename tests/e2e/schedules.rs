//! Schedules as people use them, and servers that are killed while they submit.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::{Engine, Outwork, Repository, Servers, on_both_stores, until};

on_both_stores!(
    a_schedule_is_made_run_and_shown,
    a_killed_server_leaves_one_task_of_each_time,
);

fn firings(outwork: &Outwork, schedule: &str) -> Vec<Value> {
    let history = ["schedule", "history", schedule, "--limit", "100", "--json"];
    let page = outwork.run(&history).success().json();
    page["firings"].as_array().expect("a list").clone()
}

fn tasks(outwork: &Outwork) -> BTreeSet<String> {
    let listed = outwork.run(&["list", "--json"]).success().json();
    let tasks = listed["tasks"].as_array().expect("a list").iter();
    let ids = tasks.map(|task| task["id"].as_str().expect("an id").to_owned());
    ids.collect()
}

fn a_schedule_is_made_run_and_shown(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    let add = [
        "schedule",
        "add",
        "30 2 * * *",
        "--tz",
        "Europe/Vienna",
        "--env",
        "demo",
        "-",
    ];
    let made = outwork
        .run_with_input(&add, b"Tidy up\n\nAll of it.")
        .success();
    let id = made.text().trim().to_owned();
    let next = made.stderr.clone();
    assert!(next.starts_with("next: 20"), "{next}");
    assert!(next.contains(" 02:30 +0"), "{next}");
    let listed = outwork.run(&["schedule", "list"]).success().text();
    let row: Vec<&str> = listed.trim_end().split('\t').collect();
    assert_eq!(row[..2], [id.as_str(), "30 2 * * * Europe/Vienna"]);
    assert_eq!(row[3..], ["demo", "admin", "Tidy up"]);
    let part = &id[id.len() - 8..];
    let task = outwork.run(&["schedule", "run", part]).success().text();
    let _worker = outwork.worker("one");
    let ended = outwork.ended(task.trim());
    assert_eq!(ended["outcome"], "succeeded", "{ended:#}");
    let edit = [
        "schedule",
        "edit",
        part,
        "--timetable",
        "@monthly",
        "--overlap",
        "queue",
    ];
    outwork.run(&edit).success();
    let paused = outwork.run(&["schedule", "pause", part]).success();
    let note = paused.stderr;
    assert!(note.starts_with("it is paused; "), "{note}");
    let shown = outwork.run(&["schedule", "show", part]).success().text();
    for line in [
        "  timetable    @monthly Europe/Vienna",
        "  overlap      queue",
        "  paused       by hand",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let history = firings(&outwork, part);
    assert_eq!(history.len(), 1, "{history:#?}");
    assert_eq!(history[0]["task_id"], task.trim());
    let wrong = ["schedule", "edit", part, "--timetable", "0 25 * * *"];
    let refused = outwork.run(&wrong).code(1);
    let told = refused.stderr;
    assert!(told.contains("the hour is `25`"), "{told}");
    outwork.run(&["schedule", "remove", part]).success();
    outwork.run(&["schedule", "show", &id]).code(1);
    outwork.run(&["status", task.trim()]).success();
}

fn a_killed_server_leaves_one_task_of_each_time(engine: Engine) {
    const ROUNDS: usize = 5;
    const AT_ONCE: usize = 3;
    let mut outwork = Outwork::start("server", engine, &[]);
    let address = outwork.url.trim_start_matches("http://").to_owned();
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    let add = ["schedule", "add", "@yearly", "--env", "demo", "tidy up"];
    let id = outwork.run(&add).success().text().trim().to_owned();
    let mut told: Vec<String> = Vec::new();
    for _ in 0..ROUNDS {
        let before = firings(&outwork, &id).len();
        let asking: Vec<Child> = (0..AT_ONCE)
            .map(|_| {
                let mut command = outwork.command(&["schedule", "run", &id]);
                command.stdout(Stdio::piped()).stderr(Stdio::null());
                command.spawn().expect("outwork starts")
            })
            .collect();
        until("one was taken", || {
            (firings(&outwork, &id).len() > before).then_some(())
        });
        outwork.process.kill();
        outwork.listen_on(&address);
        outwork.restart();
        for child in asking {
            let output = child.wait_with_output().expect("ours");
            // One that was not answered may have been taken or not.
            if output.status.success() {
                let task = String::from_utf8(output.stdout).expect("text");
                told.push(task.trim().to_owned());
            }
        }
    }
    let history = until("all have ended", || {
        let all = firings(&outwork, &id);
        let ended = all.iter().all(|firing| firing["ended_at"].is_string());
        ended.then_some(all)
    });
    let started: Vec<String> = history
        .iter()
        .map(|firing| {
            assert_eq!(firing["state"], "started", "{firing:#}");
            firing["task_id"].as_str().expect("an id").to_owned()
        })
        .collect();
    let distinct: BTreeSet<String> = started.iter().cloned().collect();
    assert_eq!(distinct.len(), started.len(), "{history:#?}");
    assert!(started.len() >= ROUNDS && !told.is_empty(), "{history:#?}");
    assert_eq!(tasks(&outwork), distinct, "no task but these");
    assert!(told.iter().all(|task| distinct.contains(task)), "{told:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the servers are of another process, and go by this clock"
)]
fn seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is later").as_secs()
}

/// By the wall clock: it takes up to two minutes.
#[test]
fn of_two_servers_one_submits_and_the_other_goes_on() {
    let mut servers = Servers::start(2, &[]);
    servers.prefer(1);
    let repository = Repository::with(&[("a", "1\n")]);
    let outwork = servers.front();
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    let add = [
        "schedule",
        "add",
        "* * * * *",
        "--env",
        "demo",
        "--overlap",
        "allow",
        "tidy up",
    ];
    let id = outwork.run(&add).success().text().trim().to_owned();
    for round in 1..=2 {
        let next = (seconds() / 60 + 1) * 60;
        for time in [next - 30, next] {
            until("the next minute", || (seconds() >= time).then_some(()));
        }
        let history = until("its time came", || {
            let all = firings(servers.front(), &id);
            let ended = all.iter().all(|firing| firing["ended_at"].is_string());
            (all.len() >= round && ended).then_some(all)
        });
        let started: BTreeSet<String> = history
            .iter()
            .map(|firing| firing["task_id"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(started.len(), history.len(), "{history:#?}");
        assert_eq!(tasks(servers.front()), started);
        if round == 1 {
            servers.kill(0);
        }
    }
}
