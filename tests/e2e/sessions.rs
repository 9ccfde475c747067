//! Conversations carried between the Codex on a person's machine and tasks, with the real Codex on both sides.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scripted_model::{Scenario, Script, ScriptedModel, Step};
use serde_json::Value;

use crate::codex::{codex_environment, with_model};
use crate::harness::{Done, Engine, Outwork, Repository, agents_dir, clean, scratch};

/// The Codex of a person, who has a model of their own.
struct Home {
    dir: tempfile::TempDir,
    /// A clone of the repository.
    clone: PathBuf,
}

impl Home {
    fn new(model: &ScriptedModel, repository: &Repository) -> Self {
        let dir = scratch();
        let clone = dir.path().join("clone");
        let made = Command::new("git")
            .args(["clone", "-q", &repository.url()])
            .arg(&clone)
            .status();
        assert!(made.expect("git runs").success());
        let home = Self { clone, dir };
        fs::create_dir(home.codex_home()).expect("a folder");
        let config = format!(
            "model = \"mine\"\nmodel_provider = \"mine\"\ncheck_for_update_on_startup = false\n\
             [analytics]\nenabled = false\n[features]\nplugins = false\napps = false\n\
             unbounded_connection_retries = false\n[model_providers.mine]\nname = \"Mine\"\n\
             base_url = \"{}/v1\"\nwire_api = \"responses\"\nenv_key = \"MY_KEY\"\n",
            model.url()
        );
        fs::write(home.codex_home().join("config.toml"), config).expect("a file");
        home
    }

    fn codex_home(&self) -> PathBuf {
        self.dir.path().join("codex")
    }

    /// `codex exec …` in the clone.
    fn codex(&self, model: &ScriptedModel, arguments: &[&str]) -> Done {
        let binary = agents_dir().join("codex/0.169.0/bin/codex");
        let mut command = clean(binary);
        command
            .args(["exec", "--json"])
            .args(arguments)
            .env("HOME", self.dir.path())
            .env("CODEX_HOME", self.codex_home())
            .env("MY_KEY", model.api_key())
            .current_dir(&self.clone)
            .stdin(Stdio::null());
        Done::of(command.output()).success()
    }

    /// `outwork …` in the clone.
    fn outwork(&self, outwork: &Outwork, arguments: &[&str]) -> Done {
        let mut command = outwork.command(arguments);
        command
            .env("CODEX_HOME", self.codex_home())
            .current_dir(&self.clone)
            .stdin(Stdio::null());
        Done::of(command.output())
    }

    fn rollouts(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        below(&self.codex_home().join("sessions"), &mut found);
        found.sort();
        found
    }
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("readable").path();
        match path.is_dir() {
            true => below(&path, found),
            false => found.push(path),
        }
    }
}

fn thread_id(codex: &Done) -> String {
    let lines = codex.json_lines();
    let id = lines.iter().find_map(|line| line["thread_id"].as_str());
    id.expect("a thread").to_owned()
}

fn last_request(model: &ScriptedModel) -> String {
    assert_eq!(model.problems(), Vec::<String>::new());
    model.requests().last().expect("requests").body.to_string()
}

#[track_caller]
fn remembers(model: &ScriptedModel, memories: &[&str]) {
    let last = last_request(model);
    for memory in memories {
        assert!(last.contains(memory), "{memory:?} was lost: {last}");
    }
}

fn scenario() -> Scenario {
    let answer = |prompt: &str, text: &str| Script::when(prompt).step(Step::new().say(text));
    Scenario::new()
        .script(
            Script::when("choose a word")
                .step(Step::new().run("echo local-word-is-heron"))
                .step(Step::new().say("I chose heron.")),
        )
        .script(
            Script::when("write the word down")
                .step(Step::new().run("pwd; echo heron | tee word.txt"))
                .step(Step::new().say("Heron is written down.")),
        )
        .script(answer("what is written", "It is heron."))
        .script(answer("what else", "Nothing else."))
        .script(answer("a fork of it", "Forked."))
}

#[test]
fn a_conversation_goes_to_a_task_and_comes_home() {
    let model = ScriptedModel::start(scenario()).expect("a model");
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    let home = Home::new(&model, &repository);
    let local = thread_id(&home.codex(&model, &["choose a word"]));
    let [original] = &home.rollouts()[..] else {
        panic!("{:?}", home.rollouts());
    };
    let before = fs::read(original).expect("readable");

    let outwork = with_model("up", Engine::Sqlite, &model);
    codex_environment(&outwork, &repository, &[]);
    let exec = [
        "exec",
        "--env",
        "demo",
        "--session",
        "last",
        "--wait",
        "--json",
        "write the word down",
    ];
    let done = home.outwork(&outwork, &exec).success();
    assert!(done.stderr.contains(&local), "{}", done.stderr);
    let task = done.last_json();
    assert_eq!(
        task["outcome"],
        "succeeded",
        "{task:#}\n{}",
        outwork.process.log()
    );
    remembers(
        &model,
        &[
            "choose a word",
            "local-word-is-heron",
            "I chose heron.",
            "write the word down",
        ],
    );
    // It worked where tasks work, and was told so.
    let name = repository.name();
    remembers(&model, &[&format!("<cwd>/workspace/{name}</cwd>")]);
    let id = task["id"].as_str().expect("an id");
    let diff = String::from_utf8(outwork.diff(id, &[])).expect("text");
    assert!(diff.contains("+heron\n"), "{diff}");

    // Home: beside the one that is there.
    let export = home.outwork(&outwork, &["session", "export", id]).success();
    let command = export.text();
    let resumed = command
        .trim()
        .strip_prefix("codex resume ")
        .expect("a command")
        .to_owned();
    assert_ne!(resumed, local);
    assert!(
        export.stderr.contains("stays as it is"),
        "{}",
        export.stderr
    );
    assert_eq!(fs::read(original).expect("readable"), before);
    assert_eq!(home.rollouts().len(), 2);
    let again = home.outwork(&outwork, &["session", "export", id]).success();
    assert_eq!(again.text(), command);
    assert!(again.stderr.contains("already in"), "{}", again.stderr);
    assert_eq!(home.rollouts().len(), 2);

    let went_on = home.codex(&model, &["resume", &resumed, "what is written"]);
    assert_eq!(thread_id(&went_on), resumed);
    remembers(
        &model,
        &[
            "choose a word",
            "I chose heron.",
            "write the word down",
            "Heron is written down.",
            "what is written",
        ],
    );
    let clone = home.clone.display().to_string();
    remembers(&model, &[&format!("<cwd>{clone}</cwd>")]);
    settings_are_the_persons(&home, &resumed, &clone);

    // Once it has gone on, it is not overwritten either.
    let rollouts = home.rollouts();
    let gone_on: Vec<_> = rollouts
        .iter()
        .map(|path| fs::read(path).expect("readable"))
        .collect();
    let refused = home.outwork(&outwork, &["session", "export", id]).code(1);
    assert!(
        refused.stderr.contains("nothing is overwritten"),
        "{}",
        refused.stderr
    );
    let still: Vec<_> = rollouts
        .iter()
        .map(|path| fs::read(path).expect("readable"))
        .collect();
    assert_eq!(still, gone_on);
    assert_eq!(home.rollouts(), rollouts);
}

/// Nothing of what the sandbox allowed came along.
fn settings_are_the_persons(home: &Home, id: &str, clone: &str) {
    let rollouts = home.rollouts();
    let of_id = |path: &&PathBuf| path.display().to_string().contains(id);
    let path = rollouts.iter().find(of_id).expect("it was put there");
    let text = fs::read_to_string(path).expect("readable");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let contexts: Vec<Value> = lines
        .filter(|line| line["type"] == "turn_context")
        .collect();
    assert_eq!(contexts.len(), 1, "{contexts:#?}");
    let context = &contexts[0]["payload"];
    assert_eq!(context["cwd"], clone);
    assert_eq!(context["model"], "mine");
    assert_ne!(context["sandbox_policy"]["type"], "danger-full-access");
}

#[test]
fn a_task_of_another_machine_and_a_fork() {
    let model = ScriptedModel::start(scenario()).expect("a model");
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    let outwork = with_model("up", Engine::Sqlite, &model);
    codex_environment(&outwork, &repository, &[]);
    let task = outwork.exec("demo", "write the word down", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let id = task["id"].as_str().expect("an id");

    // Nothing of it is here yet: it keeps its id.
    let home = Home::new(&model, &repository);
    let file = home.dir.path().join("taken.jsonl");
    let to_file = [
        "session",
        "export",
        id,
        "--json",
        "--output",
        file.to_str().expect("text"),
    ];
    let exported = home.outwork(&outwork, &to_file).success().json();
    assert_eq!(exported["paths"][0], file.display().to_string());
    assert_eq!(exported["command"], Value::Null);
    assert_eq!(home.rollouts(), Vec::<PathBuf>::new());
    let exported = home
        .outwork(&outwork, &["session", "export", id, "--json"])
        .success()
        .json();
    let thread = exported["thread_id"].as_str().expect("an id").to_owned();
    home.codex(&model, &["resume", &thread, "what is written"]);
    remembers(&model, &["write the word down", "Heron is written down."]);

    // A fork has only what came after it in its own file.
    let fork = thread_id(&home.codex(&model, &["fork", &thread, "a fork of it"]));
    assert_ne!(fork, thread);
    let exec = [
        "exec",
        "--env",
        "demo",
        "--session",
        &fork,
        "--wait",
        "--json",
        "what else",
    ];
    let task = home.outwork(&outwork, &exec).success().last_json();
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    remembers(
        &model,
        &[
            "write the word down",
            "It is heron.",
            "Forked.",
            "what else",
        ],
    );

    // The file does as well, and a file is never written over.
    let refused = home
        .outwork(
            &outwork,
            &["exec", "--env", "demo", "--session", "/dev/null", "x"],
        )
        .code(1);
    assert!(refused.stderr.contains("no file"), "{}", refused.stderr);
    fs::write(&file, "mine").expect("a file");
    let refused = home.outwork(&outwork, &to_file).code(1);
    assert!(
        refused.stderr.contains("nothing is overwritten"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read_to_string(&file).expect("readable"), "mine");
}

#[test]
fn agents_without_a_conversation_say_so() {
    let model = ScriptedModel::start(scenario()).expect("a model");
    let repository = Repository::with(&[("a", "1\n")]);
    let outwork = with_model("up", Engine::Sqlite, &model);
    outwork.command_environment("shell", &repository, "echo 2 >> a");
    let home = Home::new(&model, &repository);
    let none = home
        .outwork(
            &outwork,
            &["exec", "--env", "shell", "--session", "last", "x"],
        )
        .code(1);
    assert!(
        none.stderr.contains("Codex has no session of"),
        "{}",
        none.stderr
    );
    home.codex(&model, &["choose a word"]);
    let refused = home.outwork(
        &outwork,
        &["exec", "--env", "shell", "--session", "last", "x"],
    );
    assert_ne!(refused.code, 0);
    assert!(
        refused.stderr.contains("agent `codex`"),
        "{}",
        refused.stderr
    );
    let task = outwork.exec("shell", "x", &[]);
    let id = task["id"].as_str().expect("an id");
    let refused = home.outwork(&outwork, &["session", "export", id]);
    assert_ne!(refused.code, 0);
    assert!(
        refused.stderr.contains("agent `codex`"),
        "{}",
        refused.stderr
    );
    let strange = home.dir.path().join("claude.jsonl");
    fs::write(&strange, "{\"type\":\"user\",\"message\":{}}\n").expect("a file");
    let strange = strange.to_str().expect("text");
    let refused = home
        .outwork(
            &outwork,
            &["exec", "--env", "shell", "--session", strange, "x"],
        )
        .code(1);
    assert!(
        refused
            .stderr
            .contains("sessions of the Codex CLI are taken"),
        "{}",
        refused.stderr
    );
}
