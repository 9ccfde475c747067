//! Who gets the next worker: labels, limits of environments, priorities; and what waits says why.

use serde_json::Value;

use crate::harness::{Done, Engine, Hold, Outwork, Repository, Servers, on_both_stores};

on_both_stores!(
    labels_lead_to_the_right_worker,
    an_environment_runs_no_more_at_once_than_it_may,
    the_more_urgent_task_is_taken_first,
);

/// `pending` with why, as `status` and `list` show it.
fn shown(outwork: &Outwork, task: &str) -> (String, String) {
    let status = outwork.run(&["status", task]).success().text();
    let list = outwork.run(&["list"]).success().text();
    let row = list.lines().find(|line| line.contains(task));
    (status, row.expect("it is listed").to_owned())
}

fn reason(task: &Value) -> (&str, &str) {
    let waiting = &task["waiting_for"];
    let text = |name: &str| waiting[name].as_str().unwrap_or("");
    (text("reason"), text("text"))
}

fn worker_of(task: &Value) -> &str {
    task["turns"][0]["attempts"][0]["worker"]
        .as_str()
        .unwrap_or_default()
}

fn labels_lead_to_the_right_worker(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let command = ["--agent", "command", "--agent-command", "echo 2 >> a"];
    let create = |label: &str, needs: &str| {
        let more = [&command[..], &["--require-label", needs]].concat();
        outwork.environment(label, &repository, &more);
    };
    create("east", "zone=east");
    create("west", "zone=west");
    create("moon", "zone=moon");
    let early = outwork.submit("east", "x", &[]);
    assert_eq!(reason(&outwork.task(&early)).0, "worker");
    let workers = ["east", "west"].map(|zone| {
        let label = format!("zone={zone}");
        outwork.worker_with(zone, &["--label", &label])
    });
    let tasks = [early, outwork.submit("west", "x", &[])];
    let moon = outwork.submit("moon", "x", &[]);
    let listed = outwork.run(&["workers", "--json"]).success().json();
    for (task, zone) in tasks.iter().zip(["east", "west"]) {
        let ended = outwork.ended(task);
        assert_eq!(ended["outcome"], "succeeded", "{ended:#}");
        assert_eq!(ended.get("waiting_for"), None);
        let all = listed["workers"].as_array().expect("a list");
        let its = all.iter().find(|worker| worker["id"] == worker_of(&ended));
        assert_eq!(its.expect("one of them")["name"], zone, "{ended:#}");
    }
    let waits = outwork.task(&moon);
    assert_eq!(waits["status"], "pending");
    let (reason, text) = reason(&waits);
    assert_eq!(reason, "labels", "{waits:#}");
    assert!(text.contains("`zone=moon`"), "{text}");
    let (status, row) = shown(&outwork, &moon);
    assert!(status.contains(text), "{status}");
    assert!(row.contains("pending (no such label)"), "{row}");
    for worker in workers {
        drop(worker);
    }
    let worker = outwork.worker_with("moon", &["--label", "zone=moon"]);
    assert_eq!(outwork.ended(&moon)["outcome"], "succeeded");
    drop(worker);
    outwork.end();
}

fn an_environment_runs_no_more_at_once_than_it_may(engine: Engine) {
    let outwork = Outwork::up_with(engine, &["--slots", "4"]);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = format!("{}; cat >> a", hold.command());
    let command = ["--agent", "command", "--agent-command", &agent];
    let more = [&command[..], &["--max-concurrent", "1"]].concat();
    let made = outwork.environment("one", &repository, &more);
    assert_eq!(made["max_concurrent"], 1);
    let shown_environment = outwork.run(&["env", "show", "one"]).success().text();
    assert!(
        shown_environment.contains("at once       1 at most"),
        "{shown_environment}"
    );
    let first = outwork.submit("one", "x", &[]);
    hold.reached(1);
    let second = outwork.submit("one", "y", &[]);
    let waits = outwork.task_until(&second, "the environment is full", |task| {
        reason(task).0 == "environment"
    });
    assert_eq!(waits["status"], "pending", "{waits:#}");
    let (_, row) = shown(&outwork, &second);
    assert!(row.contains("pending (environment full)"), "{row}");
    hold.release();
    assert_eq!(outwork.ended(&first)["outcome"], "succeeded");
    hold.reached(1);
    hold.release();
    assert_eq!(outwork.ended(&second)["outcome"], "succeeded");
    let wider = outwork.run(&["env", "edit", "one", "--no-max-concurrent", "--json"]);
    assert_eq!(wider.success().json().get("max_concurrent"), None);
    let both = ["p", "q"].map(|prompt| outwork.submit("one", prompt, &[]));
    hold.reached(2);
    hold.release();
    for task in both {
        assert_eq!(outwork.ended(&task)["outcome"], "succeeded");
    }
    outwork.end();
}

fn the_more_urgent_task_is_taken_first(engine: Engine) {
    let outwork = Outwork::up_with(engine, &["--slots", "1"]);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = format!("{}; cat >> a", hold.command());
    outwork.command_environment("demo", &repository, &agent);
    let first = outwork.submit("demo", "first", &[]);
    hold.reached(1);
    let tasks = ["low", "normal", "high"].map(|priority| {
        let task = outwork.submit("demo", priority, &["--priority", priority]);
        let stored = outwork.task(&task);
        assert_eq!(stored["priority"], priority);
        assert_eq!(reason(&stored).0, "free_worker", "{stored:#}");
        task
    });
    let running = || {
        let now: Vec<_> = tasks.iter().map(|task| outwork.task(task)).collect();
        let begun = now.iter().filter(|task| task["status"] != "pending");
        begun
            .map(|task| task["priority"].as_str().expect("one").to_owned())
            .collect::<Vec<_>>()
    };
    hold.release();
    outwork.ended(&first);
    for expected in [
        &["high"][..],
        &["normal", "high"],
        &["low", "normal", "high"],
    ] {
        hold.reached(1);
        assert_eq!(running(), expected);
        hold.release();
        let newest = ["high", "normal", "low"][expected.len() - 1];
        let index = ["low", "normal", "high"]
            .iter()
            .position(|it| *it == newest);
        outwork.ended(&tasks[index.expect("one of them")]);
    }
    outwork.end();
}

#[test]
fn servers_and_workers_are_restarted_one_after_the_other_under_load() {
    const TASKS: usize = 24;
    let mut servers = Servers::start(2, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    servers
        .front()
        .command_environment("demo", &repository, "sleep 0.2; cat >> a; echo >> a");
    let start =
        |servers: &Servers, name: &str| servers.front().worker_with(name, &["--slots", "2"]);
    let mut workers = ["one", "two"].map(|name| start(&servers, name));
    let mut tasks = Vec::new();
    for part in 0..4 {
        for number in 0..TASKS / 4 {
            let prompt = format!("part {part}, number {number}");
            tasks.push(servers.front().submit("demo", &prompt, &[]));
        }
        match part {
            0 | 2 => servers.restart(part / 2),
            _ => {
                let (index, name) = [(0, "one"), (1, "two")][part / 2];
                let worker = &mut workers[index];
                assert!(worker.terminate().success(), "{}", worker.log());
                workers[index] = start(&servers, name);
            }
        }
    }
    for (number, task) in tasks.iter().enumerate() {
        let ended = servers.front().ended(task);
        assert_eq!(ended["outcome"], "succeeded", "{ended:#}");
        // Given back in order, not lost; and what it did is there once.
        let attempts = ended["turns"][0]["attempts"].as_array().expect("a list");
        assert_eq!((attempts.len(), &attempts[0]["tries"]), (1, &1.into()));
        let diff = Done::of(servers.command_at(number % 2, &["diff", task]).output()).success();
        let prompt = format!("part {}, number {}", number / 6, number % 6);
        let added: Vec<_> = diff.stdout.split(|byte| *byte == b'\n').collect();
        let lines = added
            .iter()
            .filter(|line| line.starts_with(b"+") && !line.starts_with(b"+++"));
        let lines: Vec<_> = lines
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        assert_eq!(lines, [format!("+{prompt}")]);
        // One end, and numbers without gaps.
        let events = servers.front().events(task, 1);
        let ends = events.iter().filter(|event| event["state"] == "succeeded");
        assert_eq!(ends.count(), 1, "{events:#?}");
        let numbers: Vec<_> = events
            .iter()
            .filter_map(|event| event["seq"].as_i64())
            .collect();
        assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
    }
}
