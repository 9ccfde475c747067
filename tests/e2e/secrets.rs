//! A secret's value is in the scripts that it is for, and afterwards nowhere.

pub mod canary;
pub mod places;
mod written;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use self::canary::{Canaries, TOO_SHORT};
use self::places::Places;
use crate::harness::{By, Done, Engine, Hold, Outwork, Repository, Worker, on_both_stores};

/// Prints every secret in many ways.
const SAY: &str = include_str!("secrets/say.sh");
/// Leaves something where it can outside of the tree, and waits for a signal.
const LEAVE: &str = include_str!("secrets/leave.sh");
/// Reads what an agent can read.
pub const LOOK: &str = include_str!("secrets/look.py");

on_both_stores!(a_secret_is_nowhere_afterwards);

#[test]
fn a_secret_is_nowhere_afterwards_on_the_worker_of_an_ordinary_user() {
    nowhere_afterwards(Outwork::run_by(By::Ordinary, &[]), None);
}

/// An environment with all canaries, which come from files, a variable and standard input.
fn environment(outwork: &Outwork, canaries: &Canaries, label: &str, more: &[&str]) -> Value {
    let values = outwork.dir.path().join("values");
    fs::create_dir(&values).expect("a folder");
    let mut create = vec!["env", "create", label, "--json"];
    create.extend(more);
    let mut flags = Vec::new();
    for (name, value) in &canaries.values {
        fs::write(values.join(name), value).expect("written");
        flags.push(match *name {
            "LONG" => (*name).to_owned(),
            "ODD" => format!("{name}=-"),
            name => format!("{name}=@values/{name}"),
        });
    }
    for flag in &flags {
        create.extend(["--secret", flag]);
    }
    let done = outwork
        .command(&create)
        .env("LONG", canaries.value("LONG"))
        .stdin(fs::File::open(values.join("ODD")).expect("a file"))
        .output();
    fs::remove_dir_all(values).expect("removed");
    Done::of(done).success().json()
}

/// With a worker of its own on the second store, so that secrets also go over HTTP.
fn a_secret_is_nowhere_afterwards(engine: Engine) {
    match engine {
        Engine::Sqlite => nowhere_afterwards(Outwork::up(engine), None),
        Engine::Postgres => {
            let outwork = Outwork::start("server", engine, &[]);
            let worker = outwork.worker("apart");
            nowhere_afterwards(outwork, Some(worker));
        }
    }
}

fn nowhere_afterwards(mut outwork: Outwork, worker: Option<Worker>) {
    let canaries = Canaries::new(&outwork.dir.path().display().to_string());
    let repository = Repository::with(&[("look.py", LOOK)]);
    let hold = Hold::new();
    let setup = outwork.file(&format!("{SAY}\n{LEAVE}\n{}\n", hold.command()));
    let maintenance = outwork.file(SAY);
    let url = repository.url();
    let options = [
        "--repo",
        &url,
        "--setup",
        &setup,
        "--maintenance",
        &maintenance,
        "--var",
        &format!("CONTROL={CONTROL}"),
        "--agent-command",
        "python3 look.py > report.json",
    ];
    let mut answers = environment(&outwork, &canaries, "all", &options).to_string();

    let prompt = prompt(&canaries);
    let first = outwork.submit("all", &prompt, &[]);
    hold.reached(1);
    look_at_the_machine(&outwork, &canaries);
    hold.release();
    assert_eq!(
        outwork.ended(&first)["outcome"],
        "succeeded",
        "{}",
        told(&outwork, &first)
    );
    // From the snapshot, and with what maintenance leaves.
    let second = outwork.exec("all", &prompt, &[]);
    let second = second["id"].as_str().expect("an id").to_owned();
    for task in [&first, &second] {
        check_report(&outwork, task);
        check_masks(&outwork, &canaries, task);
    }
    let failed: Vec<String> = FAILING
        .iter()
        .enumerate()
        .map(|(number, script)| failing(&outwork, &canaries, &url, number, script))
        .collect();
    for task in [&first, &second].into_iter().chain(&failed) {
        answers += &told(&outwork, task);
    }
    answers += &answered(&outwork);
    assert_eq!(canaries.places_in(answers.as_bytes()), [], "the API told");

    // While all is running, with what is not yet in the database's own file; and afterwards.
    assert_eq!(left(&outwork, &canaries), Places::new());
    drop(worker);
    outwork.process.terminate();
    assert_eq!(left_on_disk(&outwork, &canaries), Places::new());
    let (by_command_line, by_environment) = places::in_processes(&canaries);
    assert_eq!((by_command_line, by_environment), (vec![], vec![]));
}

/// A variable, which agents do see: what looks for secrets finds this.
pub const CONTROL: &str = "control8fQ2vXk41mZr7TbW";

/// What the agent is to look for, in hexadecimal: backwards, some texts look the same.
pub fn prompt(canaries: &Canaries) -> String {
    let mut needles = canaries.needles();
    needles.push(("CONTROL".to_owned(), CONTROL.to_owned()));
    for (_, text) in &mut needles {
        *text = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    }
    json!(needles).to_string()
}

/// While the setup script runs, only its own processes have the values, in their environment.
fn look_at_the_machine(outwork: &Outwork, canaries: &Canaries) {
    let (by_command_line, by_environment) = places::in_processes(canaries);
    assert_eq!(by_command_line, []);
    let is_script = |process: &&places::Process| process.command_line.starts_with("/bin/bash -e ");
    let script = by_environment
        .iter()
        .find(is_script)
        .expect("the script runs");
    for process in &by_environment {
        assert_eq!(process.namespace, script.namespace, "{process:?}");
        // The first process of the sandbox is ours.
        assert_ne!(process.number_inside, 1, "{process:?}");
    }
    let ours = fs::read_link("/proc/self/ns/pid").expect("readable");
    assert_ne!(script.namespace, ours);
    let mut places = left_on_disk(outwork, canaries);
    // Its own, while it runs.
    places.retain(|place, _| !place.ends_with("/root/tmp/left"));
    assert_eq!(places, Places::new());
}

/// What is left in files and tables.
pub fn left(outwork: &Outwork, canaries: &Canaries) -> Places {
    let mut places = left_on_disk(outwork, canaries);
    if let Some(url) = outwork.database() {
        places.append(&mut places::in_postgres(url, canaries));
    }
    places
}

/// Everything of the server, and of its worker if that is somewhere else.
fn left_on_disk(outwork: &Outwork, canaries: &Canaries) -> Places {
    let mut places = places::on_disk(outwork.dir.path(), canaries);
    let worker = outwork.kept().path("");
    if !worker.starts_with(outwork.dir.path()) {
        places.append(&mut places::on_disk(&worker, canaries));
    }
    places
}

/// What the agent found.
pub fn check_report(outwork: &Outwork, task: &str) {
    let diff = String::from_utf8(outwork.diff(task, &[])).expect("text");
    let report = diff.lines().find_map(|line| line.strip_prefix("+{"));
    let report = report.unwrap_or_else(|| panic!("no report: {diff}\n{}", told(outwork, task)));
    let report: Value = serde_json::from_str(&format!("{{{report}")).expect("JSON");
    let found: Vec<&str> = report["found"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let is_control = |place: &&str| place.starts_with("CONTROL in ");
    let (control, leaks): (Vec<&str>, Vec<&str>) = found.into_iter().partition(is_control);
    assert_eq!(leaks, Vec::<&str>::new());
    assert!(
        control.contains(&"CONTROL in control of a process"),
        "{report}"
    );
    assert_eq!(report["left"], json!([]));
    let looked = |what: &str| report["looked"][what].as_u64().expect("a number");
    // It did look: the checkout, what there is of /etc (little on a small system), and itself.
    assert!(looked("files") > 20, "{report}");
    assert!(
        looked("processes") >= 2 && looked("processes") < 12,
        "{report}"
    );
}

/// The log has a mark for each value, and says which cannot be masked.
fn check_masks(outwork: &Outwork, canaries: &Canaries, task: &str) {
    let log = told(outwork, task);
    for (name, _) in &canaries.values {
        let is_marked = log.contains(&format!("[secret {name}]"));
        assert_eq!(is_marked, *name != TOO_SHORT, "{name} in {log}");
    }
    let events = outwork.events(task, 1);
    let warnings = events.iter().filter_map(|event| event["message"].as_str());
    let warnings: BTreeSet<&str> = warnings.filter(|text| text.contains(TOO_SHORT)).collect();
    assert_eq!(warnings.len(), 1, "{events:#?}");
}

/// Scripts that end with a secret in what they say last.
const FAILING: [&str; 4] = [
    "echo \"error: no access with $PLAIN and $PEM\" >&2; exit 3",
    "printf '%s' \"$LONG\" >&2; exit 3",
    "printf '%s' \"$LONG\" | base64; exit 3",
    "head -c 3990 /dev/zero | tr '\\0' x; echo \" $PLAIN\"; exit 3",
];

/// Runs one of those, and gives the task.
fn failing(
    outwork: &Outwork,
    canaries: &Canaries,
    url: &str,
    number: usize,
    script: &str,
) -> String {
    let label = format!("failing-{number}");
    let path = outwork.file(script);
    environment(
        outwork,
        canaries,
        &label,
        &["--repo", url, "--setup", &path, "--agent-command", "true"],
    );
    let task = outwork.exec(&label, "go", &[]);
    let failure = &task["turns"][0]["attempts"][0]["failure"];
    assert_eq!(failure["code"], "setup_failed", "{task:#}");
    task["id"].as_str().expect("an id").to_owned()
}

/// All that the commands tell of a task.
pub fn told(outwork: &Outwork, task: &str) -> String {
    let mut text = String::new();
    for command in [
        &["status", task, "--json"][..],
        &["status", task],
        &["log", task, "--json"],
        &["log", task],
        &["diff", task],
    ] {
        let done = outwork.run(command);
        text += &done.text();
        text += &done.stderr;
    }
    text
}

/// All that they tell of everything else.
pub fn answered(outwork: &Outwork) -> String {
    let mut text = String::new();
    for command in [
        &["env", "show", "all", "--json"][..],
        &["env", "show", "all"],
        &["env", "list", "--json"],
        &["env", "secret", "list", "all", "--json"],
        &["env", "cache", "list", "--json"],
        &["list", "--json"],
        &["workers", "--json"],
        &["doctor", "--json"],
    ] {
        let done = outwork.run(command);
        text += &done.text();
        text += &done.stderr;
    }
    text + &outwork.process.log()
}
