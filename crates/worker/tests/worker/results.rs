//! What an attempt hands in.

use outwork_api::event::EventBody;
use outwork_api::task::{DiffStat, RepositoryDiff};

use crate::scene::{Scene, WAIT, attempt, until};

#[tokio::test(flavor = "multi_thread")]
async fn edits_become_the_diff_and_each_step_is_told() {
    let scene = Scene::new();
    let command = "cat > prompt.txt; echo more >> README.md; rm src/old.txt; env | cut -d= -f1 | sort | xargs; pwd; id -un; \
                   git status --short | xargs; git log --format=%s; echo bad >&2";
    let mut assignment = scene.assignment(1, command);
    assignment
        .variables
        .insert("GREETING".to_owned(), "hi".to_owned());
    let record = scene.run(assignment).await;

    assert_eq!(record.outcome(), "ok", "{record:#?}");
    assert_eq!(
        record.steps,
        ["preparing", "setting_up", "running", "collecting"]
    );
    assert_eq!(
        scene.applied(&record, "README.md").as_deref(),
        Some("hello\nmore\n")
    );
    assert_eq!(
        scene.applied(&record, "prompt.txt").as_deref(),
        Some("do it")
    );
    assert_eq!(scene.applied(&record, "src/old.txt"), None);
    let finish = record.finish.clone().unwrap();
    assert_eq!(
        finish.diffs,
        [RepositoryDiff {
            repository: "project".to_owned(),
            summary: DiffStat {
                files_changed: 3,
                lines_added: 2,
                lines_removed: 1
            }
        }]
    );
    assert!(!finish.has_session, "there is nothing in it");
    assert_eq!(finish.tokens, None);
    let output = record.output();
    let variables = "CI GREETING HOME LANG LOGNAME OUTWORK_ATTEMPT OUTWORK_ATTEMPT_ID OUTWORK_INTERACTIVE OUTWORK_SESSION_DIR OUTWORK_TASK_ID \
                     OUTWORK_TRY OUTWORK_TURN PATH PWD SHELL SHLVL TERM TMPDIR USER _";
    for line in [
        variables,
        "/workspace/project",
        "agent",
        "M README.md D src/old.txt ?? prompt.txt",
        "first",
        "bad",
    ] {
        assert!(
            output.lines().any(|found| found == line),
            "{line:?} in {output}"
        );
    }
    let steps: Vec<String> = record
        .events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::StepStarted { step } => Some(format!("+{step}")),
            EventBody::StepFinished { step, .. } => Some(format!("-{step}")),
            EventBody::DiffReady {
                repository: _,
                summary,
                size_bytes,
            } => {
                assert_eq!(
                    (summary.files_changed, *size_bytes),
                    (3, record.uploads["diff"].len() as u64)
                );
                Some("diff".to_owned())
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        steps,
        [
            "+checkout",
            "-checkout",
            "+setup",
            "-setup",
            "+agent",
            "-agent",
            "+diff",
            "diff",
            "-diff"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_changes_nothing_hands_in_an_empty_diff() {
    let scene = Scene::new();
    let record = scene.run(scene.assignment(1, "true")).await;
    assert_eq!(
        (record.outcome().as_str(), record.uploads["diff"].len()),
        ("ok", 0)
    );
    assert_eq!(record.finish.unwrap().diffs[0].summary, DiffStat::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_agent_keeps_its_work() {
    let scene = Scene::new();
    let record = scene
        .run(scene.assignment(1, "echo half > half.txt; exit 3"))
        .await;
    assert_eq!(record.outcome(), "agent_failed");
    assert!(
        record.failure().message.contains('3'),
        "{:?}",
        record.failure()
    );
    assert_eq!(
        scene.applied(&record, "half.txt").as_deref(),
        Some("half\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_script_runs_before_the_agent_and_its_failure_is_explained() {
    let scene = Scene::new();
    let mut good = scene.assignment(1, "cat ~/tool");
    good.setup_script =
        Some("echo from setup > ~/tool\n[ \"$(pwd)\" = /workspace/project ]\n".to_owned());
    let record = scene.run(good).await;
    assert_eq!(
        (record.outcome().as_str(), record.output().as_str()),
        ("ok", "from setup\n"),
        "{record:#?}"
    );
    assert_eq!(
        record.steps,
        ["preparing", "setting_up", "running", "collecting"]
    );

    let mut bad = scene.assignment(2, "echo the agent ran");
    bad.setup_script = Some("echo begun\nfalse\necho never\n".to_owned());
    let record = scene.run(bad).await;
    assert_eq!(record.outcome(), "setup_failed");
    assert!(
        record.failure().message.contains("begun"),
        "{:?}",
        record.failure()
    );
    assert_eq!(record.output(), "begun\n");
    assert_eq!(record.steps, ["preparing", "setting_up"]);

    let mut offline = scene.assignment(3, "true");
    offline.setup_script =
        Some("echo 'curl: (6) Could not resolve host: example' >&2; exit 6".to_owned());
    let record = scene.run(offline).await;
    assert!(record.failure().hint.unwrap().contains("HTTPS_PROXY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_attempts_run_at_once_and_apart() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let command = format!("{WAIT}; echo $OUTWORK_ATTEMPT_ID > mine; id -u; ls /workspace");
    for number in 1..=3 {
        scene.api.offer(scene.assignment(number, &command));
    }
    for number in 1..=3 {
        scene.heard(&attempt(number), "ready").await;
    }
    for number in 1..=3 {
        worker.go(&attempt(number)).await;
    }
    for number in 1..=3 {
        let record = scene.finished(&attempt(number)).await;
        assert_eq!(record.outcome(), "ok", "{record:#?}");
        assert_eq!(
            scene.applied(&record, "mine"),
            Some(format!("{}\n", attempt(number)))
        );
    }
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_is_explained() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let mut offered = Vec::new();
    let mut offer = |code: &'static str,
                     part: &'static str,
                     change: &dyn Fn(&mut outwork_api::worker::Assignment)| {
        let mut assignment = scene.assignment(offered.len() as u32 + 1, "true");
        change(&mut assignment);
        offered.push((assignment.attempt.clone(), code, part));
        scene.api.offer(assignment);
    };
    offer("repository_unavailable", "no git repository", &|a| {
        a.repositories[0].url = "/nonexistent/project".to_owned()
    });
    offer("repository_unavailable", "password", &|a| {
        a.repositories[0].url = "https://user:secret@host/x".to_owned()
    });
    offer("commit_not_found", "has no commit", &|a| {
        a.repositories[0].commit = "0123456789012345678901234567890123456789".to_owned()
    });
    offer("starting_diff_conflict", "README.md", &|a| {
        a.repositories[0].has_starting_diff = true
    });
    offer("model_not_configured", "model", &|a| {
        a.agent = outwork_api::environment::Agent::Codex {}
    });
    offer("agent_not_installed", "codex", &|a| {
        a.agent = outwork_api::environment::Agent::Codex {};
        a.model = Some(crate::models::access("http://127.0.0.1:1/v1"));
    });
    let diff = "diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-other\n+new\n";
    scene
        .api
        .change(|state| state.input(&attempt(4), "starting_diff", diff));
    for (attempt, code, part) in &offered {
        let record = scene.finished(attempt).await;
        let failure = record.failure();
        assert_eq!(failure.code, *code, "{failure:?}");
        assert!(failure.message.contains(part), "{part}: {failure:?}");
        assert!(!failure.message.contains("secret"), "{failure:?}");
        assert!(record.uploads.is_empty(), "no diff without a checkout");
    }
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starting_diff_is_part_of_the_base() {
    let scene = Scene::new();
    let mut assignment = scene.assignment(1, "cat README.md; echo agent >> README.md");
    assignment.repositories[0].has_starting_diff = true;
    let diff = "diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-hello\n+mine\n";
    scene
        .api
        .change(|state| state.input(&attempt(1), "starting_diff", diff));
    let record = scene.run(assignment).await;
    assert_eq!(
        (record.outcome().as_str(), record.output().as_str()),
        ("ok", "mine\n")
    );
    assert!(
        record.diff().contains("+agent") && !record.diff().contains("-hello"),
        "{}",
        record.diff()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_tree_is_removed_and_its_links_are_not_followed() {
    let scene = Scene::new();
    let kept = scene.directory.path().join("kept");
    std::fs::write(&kept, "x").unwrap();
    let command = format!(
        "ln -s {} link; cd ~; for i in $(seq 400); do mkdir d && cd d; done; chmod 0 ~/d; \
         rm -rf $OUTWORK_SESSION_DIR; ln -s /etc $OUTWORK_SESSION_DIR",
        scene.directory.path().display()
    );
    let record = scene.run(scene.assignment(1, &command)).await;
    assert_eq!(record.outcome(), "ok");
    assert!(
        !record.uploads.contains_key("session"),
        "the link leads out of the home"
    );
    assert!(
        record
            .warnings()
            .iter()
            .any(|warning| warning.contains("session is not saved")),
        "{:?}",
        record.warnings()
    );
    until("the file outside is still there", || {
        kept.exists().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_in_every_place_that_is_read_hold_nothing_up() {
    let scene = Scene::new();
    let command = "rm -rf .git README.md; mkfifo .git README.md AGENTS.md .gitignore .gitmodules src/.gitignore; \
        rm -rf $OUTWORK_SESSION_DIR; mkfifo $OUTWORK_SESSION_DIR; echo work > work.txt";
    let record = scene.run(scene.assignment(1, command)).await;
    assert_eq!(record.outcome(), "ok");
    assert_eq!(
        scene.applied(&record, "work.txt").as_deref(),
        Some("work\n")
    );
    assert!(!record.uploads.contains_key("session"));
    let warnings = record.warnings().join("\n");
    for said in [
        "README.md is left out: it is a named pipe",
        "AGENTS.md is left out",
        "session is not saved",
    ] {
        assert!(warnings.contains(said), "{warnings}");
    }
}
