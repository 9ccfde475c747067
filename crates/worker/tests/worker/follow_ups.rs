//! A turn that continues another, on another worker.

use crate::scene::{Scene, attempt};

#[tokio::test(flavor = "multi_thread")]
async fn files_and_session_go_on_elsewhere() {
    let scene = Scene::new();
    let first = scene
        .run(scene.assignment(1, "echo one > work.txt; printf 'remembered\\0\\377' > $OUTWORK_SESSION_DIR/memo; pwd; echo $HOME"))
        .await;
    assert_eq!(first.outcome(), "ok");

    let command = "od -An -c $OUTWORK_SESSION_DIR/memo | head -1 | xargs; cat work.txt; echo two >> work.txt; \
                   echo turn $OUTWORK_TURN; pwd; echo $HOME";
    let mut assignment = scene.assignment(2, command);
    assignment.turn = 2;
    assignment.repositories[0].has_carried_diff = true;
    assignment.has_session = true;
    scene.api.change(|state| {
        state.input(&attempt(2), "carried_diff", first.uploads["diff"].clone());
        state.input(&attempt(2), "session", first.uploads["session"].clone());
    });
    let elsewhere = scene.start_with(scene.config("another")).await;
    scene.api.offer(assignment);
    let second = scene.finished(&attempt(2)).await;
    elsewhere.end().await;
    assert_eq!(second.outcome(), "ok", "{second:#?}");
    assert_eq!(
        second.output(),
        "r e m e m b e r e d 0 377\none\nturn 2\n/workspace/project\n/home/agent\n"
    );
    // Against the task's base, not against the turn before.
    assert_eq!(
        scene.applied(&second, "work.txt").as_deref(),
        Some("one\ntwo\n")
    );
    assert_eq!(second.uploads["session"], first.uploads["session"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_whose_agent_did_not_start_keeps_session_and_files_for_the_next() {
    let scene = Scene::new();
    let first = scene
        .run(scene.assignment(1, "echo one > work.txt; echo m > $OUTWORK_SESSION_DIR/memo"))
        .await;
    let mut assignment = scene.assignment(2, "true");
    assignment.repositories[0].has_carried_diff = true;
    assignment.has_session = true;
    assignment.setup_script = Some("exit 1".to_owned());
    scene.api.change(|state| {
        state.input(&attempt(2), "carried_diff", first.uploads["diff"].clone());
        state.input(&attempt(2), "session", first.uploads["session"].clone());
    });
    let second = scene.run(assignment).await;
    assert_eq!(second.outcome(), "setup_failed");
    assert_eq!(second.uploads, first.uploads);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_another_agent_is_told_and_left_out() {
    let scene = Scene::new();
    let mut assignment = scene.assignment(1, "ls -A $OUTWORK_SESSION_DIR");
    assignment.has_session = true;
    let session = "{\"outwork_session\":1,\"agent\":\"codex\",\"thread_id\":\"t\",\"files\":[]}\n";
    scene
        .api
        .change(|state| state.input(&attempt(1), "session", session));
    let record = scene.run(assignment).await;
    assert_eq!(
        (record.outcome().as_str(), record.output().as_str()),
        ("ok", "")
    );
    assert!(
        record.warnings()[0].contains("codex"),
        "{:?}",
        record.warnings()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_a_newer_worker_reads_is_not_left_out() {
    let scene = Scene::new();
    let mut assignment = scene.assignment(1, "echo it ran");
    assignment.has_session = true;
    let session = "{\"outwork_session\":2,\"agent\":\"command\"}\n";
    scene
        .api
        .change(|state| state.input(&attempt(1), "session", session));
    let record = scene.run(assignment).await;
    assert_eq!(record.outcome(), "agent_failed", "{record:#?}");
    assert_eq!(record.output(), "");
    assert!(format!("{record:?}").contains("format version 2"));
}
