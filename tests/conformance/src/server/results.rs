//! Results: whole, once, and of the claim that made them.

use std::sync::Arc;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::play::text;
use super::{Play, Scene, output, succeeded};
use crate::check::{Check, checks};
use crate::client::Content;

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Uploads":
        keeps_the_last_upload "An upload that comes again replaces the one before; the diff is shown byte for byte",
        knows_its_kinds "An upload of another kind, or of another repository, is answered with 404 `not_found`",
        limits_uploads "A diff above 64 MiB is answered with 413 `too_large`",
    );
    all.extend(checks!("Finish":
        waits_for_the_last_event "`finish` before the last event is answered with 409 `out_of_order`",
        wants_what_is_named "A result that names what was not uploaded is answered with 409 `out_of_order`",
        ends_once "A second `finish` is answered with 409 `attempt_ended`, and changes nothing",
        hears_nothing_after_the_end "After `finish` every verb is answered with 409 `attempt_ended`",
        takes_every_outcome "Each outcome leads to its state; an unknown failure is `internal`",
        takes_each_request_twice "Each request sent twice at the same time makes the same as once",
    ));
    all.extend(checks!("Checkpoints":
        wants_what_a_checkpoint_names "A checkpoint that names what was not uploaded is answered with 409 `out_of_order`",
        keeps_the_last_whole_checkpoint "When a worker is lost, the last whole checkpoint is the result",
        prefers_the_result "What `finish` hands in is the result, not the checkpoint",
    ));
    all.extend(checks!("Assignment":
        gives_a_follow_up_what_was_before "A follow-up is given the diff and the session of the turn before",
    ));
    all
}

async fn keeps_the_last_upload(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    let content = b"\x00\xff not text \r\n";
    for content in [&b"first"[..], b"", content] {
        held.upload("diff", content).await?.ok()?;
    }
    held.finish_with(succeeded(), 0, true, false).await?.ok()?;
    let diff = play.diff(&held).await?;
    ensure!(
        diff == content,
        "the diff is {:?}",
        String::from_utf8_lossy(&diff)
    );
    let shown = play.shown(&held).await?;
    ensure!(
        shown["diff"]["files_changed"] == 1,
        "its size is {}",
        shown["diff"]
    );
    Ok(())
}

async fn knows_its_kinds(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    for kind in ["song", "starting_diff", "diff&repository=another"] {
        let path = kind.replacen('&', &format!("?epoch={}&", held.epoch), 1);
        if path == kind {
            held.upload(kind, b"a").await?.refused(404, "not_found")?;
            continue;
        }
        let path = format!("/api/worker/v1/attempts/{}/objects/{path}", held.attempt);
        let content = Content::Bytes("application/octet-stream", b"a".to_vec());
        scene
            .worker
            .send(Method::PUT, &path, content)
            .await?
            .refused(404, "not_found")?;
    }
    Ok(())
}

async fn limits_uploads(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    let content = vec![b'x'; (64 << 20) + 1];
    // A server may answer without reading to the end, and who sends then may not come to read.
    if let Ok(reply) = held.upload("diff", &content).await {
        reply.refused(413, "too_large")?;
    }
    held.finish_with(succeeded(), 0, true, false)
        .await?
        .refused(409, "out_of_order")
}

async fn waits_for_the_last_event(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    held.finish(succeeded(), 1)
        .await?
        .refused(409, "out_of_order")?;
    held.append(1, &[output("1")]).await?.ok()?;
    held.finish(succeeded(), 2)
        .await?
        .refused(409, "out_of_order")?;
    play.state_is(&held, "leased").await?;
    held.append(2, &[output("2")]).await?.ok()?;
    held.finish(succeeded(), 2).await?.ok()?;
    play.state_is(&held, "succeeded").await?;
    Ok(())
}

async fn wants_what_is_named(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    held.finish_with(succeeded(), 0, true, false)
        .await?
        .refused(409, "out_of_order")?;
    held.finish_with(succeeded(), 0, false, true)
        .await?
        .refused(409, "out_of_order")?;
    held.upload("checkpoint_diff", b"a").await?.ok()?;
    held.finish_with(succeeded(), 0, true, false)
        .await?
        .refused(409, "out_of_order")?;
    held.upload("diff", b"a").await?.ok()?;
    held.finish_with(succeeded(), 0, true, false).await?.ok()?;
    Ok(())
}

async fn ends_once(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    held.upload("diff", b"the result").await?.ok()?;
    held.finish_with(succeeded(), 0, true, false).await?.ok()?;
    let failed =
        json!({"result": "failed", "failure": {"code": "agent_failed", "message": "It failed."}});
    for outcome in [succeeded(), failed, json!({"result": "cancelled"})] {
        held.finish(outcome, 0)
            .await?
            .refused(409, "attempt_ended")?;
    }
    play.state_is(&held, "succeeded").await?;
    let diff = play.diff(&held).await?;
    ensure!(
        diff == b"the result",
        "the diff is {:?}",
        String::from_utf8_lossy(&diff)
    );
    let ends = play.events(&held).await?;
    let ends = ends
        .iter()
        .filter(|event| event["type"] == "state" && event["state"] == "succeeded");
    let ends = ends.count();
    ensure!(ends == 1, "the log has {ends} ends");
    let again = player.acquire(1, 500).await?;
    ensure!(again.is_empty(), "an attempt was given out after its end");
    Ok(())
}

async fn hears_nothing_after_the_end(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    held.upload("diff", b"the result").await?.ok()?;
    held.finish_with(succeeded(), 0, true, false).await?.ok()?;
    held.every_verb_is_refused(409, "attempt_ended").await?;
    let desired = player.desired(&held).await?;
    ensure!(
        desired == "abandon",
        "a heartbeat after the end is answered with {desired}"
    );
    let diff = play.diff(&held).await?;
    ensure!(
        diff == b"the result",
        "the diff is {:?}",
        String::from_utf8_lossy(&diff)
    );
    Ok(())
}

async fn takes_every_outcome(scene: Arc<Scene>) -> Result<()> {
    let failed = |code: &str| json!({"result": "failed", "failure": {"code": code, "message": "It failed.", "hint": "Try."}});
    for (outcome, state, code) in [
        (succeeded(), "succeeded", Value::Null),
        (json!({"result": "cancelled"}), "cancelled", Value::Null),
        (failed("agent_failed"), "failed", json!("agent_failed")),
        (failed("of_a_later_version"), "failed", json!("internal")),
        (
            json!({"result": "awaiting_input", "question": "Why?"}),
            "awaiting_input",
            Value::Null,
        ),
    ] {
        let play = Play::new(&scene).await?;
        let (_, held) = play.begin().await?;
        held.finish(outcome, 0).await?.ok()?;
        let shown = play.state_is(&held, state).await?;
        ensure!(
            shown["failure"]["code"] == code,
            "the failure is {}",
            shown["failure"]
        );
    }
    Ok(())
}

async fn takes_each_request_twice(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    let (one, two) = tokio::try_join!(held.step("running"), held.step("running"))?;
    one.ok().and(two.ok())?;
    let events = [output("1"), output("2"), output("3")];
    let appended = try_join_all([(); 4].map(|()| held.append(1, &events))).await?;
    for reply in appended {
        let answer = reply.ok()?;
        ensure!(answer["acknowledged_seq"] == 3, "the answer is {answer}");
    }
    let (one, two) = tokio::try_join!(
        held.upload("diff", b"a diff"),
        held.upload("diff", b"a diff")
    )?;
    one.ok().and(two.ok())?;
    let (one, two) = tokio::try_join!(player.wanted(&held, 0), player.wanted(&held, 0))?;
    ensure!(
        one == two,
        "two heartbeats are answered with {one} and {two}"
    );
    let finished =
        try_join_all([(); 4].map(|()| held.finish_with(succeeded(), 3, true, false))).await?;
    let done = finished.iter().filter(|reply| reply.status == 204).count();
    ensure!(done == 1, "{done} of four ends were taken");
    for reply in finished.iter().filter(|reply| reply.status != 204) {
        reply.refused(409, "attempt_ended")?;
    }
    let outputs = play.outputs(&held).await?;
    ensure!(outputs == ["1", "2", "3"], "the log has {outputs:?}");
    let diff = play.diff(&held).await?;
    ensure!(
        diff == b"a diff",
        "the diff is {:?}",
        String::from_utf8_lossy(&diff)
    );
    Ok(())
}

async fn wants_what_a_checkpoint_names(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    held.checkpoint(true).await?.refused(409, "out_of_order")?;
    held.upload("diff", b"a").await?.ok()?;
    held.checkpoint(true).await?.refused(409, "out_of_order")?;
    held.upload("checkpoint_diff", b"a").await?.ok()?;
    held.checkpoint(true).await?.ok()?;
    Ok(())
}

async fn keeps_the_last_whole_checkpoint(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    held.step("running").await?.ok()?;
    for content in [&b"first"[..], b"second"] {
        held.upload("checkpoint_diff", content).await?.ok()?;
        held.checkpoint(true).await?.ok()?;
    }
    // Begun, and not named by a checkpoint any more.
    held.upload("checkpoint_diff", b"third").await?.ok()?;
    // The worker falls silent; nobody confirms the cancel, which ends the attempt with its lease.
    play.person(&held, "cancel", Value::Null).await?;
    play.becomes(&held, "cancelled").await?;
    let diff = play.diff(&held).await?;
    ensure!(
        diff == b"second",
        "the diff is {:?}",
        String::from_utf8_lossy(&diff)
    );
    Ok(())
}

async fn prefers_the_result(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    held.upload("checkpoint_diff", b"so far").await?.ok()?;
    held.checkpoint(true).await?.ok()?;
    held.upload("diff", b"the result").await?.ok()?;
    held.finish_with(succeeded(), 0, true, false).await?.ok()?;
    let diff = play.diff(&held).await?;
    ensure!(
        diff == b"the result",
        "the diff is {:?}",
        String::from_utf8_lossy(&diff)
    );
    Ok(())
}

async fn gives_a_follow_up_what_was_before(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    held.upload("diff", b"a diff").await?.ok()?;
    held.upload("session", b"a session").await?.ok()?;
    held.finish_with(succeeded(), 0, true, true).await?.ok()?;
    let path = format!("/api/v1/tasks/{}/turns", text(&held.assignment, "task")?);
    scene
        .admin
        .post(&path, &json!({"prompt": "and more"}))
        .await?
        .ok()?;
    let next = player.claim().await?;
    let assignment = &next.assignment;
    ensure!(
        assignment["turn"] == 2 && assignment["prompt"] == "and more",
        "the turn is {assignment}"
    );
    ensure!(
        next.attempt != held.attempt,
        "a turn was run by the attempt of another"
    );
    for (kind, content) in [("carried_diff", &b"a diff"[..]), ("session", b"a session")] {
        let reply = next.download(kind).await?;
        ensure!(
            reply.status == 200 && reply.bytes == content,
            "{reply}: it is another {kind}"
        );
    }
    Ok(())
}
