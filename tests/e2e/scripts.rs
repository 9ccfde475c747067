//! The scripts of `docs/scripts.md`, run as they stand: in Bash, with the real `jq`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Done, Engine, Hold, OUTWORK, Outwork, Repository, clean, until};

const PAGE: &str = include_str!("../../docs/scripts.md");
const LABEL: &str = "my-backend-env";

/// The first block of code in that language below a heading of the page.
#[track_caller]
fn block(heading: &str, language: &str) -> String {
    let section = PAGE
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap_or_else(|| panic!("the page has no section {heading}"));
    let fence = format!("\n```{language}\n");
    let (_, code) = section.split_once(&fence).expect("the section has code");
    let (code, _) = code.split_once("\n```").expect("the block ends");
    format!("{code}\n")
}

/// Somebody's shell: `outwork` is on its path, and waiting takes less long than it says.
pub struct Shell<'a> {
    pub outwork: &'a Outwork,
    /// Where `outwork` lies.
    pub programs: PathBuf,
}

impl<'a> Shell<'a> {
    pub fn new(outwork: &'a Outwork) -> Self {
        let programs = outwork.dir.path().join("programs");
        fs::create_dir_all(&programs).expect("a folder");
        symlink(OUTWORK, programs.join("outwork")).expect("a link");
        let sleep = programs.join("sleep");
        fs::write(&sleep, "#!/bin/sh\nexec /bin/sleep 0.1\n").expect("a program");
        fs::set_permissions(&sleep, fs::Permissions::from_mode(0o755)).expect("ours");
        Self { outwork, programs }
    }

    /// A script, with no variables of Outwork yet.
    fn bare(&self, script: &str, folder: &Path) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = path.to_string_lossy();
        let file = self.outwork.file(script);
        let mut command = clean("bash");
        command
            .arg(file)
            .current_dir(folder)
            .stdin(Stdio::null())
            .env("PATH", format!("{}:{path}", self.programs.display()))
            .env("OUTWORK_CONFIG_DIR", self.outwork.dir.path().join("none"));
        command
    }

    /// The same for somebody who can use the server.
    pub fn script(&self, script: &str, folder: &Path) -> Command {
        let mut command = self.bare(script, folder);
        command
            .env("OUTWORK_URL", &self.outwork.url)
            .env("OUTWORK_TOKEN", &self.outwork.token);
        command
    }

    fn run(&self, heading: &str, folder: &Path) -> Done {
        let script = block(heading, "bash");
        Done::of(self.script(&script, folder).output())
    }
}

fn listed(outwork: &Outwork) -> Vec<Value> {
    let listed = outwork.run(&["list", "--json"]).success().json();
    listed["tasks"].as_array().expect("tasks").clone()
}

#[test]
fn milestones_are_submitted_and_waited_for() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("PLAN.md", "the plan\n")]);
    let hold = Hold::new();
    let agent = format!("{}; cat PLAN.md - > done.txt", hold.command());
    outwork.command_environment(LABEL, &repository, &agent);
    let shell = Shell::new(&outwork);
    let here = outwork.dir.path();

    let done = shell.run("A task for each milestone", here).success();
    let text = done.text();
    let tasks = listed(&outwork);
    assert_eq!(tasks.len(), 3, "{text}");
    for task in &tasks {
        // Its id and its address, each on a line of its own.
        for field in ["id", "url"] {
            let field = task[field].as_str().expect("text");
            assert!(text.lines().any(|line| line == field), "{field}: {text}");
        }
    }
    let last = format!("All milestones submitted. Monitor with: outwork cloud list --env {LABEL}");
    assert_eq!(text.lines().last(), Some(last.as_str()));

    let script = block("Waiting for all of them", "bash");
    let log = here.join("waiting.log");
    let mut waiting = shell.script(&script, here);
    waiting.stdout(fs::File::create(&log).expect("a file"));
    let mut waiting = waiting.spawn().expect("bash runs");
    let said = || fs::read_to_string(&log).expect("a log");
    until("it sees that all three run", || {
        said().contains("3 tasks still running...").then_some(())
    });
    let status = until("it sees that they have ended", || {
        hold.release();
        waiting.try_wait().expect("ours")
    });
    assert!(status.success(), "{}", said());
    assert_eq!(said().lines().last(), Some("All tasks complete."));
    for task in listed(&outwork) {
        assert_eq!(task["status"], "completed", "{task:#}");
        let diff = outwork.diff(task["id"].as_str().expect("an id"), &[]);
        let diff = String::from_utf8(diff).expect("text");
        assert!(diff.contains("+the plan\n+Implement Milestone "), "{diff}");
    }
}

#[test]
fn waiting_ends_also_when_a_task_fails() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment(LABEL, &repository, "exit 3");
    let shell = Shell::new(&outwork);
    outwork.submit(LABEL, "no luck", &[]);
    let done = shell.run("Waiting for all of them", outwork.dir.path());
    let text = done.success().text();
    assert_eq!(text.lines().last(), Some("All tasks complete."), "{text}");
    assert_eq!(listed(&outwork)[0]["status"], "failed");
}

#[test]
fn a_script_stops_where_nothing_is_submitted() {
    let outwork = Outwork::up(Engine::Sqlite);
    let shell = Shell::new(&outwork);
    // There is no such environment.
    let done = shell
        .run("A task for each milestone", outwork.dir.path())
        .code(1);
    assert_eq!(
        done.text(),
        "Delegating: Milestone 1: Extract channel strategies\n"
    );
    assert!(done.stderr.contains(LABEL), "{}", done.stderr);
}

#[test]
fn a_task_becomes_changed_files() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment(LABEL, &repository, "cat >> a; echo >> a");
    let shell = Shell::new(&outwork);
    let clone = repository.clone_here();
    let script = block("From a task to changed files", "bash");
    let patch = outwork
        .dir
        .path()
        .join("review.patch")
        .display()
        .to_string();
    let script = script.replace("/tmp/review.patch", &patch);
    let done = Done::of(shell.script(&script, clone.path()).output()).success();
    assert!(done.text().contains("succeeded"), "{}", done.text());
    assert_eq!(listed(&outwork)[0]["attempt_total"], 3);
    let content = fs::read_to_string(clone.path().join("a")).expect("readable");
    assert_eq!(
        content,
        "1\nRefactor the payment gateway adapter to support async webhooks.\n"
    );

    let turns = repository.clone_here();
    shell
        .run("One milestone after the other", turns.path())
        .success();
    let content = fs::read_to_string(turns.path().join("a")).expect("readable");
    assert_eq!(
        content,
        "1\nImplement milestone 1 from PLAN.md.\nNow milestone 2.\nNow milestone 3.\n"
    );
}

#[test]
fn an_answer_is_a_report_for_a_program() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    let report =
        r#"{"files_changed": ["a", "b"], "tests_passed": true, "risk_assessment": "none"}"#;
    outwork.command_environment(LABEL, &repository, &format!("echo '{report}'"));
    let shell = Shell::new(&outwork);
    // The folder's remote says which environment is meant.
    let clone = repository.clone_here();
    let done = shell.run("An answer for a program", clone.path());
    assert_eq!(done.success().text(), "2 files, tests passed: true\n");
}

/// What a runner puts in for `${{ … }}`.
fn filled(text: &str, values: &BTreeMap<&str, &str>) -> String {
    let mut parts = text.split("${{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").expect("the expression ends");
        let value = values.get(name.trim());
        filled += value.unwrap_or_else(|| panic!("nothing is known of {name}"));
        filled += rest;
    }
    filled
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The lines below that key which are further in than it, without their common indentation.
fn below<'a>(lines: &[&'a str], key: usize) -> Vec<&'a str> {
    let outer = indentation(lines[key]);
    let inner: Vec<&str> = lines[key + 1..]
        .iter()
        .take_while(|line| indentation(line) > outer)
        .copied()
        .collect();
    let depth = inner.first().map_or(0, |line| indentation(line));
    inner.iter().map(|line| &line[depth..]).collect()
}

/// The blocks below each such key.
fn all_below<'a>(yaml: &'a str, key: &str) -> Vec<Vec<&'a str>> {
    let lines: Vec<&str> = yaml.lines().collect();
    let keys = (0..lines.len()).filter(|number| lines[*number].trim() == key);
    keys.map(|number| below(&lines, number)).collect()
}

/// Runs the steps of a job as a runner does, and gives what each printed.
fn steps(shell: &Shell<'_>, yaml: &str, values: &BTreeMap<&str, &str>) -> Vec<Done> {
    let yaml = filled(yaml, values);
    let variables: Vec<(&str, &str)> = all_below(&yaml, "env:")
        .concat()
        .iter()
        .map(|line| line.split_once(": ").expect("a variable"))
        .collect();
    let run = |lines: &Vec<&str>| {
        let script = format!("set -eo pipefail\n{}\n", lines.join("\n"));
        let mut command = shell.bare(&script, shell.outwork.dir.path());
        Done::of(command.envs(variables.iter().copied()).output())
    };
    all_below(&yaml, "run: |").iter().map(run).collect()
}

#[test]
fn a_job_on_github_needs_the_variables_of_the_stock_client_only() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    outwork.command_environment(LABEL, &repository, "cat >> a");
    let shell = Shell::new(&outwork);
    let values = BTreeMap::from([
        ("secrets.OUTWORK_TOKEN", outwork.token.as_str()),
        ("vars.OUTWORK_URL", &outwork.url),
        ("vars.OUTWORK_ENVIRONMENT", LABEL),
        ("github.event.inputs.milestone", "Do milestone 1"),
    ]);
    let yaml = block("A job on GitHub", "yaml");
    let done = steps(&shell, &yaml, &values);
    assert_eq!(done.len(), 2, "{done:#?}");
    let [submitted, waited] = <[Done; 2]>::try_from(done).expect("two");
    let submitted = submitted.success();
    let task = waited.success().json()["tasks"][0].clone();
    let id = task["id"].as_str().expect("an id");
    assert_eq!(submitted.text().lines().next(), Some(id));
    assert_eq!(task["title"], "Do milestone 1");
    assert_eq!(task["attempt_total"], 2);

    // The step that waits needs nothing but the job's variables.
    let second = yaml_after("A minute is a guess");
    let job = yaml.split_once("    steps:\n").expect("steps").0.to_owned();
    let done = steps(&shell, &format!("{job}    steps:\n{second}"), &values);
    let [run] = <[Done; 1]>::try_from(done).expect("one step");
    let text = run.success().text();
    assert!(text.contains("completed, 1 file"), "{text}");
}

/// The block of YAML after that text.
fn yaml_after(text: &str) -> String {
    let (_, rest) = PAGE.split_once(text).expect("the text is there");
    let (_, rest) = rest.split_once("\n```yaml\n").expect("a block");
    let (code, _) = rest.split_once("\n```").expect("the block ends");
    format!("{code}\n")
}

#[test]
fn a_job_anywhere_pushes_a_branch() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n"), (".gitignore", "task.json\n")]);
    outwork.command_environment(LABEL, &repository, "echo 2 >> a");
    let shell = Shell::new(&outwork);
    let clone = repository.clone_here();
    let mut job = shell.script(&block("A job anywhere", "bash"), clone.path());
    for who in ["AUTHOR", "COMMITTER"] {
        job.env(format!("GIT_{who}_NAME"), "CI")
            .env(format!("GIT_{who}_EMAIL"), "ci@example.invalid");
    }
    Done::of(job.output()).success();
    let task = listed(&outwork)[0].clone();
    let branch = format!("outwork/{}", task["id"].as_str().expect("an id"));
    assert_eq!(repository.git(&["show", &format!("{branch}:a")]), "1\n2");
    assert_eq!(
        repository.git(&["rev-parse", &format!("{branch}^")]),
        repository.git(&["rev-parse", "main"]),
    );
}
