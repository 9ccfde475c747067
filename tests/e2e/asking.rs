//! Agents that ask, are told something or interrupted, and work that outlives its worker.

use scripted_model::{Scenario, Script, ScriptedModel, Step};
use serde_json::{Value, json};

use crate::codex::{codex_environment, with_model};
use crate::harness::{Engine, Outwork, Repository, on_both_stores, processes_with, until};

on_both_stores!(
    an_answer_goes_on_from_the_question_on_another_worker,
    an_interrupt_waits_for_a_word,
    work_outlives_its_worker_and_is_gone_on_with,
    codex_asks_and_hears_the_answer,
    codex_hears_what_it_is_told_while_it_works,
);

fn attempt(task: &Value) -> &Value {
    &task["turns"][0]["attempts"][0]
}

fn text(outwork: &Outwork, task: &str) -> String {
    String::from_utf8(outwork.diff(task, &[])).expect("a text diff")
}

fn asks(outwork: &Outwork, id: &str) -> Value {
    outwork.task_until(id, "the task needs input", |task| {
        task["status"] == "needs_input"
    })
}

fn an_answer_goes_on_from_the_question_on_another_worker(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let agent = "if [ \"$OUTWORK_QUESTION\" ]; then \
                 echo \"$OUTWORK_QUESTION: $(cat)\" >> a; cat $OUTWORK_SESSION_DIR/n >> a; exit; fi; \
                 echo half >> a; echo remembered > $OUTWORK_SESSION_DIR/n; echo 'Which one?'; exit 75";
    outwork.command_environment("demo", &repository, agent);
    let mut first = outwork.worker("first");
    let id = outwork.submit("demo", "choose", &[]);
    let task = asks(&outwork, &id);
    assert_eq!(attempt(&task)["state"], "awaiting_input", "{task:#}");
    assert_eq!(attempt(&task)["question"], "Which one?");
    assert!(text(&outwork, &id).contains("+half\n"));
    let shown = outwork.run(&["status", &id]).success().text();
    assert!(shown.contains("asks: Which one?"), "{shown}");
    // What waits holds no worker.
    first.terminate();
    outwork.run(&["steer", &id, "hello"]).code(1);
    let _second = outwork.worker("second");
    let done = outwork.run(&["answer", &id, "--wait", "--json", "the second"]);
    let task = done.success().last_json();
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let diff = text(&outwork, &id);
    let lines = "+half\n+Which one?: the second\n+remembered\n";
    assert!(diff.contains(lines), "{diff}");
    outwork.run(&["answer", &id, "once more"]).code(1);

    let alone = outwork.exec("demo", "alone", &["--non-interactive"]);
    assert_eq!(alone["outcome"], "failed", "{alone:#}");
}

fn an_interrupt_waits_for_a_word(engine: Engine) {
    let outwork = Outwork::start("up", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let agent = "read -r word; echo $word >> a; [ $word = go ] || sleep 9292.5";
    outwork.command_environment("demo", &repository, agent);
    let id = outwork.submit("demo", "wait", &[]);
    until("the agent waits", || {
        (!processes_with("sleep 9292.5").is_empty()).then_some(())
    });
    outwork.run(&["interrupt", &id]).success();
    let task = asks(&outwork, &id);
    assert_eq!(processes_with("sleep 9292.5"), Vec::<String>::new());
    assert!(
        attempt(&task)["question"]
            .as_str()
            .expect("it asks")
            .contains("interrupted")
    );
    let task = outwork.run(&["answer", &id, "--wait", "--json", "go"]);
    let task = task.success().last_json();
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert!(text(&outwork, &id).contains("+wait\n+go\n"));
}

/// The worker is killed in the middle; what its agent had done by then is the attempt's diff, and a retry goes on from it.
fn work_outlives_its_worker_and_is_gone_on_with(engine: Engine) {
    let outwork = Outwork::start("server", engine, &[]);
    let repository = Repository::with(&[("a", "1\n")]);
    let agent = "if grep -q half a; then echo rest >> a; exit; fi; \
                 echo half >> a; echo remembered > $OUTWORK_SESSION_DIR/n; sleep 9393.5";
    outwork.command_environment("demo", &repository, agent);
    let mut first = outwork.worker_with("first", &["--checkpoint-every", "1s"]);
    let id = outwork.submit("demo", "survive", &[]);
    until("it is saved", || {
        let events = outwork.events(&id, 1);
        let saved = events.iter().find(|event| event["type"] == "checkpoint")?;
        (saved["summary"]["files_changed"] == 1).then_some(())
    });
    first.kill();
    // Nobody is there to confirm it.
    outwork.run(&["cancel", &id]).success();
    let task = outwork.ended(&id);
    assert_eq!(task["outcome"], "cancelled", "{task:#}");
    assert!(text(&outwork, &id).contains("+half\n"));

    let _second = outwork.worker("second");
    let task = outwork.run(&["retry", &id, "--wait", "--json"]);
    let task = task.success().last_json();
    assert_eq!(task["turns"][1]["prompt"], "survive", "{task:#}");
    assert!(text(&outwork, &id).contains("+half\n+rest\n"));
}

fn codex_asks_and_hears_the_answer(engine: Engine) {
    let asked = json!({"questions": [{
        "id": "db", "header": "Database", "question": "Which database shall I use?",
        "options": [
            {"label": "Postgres", "description": "A server."},
            {"label": "SQLite", "description": "A file."},
        ],
    }]});
    let model = ScriptedModel::start(
        Scenario::new()
            .script(
                Script::when("choose a database")
                    .step(Step::new().write("half.txt", "half\n"))
                    .step(Step::new().function("request_user_input", asked)),
            )
            .script(
                Script::when("SQLite, please")
                    .request_contains("Which database shall I use?")
                    .step(Step::new().write("db.txt", "sqlite\n"))
                    .step(Step::new().say("Done with SQLite.")),
            ),
    )
    .expect("a model");
    let outwork = with_model("up", engine, &model);
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    codex_environment(&outwork, &repository, &[]);
    let id = outwork.submit("demo", "choose a database", &[]);
    let task = asks(&outwork, &id);
    let question = attempt(&task)["question"].as_str().expect("a question");
    assert_eq!(
        question,
        "Which database shall I use?\n- Postgres\n- SQLite"
    );
    assert!(text(&outwork, &id).contains("+half\n"));
    let task = outwork.run(&["answer", &id, "--wait", "--json", "SQLite, please"]);
    let task = task.success().last_json();
    assert_eq!(
        task["outcome"],
        "succeeded",
        "{task:#}\n{}",
        outwork.process.log()
    );
    let diff = text(&outwork, &id);
    assert!(
        diff.contains("+half\n") && diff.contains("+sqlite\n"),
        "{diff}"
    );
    assert_eq!(model.problems(), Vec::<String>::new());
}

fn codex_hears_what_it_is_told_while_it_works(engine: Engine) {
    let model = ScriptedModel::start(
        Scenario::new()
            .script(
                Script::when("be slow")
                    .step(Step::new().run("echo half > half.txt; sleep 8484.5 || true"))
                    .step(Step::new().say("never said")),
            )
            .script(
                Script::when("write it in capitals")
                    .step(Step::new().write("told.txt", "TOLD\n"))
                    .step(Step::new().say("Done as told.")),
            ),
    )
    .expect("a model");
    let outwork = with_model("up", engine, &model);
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    codex_environment(&outwork, &repository, &[]);
    let id = outwork.submit("demo", "be slow", &[]);
    until("the command runs", || {
        (!processes_with("sleep 8484.5").is_empty()).then_some(())
    });
    outwork
        .run(&["steer", &id, "write it in capitals"])
        .success();
    until("the agent has it", || {
        let events = outwork.events(&id, 1);
        let mut taken = events.iter().filter(|event| event["type"] == "steer_taken");
        taken
            .next()
            .map(|event| assert_eq!(event["accepted"], true))
    });
    // The command ends, and the next step has the message.
    for process in processes_with("sleep 8484.5") {
        let process = process.split(':').next().expect("a path").to_owned();
        let process = process.rsplit('/').next().expect("a number").to_owned();
        let kill = ["-c", "kill $0 2>/dev/null; true", &process];
        std::process::Command::new("sh")
            .args(kill)
            .status()
            .expect("sh runs");
    }
    let task = outwork.ended(&id);
    assert_eq!(
        task["outcome"],
        "succeeded",
        "{task:#}\n{}",
        outwork.process.log()
    );
    assert!(text(&outwork, &id).contains("+TOLD\n"));
}
