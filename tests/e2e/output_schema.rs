//! Answers in JSON of a schema.

use scripted_model::{Scenario, Script, ScriptedModel, Step};
use serde_json::{Value, json};

use crate::codex::{codex_environment, with_model};
use crate::harness::{Engine, Outwork, Repository, on_both_stores};

on_both_stores!(an_answer_that_matches_is_the_result);

const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {
        "files_changed": {"type": "array", "items": {"type": "string"}},
        "risk": {"enum": ["low", "high"]}
    },
    "required": ["files_changed", "risk"],
    "additionalProperties": false
}"#;

fn an_answer_that_matches_is_the_result(engine: Engine) {
    let outwork = Outwork::up(engine);
    let repository = Repository::with(&[("a", "1\n")]);
    let agent = r#"cat > prompt; cp "$OUTWORK_OUTPUT_SCHEMA" schema; echo looking around; echo
        echo '{"risk": "low",'; echo ' "files_changed": ["a"]}'"#;
    outwork.command_environment("demo", &repository, agent);
    let schema = outwork.file(SCHEMA);
    let exec = [
        "exec",
        "--env",
        "demo",
        "--wait",
        "--output-schema",
        &schema,
        "how risky?",
    ];
    let done = outwork.run(&exec).success();
    // All else is on standard error, so that the output of the command is the answer.
    let answer = json!({"files_changed": ["a"], "risk": "low"});
    assert_eq!(done.json(), answer);
    assert!(done.stderr.contains("| looking around"), "{}", done.stderr);

    let listed = outwork.run(&["list", "--json"]).success().json();
    let id = listed["tasks"][0]["id"].as_str().expect("an id");
    assert!(done.stderr.contains(id), "{}", done.stderr);
    let turn = outwork.task(id)["turns"][0].clone();
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    assert_eq!(turn["output_schema"], schema);
    assert_eq!(turn["attempts"][0]["output"], answer);
    // The agent had it as a file, and at the end of the prompt.
    let diff = String::from_utf8(outwork.diff(id, &[])).expect("text");
    let line = format!("+{schema}\n");
    assert_eq!(diff.matches(&line).count(), 2, "{diff}");
    assert!(
        diff.contains(&format!("+{schema}\n\\ No newline")),
        "{diff}"
    );
    assert!(diff.contains("+how risky?\n"), "{diff}");
}

#[test]
fn an_answer_that_does_not_match_fails_the_attempt_and_says_why() {
    let outwork = Outwork::up(Engine::Sqlite);
    let repository = Repository::with(&[("a", "1\n")]);
    // The prompt's first line is the answer.
    outwork.command_environment("demo", &repository, "echo 2 >> a; head -n 1");
    let schema = outwork.file(SCHEMA);
    let exec = |answer: &str| {
        let exec = [
            "exec",
            "--env",
            "demo",
            "--wait",
            "--output-schema",
            &schema,
            answer,
        ];
        outwork.run(&exec)
    };
    let cases = [
        ("All is well.", "it is not JSON"),
        (
            r#"{"files_changed": []}"#,
            "at the top: has no `risk`, which is required",
        ),
        (
            r#"{"files_changed": [], "risk": "none"}"#,
            "/risk: is \"none\"; it must be one of \"low\", \"high\"",
        ),
        (
            r#"{"files_changed": [], "risk": "low", "x": 1}"#,
            "at the top: has `x`, which the schema does not allow",
        ),
    ];
    for (answer, fault) in cases {
        let done = exec(answer).code(1);
        assert_eq!(done.text(), "", "only an answer goes there");
        let says = format!(
            "output_mismatch: the agent's last message does not match the output schema: {fault}"
        );
        assert!(done.stderr.contains(&says), "{says}\n{}", done.stderr);
    }
    let listed = outwork.run(&["list", "--json"]).success().json();
    let id = listed["tasks"][0]["id"].as_str().expect("an id").to_owned();
    let attempt = outwork.task(&id)["turns"][0]["attempts"][0].clone();
    assert_eq!(attempt["failure"]["code"], "output_mismatch");
    assert_eq!(attempt["message"], cases[3].0);
    assert_eq!(attempt["output"], Value::Null);
    // What it did is not lost, and it can be asked again.
    let diff = String::from_utf8(outwork.diff(&id, &[])).expect("text");
    assert!(diff.contains("+2\n"), "{diff}");
    let answer = r#"{"files_changed": ["a"], "risk": "high"}"#;
    let again = [
        "follow-up",
        &id,
        "--wait",
        "--output-schema",
        &schema,
        answer,
    ];
    let answer: Value = serde_json::from_str(answer).expect("JSON");
    assert_eq!(outwork.run(&again).success().json(), answer);
    // A turn without a schema is as ever; one that is tried again has its schema still.
    let free = ["follow-up", &id, "--wait", "just talk"];
    assert!(outwork.run(&free).success().text().starts_with(&id));
    let failing = ["follow-up", &id, "--wait", "--output-schema", &schema, "no"];
    outwork.run(&failing).code(1);
    let retried = outwork.run(&["retry", &id, "--wait"]).code(1);
    assert!(
        retried.stderr.contains("output_mismatch"),
        "{}",
        retried.stderr
    );
}

#[test]
fn a_schema_that_cannot_be_used_is_refused_before_anything_is_done() {
    let outwork = Outwork::up(Engine::Sqlite);
    let long = outwork.file(&format!(r#"{{"title": "{}"}}"#, "ä".repeat(40_000)));
    let cases = [
        (
            "no-such-file",
            "the output schema no-such-file cannot be read",
        ),
        (&long, "is too large"),
        (r#"{"type": "objekt"}"#, "/type: must be the name of a type"),
        (
            r#"{"patternProperties": {}}"#,
            "the keyword `patternProperties` cannot be checked",
        ),
        (r#"{"type": }"#, "it is not JSON"),
    ];
    for (schema, fault) in cases {
        let done = outwork.run(&["exec", "--env", "demo", "--output-schema", schema, "x"]);
        let stderr = done.code(2).stderr;
        assert!(stderr.contains(fault), "{fault}\n{stderr}");
    }
}

#[test]
fn codex_asks_its_model_for_the_schema() {
    let right = r#"{"files_changed": ["README.md"], "risk": "low"}"#;
    let model = ScriptedModel::start(
        Scenario::new()
            .script(Script::when("right").step(Step::new().say(right)))
            .script(Script::when("wrong").step(Step::new().say("Low, I think."))),
    )
    .expect("a model");
    let outwork = with_model("up", Engine::Sqlite, &model);
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    codex_environment(&outwork, &repository, &[]);
    let schema = outwork.file(SCHEMA);
    let exec = |prompt| {
        let exec = [
            "exec",
            "--env",
            "demo",
            "--wait",
            "--output-schema",
            &schema,
            prompt,
        ];
        outwork.run(&exec)
    };
    let answer: Value = serde_json::from_str(right).expect("JSON");
    assert_eq!(exec("right").success().json(), answer);
    let requests = model.requests();
    let asked = requests.last().expect("a request").body["text"]["format"].clone();
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    assert_eq!(asked["type"], "json_schema", "{asked}");
    assert_eq!(asked["schema"], schema);
    let stderr = exec("wrong").code(1).stderr;
    assert!(stderr.contains("output_mismatch"), "{stderr}");
    assert_eq!(model.problems(), Vec::<String>::new());
}
