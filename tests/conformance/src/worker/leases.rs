//! Leases: renewed in time, and what happens when they are lost, or when one of the two is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::{Scene, Stage, pause, waiting};
use crate::check::{Check, checks, skip};
use crate::plane::{Fault, Phase, Seen, Work};
use crate::process::Mark;

/// For something that is to happen at once, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(15);

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Heartbeats and leases":
        renews_in_time "Heartbeats name every claim, and come often enough for two to be lost",
        stops_what_is_abandoned "`abandon` in a heartbeat kills the agent, and nothing more is said of the attempt",
        stops_after_stale_lease "`stale_lease` kills the agent, and nothing more is said of the attempt",
        stops_when_refused "A worker that the server refuses stops its agents within the lease",
        outlives_an_outage "While the server is away agents go on, and everything is handed in afterwards",
    );
    all.extend(checks!("A worker that dies":
        leaves_nothing_when_killed "A killed worker leaves no agent, and the attempt is run once more by who claims it",
        delivers_or_forgets_after_a_restart "What had ended when the worker was killed is handed in once, or left to the next claim",
    ));
    all
}

async fn renews_in_time(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let id = stage.held_at(&mark, Work::command(&waiting(&mark))).await?;
    let lease = stage.plane.lease();
    let from = Instant::now();
    tokio::time::sleep(3 * lease).await;
    let beats: Vec<Instant> = stage.plane.with(|state| {
        state
            .of("heartbeat")
            .filter(|seen| seen.at >= from && names(&seen.body, &id))
            .map(|seen| seen.at)
            .collect()
    });
    ensure!(stage.is_held(&id), "the lease ran out");
    let ends = std::iter::once(from).chain(beats).chain([from + 3 * lease]);
    let ends: Vec<Instant> = ends.collect();
    let longest = ends
        .windows(2)
        .map(|two| two[1].saturating_duration_since(two[0]))
        .max();
    let longest = longest.unwrap_or(lease);
    ensure!(
        longest < lease * 2 / 3,
        "{:.1} s passed between two heartbeats with a lease of {:.1} s",
        longest.as_secs_f64(),
        lease.as_secs_f64()
    );
    Ok(())
}

/// Nothing may be said of the attempt any more after the worker was told, but what was under way: a checkpoint.
async fn is_forgotten(stage: &Stage, attempt: &str, told_by: &str) -> Result<()> {
    tokio::time::sleep(stage.plane.lease()).await;
    let said = stage.plane.with(|state| {
        let is_told = |seen: &&Seen| match told_by {
            "heartbeat" => seen.at > stage.taken_at && names(&seen.body, attempt),
            _ => seen.status == 409,
        };
        let told_at = state.of(told_by).find(is_told).map(|seen| seen.at);
        let about = state.seen.iter().filter(|seen| {
            seen.attempt.as_deref() == Some(attempt)
                && seen.verb != "checkpoint"
                && seen.body["kind"] != "checkpoint_diff"
                && seen.body["kind"] != "checkpoint_session"
        });
        let after = about.filter(|seen| told_at.is_some_and(|told_at| seen.at > told_at));
        let after = after.map(|seen| seen.verb);
        told_at.map(|_| after.collect::<Vec<_>>())
    });
    match said {
        None => bail!("it was never told by `{told_by}`"),
        Some(said) if said.is_empty() => Ok(()),
        Some(said) => bail!("{said:?} came after the worker was told that the claim is lost"),
    }
}

/// Whether a heartbeat names it.
fn names(heartbeat: &Value, attempt: &str) -> bool {
    let leases = heartbeat["leases"].as_array();
    leases.is_some_and(|leases| leases.iter().any(|claim| claim["attempt"] == attempt))
}

async fn stops_what_is_abandoned(scene: Arc<Scene>) -> Result<()> {
    let mut stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let command = waiting(&mark);
    let id = stage.held_at(&mark, Work::command(&command)).await?;
    // Nobody is given it: the worker would take it once more.
    stage.take_away(&id);
    stage.gone(&mark, AT_ONCE).await?;
    is_forgotten(&stage, &id, "heartbeat").await
}

async fn stops_after_stale_lease(scene: Arc<Scene>) -> Result<()> {
    let mut stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let wait = mark.wait();
    let command = format!("echo here; {wait} & while sleep 0.2; do echo tick; done");
    let id = stage.held_at(&mark, Work::command(&command)).await?;
    // Only the answers to events tell.
    let away = Fault::Problem(503, "unavailable");
    stage.plane.fail("heartbeat", away, usize::MAX);
    stage.take_away(&id);
    stage.gone(&mark, AT_ONCE).await?;
    is_forgotten(&stage, &id, "append").await
}

async fn stops_when_refused(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    stage.held_at(&mark, Work::command(&waiting(&mark))).await?;
    stage
        .plane
        .fail("heartbeat", Fault::Problem(401, "unauthorized"), usize::MAX);
    // From two thirds of the lease on; a second more for who looks.
    stage
        .gone(&mark, stage.plane.lease() + Duration::from_secs(1))
        .await
}

async fn outlives_an_outage(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let lease = stage.plane.lease();
    // It ends by itself while the server is away.
    let step = lease.as_secs_f64() / 2.0;
    let command = format!(
        "echo here; for i in 1 2 3 4 5 6 7 8; do sleep {step}; echo tick $i; done; echo end > new"
    );
    let id = stage.plane.give(Work::command(&command));
    stage
        .until("the agent runs", |state| {
            state.attempts[&id].output().contains("here")
        })
        .await?;
    stage.plane.be_away(true);
    tokio::time::sleep(10 * lease).await;
    stage.plane.be_away(false);
    let finish = stage.finished(&id).await?;
    stage.ended_as(&finish, "succeeded")?;
    let (output, epoch) = stage.look(&id, |attempt| (attempt.output(), attempt.epoch));
    let ticks: String = (1..=8).map(|number| format!("tick {number}\n")).collect();
    ensure!(output == format!("here\n{ticks}"), "the log has {output:?}");
    ensure!(epoch == 1, "the claim was lost");
    let diff = stage.diff(&id)?;
    ensure!(!diff.is_empty(), "the diff is empty");
    Ok(())
}

async fn leaves_nothing_when_killed(scene: Arc<Scene>) -> Result<()> {
    if !scene.template.keeps() {
        return Err(skip(
            "the command has no {dir}, so a restarted worker is another",
        ));
    }
    let mut stage = Stage::set(&scene).await?;
    let mark = Mark::new();
    let id = stage.held_at(&mark, Work::command(&waiting(&mark))).await?;
    stage.worker.kill().await?;
    stage.gone(&mark, AT_ONCE).await?;
    stage.plane.with(|state| {
        let attempt = state.attempts.get_mut(&id).expect("it was given");
        attempt.work = Work::command("echo again > new");
    });
    stage.restart().await?;
    let finish = stage.finished(&id).await?;
    stage.ended_as(&finish, "succeeded")?;
    ensure!(
        finish["epoch"] == 2,
        "the end is of claim {}, not of the second",
        finish["epoch"]
    );
    Ok(())
}

async fn delivers_or_forgets_after_a_restart(scene: Arc<Scene>) -> Result<()> {
    if !scene.template.keeps() {
        return Err(skip(
            "the command has no {dir}, so a restarted worker is another",
        ));
    }
    let mut stage = Stage::set(&scene).await?;
    stage
        .plane
        .fail("finish", Fault::Problem(503, "unavailable"), usize::MAX);
    let id = stage.plane.give(Work::command("echo x > new"));
    stage
        .until("the worker finishes", |state| {
            state.of("finish").count() >= 1
        })
        .await?;
    stage.worker.kill().await?;
    stage.plane.heal("finish");
    stage.restart().await?;
    let finish = stage.finished(&id).await?;
    stage.ended_as(&finish, "succeeded")?;
    // Nobody comes back to it.
    let begun = Instant::now();
    while begun.elapsed() < stage.plane.lease() {
        let accepted = stage.plane.with(|state| {
            let finishes = state.of("finish");
            finishes.filter(|seen| seen.status == 204).count()
        });
        ensure!(accepted == 1, "{accepted} ends were accepted");
        pause().await;
    }
    let phase = stage.look(&id, |attempt| attempt.phase);
    ensure!(phase == Phase::Ended, "it is {phase:?} after its end");
    Ok(())
}
