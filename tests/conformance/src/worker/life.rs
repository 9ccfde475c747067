//! Who the worker says it is, and what it asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Scene, Stage, pause, waiting};
use crate::check::{Check, checks, skip};
use crate::plane::{Fault, Work};
use crate::process::Mark;

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Register":
        registers "The first thing that a worker says is who it is, with its token",
        registers_again "A worker that the server does not know registers again, with its id",
        keeps_its_id "A restarted worker names the id that it had",
        speaks_the_version_before "A worker that a server refuses for its version tries the version before",
    );
    all.extend(checks!("Acquire":
        asks_within_limits "A worker asks for 1 to 100 attempts, for at most 30 seconds",
        keeps_to_its_slots "A worker never holds more attempts than it has slots",
        gives_surplus_back "A worker that is given more than it asked for gives the rest back",
        does_not_storm "A worker that is refused waits before it asks again",
    ));
    all.extend(checks!("Versions":
        passes_over_what_it_does_not_know "A worker passes over fields, messages and commands that it does not know",
    ));
    all
}

fn first_registration(stage: &Stage) -> Value {
    stage.plane.with(|state| {
        let first = state.of("register").next();
        first.map(|seen| seen.body.clone()).unwrap_or_default()
    })
}

async fn registers(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let said = first_registration(&stage);
    let version = said["protocol_version"].as_u64();
    ensure!(
        matches!(version, Some(3 | 4)),
        "protocol_version is {version:?}"
    );
    let is_text = |field: &str| {
        said[field]
            .as_str()
            .is_some_and(|text| !text.trim().is_empty())
    };
    ensure!(is_text("name"), "`name` is {}", said["name"]);
    ensure!(
        is_text("isolation"),
        "`isolation` is {}: it has to say what holds",
        said["isolation"]
    );
    let slots = said["slots"].as_u64().unwrap_or(0);
    ensure!((1..=1000).contains(&slots), "`slots` is {}", said["slots"]);
    let agents = said["agents"].as_array();
    let is_listed = agents.is_some_and(|agents| agents.iter().all(Value::is_string));
    ensure!(is_listed, "`agents` is {}", said["agents"]);
    let refused = stage.plane.with(|state| {
        state
            .seen
            .iter()
            .find(|seen| seen.status == 401)
            .map(|seen| seen.verb)
    });
    ensure!(refused.is_none(), "`{refused:?}` came without the token");
    let before = stage.plane.with(|state| {
        let mut ours = state.seen.iter().filter(|seen| seen.verb != "unknown");
        ours.next().map(|seen| seen.verb)
    });
    ensure!(
        before == Some("register"),
        "{before:?} came before `register`"
    );
    Ok(())
}

async fn registers_again(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let id = stage.plane.with(|state| state.workers.pop());
    stage.registered(2).await?;
    let last = stage
        .plane
        .with(|state| state.of("register").last().cloned());
    let named = last.and_then(|seen| seen.body["worker"].as_str().map(str::to_owned));
    ensure!(named == id, "it was {id:?}, and registers as {named:?}");
    stage.ends(Work::command("true"), "succeeded").await?;
    Ok(())
}

async fn keeps_its_id(scene: Arc<Scene>) -> Result<()> {
    if !scene.template.keeps() {
        return Err(skip(
            "the command has no {dir}, so a restarted worker is another",
        ));
    }
    let mut stage = Stage::set(&scene).await?;
    let id = stage.plane.with(|state| state.workers.last().cloned());
    // By then it has read the answer.
    stage
        .until("the worker asks for work", |state| {
            state.of("heartbeat").next().is_some()
        })
        .await?;
    stage.worker.kill().await?;
    stage.restart().await?;
    let last = stage
        .plane
        .with(|state| state.of("register").last().cloned());
    let named = last.and_then(|seen| seen.body["worker"].as_str().map(str::to_owned));
    ensure!(named == id, "it was {id:?}, and registers as {named:?}");
    Ok(())
}

async fn speaks_the_version_before(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::begin(&scene, |plane| plane.with(|state| state.newest_version = 3)).await?;
    let refused = |state: &crate::plane::State| {
        let refused = state.of("register").filter(|seen| seen.status == 422);
        refused.count() >= 3 || state.of("register").any(|seen| seen.status == 200)
    };
    stage.until("the worker registers", refused).await?;
    let is_known = stage.plane.with(|state| !state.workers.is_empty());
    if !is_known {
        return Err(skip("it speaks one version only"));
    }
    stage.ends(Work::command("true"), "succeeded").await?;
    Ok(())
}

async fn asks_within_limits(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    stage.ends(Work::command("true"), "succeeded").await?;
    stage
        .until("the worker asks again", |state| {
            state.of("acquire").count() >= 2
        })
        .await?;
    let slots = first_registration(&stage)["slots"].as_u64().unwrap_or(0);
    let asked: Vec<Value> = stage
        .plane
        .with(|state| state.of("acquire").map(|seen| seen.body.clone()).collect());
    for body in asked {
        let (max, wait) = (body["max"].as_u64(), body["wait_ms"].as_u64());
        let is_within = max.is_some_and(|max| (1..=slots.min(100)).contains(&max));
        ensure!(is_within, "it asks for `max` {max:?} with {slots} slots");
        ensure!(
            wait.is_some_and(|wait| wait <= 30_000),
            "it asks for `wait_ms` {wait:?}"
        );
    }
    Ok(())
}

async fn keeps_to_its_slots(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let slots = usize::try_from(first_registration(&stage)["slots"].as_u64().unwrap_or(1))?;
    let mark = Mark::new();
    for _ in 0..slots + 2 {
        stage.plane.give(Work::command(&waiting(&mark)));
    }
    stage
        .until("the worker takes what it can", |state| {
            state.held() >= slots
        })
        .await?;
    let begun = Instant::now();
    while begun.elapsed() < 2 * stage.plane.lease() {
        let held = stage.plane.with(|state| state.held());
        ensure!(held <= slots, "it holds {held} attempts with {slots} slots");
        pause().await;
    }
    Ok(())
}

async fn gives_surplus_back(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::begin(&scene, |plane| plane.with(|state| state.generous = true)).await?;
    stage.registered(1).await?;
    let slots = usize::try_from(first_registration(&stage)["slots"].as_u64().unwrap_or(1))?;
    for _ in 0..=slots {
        stage.plane.give(Work::command("sleep 600"));
    }
    stage
        .until("the surplus is given back", |state| {
            state.attempts.values().any(|attempt| attempt.released == 1)
        })
        .await?;
    let held = stage.plane.with(|state| state.held());
    ensure!(held == slots, "it keeps {held} attempts with {slots} slots");
    Ok(())
}

async fn does_not_storm(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    stage
        .plane
        .fail("acquire", Fault::Problem(503, "unavailable"), usize::MAX);
    // Ends the long poll that is under way.
    stage.plane.give(Work::command("true"));
    let seconds = 4;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    for verb in ["register", "acquire", "heartbeat", "commands", "snapshots"] {
        let count = stage.plane.with(|state| state.of(verb).count()) as u64;
        ensure!(
            count <= 15 * seconds,
            "{count} requests `{verb}` in {seconds} s"
        );
    }
    stage.plane.heal("acquire");
    stage.ends(Work::command("true"), "succeeded").await?;
    Ok(())
}

async fn passes_over_what_it_does_not_know(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::begin(&scene, |plane| {
        plane.with(|state| state.from_the_future = true)
    })
    .await?;
    stage.registered(1).await?;
    let work = Work::command("echo here; sleep 1; echo done > new");
    let id = stage.plane.give(work);
    stage
        .until("the agent runs", |state| {
            state.attempts[&id].output().contains("here")
        })
        .await?;
    stage.plane.tell(
        &id,
        json!({"kind": "of_a_later_version", "text": "pass over it"}),
    );
    let finish = stage.finished(&id).await?;
    stage.ended_as(&finish, "succeeded")
}
