//! One result of parts of attempts, from the command line to the worker and back.

use serde_json::{Value, json};

use crate::harness::{Engine, Outwork, Repository, on_both_stores};

on_both_stores!(parts_of_two_attempts_become_one_result);

fn lines() -> String {
    (1..=40).map(|line| format!("{line}\n")).collect()
}

fn parts_of_two_attempts_become_one_result(engine: Engine) {
    let outwork = Outwork::start("up", engine, &[]);
    let repository = Repository::with(&[("file", &lines()), ("docs/a", "a\n")]);
    outwork.command_environment("demo", &repository, "exit 1");
    let one = "sed -i '1s/.*/one/; 40s/.*/forty/' file; echo new > new; rm docs/a";
    let two = "sed -i '1s/.*/uno/; 20s/.*/twenty/' file; chmod +x file";
    let agents = ["--agent-command", one, "--agent-command", two];
    let task = outwork.exec("demo", "two ways", &agents);
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let id = task["id"].as_str().expect("an id");

    let listed = outwork.run(&["compose", id, "--list"]).success().text();
    assert_eq!(
        listed,
        "1:docs/a#1  @@ -1 +0,0 @@\n\
         1:file#1  @@ -1,4 +1,4 @@\n\
         1:file#2  @@ -37,4 +37,4 @@\n\
         1:new#1  @@ -0,0 +1 @@\n\
         2:file#1  @@ -1,4 +1,4 @@\n\
         2:file#2  @@ -17,7 +17,7 @@\n"
    );
    let both = ["compose", id, "--take", "1", "--take", "2", "--json"];
    let refused = outwork.run(&both).code(1);
    let refused: Value = serde_json::from_str(refused.stderr.trim()).expect("JSON");
    let error = &refused["error"];
    assert_eq!(error["code"], "parts_conflict", "{error:#}");
    let details = error["details"][0].as_str().expect("a text");
    assert!(details.contains("file: both change line 1"), "{details}");

    let taken = [
        "compose", id, "--take", "1", "--drop", "1:docs/", "--drop", "1:file#2", "--take",
        "2:file#2",
    ];
    let dry = outwork
        .run(&[&taken[..], &["--dry-run"]].concat())
        .success();
    let composed = dry.text();
    assert!(
        composed.contains("-20\n+twenty\n") && composed.contains("-1\n+one\n"),
        "{composed}"
    );
    let task = outwork.run(&[&taken[..], &["--wait", "--json"]].concat());
    let task = task.success().last_json();
    let turn = &task["turns"][1];
    assert_eq!(
        (&task["outcome"], &turn["kind"]),
        (&json!("succeeded"), &json!("composition"))
    );
    assert_eq!(turn["attempts"][0]["agent"]["name"], "none");
    let exact = String::from_utf8(outwork.diff(id, &[])).expect("text");
    // As git writes it: with the hashes that the server could not know.
    let without = |diff: &str| {
        let lines = diff.lines().filter(|line| !line.starts_with("index "));
        lines
            .map(|line| line.split(" @@ ").next().unwrap_or(line).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        without(&exact).len(),
        without(&composed).len(),
        "{exact}\n{composed}"
    );
    assert!(
        exact.contains("old mode 100644\nnew mode 100755"),
        "{exact}"
    );
    for part in ["-1\n+one\n", "-20\n+twenty\n", "+++ b/new\n"] {
        assert!(exact.contains(part), "{exact}");
    }
    assert!(
        !exact.contains("forty") && !exact.contains("docs/a"),
        "{exact}"
    );

    let again = outwork
        .run(&["retry", id, "--wait", "--json"])
        .success()
        .last_json();
    assert_eq!(again["turns"][2]["kind"], "composition", "{again:#}");
    assert_eq!(outwork.diff(id, &[]), exact.as_bytes());
    let next = outwork
        .run(&["follow-up", id, "--wait", "--json", "go on"])
        .success();
    assert_eq!(next.last_json()["turns"][3]["kind"], "prompt");
    let diff = String::from_utf8(outwork.diff(id, &[])).expect("text");
    // On the composed files, by the agent of the attempt of which most was taken.
    assert!(
        diff.contains("+twenty\n") && diff.contains("+forty\n"),
        "{diff}"
    );
}
