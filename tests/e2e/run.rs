//! `outwork run`: the same pipeline on this machine, without a server that stays.

mod codex;
mod here;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde_json::{Value, json};

use self::here::Here;
use crate::harness::{By, Done, Hold, Log, Repository, agents_dir, by_both, outwork};

by_both!(
    the_diff_is_printed_and_nothing_is_left,
    ctrl_c_leaves_nothing,
    two_at_once,
);

/// What git says of the same change, made in a clone by hand.
fn expected(repository: &Repository, script: &str) -> String {
    let clone = repository.clone_here();
    let mut shell = std::process::Command::new("bash");
    let changed = shell.args(["-ec", script]).current_dir(clone.path());
    assert!(changed.status().expect("bash runs").success());
    clone.git(&["add", "-A"]);
    clone.git(&["diff", "--cached", "--binary", "--full-index", "HEAD"])
}

fn the_diff_is_printed_and_nothing_is_left(who: By) {
    let repository = Repository::with(&[("README.md", "# Title\n"), ("src/a.txt", "one\n")]);
    let change =
        "echo more >> README.md; rm src/a.txt; printf '\\0\\1' > b.bin; mkdir d; echo x > d/x";
    let here = Here::by(who, &repository);
    // Not pushed anywhere: what counts is what the person stands on.
    here.commit("own.txt", "own\n");
    let agent =
        format!("cat > /tmp/prompt; grep -qx 'do it' /tmp/prompt; test -e own.txt; {change}");
    let done = here.run(&["--agent-command", &agent, "do it"]).code(0);

    assert_eq!(
        done.text().trim_end(),
        expected(&repository, change).trim_end()
    );
    assert!(done.stderr.contains("agent: started"), "{}", done.stderr);
    assert!(
        done.stderr.contains("completed, 4 files, +2 -1"),
        "{}",
        done.stderr
    );
    assert_eq!(here.git(&["status", "--porcelain"]), "");
    here.assert_nothing_left();
    // No configuration, and nothing outside of the one directory.
    assert_eq!(here.in_home(), [".local/share/outwork/run"]);
}

#[test]
fn with_apply_it_is_in_the_files_and_can_be_taken_back() {
    let repository = Repository::with(&[("a", "1\n"), ("b", "1\n")]);
    let here = Here::by(By::Tester, &repository);
    let agent = ["--agent-command", "echo 2 >> a; rm b; echo 3 > c"];
    let done = here.run(&[&agent[..], &["--apply", "go"]].concat()).code(0);
    assert_eq!(done.text(), "a\nb\nc\n");
    assert_eq!(here.git(&["status", "--porcelain"]), " M a\n D b\n?? c");
    assert_eq!(here.read("a"), "1\n2\n");
    here.command(&["apply", "--undo"]).code(0);
    assert_eq!(here.git(&["status", "--porcelain"]), "");

    // What does not fit changes nothing, and is not lost.
    here.write("a", "other\n");
    let done = here.run(&[&agent[..], &["--apply", "go"]].concat()).code(1);
    assert_eq!(here.read("a"), "other\n");
    assert!(here.path().join("b").exists() && !here.path().join("c").exists());
    assert!(done.text().contains("+2\n"), "{}", done.text());
    assert!(done.stderr.contains("does not apply"), "{}", done.stderr);
    assert!(
        done.stderr
            .contains("your uncommitted changes are not sent"),
        "{}",
        done.stderr
    );

    // With them it starts from there, and gives what it did alone.
    let done = here.run(&[&agent[..], &["--with-changes", "--apply", "go"]].concat());
    assert!(!done.stderr.contains("not sent"), "{}", done.stderr);
    done.code(0);
    assert_eq!(here.read("a"), "other\n2\n");
    here.assert_nothing_left();
}

#[test]
fn what_failed_has_its_diff_and_is_not_applied() {
    let repository = Repository::with(&[("a", "1\n")]);
    let here = Here::by(By::Tester, &repository);
    let agent = [
        "--agent-command",
        "echo 2 >> a; echo no such luck >&2; exit 3",
    ];
    for more in [&["go"][..], &["--apply", "go"], &["--quiet", "go"]] {
        let done = here.run(&[&agent[..], more].concat()).code(1);
        assert!(done.text().ends_with(" 1\n+2\n"), "{}", done.text());
        assert!(
            done.stderr.contains("error: agent_failed") && done.stderr.contains("exit code 3"),
            "{}",
            done.stderr
        );
        let is_shown = done.stderr.contains("no such luck");
        assert_eq!(is_shown, !more.contains(&"--quiet"), "{}", done.stderr);
        assert_eq!(here.git(&["status", "--porcelain"]), "");
    }
    let agent = "echo 2 >> a; sleep 4242.75";
    let done = here.run(&["--agent-command", agent, "--timeout", "3s", "go"]);
    let done = done.code(124);
    assert!(done.text().ends_with(" 1\n+2\n"), "{}", done.text());
    let setup = here.file("echo broken; false");
    let done = here.run(&["--agent-command", "true", "--setup", &setup, "go"]);
    let done = done.code(1);
    assert_eq!(done.text(), "");
    assert!(
        done.stderr.contains("error: setup_failed"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("--no-setup"), "{}", done.stderr);
    here.assert_nothing_left();
}

fn ctrl_c_leaves_nothing(who: By) {
    let repository = Repository::with(&[("a", "1\n")]);
    let here = Here::by(who, &repository);
    for signal in ["INT", "TERM"] {
        let hold = Hold::new();
        let agent = format!("echo 2 >> a; {}", hold.command());
        let running = here.start(&["--agent-command", &agent, "go"]);
        hold.reached(1);
        running.signal(signal);
        let done = running.ended().code(130);
        assert_eq!(done.text(), "");
        assert!(done.stderr.contains("cancelling"), "{}", done.stderr);
        assert_eq!(hold.sleepers(), Vec::<String>::new());
        here.assert_nothing_left();
    }
    let tasks = here.tasks();
    assert_eq!(tasks.len(), 2, "{tasks:#?}");
    for task in tasks {
        let attempt = &task["turns"][0]["attempts"][0];
        assert_eq!(attempt["state"], "cancelled", "{task:#}");
    }
    assert_eq!(here.git(&["status", "--porcelain"]), "");
}

fn two_at_once(who: By) {
    let repository = Repository::with(&[("a", "1\n")]);
    let here = Here::by(who, &repository);
    let hold = Hold::new();
    let agent = |line: &str| format!("echo {line} >> a; {}", hold.command());
    let running: Vec<_> = ["one", "two"]
        .into_iter()
        .enumerate()
        .map(|(before, line)| {
            let running = here.start(&["--agent-command", &agent(line), "go"]);
            hold.reached(before + 1);
            (line, running)
        })
        .collect();
    if who == By::Tester && rustix::process::geteuid().is_root() {
        // The one's processes are not the other's to look at.
        let owner = |process: &String| {
            let process = fs::metadata(format!("/proc/{process}")).expect("it waits");
            process.uid()
        };
        let owners: BTreeSet<u32> = hold.sleepers().iter().map(owner).collect();
        assert_eq!(owners.len(), 2, "{owners:?}");
    }
    hold.release();
    for (line, running) in running {
        let done = running.ended().code(0);
        assert!(
            done.text().ends_with(&format!(" 1\n+{line}\n")),
            "{}",
            done.text()
        );
    }
    assert_eq!(here.places(), ["1", "2"]);
    here.assert_nothing_left();
}

#[test]
fn what_one_run_was_allowed_the_next_is_not() {
    let repository = Repository::with(&[("a", "1\n")]);
    let here = Here::by(By::Tester, &repository);
    let agent = ["--agent-command", "env | grep ^WORD= >> a; true"];
    let more = "--network on --preset common --allow-git-push --max-tokens 5 --memory 1G \
        --nested-namespaces --var WORD=x --timeout 3h";
    let more: Vec<&str> = more.split_whitespace().collect();
    let given = here.run(&[&agent[..], &more, &["go"]].concat()).code(0);
    assert!(given.text().ends_with("+WORD=x\n"), "{}", given.text());
    assert!(given.stderr.contains("the agent can reach the network"));
    let of = |fields: &[&str]| {
        let environments = here.environments();
        assert_eq!(environments.len(), 1, "{environments:#?}");
        let values = fields.iter().map(|field| environments[0][field].clone());
        values.collect::<Vec<_>>()
    };
    let fields = [
        "network",
        "max_tokens",
        "resources",
        "nested_namespaces",
        "variables",
        "timeout_seconds",
    ];
    let allowed = of(&fields);
    assert_eq!(allowed[0]["mode"], "on", "{allowed:#?}");
    assert_eq!(
        allowed[1..],
        [
            json!(5),
            json!({ "memory_bytes": 1_u64 << 30 }),
            json!(true),
            json!({ "WORD": "x" }),
            json!(3 * 3600),
        ]
    );
    let given = here.run(&[&agent[..], &["go"]].concat()).code(0);
    assert_eq!(given.text(), "");
    assert_eq!(
        of(&fields),
        [
            json!({ "mode": "off" }),
            Value::Null,
            json!({}),
            json!(false),
            json!({}),
            json!(3600),
        ]
    );
}

/// Two at the same time, with this agent.
fn two(here: &Here) {
    let hold = Hold::new();
    let agent = format!("echo 2 >> a; {}", hold.command());
    let start = || here.start(&["--agent-command", &agent, "go"]);
    let first = start();
    hold.reached(1);
    let second = start();
    hold.reached(2);
    hold.release();
    for running in [first, second] {
        let done = running.ended().code(0);
        assert!(done.text().ends_with(" 1\n+2\n"), "{}", done.text());
    }
}

#[test]
fn what_nobody_uses_any_more_is_removed() {
    let repository = Repository::with(&[("a", "1\n")]);
    let here = Here::by(By::Tester, &repository);
    two(&here);
    let keeps = |number: u32| here.place(number).join("worker").exists();
    let make_old = |number: u32, hours: u64| {
        let lock = fs::File::options()
            .write(true)
            .open(here.place(number).join("lock"))
            .expect("a lock");
        let taken = lock.metadata().and_then(|lock| lock.modified());
        let taken = taken.expect("known") - Duration::from_secs(hours * 3600);
        lock.set_modified(taken).expect("ours");
    };
    make_old(2, 11);
    here.run(&["--agent-command", "true", "go"]).code(0);
    assert!(keeps(1) && keeps(2));
    make_old(2, 13);
    here.run(&["--agent-command", "true", "go"]).code(0);
    assert!(keeps(1) && !keeps(2));
    two(&here);
    assert!(keeps(2));
    here.assert_nothing_left();
}

/// The events of a run, and its result.
fn events(here: &Here, arguments: &[&str]) -> (Log, Value) {
    let done = here.run(&[&["--json"], arguments].concat()).code(0);
    let mut lines = done.json_lines();
    let result = lines.pop().expect("a result");
    assert_eq!(result["type"], "result", "{result:#}");
    (Log(lines), result)
}

#[test]
fn the_next_one_uses_what_the_one_before_made() {
    let repository = Repository::with(&[("a", "1\n")]);
    let here = Here::by(By::Tester, &repository);
    let setup = here.file("echo \"made with $WORD\" > ~/tool");
    let snapshots = |agent: &str, word: &str, more: &[&str]| {
        let secret = format!("WORD={word}");
        let flags = [
            "--setup",
            &setup,
            "--secret",
            &secret,
            "--agent-command",
            agent,
        ];
        let (log, result) = events(&here, &[&flags, more, &["go"]].concat());
        assert_eq!(result["exit_code"], 0, "{result:#}");
        let diff = result["diff"].as_str().expect("a text").to_owned();
        (log.snapshots(), diff)
    };
    let (states, diff) = snapshots("cat ~/tool >> a", "x", &[]);
    assert_eq!(states, ["building", "built"]);
    assert!(diff.ends_with(" 1\n+made with x\n"), "{diff}");
    // Another agent, later; also in a commit of its own.
    here.commit("b", "2\n");
    let (states, diff) = snapshots("cat b ~/tool >> a", "x", &[]);
    assert_eq!(states, ["cached"]);
    assert!(diff.ends_with(" 1\n+2\n+made with x\n"), "{diff}");
    // Another secret may make another tool.
    let (states, diff) = snapshots("cat ~/tool >> a", "y", &[]);
    assert_eq!(states, ["building", "built"]);
    assert!(diff.ends_with("+made with y\n"), "{diff}");
    assert_eq!(snapshots("true", "x", &[]).0, ["cached"]);
    assert_eq!(
        snapshots("true", "x", &["--fresh"]).0,
        ["building", "built"]
    );
    assert_eq!(here.places(), ["1"]);
    here.assert_nothing_left();
}

#[test]
fn what_a_killed_one_left_does_not_run_again() {
    let repository = Repository::with(&[("a", "1\n")]);
    let here = Here::by(By::Tester, &repository);
    let hold = Hold::new();
    let agent = format!("echo 2 >> a; {}", hold.command());
    let running = here.start(&["--agent-command", &agent, "first"]);
    hold.reached(1);
    running.signal("KILL");
    running.killed();
    let (log, result) = events(&here, &["--agent-command", "echo 3 >> a", "second"]);
    assert_eq!(result["task"]["title"], "second");
    assert_eq!(log.step_names().last().map(String::as_str), Some("diff"));
    let tasks = here.tasks();
    let first = &tasks[1];
    assert_eq!(first["title"], "first", "{tasks:#?}");
    let attempt = &first["turns"][0]["attempts"][0];
    assert_eq!(attempt["tries"], 1, "{attempt:#}");
    assert!(
        attempt["state"] == "cancelled" || attempt["cancelling"] == true,
        "{attempt:#}"
    );
    assert_eq!(hold.sleepers(), Vec::<String>::new());
    here.assert_nothing_left();
}

#[test]
fn what_the_repository_says_of_itself_is_used() {
    let repository = Repository::with(&[
        ("a", "1\n"),
        (
            ".outwork.toml",
            "setup = { file = \"setup.sh\" }\nsecrets = [\"TOKEN\"]\n[variables]\nCOLOUR = \"red\"\n",
        ),
        ("setup.sh", "echo \"$COLOUR $TOKEN\" > ~/made"),
    ]);
    let here = Here::by(By::Tester, &repository);
    let agent = ["--agent-command", "cat ~/made >> a; echo \"[$TOKEN]\" >> a"];
    // A variable that happens to be there is not given away.
    let mut command = here.line(&[&["run"], &agent[..], &["go"]].concat());
    let refused = Done::of(command.env("TOKEN", "taken").output()).code(2);
    assert!(
        refused.stderr.contains("--secret TOKEN"),
        "{}",
        refused.stderr
    );
    let given = here.run(&[&agent[..], &["--secret", "TOKEN=given", "go"]].concat());
    let given = given.code(0);
    assert!(
        given.text().ends_with(" 1\n+red given\n+[]\n"),
        "{}",
        given.text()
    );
    assert!(given.stderr.contains("COLOUR=red"), "{}", given.stderr);
}

#[test]
fn what_is_missing_is_said_before_anything_runs() {
    let repository = Repository::with(&[("a", "1\n")]);
    let here = Here::by(By::Tester, &repository);
    let says = |code: i32, arguments: &[&str], variables: &[(&str, &str)], texts: &[&str]| {
        let mut command = here.line(&[&["run"], arguments].concat());
        let done = Done::of(command.envs(variables.iter().copied()).output());
        let done = done.code(code);
        assert_eq!(done.text(), "", "{arguments:?}");
        for text in texts {
            assert!(
                done.stderr.contains(text),
                "{text:?} is not in {}",
                done.stderr
            );
        }
        done.stderr
    };
    says(
        1,
        &["go"],
        &[],
        &["codex is not installed", "outwork agent install codex"],
    );
    let agents = agents_dir().display().to_string();
    says(
        1,
        &["--agents-dir", &agents, "go"],
        &[],
        &["no model is set", "OUTWORK_MODEL_API_KEY"],
    );
    says(2, &["--model", "m", "go"], &[], &["--model-base-url"]);
    says(
        2,
        &["--url", "http://h", "go"],
        &[],
        &["outwork exec --wait"],
    );
    says(
        2,
        &["--agent-command", "true", ""],
        &[],
        &["the prompt is empty"],
    );
    // Of a sandbox that cannot be had it says what the doctor says.
    let without = [
        ("OUTWORK_SANDBOX", "oci:crun"),
        ("OUTWORK_OCI_RUNTIME", "/bin/false"),
    ];
    let refused = says(
        1,
        &["--agent-command", "true", "go"],
        &without,
        &["the worker cannot start"],
    );
    let mut doctor = outwork();
    doctor.args(["doctor", "--json"]).envs(without);
    let doctor = doctor.env("HOME", here.home()).output().expect("it runs");
    let checks: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    let checks = checks["checks"].as_array().expect("checks").iter();
    let mut sandbox = checks.filter(|check| check["name"] == "worker sandbox");
    let hint = sandbox.next().expect("a check")["hint"].clone();
    let hint = hint.as_str().expect("a hint");
    assert!(refused.contains(hint), "{hint:?} is not in {refused}");

    // The home lies in this repository's own clone.
    let elsewhere = tempfile::tempdir().expect("made");
    let mut outside = here.line(&["run", "--agent-command", "true", "go"]);
    let outside = outside.current_dir(elsewhere.path()).output();
    let outside = Done::of(outside).code(1);
    assert!(
        outside.stderr.contains("in no git repository") && outside.stderr.contains("git init"),
        "{}",
        outside.stderr
    );
    here.assert_nothing_left();
}
