//! Questions, interrupts, messages, and what is saved of an agent that runs.

use std::time::Duration;

use outwork_api::event::EventBody;
use outwork_api::worker::{INTERRUPTED, MessageBody, Outcome};

use crate::fake_api::Record;
use crate::scene::{Scene, WAIT, attempt};

fn question(record: &Record) -> Option<&str> {
    match &record.finish.as_ref()?.outcome {
        Outcome::AwaitingInput { question } => Some(question),
        Outcome::Succeeded {} | Outcome::Failed { .. } | Outcome::Cancelled {} => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_asks_hands_in_what_it_did_and_its_session() {
    let scene = Scene::new();
    let command = "echo half > half.txt; echo memory > $OUTWORK_SESSION_DIR/notes; \
                   printf 'working\\n\\nWhich one?\\n- a\\n- b\\n'; exit 75";
    let record = scene.run(scene.assignment(1, command)).await;
    assert_eq!(
        question(&record),
        Some("Which one?\n- a\n- b"),
        "{record:#?}"
    );
    assert_eq!(
        scene.applied(&record, "half.txt").as_deref(),
        Some("half\n")
    );
    assert!(record.finish.as_ref().unwrap().has_session);

    // The answer, on what was handed in.
    let command = "echo $OUTWORK_QUESTION | head -1 > asked.txt; cat > answer.txt; cat $OUTWORK_SESSION_DIR/notes half.txt";
    let mut answered = scene.assignment(2, command);
    answered.prompt = "b".to_owned();
    answered.question = Some("Which one?".to_owned());
    answered.has_session = true;
    answered.repositories[0].has_carried_diff = true;
    scene.api.change(|state| {
        for (input, upload) in [("carried_diff", "diff"), ("session", "session")] {
            state.input(&attempt(2), input, record.uploads[upload].clone());
        }
    });
    let record = scene.run(answered).await;
    assert_eq!(record.outcome(), "ok", "{record:#?}");
    assert!(
        record.output().ends_with("memory\nhalf\n"),
        "{}",
        record.output()
    );
    assert_eq!(
        scene.applied(&record, "half.txt").as_deref(),
        Some("half\n")
    );
    assert_eq!(scene.applied(&record, "answer.txt").as_deref(), Some("b"));
    assert_eq!(
        scene.applied(&record, "asked.txt").as_deref(),
        Some("Which one?\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_answers_a_question_is_a_failure() {
    let scene = Scene::new();
    let mut assignment = scene.assignment(1, "echo $OUTWORK_INTERACTIVE; echo which?; exit 75");
    assignment.interactive = false;
    let record = scene.run(assignment).await;
    assert_eq!(record.outcome(), "agent_failed", "{record:#?}");
    assert!(record.output().starts_with("0\n"), "{}", record.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_keeps_the_work_and_waits_for_a_word() {
    let scene = Scene::new();
    let worker = scene.start().await;
    scene
        .api
        .offer(scene.assignment(1, format!("echo half > half.txt; {WAIT}")));
    scene.heard(&attempt(1), "ready").await;
    scene.api.say(
        &attempt(1),
        MessageBody::Steer {
            text: "not that way".to_owned(),
        },
    );
    scene.api.say(&attempt(1), MessageBody::Interrupt {});
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(question(&record), Some(INTERRUPTED), "{record:#?}");
    assert_eq!(
        scene.applied(&record, "half.txt").as_deref(),
        Some("half\n")
    );
    // A plain command hears nothing: that is told, once.
    let taken: Vec<_> = record
        .events
        .iter()
        .filter_map(|event| match event.body {
            EventBody::SteerTaken { number, accepted } => Some((number, accepted)),
            _ => None,
        })
        .collect();
    assert_eq!(taken, [(1, false)]);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_agent_has_done_is_saved_when_it_changes() {
    let scene = Scene::new();
    let mut config = scene.config("worker");
    config.timing.checkpoint_every = Duration::from_millis(100);
    let worker = scene.start_with(config).await;
    let command = format!(
        "echo half > half.txt; echo note > $OUTWORK_SESSION_DIR/notes; {WAIT}; echo all >> half.txt"
    );
    scene.api.offer(scene.assignment(1, command));
    let saved = scene
        .api
        .until("what it did is saved", |state| {
            let record = state.records.get(&attempt(1))?;
            let saved = record.checkpoints.last()?;
            (saved.has_session && saved.diffs[0].summary.files_changed == 1).then(|| record.clone())
        })
        .await;
    let patch = String::from_utf8(saved.uploads["checkpoint_diff"].clone()).unwrap();
    assert!(
        patch.contains("+half\n") && !patch.contains("+all"),
        "{patch}"
    );
    assert!(!saved.uploads["checkpoint_session"].is_empty());
    worker.go(&attempt(1)).await;
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(record.outcome(), "ok", "{record:#?}");
    assert_eq!(
        scene.applied(&record, "half.txt").as_deref(),
        Some("half\nall\n")
    );
    // What does not change is not saved again and again.
    let told = record.events.iter();
    let told = told.filter(|event| matches!(event.body, EventBody::Checkpoint { .. }));
    assert_eq!(told.count(), record.checkpoints.len());
    assert!(record.checkpoints.len() <= 3, "{:?}", record.checkpoints);
    worker.end().await;
}
