//! What operators want of a worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Scene, Stage, waiting};
use crate::check::{Check, checks, skip};
use crate::plane::{Fault, Work};
use crate::process::Mark;

/// For what was under way when the order came.
const UNDER_WAY: Duration = Duration::from_secs(3);

pub(super) fn checks() -> Vec<Check<Scene>> {
    checks!("Orders":
        takes_nothing_while_it_drains "Told to drain, a worker asks for nothing, and takes work again when it is told to run",
        gives_back_at_the_deadline "At the deadline of a drain what still runs is given back, and the worker stays",
        retires "Told to retire, a worker drains, signs off, and ends with success",
        keeps_to_ordered_slots "A worker runs no more than the slots that it is told",
        ends_when_its_token_is_revoked "After `token_revoked` agents are killed at once, and the worker ends",
    )
}

/// For a worker that may be of a time before orders.
const SIGN_WITHIN: Duration = Duration::from_secs(40);

/// Whether it says what it has room for, as whoever knows orders may.
fn says_capacity(stage: &Stage) -> bool {
    stage.plane.with(|state| {
        let mut beats = state.of("heartbeat");
        beats.any(|seen| !seen.body["free_slots"].is_null())
    })
}

/// Waits for what an order leads to. A worker that shows no sign of knowing orders is of a time before them.
async fn obeys(
    stage: &Stage,
    what: &str,
    holds: impl Fn(&crate::plane::State) -> bool,
) -> Result<()> {
    let says_capacity = says_capacity(stage);
    let limit = match says_capacity {
        // A poll from before the order may be under way.
        true => stage.patience + SIGN_WITHIN,
        false => SIGN_WITHIN,
    };
    match stage.within(limit, what, holds).await {
        Err(error) if says_capacity => Err(error),
        Err(_) => Err(skip(NO_SIGN)),
        Ok(()) => Ok(()),
    }
}

const NO_SIGN: &str = "it shows no sign of knowing orders: no `free_slots` in its heartbeats";

async fn takes_nothing_while_it_drains(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    stage.ends(Work::command("true"), "succeeded").await?;
    stage.plane.order(json!({"desired": "drain"}));
    let id = stage.plane.give(Work::command("true"));
    // A poll that is under way ends by itself.
    obeys(&stage, "it asks for nothing", |state| {
        let last = state.of("acquire").last();
        state.polls == 0 && last.is_some_and(|seen| seen.answered_at.elapsed() > UNDER_WAY)
    })
    .await?;
    let beats = stage
        .plane
        .with(|state| state.of("heartbeat").last().map(|seen| seen.at.elapsed()));
    let is_alive = beats.is_some_and(|ago| ago < stage.plane.lease());
    ensure!(is_alive, "it sends no heartbeats while it drains");
    stage.plane.order(json!({}));
    let finish = stage.finished(&id).await?;
    stage.ended_as(&finish, "succeeded")
}

async fn gives_back_at_the_deadline(scene: Arc<Scene>) -> Result<()> {
    let mut stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let id = stage.held_at(&mark, Work::command(&waiting(&mark))).await?;
    stage
        .plane
        .order(json!({"desired": "drain", "deadline_ms": 500}));
    obeys(&stage, "the attempt is given back", |state| {
        state.attempts[&id].released == 1
    })
    .await?;
    ensure!(!mark.is_there(), "the agent still runs");
    let ended = stage.worker.ended(Duration::from_secs(1)).await?;
    ensure!(
        ended.is_none(),
        "it ended, and was only to drain: {ended:?}"
    );
    Ok(())
}

async fn retires(scene: Arc<Scene>) -> Result<()> {
    let mut stage = Stage::set(&scene).await?;
    let id = stage
        .plane
        .give(Work::command("echo here; sleep 2; echo end > new"));
    stage
        .until("the agent runs", |state| {
            state.attempts[&id].output().contains("here")
        })
        .await?;
    stage.plane.order(json!({"desired": "retire"}));
    let finish = stage.finished(&id).await?;
    stage.ended_as(&finish, "succeeded")?;
    obeys(&stage, "it signs off", |state| {
        state.of("deregister").any(|seen| seen.status == 204)
    })
    .await?;
    let status = stage.worker.ended(stage.patience).await?;
    ensure!(
        status.is_some_and(|status| status.success()),
        "it ended with {status:?}"
    );
    Ok(())
}

async fn keeps_to_ordered_slots(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::begin(&scene, |plane| plane.order(json!({"slots": 1}))).await?;
    stage.registered(1).await?;
    // Time enough to have heard it, and for a poll from before to end.
    let heard = |state: &crate::plane::State| {
        state
            .of("heartbeat")
            .filter(|seen| seen.status == 200)
            .count()
            >= 2
    };
    stage.until("heartbeats are answered", heard).await?;
    let begun = Instant::now();
    obeys(&stage, "it asks for one", |state| {
        state
            .of("acquire")
            .any(|seen| seen.at > begun && seen.body["max"] == 1)
    })
    .await?;
    let mark = Mark::new();
    for _ in 0..3 {
        stage.plane.give(Work::command(&waiting(&mark)));
    }
    stage
        .until("it takes one", |state| state.held() >= 1)
        .await?;
    tokio::time::sleep(stage.plane.lease()).await;
    let held = stage.plane.with(|state| state.held());
    ensure!(
        held == 1,
        "it holds {held} attempts, and was told to hold one"
    );
    Ok(())
}

async fn ends_when_its_token_is_revoked(scene: Arc<Scene>) -> Result<()> {
    let mut stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    stage.held_at(&mark, Work::command(&waiting(&mark))).await?;
    for verb in [
        "register",
        "acquire",
        "heartbeat",
        "commands",
        "append",
        "advance",
        "upload",
        "checkpoint",
        "finish",
        "release",
        "deregister",
        "snapshots",
    ] {
        stage
            .plane
            .fail(verb, Fault::Problem(401, "token_revoked"), usize::MAX);
    }
    let ended = stage.worker.ended(SIGN_WITHIN).await?;
    if ended.is_none() && !says_capacity(&stage) {
        return Err(skip(NO_SIGN));
    }
    ensure!(ended.is_some(), "it did not end\n{}", stage.seen_last());
    stage.gone(&mark, Duration::from_secs(1)).await
}
