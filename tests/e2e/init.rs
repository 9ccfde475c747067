//! `outwork env init` in clones of the usual kinds: what is guessed works, is tried, and is kept.

use serde_json::{Value, json};

use crate::harness::{Done, Engine, Outwork, Repository};
use crate::packages;
use crate::terminal::Terminal;

/// Runs a command in a clone.
fn run_in(clone: &Repository, outwork: &Outwork, arguments: &[&str]) -> Done {
    let mut command = outwork.command(arguments);
    let command = command.current_dir(clone.path());
    Done::of(command.stdin(std::process::Stdio::null()).output())
}

/// Makes an environment for the clone, whose tasks then run `agent`.
fn init(clone: &Repository, outwork: &Outwork, agent: &str, more: &[&str]) -> Value {
    let init = ["env", "init", "--yes", "--json", "--agent-command", agent];
    let done = run_in(clone, outwork, &[&init, more].concat()).success();
    let made = done.json();
    assert_eq!(made["check"]["outcome"], "succeeded", "{made:#}");
    assert_eq!(
        made["environment"]["agent"],
        json!({ "name": "command", "command": agent })
    );
    made["environment"].clone()
}

/// Gives the environment of this clone its first task, which finds the snapshot of the check.
fn first_task(clone: &Repository, outwork: &Outwork) -> String {
    let exec = ["exec", "--wait", "--json", "go"];
    let done = run_in(clone, outwork, &exec).success();
    let task = done.last_json();
    let log = outwork.log(task["id"].as_str().expect("an id"));
    assert_eq!(log.snapshots(), ["cached"], "{log:#?}");
    log.output()
}

fn text<'a>(environment: &'a Value, field: &str) -> &'a str {
    environment[field].as_str().unwrap_or_default()
}

#[test]
fn a_node_project() {
    let node = packages::Offer::node();
    let outwork = node.start();
    let repository = packages::node_project();
    let clone = repository.clone_here();
    let use_it = "node -p 'require(\"ms\")(\"1m\")'";
    let environment = init(&clone, &outwork, use_it, &["--runtime", &node.pin]);
    assert_eq!(text(&environment, "verify_command"), "npm test");
    assert!(
        text(&environment, "setup_script").contains("npm ci"),
        "{environment:#}"
    );
    assert_eq!(first_task(&clone, &outwork), "60000\n");
}

#[test]
fn a_python_project() {
    let outwork = packages::start(&[]);
    let test = "import unittest\nimport six\n\n\nclass Demo(unittest.TestCase):\n    def test_six(self):\n        self.assertTrue(six.PY3)\n";
    let repository = Repository::with(&[
        ("requirements.txt", "six==1.17.0\n"),
        ("test_demo.py", test),
    ]);
    let clone = repository.clone_here();
    let environment = init(
        &clone,
        &outwork,
        "python3 -c 'import six; print(six.__version__)'",
        &[],
    );
    assert_eq!(text(&environment, "verify_command"), "python -m unittest");
    assert!(text(&environment, "setup_script").contains("pip install -r requirements.txt"));
    assert_eq!(first_task(&clone, &outwork), "1.17.0\n");
}

#[test]
fn a_folder_with_a_makefile_and_no_remote() {
    let outwork = Outwork::up(Engine::Sqlite);
    let clone = Repository::with(&[("Makefile", "test:\n\ttest -f a\n"), ("a", "1\n")]);
    let environment = init(&clone, &outwork, "cat a", &[]);
    assert_eq!(text(&environment, "verify_command"), "make test");
    assert_eq!(text(&environment, "repository_url"), clone.url());
    assert_eq!(first_task(&clone, &outwork), "1\n");
}

#[test]
fn what_fails_its_check_leaves_no_environment() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[(
        "Makefile",
        "test:\n\t@echo one is missing; test -f missing\n",
    )]);
    let clone = repository.clone_here();
    let done = run_in(&clone, &outwork, &["env", "init", "--yes"]).code(1);
    let told = [
        "error: the verification command failed: make test",
        "one is missing",
        "--verify COMMAND",
    ];
    for told in told {
        assert!(done.stderr.contains(told), "{told}: {}", done.stderr);
    }
    let setup = outwork.file("echo almost\nno-such-program\n");
    let done = run_in(
        &clone,
        &outwork,
        &["env", "init", "--yes", "--setup", &setup],
    )
    .code(1);
    for told in ["error: the setup script failed", "no-such-program"] {
        assert!(done.stderr.contains(told), "{told}: {}", done.stderr);
    }
    // Nobody is there to ask.
    let done = run_in(&clone, &outwork, &["env", "init"]).code(2);
    assert!(done.stderr.contains("--yes"), "{}", done.stderr);
    let left = outwork.run(&["env", "list", "--json"]).success().json();
    assert_eq!(left["environments"], json!([]));
    outwork.end();
}

const FILE: &str = "label = \"filed\"\nsetup = \"echo $COLOUR > ~/colour\"\nverify = \"test -f ~/colour\"\n[variables]\nCOLOUR = \"red\"\n";

#[test]
fn a_file_in_the_repository_is_taken_over_by_people_only() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[(".outwork.toml", FILE)]);
    let clone = repository.clone_here();
    let environment = init(&clone, &outwork, "cat ~/colour", &[]);
    assert_eq!(text(&environment, "label"), "filed");
    assert_eq!(first_task(&clone, &outwork), "red\n");
    // A commit that changes the file changes nothing but the file.
    repository.commit("blue", &[(".outwork.toml", &FILE.replace("red", "blue"))]);
    assert_eq!(first_task(&clone, &outwork), "red\n");
    clone.git(&["pull", "-q"]);
    run_in(&clone, &outwork, &["env", "sync"]).code(2);
    assert_eq!(first_task(&clone, &outwork), "red\n");
    let done = run_in(&clone, &outwork, &["env", "sync", "--yes", "--json"]).success();
    assert_eq!(done.json()["variables"], json!({ "COLOUR": "blue" }));
    for told in ["- COLOUR=red", "+ COLOUR=blue"] {
        assert!(done.stderr.contains(told), "{}", done.stderr);
    }
    let task = run_in(&clone, &outwork, &["exec", "--wait", "--json", "go"])
        .success()
        .last_json();
    let log = outwork.log(task["id"].as_str().expect("an id"));
    assert_eq!(log.output(), "blue\n");
    assert!(log.why_built().contains("COLOUR"), "{}", log.why_built());
    let again = run_in(&clone, &outwork, &["env", "sync", "--yes"]).success();
    assert!(
        again.stderr.contains("filed is as the file says"),
        "{}",
        again.stderr
    );
}

#[test]
fn exec_offers_to_make_one() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("Makefile", "test:\n\ttest -f a\n"), ("a", "1\n")]);
    let clone = repository.clone_here();
    let line = format!("cd '{}' && outwork exec 'do it'", clone.path().display());
    const QUESTION: &str = "No environment is for this repository yet. Make one now? [Y/n] ";
    let mut terminal = Terminal::run(&outwork, 200, &line);
    terminal.until(QUESTION);
    terminal.press("n\n");
    let shown = terminal.ended(2);
    assert!(shown.contains("outwork env init"), "{shown}");

    // Tasks of the agent that it gets by itself are taken only with a model; nobody answers at this one.
    let (url, key) = ("http://127.0.0.1:9/v1", outwork.file("key"));
    let model = [
        "model",
        "set",
        "--base-url",
        url,
        "--name",
        "none",
        "--key-file",
        &key,
    ];
    outwork.run(&model).success();
    let mut terminal = Terminal::run(&outwork, 200, &line);
    terminal.until(QUESTION);
    terminal.press("\n");
    let shown = terminal.until("like this? [Y]es, [e]dit, [n]o: ");
    assert!(shown.contains("make test"), "{shown}");
    terminal.press("y\n");
    terminal.until("the environment works");
    let shown = terminal.ended(0);
    let label = repository
        .path()
        .file_name()
        .expect("a name")
        .display()
        .to_string();
    assert!(shown.contains(&format!("environment: {label}")), "{shown}");
    let tasks = outwork.run(&["list", "--json"]).success().json();
    let tasks = tasks["tasks"].as_array().expect("a list").iter();
    let titles: Vec<(&str, &str)> = tasks
        .map(|task| (text(task, "title"), text(task, "environment_label")))
        .collect();
    let check = "Check the environment: make test";
    assert_eq!(titles, [("do it", label.as_str()), (check, &label)]);
    let task = outwork.run(&["list", "--json"]).json()["tasks"][0]["id"].clone();
    outwork
        .run(&["cancel", task.as_str().expect("an id")])
        .success();
    outwork.ended(task.as_str().expect("an id"));
}
