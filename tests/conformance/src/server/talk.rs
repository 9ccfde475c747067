//! What people want of a running attempt reaches its worker.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::play::Held;
use super::{Play, Scene, output, succeeded};
use crate::check::{Check, checks, skip};

/// Without waiting for a heartbeat.
const BY_STREAM: Duration = Duration::from_secs(15);

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Cancel and abandon":
        tells_a_cancel_by_heartbeat "A cancel is told with each heartbeat, step, append and checkpoint",
        tells_a_cancel_by_stream "A cancel is told by the stream of commands, on each connection again",
        lets_cancel_win "What a person cancelled ends as `cancelled`, whatever `finish` says",
        cancels_what_waits "A cancelled attempt that waits is given to nobody",
        cancels_what_is_given_back "A cancelled attempt that is released is cancelled, and given to nobody",
    );
    all.extend(checks!("Messages and questions":
        numbers_messages "Messages are numbered, repeated until `message_seq` names them, and then not any more",
        tells_messages_by_stream "Messages are told by the stream of commands, too",
        gives_messages_to_the_next_claim "Messages that a lost claim had are given with the next one",
        interrupts "An interrupt is a message; the attempt may then end in `awaiting_input`",
        goes_on_after_an_answer "After an answer the attempt is given out with question, answer, diff and session",
        steers "A message to an agent that hears is a `steer` with its text",
    ));
    all
}

async fn tells_a_cancel_by_heartbeat(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    ensure!(
        player.desired(&held).await? == "run",
        "nobody wanted anything"
    );
    play.person(&held, "cancel", Value::Null).await?;
    for _ in 0..2 {
        let desired = player.desired(&held).await?;
        ensure!(
            desired == "cancel",
            "the heartbeat is answered with {desired}"
        );
    }
    let answers = [
        held.step("running").await?.ok()?,
        held.append(1, &[output("a")]).await?.ok()?,
        held.checkpoint(false).await?.ok()?,
    ];
    for answer in answers {
        ensure!(
            answer["desired"] == "cancel",
            "a verb is answered with {answer}"
        );
    }
    held.upload("diff", b"half").await?.ok()?;
    held.finish_with(json!({"result": "cancelled"}), 1, true, false)
        .await?
        .ok()?;
    play.state_is(&held, "cancelled").await?;
    let diff = play.diff(&held).await?;
    ensure!(
        diff == b"half",
        "the diff is {:?}",
        String::from_utf8_lossy(&diff)
    );
    Ok(())
}

async fn tells_a_cancel_by_stream(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    let cancel = async {
        // While the stream is open, as well as it can be told.
        tokio::time::sleep(Duration::from_millis(500)).await;
        play.person(&held, "cancel", Value::Null).await
    };
    let (first, _) = tokio::try_join!(player.command(BY_STREAM), cancel)?;
    for command in [first, player.command(BY_STREAM).await?] {
        let is_right = command["attempt"] == held.attempt.as_str()
            && command["epoch"] == held.epoch
            && command["desired"] == "cancel";
        ensure!(is_right, "the command is {command}");
    }
    Ok(())
}

async fn lets_cancel_win(scene: Arc<Scene>) -> Result<()> {
    for outcome in [
        succeeded(),
        json!({"result": "awaiting_input", "question": "Why?"}),
        json!({"result": "failed", "failure": {"code": "agent_failed", "message": "It failed."}}),
    ] {
        let play = Play::new(&scene).await?;
        let (_, held) = play.begin().await?;
        play.person(&held, "cancel", Value::Null).await?;
        held.finish(outcome, 0).await?.ok()?;
        play.state_is(&held, "cancelled").await?;
    }
    Ok(())
}

async fn cancels_what_waits(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let task = play.submit(json!({})).await?;
    let path = format!("/api/v1/tasks/{}/cancel", super::play::text(&task, "id")?);
    scene
        .admin
        .send(reqwest::Method::POST, &path, crate::client::Content::None)
        .await?
        .ok()?;
    let held = play.worker().await?.acquire(1, 1000).await?;
    ensure!(held.is_empty(), "a cancelled attempt was given out");
    Ok(())
}

async fn cancels_what_is_given_back(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    play.person(&held, "cancel", Value::Null).await?;
    held.release().await?.ok()?;
    play.state_is(&held, "cancelled").await?;
    let again = player.acquire(1, 1000).await?;
    ensure!(again.is_empty(), "a cancelled attempt was given out");
    Ok(())
}

fn numbers(answer: &Value) -> Vec<u64> {
    let messages = answer["messages"].as_array().into_iter().flatten();
    messages
        .filter_map(|message| message["number"].as_u64())
        .collect()
}

async fn numbers_messages(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    held.step("running").await?.ok()?;
    let none = numbers(&player.wanted(&held, 0).await?);
    ensure!(
        none.is_empty(),
        "there are messages {none:?} that nobody sent"
    );
    play.person(&held, "interrupt", json!({})).await?;
    play.person(&held, "interrupt", json!({})).await?;
    let all = numbers(&player.wanted(&held, 0).await?);
    ensure!(
        !all.is_empty() && all.is_sorted_by(|a, b| a < b),
        "the messages are numbered {all:?}"
    );
    let again = numbers(&player.wanted(&held, 0).await?);
    ensure!(again == all, "not acknowledged, {all:?} became {again:?}");
    let last = u32::try_from(all[all.len() - 1])?;
    let after = numbers(&player.wanted(&held, last).await?);
    ensure!(
        after.is_empty(),
        "acknowledged up to {last}, {after:?} came again"
    );
    let before = numbers(&player.wanted(&held, last - 1).await?);
    ensure!(
        before == [u64::from(last)],
        "acknowledged up to {}, {before:?} came",
        last - 1
    );
    Ok(())
}

async fn tells_messages_by_stream(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    held.step("running").await?.ok()?;
    play.person(&held, "interrupt", json!({})).await?;
    let command = player.command(BY_STREAM).await?;
    ensure!(command["desired"] == "run", "the command is {command}");
    ensure!(numbers(&command).len() == 1, "the command is {command}");
    Ok(())
}

async fn gives_messages_to_the_next_claim(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    play.person(&held, "interrupt", json!({})).await?;
    player.wanted(&held, 1).await?;
    held.release().await?.ok()?;
    let again = player.claim().await?;
    let given = numbers(&again.assignment);
    ensure!(given.len() == 1, "the next claim was given {given:?}");
    again.finish(succeeded(), 0).await?.ok()?;
    Ok(())
}

async fn interrupts(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    held.step("running").await?.ok()?;
    play.person(&held, "interrupt", json!({})).await?;
    let answer = player.wanted(&held, 0).await?;
    let message = &answer["messages"][0];
    ensure!(message["kind"] == "interrupt", "the message is {message}");
    ensure!(
        answer["desired"] == "run",
        "an interrupt is no cancel: {answer}"
    );
    ask(&held, "The agent was interrupted.").await?;
    let shown = play.state_is(&held, "awaiting_input").await?;
    ensure!(
        shown["question"] == "The agent was interrupted.",
        "`question` is {}",
        shown["question"]
    );
    Ok(())
}

async fn ask(held: &Held, question: &str) -> Result<()> {
    held.upload("diff", b"half").await?.ok()?;
    held.upload("session", b"remembered").await?.ok()?;
    let outcome = json!({"result": "awaiting_input", "question": question});
    held.finish_with(outcome, 0, true, true).await?.ok()?;
    Ok(())
}

async fn goes_on_after_an_answer(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    ensure!(
        held.assignment["interactive"] == true,
        "`interactive` is {}",
        held.assignment["interactive"]
    );
    held.step("running").await?.ok()?;
    play.person(&held, "interrupt", json!({})).await?;
    ask(&held, "Which one?").await?;
    held.step("running").await?.refused(409, "stale_lease")?;
    let nobody = player.acquire(1, 500).await?;
    ensure!(nobody.is_empty(), "what waits for an answer was given out");
    play.person(&held, "answer", json!({"text": "the second"}))
        .await?;
    let again = player.claim().await?;
    let assignment = &again.assignment;
    ensure!(
        again.attempt == held.attempt && again.epoch > held.epoch,
        "claim {} came after {}",
        again.epoch,
        held.epoch
    );
    ensure!(
        assignment["question"] == "Which one?",
        "`question` is {}",
        assignment["question"]
    );
    ensure!(
        assignment["prompt"] == "the second",
        "`prompt` is {}",
        assignment["prompt"]
    );
    let old = numbers(assignment);
    ensure!(
        old.is_empty(),
        "messages {old:?} from before the answer came again"
    );
    ensure!(
        assignment["has_session"] == true,
        "`has_session` is {}",
        assignment["has_session"]
    );
    let carried = &assignment["repositories"][0]["has_carried_diff"];
    ensure!(*carried == true, "`has_carried_diff` is {carried}");
    for (kind, content) in [("carried_diff", &b"half"[..]), ("session", b"remembered")] {
        let reply = again.download(kind).await?;
        ensure!(
            reply.status == 200 && reply.bytes == content,
            "{reply}: it is another {kind}"
        );
    }
    again.finish(succeeded(), 0).await?.ok()?;
    play.state_is(&again, "succeeded").await?;
    Ok(())
}

async fn steers(scene: Arc<Scene>) -> Result<()> {
    let model = scene.admin.get("/api/v1/model").await?;
    if model.status != 200 {
        return Err(skip(
            "no model is set, and a plain command hears no messages",
        ));
    }
    let play = Play::of(&scene, json!({"name": "codex"})).await?;
    let (player, held) = play.begin().await?;
    held.step("running").await?.ok()?;
    play.person(&held, "steer", json!({"text": "in capitals, bitte \u{fc}"}))
        .await?;
    let answer = player.wanted(&held, 0).await?;
    let message = &answer["messages"][0];
    let is_right = message["kind"] == "steer" && message["text"] == "in capitals, bitte \u{fc}";
    ensure!(
        is_right && message["number"] == 1,
        "the message is {message}"
    );
    let taken = json!({"at": "2026-01-02T03:04:05.678Z", "type": "steer_taken", "number": 1, "accepted": true});
    held.append(1, &[taken]).await?.ok()?;
    held.finish(succeeded(), 1).await?.ok()?;
    Ok(())
}
