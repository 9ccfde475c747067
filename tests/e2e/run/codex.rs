//! The real Codex, in a run.

use std::fs;

use scripted_model::{Scenario, Script, ScriptedModel, Step};

use super::here::Here;
use crate::harness::{By, Repository, agents_dir, processes_with};

const PATCH: &str =
    "*** Begin Patch\n*** Update File: README.md\n@@\n-# demo\n+# demo project\n*** End Patch";

#[test]
fn the_real_codex() {
    let script = Script::when("fix the readme")
        .step(Step::new().say("Looking.").run("cat README.md"))
        .step(Step::new().patch(PATCH))
        .step(Step::new().say("The title is fixed."));
    let model = ScriptedModel::start(Scenario::new().script(script)).expect("a model");
    let repository = Repository::with(&[("README.md", "# demo\n")]);
    let here = Here::by(By::Tester, &repository);
    let key = here.file(model.api_key());
    let url = format!("{}/v1", model.url());
    let agents = agents_dir().display().to_string();
    let done = here.run(&[
        "--agents-dir",
        &agents,
        "--model",
        "scripted-1",
        "--model-base-url",
        &url,
        "--model-key-file",
        &key,
        "--apply",
        "fix the readme",
    ]);
    let done = done.code(0);
    assert_eq!(model.problems(), Vec::<String>::new());
    assert_eq!(done.text(), "README.md\n");
    assert_eq!(here.read("README.md"), "# demo project\n");
    assert!(
        done.stderr.contains("The title is fixed."),
        "{}",
        done.stderr
    );
    assert!(!done.stderr.contains(model.api_key()));
    // The key is not kept either.
    let kept = processes_with(model.api_key());
    assert_eq!(kept, Vec::<String>::new());
    let store = fs::read(here.place(1).join("outwork.sqlite")).expect("a store");
    let log = fs::read(here.place(1).join("outwork.sqlite-wal")).unwrap_or_default();
    let holds_key = |bytes: &[u8]| {
        let key = model.api_key().as_bytes();
        bytes.windows(key.len()).any(|window| window == key)
    };
    assert!(!holds_key(&store) && !holds_key(&log));
    here.assert_nothing_left();
}
