//! Snapshots: which tasks share one, why one is built, and what happens when one cannot be used.

mod dying;
mod sharing;

use serde_json::Value;

use crate::harness::{Engine, Log, Outwork, Repository, on_both_stores, until};

on_both_stores!(
    a_change_of_what_a_snapshot_is_made_of_builds_a_new_one,
    people_see_what_is_cold_and_what_is_cached,
);

fn id(task: &Value) -> &str {
    task["id"].as_str().expect("an id")
}

/// Runs a task that has to succeed, and gives its log.
#[track_caller]
fn run(outwork: &Outwork, environment: &str, more: &[&str]) -> Log {
    let task = outwork.exec(environment, "go", more);
    let log = outwork.log(id(&task));
    assert_eq!(task["outcome"], "succeeded", "{log:#?}");
    log
}

/// Whether a task found a snapshot, or why it built one.
#[track_caller]
fn came(outwork: &Outwork, environment: &str, more: &[&str]) -> String {
    let log = run(outwork, environment, more);
    match log.snapshots().as_slice() {
        [cached] if cached == "cached" => "cached".to_owned(),
        [building, built] if building == "building" && built == "built" => log.why_built(),
        other => panic!("{other:?}: {log:#?}"),
    }
}

/// Waits until the list of an environment's snapshots is like that.
#[track_caller]
fn listed(outwork: &Outwork, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    until(what, || {
        let list = outwork.run(&["env", "cache", "list", "demo", "--json"]);
        let list = list.success().json();
        holds(&list).then_some(list)
    })
}

fn a_change_of_what_a_snapshot_is_made_of_builds_a_new_one(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    repository.git(&["branch", "other"]);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    repository.commit("second", &[("a", "2\n")]);
    let further = Repository::with(&[("b", "1\n")]);
    let (further, again) = (format!("further={}", further.url()), further);
    let setup = outwork.file("echo one > ~/setup");
    let other_setup = outwork.file("echo two > ~/setup");
    let maintenance = outwork.file("true");
    let secret = outwork.file("the same value");
    let secret = format!("TOKEN=@{secret}");
    outwork.environment(
        "demo",
        &repository,
        &["--agent-command", "true", "--setup", &setup],
    );

    let mut reasons = vec![came(&outwork, "demo", &[])];
    let edits: [(&[&str], &str); 16] = [
        (&["--agent-command", "cat ~/setup"], "cached"),
        (&["--branch", "other"], "cached"),
        (&["--timeout", "10m", "--setup-timeout", "5m"], "cached"),
        (&["--verify", "true"], "cached"),
        (&["--setup", &other_setup], "setup script changed"),
        (&["--maintenance", &maintenance], "maintenance script added"),
        (&["--var", "FLAVOUR=sweet"], "variable FLAVOUR added"),
        (&["--var", "FLAVOUR=sour"], "variable FLAVOUR changed"),
        // What was there before is found again, and a change is told from what was built last.
        (&["--unset", "FLAVOUR"], "cached"),
        (
            &["--secret", &secret],
            "variable FLAVOUR removed, secret TOKEN added",
        ),
        (&["--secret", &secret], "secret TOKEN changed"),
        (&["--also", &further], "repository further added"),
        (&["--no-maintenance"], "maintenance script removed"),
        (&["--remove-also", "further"], "repository further removed"),
        (&["--also", &further], "cached"),
        (&["--remove-also", "further"], "cached"),
    ];
    for (edit, expected) in edits {
        outwork
            .run(&[&["env", "edit", "demo"], edit].concat())
            .success();
        let came = came(&outwork, "demo", &[]);
        assert_eq!(came, expected, "{edit:?}");
        if came != "cached" {
            reasons.push(came);
        }
    }
    let value = outwork.file("the same value");
    let set = [
        "env",
        "secret",
        "set",
        "demo",
        "TOKEN",
        "--from-file",
        &value,
    ];
    outwork.run(&set).success();
    reasons.push(came(&outwork, "demo", &[]));
    assert_eq!(
        reasons.last().map(String::as_str),
        Some("secret TOKEN changed")
    );
    assert_eq!(came(&outwork, "demo", &["--commit", &commit]), "cached");
    assert_eq!(came(&outwork, "demo", &["--branch", "main"]), "cached");
    outwork
        .run(&["env", "edit", "demo", "--label", "renamed"])
        .success();
    assert_eq!(came(&outwork, "renamed", &[]), "cached");
    outwork
        .run(&["env", "edit", "renamed", "--label", "demo"])
        .success();

    let list = listed(&outwork, "all snapshots are listed", |list| {
        list["snapshots"].as_array().map(Vec::len) == Some(reasons.len())
            && list["environments"][0]["hits"] == 10
    });
    let told = list["snapshots"].as_array().expect("a list").iter();
    let mut told: Vec<_> = told.filter_map(|one| one["reason"].as_str()).collect();
    told.reverse();
    assert_eq!(told, reasons, "the newest first: {list:#}");
    assert_eq!(list["environments"][0]["builds"], reasons.len());

    let reset = outwork
        .run(&["env", "cache", "reset", "demo", "--json"])
        .success()
        .json();
    assert_eq!(reset["snapshots"], reasons.len(), "{reset}");
    assert_eq!(came(&outwork, "demo", &[]), "cache was reset");
    assert_eq!(came(&outwork, "demo", &[]), "cached");
    let kept = outwork.kept();
    until("nothing is kept but the new one", || {
        (kept.snapshots().len() == 1 && kept.unfinished().is_empty()).then_some(())
    });
    drop(again);
    outwork.end();
}

fn people_see_what_is_cold_and_what_is_cached(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    let setup = outwork.file("head -c 2000000 /dev/urandom > ~/large");
    outwork.environment(
        "demo",
        &repository,
        &["--agent-command", "true", "--setup", &setup],
    );
    let shown = |prompt: &str| {
        let done = outwork.run(&["exec", "--env", "demo", "--wait", prompt]);
        let lines = done.success().stderr;
        let said = lines
            .lines()
            .filter_map(|line| line.split_once("snapshot: "));
        said.map(|(_, said)| said.to_owned()).collect::<Vec<_>>()
    };
    let first = shown("cold");
    assert_eq!(first.len(), 2, "{first:?}");
    assert_eq!(first[0], "cold: first time");
    assert!(
        first[1].starts_with("built in ") && first[1].ends_with("2.1 MB"),
        "{first:?}"
    );
    let second = shown("cached");
    assert_eq!(second.len(), 1, "{second:?}");
    assert!(
        second[0].starts_with("cached, ") && second[0].contains("2.1 MB"),
        "{second:?}"
    );

    let list = listed(&outwork, "the second use is listed", |list| {
        list["environments"][0]["hits"] == 1 && list["snapshots"][0]["in_use"] == 0
    });
    let snapshot = &list["snapshots"][0];
    assert_eq!(snapshot["environment_label"], "demo");
    assert_eq!(
        (&snapshot["reason"], &snapshot["hits"]),
        (&"first time".into(), &1.into())
    );
    assert!(
        snapshot["size_bytes"].as_u64() > Some(2_000_000),
        "{snapshot}"
    );
    let table = outwork.run(&["env", "cache", "list"]).success().text();
    assert!(table.contains("first time"), "{table}");
    outwork.end();
}
