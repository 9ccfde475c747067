//! Limits of an attempt: what is used up ends it or is told, and what was done until then is kept.

use std::time::Instant;

use scripted_model::{Scenario, Script, ScriptedModel, Step, Usage};
use serde_json::Value;

use crate::codex::codex_environment;
use crate::harness::{By, Log, Machine, Outwork, Repository, by_both, open_agents_dir};
use crate::harness::{processes_with, until};

by_both!(
    memory_that_is_used_up_fails_the_attempt,
    a_command_that_is_killed_for_memory_is_told,
    a_disk_that_is_used_up_fails_the_attempt,
    processes_that_are_refused_are_told,
    nothing_outlives_a_cancelled_attempt,
);

/// Takes more and more memory and uses it, not all at once: an ordinary worker's sandbox is refused that.
const GREEDY: &str = "python3 -c '
import time
kept = []
while len(kept) < 200:
    kept.append(b\"x\" * (4 << 20))
    time.sleep(0.02)
'";

/// What came of a task, and what it left.
struct Ended {
    task: Value,
    log: Log,
    diff: String,
}

impl Ended {
    fn of(outwork: &Outwork, task: Value) -> Self {
        let id = task["id"].as_str().expect("an id");
        let log = outwork.log(id);
        let diff = String::from_utf8(outwork.diff(id, &[])).expect("text");
        let task = outwork.task(id);
        Self { task, log, diff }
    }

    fn failure(&self) -> &Value {
        &self.task["turns"][0]["attempts"][0]["failure"]
    }

    #[track_caller]
    fn failed_with(&self, code: &str, messages: &[&str]) {
        let failure = self.failure();
        assert_eq!(failure["code"], code, "{:#}\n{:#?}", self.task, self.log);
        let message = failure["message"].as_str().expect("text");
        assert!(messages.contains(&message), "{message}");
        assert!(
            failure["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("outwork env edit"))
        );
    }
}

fn run(outwork: &Outwork, agent: &str, flags: &[&str]) -> Ended {
    let repository = Repository::with(&[("a", "1\n")]);
    let flags = [&["--agent-command", agent], flags].concat();
    outwork.environment("demo", &repository, &flags);
    let task = outwork.exec("demo", "go", &[]);
    Ended::of(outwork, task)
}

fn memory_that_is_used_up_fails_the_attempt(who: By) {
    let outwork = Outwork::run_by(who, &[]);
    let agent = format!("echo kept > before\n{GREEDY}");
    let ended = run(&outwork, &agent, &["--memory", "128M"]);
    ended.failed_with(
        "out_of_memory",
        &["Out of memory at 128.0 MiB in `python3`."],
    );
    assert!(ended.diff.contains("+kept\n"), "{}", ended.diff);
    outwork.end();
}

fn with_model(model: &ScriptedModel, who: By, flags: &[&str]) -> Outwork {
    let base_url = format!("{}/v1", model.url());
    let machine = Machine::with_variables(&[
        ("OUTWORK_MODEL_BASE_URL", base_url.as_str()),
        ("OUTWORK_MODEL_NAME", "scripted-1"),
        ("OUTWORK_MODEL_API_KEY", model.api_key()),
    ]);
    Outwork::run_on(machine, who, flags)
}

fn a_command_that_is_killed_for_memory_is_told(who: By) {
    let script = Script::when("be greedy")
        .step(Step::new().run(format!(
            "echo kept > before; {GREEDY}; echo code $? > after"
        )))
        .step(Step::new().say("It was too much."));
    let model = ScriptedModel::start(Scenario::new().script(script)).expect("a model");
    let (_open, agents) = open_agents_dir();
    let outwork = match who {
        By::Tester => with_model(&model, who, &[]),
        By::Ordinary => with_model(&model, who, &["--agents-dir", &agents]),
    };
    let repository = Repository::with(&[("a", "1\n")]);
    codex_environment(&outwork, &repository, &["--memory", "384M"]);
    let task = outwork.exec("demo", "be greedy", &[]);
    let ended = Ended::of(&outwork, task);
    assert_eq!(ended.task["outcome"], "succeeded", "{:#?}", ended.log);
    let limits = ended.log.limits();
    let [(kind, message)] = limits.as_slice() else {
        panic!("{limits:?}\n{:#?}", ended.log);
    };
    assert_eq!(kind, "memory");
    assert!(
        message.starts_with("Out of memory at 384.0 MiB in `"),
        "{message}"
    );
    assert!(message.contains("echo kept > before"), "{message}");
    assert!(ended.diff.contains("+code 137\n"), "{}", ended.diff);
    outwork.end();
}

fn a_disk_that_is_used_up_fails_the_attempt(who: By) {
    let outwork = Outwork::run_by(who, &[]);
    // Not in the checkout: that would be in the diff.
    let agent = "echo kept > before\nhead -c 400M /dev/zero > ~/much; sleep 60";
    let ended = run(&outwork, agent, &["--disk", "64M"]);
    let messages = ["head", "bash", "sh", "sleep"]
        .map(|program| format!("No more than 64.0 MiB may be written in `{program}`."));
    ended.failed_with("disk_limit", &messages.each_ref().map(String::as_str));
    assert!(ended.diff.contains("+kept\n"), "{}", ended.diff);
    outwork.end();
}

/// Starts more and more, asks again for a while as shells do, and gives up.
const FORKS: &str = r#"
import subprocess, time
refused = 0
for number in range(90):
    try:
        subprocess.Popen(["sleep", "60"])
    except BlockingIOError:
        refused += 1
        if refused == 10:
            raise
        time.sleep(0.05)
"#;

fn processes_that_are_refused_are_told(who: By) {
    let outwork = Outwork::run_by(who, &[]);
    let agent = format!("echo kept > before\npython3 -c '{FORKS}'");
    let ended = run(&outwork, &agent, &["--processes", "24"]);
    // It ended with a code of its own; what it was refused says why.
    let message = "No more than 24 processes and threads at once in `sleep`.";
    ended.failed_with("process_limit", &[message]);
    assert!(ended.diff.contains("+kept\n"), "{}", ended.diff);
    let told = ("processes".to_owned(), message.to_owned());
    assert!(ended.log.limits().contains(&told), "{:#?}", ended.log);
    outwork.end();
}

#[test]
fn a_setup_script_is_told_its_limit_as_well() {
    let outwork = Outwork::run_by(By::Tester, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let setup = outwork.file(GREEDY);
    let flags = [
        "--agent-command",
        "true",
        "--memory",
        "128M",
        "--setup",
        &setup,
    ];
    outwork.environment("demo", &repository, &flags);
    let task = outwork.exec("demo", "go", &[]);
    let id = task["id"].as_str().expect("an id");
    let failure = outwork.failure(id, 1);
    assert_eq!(failure["code"], "out_of_memory", "{failure}");
    let message = "Out of memory at 128.0 MiB in `python3`.";
    assert_eq!(failure["message"], message, "{:#?}", outwork.log(id));
    outwork.end();
}

#[test]
fn a_flood_of_output_is_cut() {
    let outwork = Outwork::run_by(By::Tester, &[]);
    let agent =
        "echo first; head -c 80000000 /dev/zero | tr '\\0' x; echo; echo last; echo kept > a";
    let ended = run(&outwork, agent, &[]);
    assert_eq!(ended.task["outcome"], "succeeded", "{:#}", ended.task);
    assert!(ended.diff.contains("+kept\n"), "{}", ended.diff);
    let output = ended.log.output();
    assert!(output.starts_with("first\nxxx"));
    assert!(
        output.len() < 60_000_000,
        "{} bytes are in the log",
        output.len()
    );
    let warnings = ended.log.warnings().concat();
    assert!(
        warnings.contains("log"),
        "nothing says that it was cut: {warnings}"
    );
    outwork.end();
}

#[test]
fn a_budget_that_is_used_up_ends_the_attempt() {
    let usage = Usage {
        input: 900,
        cached: 0,
        output: 100,
        reasoning: 0,
    };
    let step = || Step::new().usage(usage);
    let script = Script::when("spend")
        .step(step().run("echo kept > before"))
        .step(step().run("echo more >> before"))
        .step(step().run("echo never >> before"))
        .step(step().say("never said"));
    let model = ScriptedModel::start(Scenario::new().script(script)).expect("a model");
    let outwork = with_model(&model, By::Tester, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    codex_environment(&outwork, &repository, &["--max-tokens", "1500"]);
    let task = outwork.exec("demo", "spend", &[]);
    let ended = Ended::of(&outwork, task);
    assert_eq!(ended.task["outcome"], "over_budget", "{:#?}", ended.log);
    assert_eq!(ended.failure()["code"], "over_budget");
    assert!(ended.diff.contains("+kept\n"), "{}", ended.diff);
    assert!(!ended.diff.contains("never"), "{}", ended.diff);
    let id = ended.task["id"].as_str().expect("an id");
    let shown = outwork.run(&["status", id]).success().text();
    assert!(
        shown.contains("budget of 1500 tokens is used up"),
        "{shown}"
    );
    outwork.end();
}

/// Leaves its session and its parent, hears no signal that can be ignored, and stops some of its own.
const DAEMONS: &str = r#"
import os, signal, sys, time
for number in range(8):
    if os.fork():
        continue
    os.setsid()
    if os.fork():
        os._exit(0)
    for one in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(one, signal.SIG_IGN)
    os.closerange(0, 3)
    if number % 2:
        os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        time.sleep(1000)
for one in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(one, signal.SIG_IGN)
print("ready", flush=True)
while True:
    time.sleep(1000)
"#;

fn nothing_outlives_a_cancelled_attempt(who: By) {
    let outwork = Outwork::run_by(who, &[]);
    let repository = Repository::with(&[("daemons.py", DAEMONS)]);
    let marker = format!("marker-{}-{who:?}", std::process::id());
    let agent = format!("python3 daemons.py {marker}");
    outwork.environment("demo", &repository, &["--agent-command", &agent]);
    let id = outwork.submit("demo", "go", &[]);
    let line = format!("python3 daemons.py {marker}");
    until("all daemons run", || {
        (processes_with(&line).len() >= 9).then_some(())
    });
    let begun = Instant::now();
    outwork.run(&["cancel", &id]).success();
    until("none of them is left", || {
        processes_with(&line).is_empty().then_some(())
    });
    eprintln!(
        "gone {:?} after the command was given, by {who:?}",
        begun.elapsed()
    );
    assert_eq!(outwork.ended(&id)["outcome"], "cancelled");
    outwork.end();
}
