//! Many tasks, one snapshot: built once, changed by nobody, and gone when it may.

use serde_json::Value;

use super::{came, run};
use crate::harness::{By, Engine, Hold, Outwork, Repository, by_both, until};

by_both!(
    attempts_at_once_do_not_see_each_other,
    a_task_on_another_commit_has_exactly_that_tree,
);

fn demo(outwork: &Outwork, repository: &Repository, setup: &str, agent: &str) {
    let setup = outwork.file(setup);
    let more = ["--agent-command", agent, "--setup", &setup];
    outwork.environment("demo", repository, &more);
}

/// Submits so many tasks, and waits until one of them sets up and all others wait for it. The one
/// that builds comes first.
fn one_builds(outwork: &Outwork, count: usize, hold: &Hold) -> Vec<String> {
    let mut tasks: Vec<String> = Vec::new();
    for number in 1..=count {
        tasks.push(outwork.submit("demo", &format!("task {number}"), &[]));
        if number == 1 {
            hold.reached(1);
        }
    }
    for task in &tasks[1..] {
        until("all others wait", || {
            (outwork.log(task).snapshots() == ["waiting"]).then_some(())
        });
    }
    tasks
}

#[test]
fn eight_tasks_set_up_once() {
    let outwork = Outwork::up_with(Engine::Sqlite, &["--slots", "8"]);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let setup = format!(
        "echo setting up; {}; echo $RANDOM$RANDOM > ~/once",
        hold.command()
    );
    demo(&outwork, &repository, &setup, "cat ~/once");
    let tasks = one_builds(&outwork, 8, &hold);
    hold.release();
    let mut said = Vec::new();
    for (number, task) in tasks.iter().enumerate() {
        let ended = outwork.ended(task);
        let log = outwork.log(task);
        assert_eq!(ended["outcome"], "succeeded", "{log:#?}");
        let output = log.output();
        match number {
            0 => {
                assert_eq!(log.snapshots(), ["building", "built"]);
                said.push(output.replace("setting up\n", ""));
            }
            _ => {
                assert_eq!(log.snapshots(), ["waiting", "cached"]);
                said.push(output);
            }
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    outwork.end();
}

#[test]
fn eight_tasks_fail_by_one_setup_and_are_told_the_same() {
    let outwork = Outwork::up_with(Engine::Sqlite, &["--slots", "8"]);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let setup = format!("{}; echo 'error: no such package'; exit 7", hold.command());
    demo(&outwork, &repository, &setup, "true");
    let tasks = one_builds(&outwork, 8, &hold);
    let attempt = outwork.task(&tasks[0])["turns"][0]["attempts"][0]["id"].clone();
    hold.release();
    let mut builds = 0;
    for (number, task) in tasks.iter().enumerate() {
        assert_eq!(outwork.ended(task)["outcome"], "failed");
        let log = outwork.log(task);
        let states = log.snapshots();
        builds += states.iter().filter(|state| *state == "building").count();
        let failure = outwork.failure(task, 1);
        assert_eq!(failure["code"], "setup_failed");
        let message = failure["message"].as_str().expect("text");
        let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
        assert_eq!(
            first,
            "The setup script failed with exit code 7: error: no such package"
        );
        let points_there =
            rest.contains(&format!("the log of {}", attempt.as_str().expect("an id")));
        assert_eq!(points_there, number > 0, "{message}");
    }
    assert_eq!(builds, 1);
    assert_eq!(outwork.kept().snapshots().len(), 0);
    outwork.end();
}

#[test]
fn when_the_builder_is_cancelled_one_who_waits_takes_over() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let setup = format!("{}; echo tool > ~/tool", hold.command());
    demo(&outwork, &repository, &setup, "cat ~/tool");
    let tasks = one_builds(&outwork, 3, &hold);
    outwork.run(&["cancel", &tasks[0]]).success();
    assert_eq!(outwork.ended(&tasks[0])["outcome"], "cancelled");
    hold.reached(1);
    hold.release();
    let mut states = Vec::new();
    for task in &tasks[1..] {
        assert_eq!(outwork.ended(task)["outcome"], "succeeded");
        let log = outwork.log(task);
        assert_eq!(log.output(), "tool\n");
        states.push(log.snapshots().join(" "));
    }
    states.sort();
    assert_eq!(states[0], "waiting building built");
    // It may hear of the first one's end only when the second builds already.
    assert!(
        ["waiting cached", "waiting waiting cached"].contains(&states[1].as_str()),
        "{states:?}"
    );
    outwork.end();
}

#[test]
fn a_reset_disturbs_nobody_and_frees_the_disk() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let agent = format!("cat ~/tool; {}; cat ~/tool; echo x > x", hold.command());
    demo(&outwork, &repository, "echo tool > ~/tool", &agent);
    let first = outwork.submit("demo", "use it", &[]);
    hold.reached(1);
    let kept = outwork.kept();
    let old = kept.snapshot();
    let tree = |path: &std::path::Path| path.join("data/root/home/agent/tool");
    assert!(tree(&old).exists(), "{old:?}");
    until("the server knows of it", || {
        let list = outwork
            .run(&["env", "cache", "list", "--json"])
            .success()
            .json();
        (list["snapshots"][0]["in_use"] == 1).then_some(())
    });
    let reset = outwork
        .run(&["env", "cache", "reset", "demo"])
        .success()
        .text();
    assert!(reset.starts_with("reset 1 snapshot ("), "{reset}");
    let second = outwork.submit("demo", "build anew", &[]);
    hold.reached(2);
    assert_eq!(outwork.log(&second).why_built(), "cache was reset");
    hold.release();
    for task in [&first, &second] {
        assert_eq!(outwork.ended(task)["outcome"], "succeeded");
        assert_eq!(outwork.log(task).output(), "tool\ntool\n");
    }
    until("only the new one takes space", || {
        let is_new = kept.snapshots().len() == 1 && kept.snapshot() != old;
        (is_new && kept.unfinished().is_empty()).then_some(())
    });
    outwork.end();
}

#[test]
fn a_snapshot_is_too_old_after_its_time() {
    let outwork = Outwork::up_with(Engine::Sqlite, &["--snapshot-ttl", "1s"]);
    let repository = Repository::with(&[("a", "1\n")]);
    demo(&outwork, &repository, "true", "true");
    assert_eq!(came(&outwork, "demo", &[]), "first time");
    let reason = until("it is too old", || {
        let came = came(&outwork, "demo", &[]);
        (came != "cached").then_some(came)
    });
    assert_eq!(reason, "expired after 1 s");
    outwork.end();
}

#[test]
fn on_a_small_disk_the_least_recently_used_goes_and_none_in_use() {
    let outwork = Outwork::up_with(Engine::Sqlite, &["--snapshot-disk", "25M"]);
    let repository = Repository::with(&[("a", "1\n")]);
    let hold = Hold::new();
    let create = |label: &str, agent: &str| {
        let setup = outwork.file("head -c 10M /dev/zero | tr '\\0' x > ~/large");
        let more = ["--agent-command", agent, "--setup", &setup];
        outwork.environment(label, &repository, &more);
    };
    create(
        "used",
        &format!("wc -c < ~/large; {}; wc -c < ~/large", hold.command()),
    );
    for label in ["old", "new"] {
        create(label, "true");
    }
    let task = outwork.submit("used", "hold it", &[]);
    hold.reached(1);
    assert_eq!(came(&outwork, "old", &[]), "first time");
    assert_eq!(came(&outwork, "old", &[]), "cached");
    // There is room for two, and the oldest is in use.
    assert_eq!(came(&outwork, "new", &[]), "first time");
    assert_eq!(came(&outwork, "new", &[]), "cached");
    assert_eq!(came(&outwork, "old", &[]), "removed for lack of space");
    hold.release();
    assert_eq!(outwork.ended(&task)["outcome"], "succeeded");
    assert_eq!(outwork.log(&task).output(), "10485760\n10485760\n");
    // Now it was used last.
    assert_eq!(came(&outwork, "new", &[]), "removed for lack of space");
    let kept = outwork.kept();
    until("there are two", || {
        (kept.snapshots().len() == 2 && kept.unfinished().is_empty()).then_some(())
    });

    // One that is larger than all may be serves its task, and says so.
    let setup = outwork.file("head -c 30M /dev/zero | tr '\\0' x > ~/large");
    outwork.environment(
        "huge",
        &repository,
        &["--agent-command", "wc -c < ~/large", "--setup", &setup],
    );
    let log = run(&outwork, "huge", &[]);
    assert_eq!(log.output(), "31457280\n");
    let [warning] = log.warnings().try_into().expect("one warning");
    assert!(
        warning.contains("not kept") && warning.contains("25 MiB"),
        "{warning}"
    );
    outwork.end();
}

fn attempts_at_once_do_not_see_each_other(by: By) {
    let outwork = Outwork::run_by(by, &[]);
    let repository = Repository::with(&[("a", "1\n"), ("b/c", "2\n")]);
    let hold = Hold::new();
    let agent = format!(
        "n=$OUTWORK_ATTEMPT\n\
         echo $n > own$n; echo $n >> a; echo $n >> ~/shared; echo $n >> left; rm -r b; echo $n > b\n\
         {}\nls; cat a b left ~/shared; ls ~ /tmp\n",
        hold.command()
    );
    demo(
        &outwork,
        &repository,
        "echo home > ~/shared; echo left > left",
        &agent,
    );
    let task = outwork.submit("demo", "all", &["--attempts", "4"]);
    hold.reached(4);
    hold.release();
    let ended = outwork.ended(&task);
    assert_eq!(ended["outcome"], "succeeded", "{ended:#}");
    let scratch = repository.clone_here();
    for number in 1..=4 {
        let log = crate::harness::Log(outwork.events(&task, number));
        let n = number;
        let said = format!(
            "a\nb\nleft\nown{n}\n1\n{n}\n{n}\nleft\n{n}\nhome\n{n}\n/home/agent:\nshared\n\n/tmp:\n"
        );
        assert_eq!(log.output(), said);
        let number = number.to_string();
        let diff = outwork.diff(&task, &["--attempt", &number]);
        std::fs::write(scratch.path().join(".git/patch"), diff).expect("written");
        scratch.git(&["read-tree", "HEAD"]);
        scratch.git(&["apply", "--cached", ".git/patch"]);
        let files = scratch.git(&["ls-files"]);
        // What setup left untracked is the attempt's only where it changed it.
        assert_eq!(files, format!("a\nb\nleft\nown{number}"));
        for (file, text) in [
            ("a", format!("1\n{n}")),
            ("left", format!("left\n{n}")),
            ("b", number),
        ] {
            assert_eq!(scratch.git(&["show", &format!(":{file}")]), text);
        }
    }
    outwork.end();
}

/// Whether the checkout is the commit's, by an index that has seen nothing of it.
const COMPARE: &str = r#"
    git status --porcelain; git diff HEAD --stat
    export GIT_INDEX_FILE=/tmp/index
    git read-tree --empty; git add -A
    echo "$(git rev-parse HEAD) $(git write-tree) $(git branch --show-current)"
    unset GIT_INDEX_FILE
    echo agent >> steady
"#;

fn a_task_on_another_commit_has_exactly_that_tree(by: By) {
    let outwork = Outwork::run_by(by, &[]);
    let mut files = vec![
        ("steady", "1\n"),
        ("gone", "1\n"),
        ("old name", "a file\nof two lines\n"),
    ];
    files.extend([
        ("run.sh", "true\n"),
        ("file", "f\n"),
        ("folder/in/it", "d\n"),
        ("link", "l\n"),
    ]);
    let repository = Repository::with(&files);
    repository.git(&["checkout", "-q", "-b", "other"]);
    let script = "rm gone; mkdir new; echo n > new/added; mv 'old name' 'new name'; chmod +x run.sh
        rm file; mkdir file; echo in > file/inside; rm -r folder; echo f > folder
        rm link; ln -s steady link; ln -s ../outside dangling; printf 'no newline' > -dash";
    let mut shell = std::process::Command::new("sh");
    let shell = shell.args(["-ec", script]).current_dir(repository.path());
    assert!(shell.status().expect("sh runs").success());
    repository.commit("other", &[]);
    repository.git(&["checkout", "-q", "--orphan", "apart"]);
    repository.git(&["rm", "-rfq", "."]);
    repository.commit("apart", &[("steady", "2\n"), ("all/new", "1\n")]);
    repository.git(&["checkout", "-q", "main"]);
    demo(
        &outwork,
        &repository,
        "git status --porcelain; echo $RANDOM > ~/tool",
        COMPARE,
    );

    let branches = ["main", "other", "apart"];
    for built_on in branches {
        for branch in [built_on].into_iter().chain(branches) {
            let log = run(&outwork, "demo", &["--branch", branch]);
            let commit = repository.git(&["rev-parse", branch]);
            let tree = repository.git(&["rev-parse", &format!("{branch}^{{tree}}")]);
            assert_eq!(
                log.output(),
                format!("{commit} {tree} {branch}\n"),
                "{built_on} {branch}"
            );
            let is_cached = log.snapshots() == ["cached"];
            assert!(is_cached || branch == built_on, "{log:#?}");
            let diff = log.0.iter().find(|event| event["type"] == "diff_ready");
            let changed = diff.map_or(&Value::Null, |diff| &diff["summary"]["files_changed"]);
            assert_eq!(changed, &1, "{log:#?}");
        }
        outwork.run(&["env", "cache", "reset", "demo"]).success();
    }
    outwork.end();
}
