//! The real Codex CLI, driven through `codex app-server` in the real sandbox, against a model that
//! answers from a script.

use scripted_model::{Failure, Scenario, Script, ScriptedModel, Step};
use serde_json::Value;

use crate::harness::{Engine, Outwork, Repository, on_both_stores, processes_with, until};

on_both_stores!(
    it_edits_and_runs_commands,
    a_model_that_fails_fails_the_attempt,
    a_time_limit_keeps_the_diff,
    cancel_in_the_middle_of_a_command,
    cancel_while_the_model_is_silent,
    a_follow_up_on_a_second_worker_remembers,
    three_attempts_at_once,
);

pub fn with_model(command: &str, engine: Engine, model: &ScriptedModel) -> Outwork {
    let base_url = format!("{}/v1", model.url());
    let variables = [
        ("OUTWORK_MODEL_BASE_URL", base_url.as_str()),
        ("OUTWORK_MODEL_NAME", "scripted-1"),
        ("OUTWORK_MODEL_API_KEY", model.api_key()),
    ];
    Outwork::start(command, engine, &variables)
}

pub fn codex_environment(outwork: &Outwork, repository: &Repository, more: &[&str]) {
    let url = repository.url();
    let mut create = vec!["env", "create", "demo", "--repo", &url, "--agent", "codex"];
    create.extend(more);
    outwork.run(&create).success();
}

fn id(task: &Value) -> String {
    task["id"].as_str().expect("an id").to_owned()
}

fn text_of(outwork: &Outwork, task: &str, more: &[&str]) -> String {
    String::from_utf8(outwork.diff(task, more)).expect("a text diff")
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future);
}

const PATCH: &str =
    "*** Begin Patch\n*** Update File: README.md\n@@\n-# demo\n+# demo project\n*** End Patch";

fn it_edits_and_runs_commands(engine: Engine) {
    let model = ScriptedModel::start(
        Scenario::new().script(
            Script::when("fix the readme")
                .step(
                    Step::new()
                        .say("Looking.")
                        .run("cat README.md; env; ls -la /home/agent"),
                )
                .step(Step::new().patch(PATCH))
                .step(Step::new().write("docs/new.md", "new\n"))
                .step(Step::new().run("printf 'by shell\\n' > shell.txt; exit 3"))
                .step(Step::new().say("The title is fixed.")),
        ),
    )
    .expect("a model");
    let outwork = with_model("up", engine, &model);
    let repository = Repository::with(&[("README.md", "# demo\n"), ("AGENTS.md", "Be brief.\n")]);
    codex_environment(&outwork, &repository, &[]);

    let task = outwork.exec("demo", "fix the readme", &[]);
    let id = id(&task);
    assert_eq!(
        task["outcome"],
        "succeeded",
        "{task:#}\n{}",
        outwork.process.log()
    );
    assert_eq!(model.problems(), Vec::<String>::new());

    let diff = text_of(&outwork, &id, &[]);
    for line in [
        "+# demo project\n",
        "b/docs/new.md",
        "+new\n",
        "+by shell\n",
    ] {
        assert!(diff.contains(line), "{line:?} is not in {diff}");
    }
    let attempt = &outwork.task(&id)["turns"][0]["attempts"][0];
    assert_eq!(attempt["message"], "The title is fixed.");
    assert!(attempt["tokens"]["input"].as_u64() > Some(0), "{attempt:#}");
    assert_eq!(attempt["tokens"]["uncounted_calls"], 0);

    let events = outwork.events(&id, 1);
    let finished: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "command_finished")
        .collect();
    assert!(
        finished.iter().any(|event| event["exit_code"] == 3),
        "{events:#?}"
    );
    let calls = events
        .iter()
        .filter(|event| event["type"] == "model_call_finished")
        .count();
    assert_eq!(calls, 5);

    // The key was added outside: the model had it, the sandbox and the log never did.
    let everything = format!("{events:?}");
    assert!(
        !everything.contains(model.api_key()),
        "the key is in the log"
    );
    let body = format!(
        "{:?}",
        model
            .requests()
            .iter()
            .map(|r| r.body.clone())
            .collect::<Vec<_>>()
    );
    assert!(!body.contains(model.api_key()), "the agent saw the key");
    assert!(body.contains("Be brief."), "AGENTS.md was not found");
}

fn a_model_that_fails_fails_the_attempt(engine: Engine) {
    let refused = |status| Failure::Status {
        status,
        code: None,
        message: None,
        retry_after_s: None,
    };
    let quota = Failure::ResponseFailed {
        code: "insufficient_quota".into(),
        message: "No more tokens.".into(),
    };
    let model = ScriptedModel::start(
        Scenario::new()
            .script(
                Script::when("unauthorized")
                    .step(Step::new().fail_times(refused(401), 99).say("-")),
            )
            .script(Script::when("no quota").step(Step::new().fail_times(quota, 99).say("-")))
            .script(
                Script::when("work, then break")
                    .step(Step::new().write("done.txt", "half\n"))
                    .step(Step::new().fail_times(refused(500), 99).say("-")),
            ),
    )
    .expect("a model");
    let outwork = with_model("up", engine, &model);
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    codex_environment(&outwork, &repository, &[]);
    let code = |prompt: &str| {
        let task = outwork.exec("demo", prompt, &[]);
        assert_eq!(task["status"], "failed", "{task:#}");
        let task = outwork.task(&id(&task));
        let failure = task["turns"][0]["attempts"][0]["failure"].clone();
        assert!(failure["hint"].is_string(), "{failure}");
        (
            id(&task),
            failure["code"].as_str().expect("a code").to_owned(),
        )
    };
    assert_eq!(code("unauthorized").1, "model_unauthorized");
    assert_eq!(code("no quota").1, "model_quota");
    let (broken, why) = code("work, then break");
    assert_eq!(why, "model_unavailable");
    assert!(text_of(&outwork, &broken, &[]).contains("+half\n"));
}

fn a_time_limit_keeps_the_diff(engine: Engine) {
    let model = ScriptedModel::start(Scenario::new().script(
        Script::when("be slow").step(Step::new().run("echo half > half.txt; sleep 8181.5")),
    ))
    .expect("a model");
    let outwork = with_model("up", engine, &model);
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    codex_environment(&outwork, &repository, &["--timeout", "4s"]);
    let task = outwork.exec("demo", "be slow", &[]);
    assert_eq!(task["outcome"], "timed_out", "{task:#}");
    assert!(text_of(&outwork, &id(&task), &[]).contains("+half\n"));
    assert_eq!(processes_with("8181.5"), Vec::<String>::new());
}

fn cancel_in_the_middle_of_a_command(engine: Engine) {
    let model = ScriptedModel::start(
        Scenario::new().script(
            Script::when("be slow")
                .step(Step::new().run("echo half > half.txt; echo begun; sleep 8282.5"))
                .step(Step::new().say("never said")),
        ),
    )
    .expect("a model");
    let outwork = with_model("up", engine, &model);
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    codex_environment(&outwork, &repository, &[]);
    let id = outwork.submit("demo", "be slow", &[]);
    until("the command runs", || {
        let running = processes_with("sleep 8282.5");
        (!running.is_empty()).then_some(())
    });
    outwork.run(&["cancel", &id]).success();
    let task = outwork.ended(&id);
    assert_eq!(task["outcome"], "cancelled", "{task:#}");
    assert!(text_of(&outwork, &id, &[]).contains("+half\n"));
    assert_eq!(processes_with("8282.5"), Vec::<String>::new());
}

fn cancel_while_the_model_is_silent(engine: Engine) {
    let model = ScriptedModel::start(
        Scenario::new().script(Script::when("wait").step(Step::new().gate("never").say("x"))),
    )
    .expect("a model");
    let outwork = with_model("up", engine, &model);
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    codex_environment(&outwork, &repository, &[]);
    let id = outwork.submit("demo", "wait", &[]);
    block_on(model.waiting_at("never"));
    outwork.run(&["cancel", &id]).success();
    let task = outwork.ended(&id);
    assert_eq!(task["outcome"], "cancelled", "{task:#}");
    assert_eq!(outwork.diff(&id, &[]), b"");
}

fn a_follow_up_on_a_second_worker_remembers(engine: Engine) {
    let model = ScriptedModel::start(
        Scenario::new()
            .script(
                Script::when("choose a word")
                    .step(Step::new().run("echo chosen-word-is-heron | tee word.txt"))
                    .step(Step::new().say("I chose heron.")),
            )
            .script(
                Script::when("what was the word")
                    .step(Step::new().run("cat word.txt; echo heron again >> word.txt"))
                    .step(Step::new().say("It was heron.")),
            ),
    )
    .expect("a model");
    let outwork = with_model("server", engine, &model);
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    codex_environment(&outwork, &repository, &[]);
    let mut first = outwork.worker("first");
    let task = outwork.exec("demo", "choose a word", &[]);
    assert_eq!(task["outcome"], "succeeded", "{task:#}\n{}", first.log());
    let id = id(&task);
    assert!(first.terminate().success());
    let second = outwork.worker("second");
    let follow = ["follow-up", &id, "what was the word", "--wait", "--json"];
    let task = outwork.run(&follow).success().last_json();
    assert_eq!(model.problems(), Vec::<String>::new());

    let workers: Vec<&Value> = (0..2)
        .map(|turn| &task["turns"][turn]["attempts"][0]["worker"])
        .collect();
    assert_ne!(workers[0], workers[1], "{task:#}\n{}", second.log());
    let last = model.requests().last().expect("requests").body.to_string();
    for memory in ["choose a word", "chosen-word-is-heron", "I chose heron."] {
        assert!(last.contains(memory), "the session lost {memory:?}: {last}");
    }
    assert!(text_of(&outwork, &id, &[]).contains("+chosen-word-is-heron\n+heron again\n"));
}

fn three_attempts_at_once(engine: Engine) {
    let model = ScriptedModel::start(
        Scenario::new().script(
            Script::when("thrice")
                .step(
                    Step::new()
                        .gate("together")
                        .run("echo '{{conversation}}' > mine.txt"),
                )
                .step(Step::new().say("Done.")),
        ),
    )
    .expect("a model");
    let outwork = with_model("up", engine, &model);
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    codex_environment(&outwork, &repository, &[]);
    let id = outwork.submit("demo", "thrice", &["--attempts", "3"]);
    block_on(model.waiting_at_least("together", 3));
    model.open_gate("together");
    let task = outwork.ended(&id);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let diffs: std::collections::BTreeSet<String> = ["1", "2", "3"]
        .map(|number| text_of(&outwork, &id, &["--attempt", number]))
        .into();
    assert_eq!(
        diffs.len(),
        3,
        "each attempt has a session of its own: {diffs:#?}"
    );
}
