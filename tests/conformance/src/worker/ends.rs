//! A worker that is asked to stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Scene, Stage, waiting};
use crate::check::{Check, checks};
use crate::plane::Work;
use crate::process::Mark;

/// For what was under way when the signal came.
const UNDER_WAY: Duration = Duration::from_secs(1);

pub(super) fn checks() -> Vec<Check<Scene>> {
    checks!("Drain":
        signs_off "SIGTERM ends an idle worker, which signs off",
        takes_nothing_more_and_ends_what_runs "After SIGTERM nothing is taken, leases are renewed, and what runs may end",
        gives_back_what_lasts "After SIGTERM what does not end is given back, and its agent is gone",
    )
}

/// Waits until it has signed off and ended in order.
async fn ended(stage: &mut Stage) -> Result<()> {
    let status = stage.worker.ended(stage.patience).await?;
    let status =
        status.with_context(|| format!("it did not end after SIGTERM\n{}", stage.seen_last()))?;
    ensure!(
        status.success(),
        "it ended with {status}\n{}",
        stage.seen_last()
    );
    let last = stage.plane.with(|state| {
        let about = state.seen.iter().rev();
        let mut about = about.filter(|seen| !matches!(seen.verb, "commands" | "acquire"));
        about.next().map(|seen| seen.verb)
    });
    // A heartbeat may have been under way.
    let signed_off = stage
        .plane
        .with(|state| state.of("deregister").any(|seen| seen.status == 204));
    ensure!(signed_off, "it did not sign off; {last:?} came last");
    Ok(())
}

fn taken_after(stage: &Stage, moment: Instant) -> usize {
    stage.plane.with(|state| {
        state
            .of("acquire")
            .filter(|seen| seen.at > moment + UNDER_WAY)
            .count()
    })
}

async fn signs_off(scene: Arc<Scene>) -> Result<()> {
    let mut stage = Stage::set(&scene).await?;
    stage.ends(Work::command("true"), "succeeded").await?;
    let moment = Instant::now();
    stage.worker.terminate()?;
    ended(&mut stage).await?;
    ensure!(
        taken_after(&stage, moment) == 0,
        "it asked for work after SIGTERM"
    );
    Ok(())
}

async fn takes_nothing_more_and_ends_what_runs(scene: Arc<Scene>) -> Result<()> {
    let mut stage = Stage::set(&scene).await?;
    let id = stage
        .plane
        .give(Work::command("echo here; sleep 3; echo end > new"));
    stage
        .until("the agent runs", |state| {
            state.attempts[&id].output().contains("here")
        })
        .await?;
    let moment = Instant::now();
    stage.worker.terminate()?;
    stage.plane.give(Work::command("true"));
    ended(&mut stage).await?;
    ensure!(
        taken_after(&stage, moment) == 0,
        "it asked for work after SIGTERM"
    );
    let (outcome, released) = stage.look(&id, |attempt| {
        (attempt.outcome().map(str::to_owned), attempt.released)
    });
    let is_settled = outcome.as_deref() == Some("succeeded") || released > 0;
    ensure!(
        is_settled,
        "the attempt was neither finished nor given back: {outcome:?}"
    );
    let beats = stage.plane.with(|state| {
        let beats = state.of("heartbeat");
        beats.filter(|seen| seen.at > moment).count()
    });
    ensure!(
        outcome.is_none() || beats > 0,
        "its lease was not renewed while it ran on"
    );
    Ok(())
}

async fn gives_back_what_lasts(scene: Arc<Scene>) -> Result<()> {
    let mut stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let id = stage.held_at(&mark, Work::command(&waiting(&mark))).await?;
    stage.worker.terminate()?;
    ended(&mut stage).await?;
    ensure!(!mark.is_there(), "the agent still runs");
    let (finished, released) =
        stage.look(&id, |attempt| (attempt.finish.is_some(), attempt.released));
    ensure!(!finished, "an attempt that did not end was finished");
    ensure!(released == 1, "it was given back {released} times");
    Ok(())
}
