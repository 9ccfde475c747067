//! What people want of a running attempt.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Scene, Stage, waiting};
use crate::check::{Check, checks, skip};
use crate::plane::{Way, Work};
use crate::process::Mark;

/// From the wish until it is carried out.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Cancel and abandon":
        cancels_by_heartbeat "`cancel` in a heartbeat stops the agent; its diff is handed in",
        cancels_by_stream "`cancel` in the stream of commands does the same",
        cancels_by_answer "`cancel` in the answer to events does the same",
    );
    all.extend(checks!("Commands":
        keeps_its_stream "An event of another type does not end the stream of commands",
    ));
    all.extend(checks!("Messages and questions":
        acknowledges_messages "`message_seq` of a claim rises to the last message that came",
        ends_its_turn_when_interrupted "An interrupt ends the turn: diff, then `awaiting_input`",
        hears_what_came_before_its_claim "A message of the assignment counts like one that comes later",
        asks "Exit code 75 of a command asks: its last paragraph is the question",
        does_not_ask_when_nobody_answers "Without `interactive` an attempt never ends in `awaiting_input`",
        goes_on_with_the_answer "After an answer the command has the question, the answer, and its work",
    ));
    all
}

/// An agent that waits, and has written something.
async fn busy(stage: &Stage, mark: &Mark, more: &str) -> Result<String> {
    let command = format!("echo half > new; {more} {}", waiting(mark));
    stage.held_at(mark, Work::command(&command)).await
}

/// It ended so, and its work is there.
async fn stopped_with_work(stage: &Stage, mark: &Mark, attempt: &str, result: &str) -> Result<()> {
    stage.gone(mark, STOPPED_WITHIN).await?;
    let finish = stage.finished(attempt).await?;
    stage.ended_as(&finish, result)?;
    let mut expected = stage.repository.base().await?;
    expected.insert("new".to_owned(), ("100644".to_owned(), b"half\n".to_vec()));
    stage.tree_is(attempt, b"", &expected).await
}

async fn cancels_by_heartbeat(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let id = busy(&stage, &mark, "").await?;
    stage.plane.wish(&id, "cancel", Way::Heartbeat);
    stopped_with_work(&stage, &mark, &id, "cancelled").await
}

async fn cancels_by_stream(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let id = busy(&stage, &mark, "").await?;
    follows(&stage).await?;
    stage.plane.wish(&id, "cancel", Way::Stream);
    stopped_with_work(&stage, &mark, &id, "cancelled").await
}

/// Heartbeats say the same, so a worker need not follow the stream.
async fn follows(stage: &Stage) -> Result<()> {
    let limit = Duration::from_secs(5);
    let opened = stage.within(limit, "a stream", |state| state.streams_opened > 0);
    opened
        .await
        .map_err(|_| skip("it does not follow the stream of commands"))
}

async fn keeps_its_stream(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    follows(&stage).await?;
    // The control plane begins each stream with such an event.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let opened = stage.plane.with(|state| state.streams_opened);
    ensure!(opened == 1, "the stream was opened {opened} times in 3 s");
    Ok(())
}

async fn cancels_by_answer(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let ticks = "{ while sleep 0.2; do echo tick; done } &";
    let id = busy(&stage, &mark, ticks).await?;
    stage.plane.wish(&id, "cancel", Way::Answers);
    stopped_with_work(&stage, &mark, &id, "cancelled").await
}

fn needs_version_4(stage: &Stage) -> Result<()> {
    let version = stage.plane.with(|state| {
        let last = state.of("register").last();
        last.and_then(|seen| seen.body["protocol_version"].as_u64())
    });
    match version {
        Some(3) => Err(skip("it speaks version 3, which has no messages")),
        _ => Ok(()),
    }
}

async fn acknowledges_messages(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    needs_version_4(&stage)?;
    let mark = Mark::new();
    let id = busy(&stage, &mark, "").await?;
    for text in ["one", "two"] {
        stage
            .plane
            .tell(&id, json!({"kind": "steer", "text": text}));
    }
    stage
        .until("a heartbeat names the last message", |state| {
            state.of("heartbeat").any(|seen| {
                let leases = seen.body["leases"].as_array();
                leases.is_some_and(|leases| leases.iter().any(|claim| claim["message_seq"] == 2))
            })
        })
        .await?;
    ensure!(mark.is_there(), "the agent was stopped by a message");
    Ok(())
}

async fn ends_its_turn_when_interrupted(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    needs_version_4(&stage)?;
    let mark = Mark::new();
    let id = busy(&stage, &mark, "").await?;
    stage.plane.tell(&id, json!({"kind": "interrupt"}));
    stopped_with_work(&stage, &mark, &id, "awaiting_input").await?;
    let finish = stage.finished(&id).await?;
    let question = finish["outcome"]["question"].as_str().unwrap_or_default();
    ensure!(!question.trim().is_empty(), "it asks nothing: {finish}");
    Ok(())
}

async fn hears_what_came_before_its_claim(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    needs_version_4(&stage)?;
    let messages = json!([{"number": 3, "kind": "interrupt"}]);
    let work = Work::command("sleep 600").with("messages", messages);
    let (_, finish) = stage.done(work).await?;
    stage.ended_as(&finish, "awaiting_input")
}

const ASKS: &str = "echo half > new; echo first; echo; echo 'Which one?'; exit 75";

async fn asks(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    needs_version_4(&stage)?;
    let (id, finish) = stage.ends(Work::command(ASKS), "awaiting_input").await?;
    let question = &finish["outcome"]["question"];
    ensure!(*question == "Which one?", "the question is {question}");
    stage.diff(&id)?;
    Ok(())
}

async fn does_not_ask_when_nobody_answers(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let work = Work::command(ASKS).with("interactive", json!(false));
    stage.ends(work, "failed").await?;
    Ok(())
}

async fn goes_on_with_the_answer(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    needs_version_4(&stage)?;
    let carried = stage.repository.patch(&[("new", "half\n")]).await?;
    let work = Work::command("echo \"$OUTWORK_QUESTION $(cat)\" >> new")
        .with("question", json!("Which one?"))
        .with("prompt", json!("the second"))
        .input("carried_diff", carried);
    let (id, _) = stage.ends(work, "succeeded").await?;
    let mut expected = stage.repository.base().await?;
    let content = b"half\nWhich one? the second\n".to_vec();
    expected.insert("new".to_owned(), ("100644".to_owned(), content));
    stage.tree_is(&id, b"", &expected).await
}
