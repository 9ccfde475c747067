//! One holder: leases, epochs, and what a worker hears that lost its claim.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Play, Scene, output, succeeded};
use crate::check::{Check, checks};

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Heartbeats and leases":
        answers_each_claim_in_order "A heartbeat is answered with one entry for each claim, in the order of the request",
        renews_by_heartbeat "A claim whose heartbeats come is kept for longer than a lease",
        renews_by_verbs "A claim whose events come is kept for longer than a lease, too",
        keeps_claims_apart "A claim of another worker is none: `abandon`",
        refuses_other_epochs "Every verb with another epoch is answered with 409 `stale_lease`, and changes nothing",
    );
    all.extend(checks!("A claim that is lost":
        gives_lost_claims_to_others "When a lease has run out another worker has the attempt, with a higher epoch",
        gives_the_late_worker_nothing "Everything of the worker that lost its claim is refused: `stale_lease`, `abandon`",
    ));
    all.extend(checks!("Release":
        takes_attempts_back "A released attempt waits again, keeps its log, and does not count as tried",
    ));
    all
}

async fn answers_each_claim_in_order(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    play.submit(json!({"attempts": 2})).await?;
    let player = play.worker().await?;
    let held = [player.claim().await?, player.claim().await?];
    let unknown = "att_00000000000000000000000000000001";
    let named = [
        (held[1].attempt.as_str(), held[1].epoch, "run"),
        (unknown, 1, "abandon"),
        (&held[0].attempt, held[0].epoch, "run"),
        (&held[0].attempt, held[0].epoch + 1, "abandon"),
    ];
    let claims = named.map(|(attempt, epoch, _)| json!({"attempt": attempt, "epoch": epoch}));
    let answer = player.beat(&claims).await?.ok()?;
    let answers = answer["leases"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    ensure!(
        answers.len() == named.len(),
        "{} claims, {} answers",
        named.len(),
        answers.len()
    );
    for ((attempt, epoch, desired), answer) in named.into_iter().zip(answers) {
        let is_right = answer["attempt"] == attempt
            && answer["epoch"] == epoch
            && answer["desired"] == desired;
        ensure!(
            is_right,
            "about claim {epoch} of {attempt} the answer is {answer}, not {desired}"
        );
    }
    Ok(())
}

/// Renews for one and a half leases, by heartbeats or by events; then the claim must still hold.
async fn kept(scene: &Arc<Scene>, by_heartbeat: bool) -> Result<()> {
    let play = Play::new(scene).await?;
    let (player, held) = play.begin().await?;
    let begun = Instant::now();
    let mut sent = 0;
    while begun.elapsed() < held.lease() * 3 / 2 {
        if by_heartbeat {
            let desired = player.desired(&held).await?;
            ensure!(
                desired == "run",
                "the heartbeat was answered with {desired}"
            );
        } else {
            sent += 1;
            held.append(sent, &[output("a")]).await?.ok()?;
        }
        tokio::time::sleep(held.lease() / 6).await;
    }
    let other = play.worker().await?;
    let stolen = other.acquire(1, 0).await?;
    ensure!(stolen.is_empty(), "the attempt was given to another worker");
    held.finish(succeeded(), sent).await?.ok()?;
    Ok(())
}

async fn renews_by_heartbeat(scene: Arc<Scene>) -> Result<()> {
    kept(&scene, true).await
}

async fn renews_by_verbs(scene: Arc<Scene>) -> Result<()> {
    kept(&scene, false).await
}

async fn keeps_claims_apart(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    let other = play.worker().await?;
    let desired = other.desired(&held).await?;
    ensure!(
        desired == "abandon",
        "another worker's heartbeat is answered with {desired}"
    );
    held.finish(succeeded(), 0).await?.ok()?;
    Ok(())
}

async fn refuses_other_epochs(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    held.append(1, &[output("mine")]).await?.ok()?;
    held.upload("diff", b"mine").await?.ok()?;
    for epoch in [held.epoch - 1, held.epoch + 1, 0, -1] {
        // Its own lease is not to run out meanwhile.
        player.desired(&held).await?;
        held.at(epoch)
            .every_verb_is_refused(409, "stale_lease")
            .await?;
    }
    let outputs = play.outputs(&held).await?;
    ensure!(outputs == ["mine"], "the log has {outputs:?}");
    held.finish_with(succeeded(), 1, true, false).await?.ok()?;
    let diff = play.diff(&held).await?;
    ensure!(
        diff == b"mine",
        "the diff is {:?}",
        String::from_utf8_lossy(&diff)
    );
    Ok(())
}

/// A worker that fell silent, and the claim of the one that has the attempt now.
async fn lost(play: &Play) -> Result<(super::play::Player, super::play::Held, super::play::Held)> {
    let (late, old) = play.begin().await?;
    old.step("running").await?.ok()?;
    old.append(1, &[output("old")]).await?.ok()?;
    let other = play.worker().await?;
    // The lease, and a back-off of a second.
    let limit = play.scene.patience + 3 * old.lease();
    let new = other.claim_within(limit).await?;
    Ok((late, old, new))
}

async fn gives_lost_claims_to_others(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, old, new) = lost(&play).await?;
    ensure!(new.attempt == old.attempt, "another attempt was given out");
    ensure!(
        new.epoch > old.epoch,
        "the epoch went from {} to {}",
        old.epoch,
        new.epoch
    );
    let shown = play.shown(&new).await?;
    ensure!(shown["tries"] == 2, "`tries` is {}", shown["tries"]);
    // The new claim counts from 1.
    new.append(2, &[output("gap")])
        .await?
        .refused(409, "out_of_order")?;
    new.append(1, &[output("new")]).await?.ok()?;
    let outputs = play.outputs(&new).await?;
    ensure!(outputs == ["old", "new"], "the log has {outputs:?}");
    let events = play.events(&new).await?;
    let says = events.iter().any(|event| event["type"] == "worker_lost");
    ensure!(says, "the log does not say that a worker was lost");
    new.finish(succeeded(), 1).await?.ok()?;
    Ok(())
}

async fn gives_the_late_worker_nothing(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (late, old, new) = lost(&play).await?;
    old.every_verb_is_refused(409, "stale_lease").await?;
    let desired = late.desired(&old).await?;
    ensure!(
        desired == "abandon",
        "the late worker's heartbeat is answered with {desired}"
    );
    new.upload("diff", b"new").await?.ok()?;
    old.upload("diff", b"old")
        .await?
        .refused(409, "stale_lease")?;
    new.finish_with(succeeded(), 0, true, false).await?.ok()?;
    old.every_verb_is_refused(409, "stale_lease").await?;
    let diff = play.diff(&new).await?;
    ensure!(
        diff == b"new",
        "the diff is {:?}",
        String::from_utf8_lossy(&diff)
    );
    Ok(())
}

async fn takes_attempts_back(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    held.append(1, &[output("kept")]).await?.ok()?;
    held.release().await?.ok()?;
    held.release().await?.refused(409, "stale_lease")?;
    let desired = player.desired(&held).await?;
    ensure!(
        desired == "abandon",
        "after a release the heartbeat is answered with {desired}"
    );
    let again = player.claim_within(Duration::from_secs(10)).await?;
    ensure!(
        again.attempt == held.attempt && again.epoch > held.epoch,
        "claim {} came after {}",
        again.epoch,
        held.epoch
    );
    let shown = play.shown(&again).await?;
    ensure!(shown["tries"] == 1, "`tries` is {}", shown["tries"]);
    held.every_verb_is_refused(409, "stale_lease").await?;
    let outputs = play.outputs(&again).await?;
    ensure!(outputs == ["kept"], "the log has {outputs:?}");
    again.finish(succeeded(), 0).await?.ok()?;
    Ok(())
}
