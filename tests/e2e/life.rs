//! Servers and workers that die: nothing lost, nothing stuck, nothing run twice at once.

use std::fs;
use std::process::Command;

use crate::harness::{Engine, Outwork, Repository, on_both_stores, processes_with, until};

on_both_stores!(
    a_killed_server_forgets_nothing,
    a_killed_worker_gives_way_to_another,
    a_restarted_server_finds_its_worker_at_work,
    a_log_is_followed_over_a_restart_of_the_server,
);

fn a_killed_server_forgets_nothing(engine: Engine) {
    let mut outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    let ids: Vec<String> = (0..5)
        .map(|number| outwork.submit("demo", &format!("task {number}"), &[]))
        .collect();
    outwork.process.kill();
    outwork.restart();
    let _worker = outwork.worker("late");
    for id in &ids {
        let task = outwork.ended(id);
        assert_eq!(task["outcome"], "succeeded", "{task:#}");
        assert_eq!(task["turns"][0]["attempts"][0]["tries"], 1, "{task:#}");
    }
}

fn a_killed_worker_gives_way_to_another(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[("OUTWORK_LEASE", "3s")]);
    let repository = Repository::with(&[("a", "1\n")]);
    // The first try waits to be killed; the second finds the marker's absence and goes on.
    let agent = "if [ $OUTWORK_TRY = 1 ]; then echo waiting; sleep 9191.5; fi; echo 2 >> a";
    outwork.command_environment("demo", &repository, agent);
    let mut first = outwork.worker("first");
    let id = outwork.submit("demo", "survive", &[]);
    until("the first worker's agent runs", || {
        (!processes_with("sleep 9191.5").is_empty()).then_some(())
    });
    first.kill();
    until("the sandbox died with its worker", || {
        processes_with("sleep 9191.5").is_empty().then_some(())
    });
    let second = outwork.worker("second");
    let task = outwork.ended(&id);
    assert_eq!(task["outcome"], "succeeded", "{task:#}\n{}", second.log());
    let attempt = &task["turns"][0]["attempts"][0];
    assert_eq!(attempt["tries"], 2);
    let events = outwork.events(&id, 1);
    assert!(
        events.iter().any(|event| event["type"] == "worker_lost"),
        "{events:#?}"
    );
    let diff = String::from_utf8(outwork.diff(&id, &[])).expect("text");
    assert!(diff.contains("+2\n"), "{diff}");
}

fn a_restarted_server_finds_its_worker_at_work(engine: Engine) {
    let mut outwork = Outwork::start("server", engine, &[]);
    let address = outwork.url.trim_start_matches("http://").to_owned();
    let repository = Repository::with(&[("a", "1\n")]);
    let agent = "echo before; sleep 4.25; echo after; echo 2 >> a";
    outwork.command_environment("demo", &repository, agent);
    let worker = outwork.worker("steady");
    let id = outwork.submit("demo", "go on", &[]);
    outwork.task_until(&id, "the agent runs", |task| {
        task["turns"][0]["attempts"][0]["state"] == "running"
    });
    outwork.process.kill();
    outwork.listen_on(&address);
    outwork.restart();
    let task = outwork.ended(&id);
    assert_eq!(task["outcome"], "succeeded", "{task:#}\n{}", worker.log());
    assert_eq!(
        task["turns"][0]["attempts"][0]["tries"], 1,
        "it was not run again: {task:#}"
    );
    let events = outwork.events(&id, 1);
    let said: String = events
        .iter()
        .filter(|event| event["type"] == "output")
        .filter_map(|event| event["text"].as_str())
        .collect();
    assert_eq!(said, "before\nafter\n");
}

fn a_log_is_followed_over_a_restart_of_the_server(engine: Engine) {
    let mut outwork = Outwork::start("server", engine, &[]);
    let address = outwork.url.trim_start_matches("http://").to_owned();
    let repository = Repository::with(&[("a", "1\n")]);
    let agent = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.5; done";
    outwork.command_environment("demo", &repository, agent);
    let _worker = outwork.worker("steady");
    let id = outwork.submit("demo", "talk", &[]);
    let followed = outwork.dir.path().join("followed");
    let mut follow = outwork
        .command(&["log", &id, "--follow", "--json"])
        .stdout(fs::File::create(&followed).expect("a file"))
        .spawn()
        .expect("outwork starts");
    until("the log has begun", || {
        fs::read_to_string(&followed)
            .ok()
            .filter(|text| text.contains("line 2"))
    });
    outwork.process.kill();
    outwork.listen_on(&address);
    outwork.restart();
    let status = until("the log ends by itself", || {
        follow.try_wait().expect("ours")
    });
    assert!(status.success());
    let text = fs::read_to_string(&followed).expect("readable");
    let numbers: Vec<i64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter_map(|event| event["seq"].as_i64())
        .collect();
    let expected: Vec<i64> = (1..=outwork.events(&id, 1).len() as i64).collect();
    assert_eq!(numbers, expected, "gaps or repetitions in {text}");
}

#[test]
fn sigterm_ends_an_idle_server_cleanly() {
    let mut outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a");
    outwork.exec("demo", "x", &[]);
    assert!(
        outwork.process.terminate().success(),
        "{}",
        outwork.process.log()
    );
    let data = outwork.dir.path().join("data/worker/attempts");
    let left = fs::read_dir(&data).map_or(0, Iterator::count);
    assert_eq!(left, 0, "attempts were left in {}", data.display());
    let mounts = Command::new("cat")
        .arg("/proc/mounts")
        .output()
        .expect("readable");
    let mounts = String::from_utf8_lossy(&mounts.stdout).into_owned();
    let mine = outwork.dir.path().display().to_string();
    assert!(!mounts.contains(&mine), "mounts were left below {mine}");
}
