//! The `command` agent, through everything that an attempt can come to.

use serde_json::Value;

use crate::harness::{Engine, Outwork, Repository, on_both_stores, processes_with};

on_both_stores!(
    a_task_from_submission_to_applied,
    a_failing_agent_keeps_its_diff,
    a_time_limit_ends_the_agent_and_keeps_its_diff,
    cancel_stops_the_agent_and_keeps_its_diff,
    three_attempts_run_at_once,
    a_follow_up_goes_on_where_the_attempt_stopped,
    a_follow_up_runs_on_a_second_worker,
    setup_runs_before_the_agent_and_its_failure_is_told,
    local_changes_go_along_and_stay_out_of_the_result,
    the_agent_is_alone,
);

fn attempt(task: &Value, turn: usize, number: usize) -> &Value {
    &task["turns"][turn]["attempts"][number]
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect()
}

fn a_task_from_submission_to_applied(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("README.md", "# Title\n"), ("src/a.txt", "one\n")]);
    let script = "cat > /tmp/prompt; cat /tmp/prompt >> README.md; rm src/a.txt; echo new > b.txt";
    outwork.command_environment("demo", &repository, script);

    let done = outwork.run(&["exec", "--env", "demo", "--wait", "--json", "a line"]);
    let task = done.success().last_json();
    assert_eq!(task["status"], "completed");
    assert_eq!(task["outcome"], "succeeded");
    assert_eq!(task["summary"]["files_changed"], 3, "{task:#}");
    let id = task["id"].as_str().expect("an id");

    let listed = outwork.run(&["list", "--json"]).success().json();
    let row = &listed["tasks"][0];
    for field in [
        "id",
        "url",
        "title",
        "status",
        "outcome",
        "updated_at",
        "environment_id",
        "environment_label",
        "summary",
        "is_review",
        "attempt_total",
    ] {
        assert_eq!(
            row[field],
            outwork.task(id)[field],
            "list and status differ in {field}"
        );
    }
    assert_eq!(row["environment_label"], "demo");
    assert_eq!(row["title"], "a line");

    let events = outwork.events(id, 1);
    let states: Vec<&str> = events
        .iter()
        .filter(|event| event["type"] == "state")
        .filter_map(|event| event["state"].as_str())
        .collect();
    let expected = [
        "queued",
        "leased",
        "preparing",
        "setting_up",
        "running",
        "collecting",
        "succeeded",
    ];
    assert_eq!(states, expected);
    let numbers: Vec<i64> = events
        .iter()
        .filter_map(|event| event["seq"].as_i64())
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());

    let clone = repository.clone_here();
    let applied = outwork
        .command(&["apply", id])
        .current_dir(clone.path())
        .output();
    let applied = crate::harness::Done::of(applied).success();
    assert!(applied.text().contains("README.md"), "{}", applied.text());
    assert_eq!(
        clone
            .git(&["status", "--porcelain"])
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>(),
        ["M README.md", "D src/a.txt", "?? b.txt"],
    );
    let readme = std::fs::read_to_string(clone.path().join("README.md")).expect("readable");
    assert_eq!(readme.trim_end(), "# Title\na line");
}

fn a_failing_agent_keeps_its_diff(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment(
        "demo",
        &repository,
        "echo 2 >> a; echo no such luck >&2; exit 3",
    );
    let done = outwork
        .run(&["exec", "--env", "demo", "--wait", "--json", "try"])
        .code(1);
    let task = done.last_json();
    assert_eq!(
        (&task["status"], &task["outcome"]),
        (&"failed".into(), &"failed".into())
    );
    let id = task["id"].as_str().expect("an id");
    let failure = attempt(&outwork.task(id), 0, 0)["failure"].clone();
    assert_eq!(failure["code"], "agent_failed");
    assert!(
        failure["message"].as_str().expect("text").contains('3'),
        "{failure}"
    );
    assert!(String::from_utf8_lossy(&outwork.diff(id, &[])).contains("+2\n"));
    let log = outwork.run(&["log", id]).success().text();
    assert!(log.contains("no such luck"), "{log}");
}

fn a_time_limit_ends_the_agent_and_keeps_its_diff(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    let url = repository.url();
    let agent = "echo 2 >> a; sleep 4242.5";
    let create = [
        "env",
        "create",
        "demo",
        "--repo",
        &url,
        "--agent",
        "command",
        "--agent-command",
        agent,
        "--timeout",
        "2s",
    ];
    outwork.run(&create).success();
    let task = outwork.exec("demo", "take long", &[]);
    assert_eq!(task["outcome"], "timed_out", "{task:#}");
    let id = task["id"].as_str().expect("an id");
    assert_eq!(
        attempt(&outwork.task(id), 0, 0)["failure"]["code"],
        "timed_out"
    );
    assert!(String::from_utf8_lossy(&outwork.diff(id, &[])).contains("+2\n"));
    assert_eq!(processes_with("4242.5"), Vec::<String>::new());
}

fn cancel_stops_the_agent_and_keeps_its_diff(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, "echo 2 >> a; echo ready; sleep 5353.5");
    let id = outwork.submit("demo", "wait", &[]);
    crate::harness::until("the agent says that it is ready", || {
        let events = outwork.events(&id, 1);
        let said = events
            .iter()
            .any(|event| event["text"].as_str() == Some("ready\n"));
        said.then_some(())
    });
    outwork.run(&["cancel", &id]).success();
    let task = outwork.ended(&id);
    assert_eq!(
        (&task["status"], &task["outcome"]),
        (&"failed".into(), &"cancelled".into())
    );
    assert!(String::from_utf8_lossy(&outwork.diff(&id, &[])).contains("+2\n"));
    assert_eq!(processes_with("5353.5"), Vec::<String>::new());
    outwork.run(&["cancel", &id]).code(1);
}

fn three_attempts_run_at_once(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    // None of them ends before the test has seen all three running and the prompt is answered
    // by a cancel: so they do run side by side.
    outwork.command_environment(
        "slow",
        &repository,
        "echo $OUTWORK_ATTEMPT > a; sleep 6464.5",
    );
    let id = outwork.submit("slow", "all", &["--attempts", "3"]);
    let task = outwork.task_until(&id, "three attempts run", |task| {
        let attempts = task["turns"][0]["attempts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        attempts.len() == 3 && attempts.iter().all(|attempt| attempt["state"] == "running")
    });
    assert_eq!(task["attempt_total"], 3);
    outwork.run(&["cancel", &id]).success();
    outwork.ended(&id);

    outwork.command_environment("quick", &repository, "echo attempt $OUTWORK_ATTEMPT > a");
    let task = outwork.exec("quick", "all", &["--attempts", "3"]);
    assert_eq!(
        (&task["outcome"], &task["attempt_total"]),
        (&"succeeded".into(), &3.into())
    );
    let id = task["id"].as_str().expect("an id");
    for number in ["1", "2", "3"] {
        let diff = outwork.diff(id, &["--attempt", number]);
        let diff = String::from_utf8_lossy(&diff);
        assert!(diff.contains(&format!("+attempt {number}\n")), "{diff}");
    }
    let four = outwork.run(&["diff", id, "--attempt", "4"]).code(1);
    assert!(four.stderr.contains("hint:"), "{}", four.stderr);
}

const COUNTING_AGENT: &str = r#"
    echo "turn $OUTWORK_TURN: $(cat)" >> notes
    echo "$OUTWORK_TURN" >> "$OUTWORK_SESSION_DIR/memory"
    cp "$OUTWORK_SESSION_DIR/memory" remembered
"#;

fn a_follow_up_goes_on_where_the_attempt_stopped(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, COUNTING_AGENT);
    let task = outwork.exec("demo", "first", &[]);
    let id = task["id"].as_str().expect("an id").to_owned();
    let follow = ["follow-up", &id, "second", "--wait", "--json"];
    let task = outwork.run(&follow).success().last_json();
    assert_eq!(task["turns"].as_array().map(Vec::len), Some(2), "{task:#}");
    let diff = String::from_utf8(outwork.diff(&id, &[])).expect("text");
    assert!(diff.contains("+turn 1: first\n+turn 2: second\n"), "{diff}");
    assert!(
        diff.contains("+1\n+2\n"),
        "the session did not come along: {diff}"
    );
    let first = String::from_utf8(outwork.diff(&id, &["--turn", "1"])).expect("text");
    assert!(
        first.contains("+turn 1: first\n") && !first.contains("second"),
        "{first}"
    );
}

fn a_follow_up_runs_on_a_second_worker(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, COUNTING_AGENT);
    let mut first = outwork.worker("first");
    let task = outwork.exec("demo", "first", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}\n{}", first.log());
    let id = task["id"].as_str().expect("an id").to_owned();
    assert!(first.terminate().success(), "{}", first.log());
    let second = outwork.worker("second");
    let follow = ["follow-up", &id, "second", "--wait", "--json"];
    let task = outwork.run(&follow).success().last_json();
    let worker = |turn| attempt(&task, turn, 0)["worker"].clone();
    assert_ne!(worker(0), worker(1), "{task:#}\n{}", second.log());
    let diff = String::from_utf8(outwork.diff(&id, &[])).expect("text");
    assert!(diff.contains("+turn 1: first\n+turn 2: second\n"), "{diff}");
    assert!(
        diff.contains("+1\n+2\n"),
        "the session did not come along: {diff}"
    );
}

fn setup_runs_before_the_agent_and_its_failure_is_told(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    let url = repository.url();
    let script = outwork.dir.path().join("setup.sh");
    let create = |label: &str, text: &str| {
        std::fs::write(&script, text).expect("written");
        let script = script.display().to_string();
        let create = [
            "env",
            "create",
            label,
            "--repo",
            &url,
            "--agent",
            "command",
            "--agent-command",
            "cp /tmp/../home/agent/tool .; echo $FLAVOUR >> tool",
            "--setup",
            &script,
            "--var",
            "FLAVOUR=a b",
        ];
        outwork.run(&create).success();
    };
    create("good", "echo installing\necho made > ~/tool\n");
    let task = outwork.exec("good", "go", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let id = task["id"].as_str().expect("an id");
    let diff = String::from_utf8(outwork.diff(id, &[])).expect("text");
    assert!(diff.contains("+made\n+a b\n"), "{diff}");
    let events = outwork.events(id, 1);
    assert!(kinds(&events).contains(&"output"), "{events:#?}");

    create("bad", "echo almost\nno-such-tool\n");
    let task = outwork.exec("bad", "go", &[]);
    let id = task["id"].as_str().expect("an id");
    let failure = attempt(&outwork.task(id), 0, 0)["failure"].clone();
    assert_eq!(failure["code"], "setup_failed", "{failure}");
    let message = failure["message"].as_str().expect("text");
    assert!(
        message.contains("127") && message.contains("no-such-tool"),
        "{message}"
    );
}

fn local_changes_go_along_and_stay_out_of_the_result(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n"), ("b", "1\n")]);
    outwork.command_environment("demo", &repository, "cat a untracked > seen; echo 3 >> b");
    let clone = repository.clone_here();
    std::fs::write(clone.path().join("a"), "1\nlocal\n").expect("written");
    std::fs::write(clone.path().join("untracked"), "mine\n").expect("written");
    let exec = [
        "exec",
        "--env",
        "demo",
        "--with-changes",
        "--wait",
        "--json",
        "go",
    ];
    let done = outwork.command(&exec).current_dir(clone.path()).output();
    let task = crate::harness::Done::of(done).success().last_json();
    let id = task["id"].as_str().expect("an id");
    let diff = String::from_utf8(outwork.diff(id, &[])).expect("text");
    assert!(diff.contains("+1\n+local\n+mine\n"), "{diff}");
    assert!(
        !diff.contains("a/untracked") && !diff.contains("b/a\n"),
        "{diff}"
    );
    let applied = outwork
        .command(&["apply", id])
        .current_dir(clone.path())
        .output();
    crate::harness::Done::of(applied).success();
    let seen = std::fs::read_to_string(clone.path().join("seen")).expect("applied");
    assert_eq!(seen, "1\nlocal\nmine\n");
}

/// What the agent can see of the machine: as a file per question, so that the diff tells.
const LOOK_AROUND: &str = r#"
    id -u > uid
    ls /proc | grep -c '^[0-9][0-9]*$' > processes
    tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' > interfaces
    { echo x > /usr/escape; } 2> /dev/null && echo written > system || echo read-only > system
    ls -A /root > root 2>/dev/null || echo hidden > root
    env | cut -d= -f1 | sort > variables
    (exec 3<> /dev/tcp/127.0.0.1/$PORT) 2> /dev/null && echo reached > host || echo refused > host
    setsid sh -c 'sleep 7575.5' > /dev/null 2>&1 &
"#;

fn the_agent_is_alone(engine: Engine) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let outwork = Outwork::start("up", engine, &[("OUTWORK_CANARY", "1")]);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment("demo", &repository, &format!("PORT={port}\n{LOOK_AROUND}"));
    let task = outwork.exec("demo", "look around", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let id = task["id"].as_str().expect("an id");
    let clone = repository.clone_here();
    let patch = clone.path().join("patch");
    std::fs::write(&patch, outwork.diff(id, &[])).expect("written");
    clone.git(&["apply", "patch"]);
    let seen = |name: &str| {
        let text = std::fs::read_to_string(clone.path().join(name)).expect(name);
        text.trim().to_owned()
    };
    assert_ne!(seen("uid"), "0");
    assert!(
        seen("processes").parse::<u32>().expect("a number") < 12,
        "{}",
        seen("processes")
    );
    assert_eq!(seen("interfaces"), "lo");
    assert_eq!(seen("system"), "read-only");
    assert!(
        matches!(seen("root").as_str(), "hidden" | ""),
        "{}",
        seen("root")
    );
    assert_eq!(seen("host"), "refused");
    let variables = seen("variables");
    assert!(
        !variables.contains("CANARY") && !variables.contains("TOKEN"),
        "{variables}"
    );
    assert_eq!(processes_with("7575.5"), Vec::<String>::new());
}
