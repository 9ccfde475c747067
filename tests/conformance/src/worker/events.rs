//! What the worker tells of an attempt: in order, without gaps, once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Scene, Stage};
use crate::check::{Check, checks};
use crate::plane::{Fault, Work};

/// Five lines, so slowly that they come in more than one request.
const SLOWLY: &str = "for i in 1 2 3 4 5; do echo line $i; sleep 0.4; done";
const LINES: &str = "line 1\nline 2\nline 3\nline 4\nline 5\n";

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Steps":
        says_its_steps_in_order "Steps come in order, from `preparing` to `collecting`",
    );
    all.extend(checks!("Events":
        numbers_its_events "Events are numbered from 1 without gaps, and `last_seq` is the last",
        repeats_events_after_errors "Events that were refused with 5xx or got no answer are sent again",
        repeats_events_after_lost_answers "Events whose answer was lost are sent again under the same numbers",
        repeats_events_that_were_not_acknowledged "Events above `acknowledged_seq` are sent again",
        fills_gaps "After `out_of_order` events are sent again from what the server has",
    ));
    all.extend(checks!("Finish":
        finishes_last "`finish` comes after all events are acknowledged and results are uploaded",
        repeats_its_finish "A `finish` that was not answered is sent again, the same",
        takes_attempt_ended_for_an_answer "After `attempt_ended` a worker says nothing more, and goes on with other work",
    ));
    all
}

/// Runs the slow command; all of its output must have come, once.
async fn all_lines(stage: &Stage) -> Result<()> {
    let (id, finish) = stage.ends(Work::command(SLOWLY), "succeeded").await?;
    let (output, events) = stage.look(&id, |attempt| {
        (attempt.output(), attempt.claim().events.len())
    });
    ensure!(output == LINES, "the log has {output:?}");
    let last = finish["last_seq"].as_u64();
    ensure!(
        last == Some(events as u64),
        "`last_seq` is {last:?} after {events} events"
    );
    Ok(())
}

async fn says_its_steps_in_order(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    let (id, _) = stage.ends(Work::command("true"), "succeeded").await?;
    let mut steps = stage.look(&id, |attempt| attempt.claim().steps);
    steps.dedup();
    let known = ["preparing", "setting_up", "running", "collecting"];
    let order: Vec<_> = steps
        .iter()
        .map(|step| known.iter().position(|known| known == step))
        .collect();
    let rises = order.iter().all(Option::is_some) && order.is_sorted();
    ensure!(rises, "the steps were {steps:?}");
    for step in ["preparing", "running", "collecting"] {
        ensure!(
            steps.iter().any(|said| said == step),
            "`{step}` is not among {steps:?}"
        );
    }
    Ok(())
}

async fn numbers_its_events(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    all_lines(&stage).await?;
    let mut next = 1;
    let appends: Vec<_> = stage
        .plane
        .with(|state| state.of("append").map(|seen| seen.body.clone()).collect());
    for body in appends {
        let first = body["first_seq"]
            .as_i64()
            .context("`first_seq` is a number")?;
        let events = body["events"].as_array().context("`events` is a list")?;
        ensure!(
            first == next,
            "events from {first} came where {next} was next"
        );
        ensure!(events.len() <= 1000, "{} events came at once", events.len());
        let has_all =
            |event: &serde_json::Value| event["at"].is_string() && event["type"].is_string();
        ensure!(
            events.iter().all(has_all),
            "an event has no time or no kind: {body}"
        );
        next += i64::try_from(events.len())?;
    }
    Ok(())
}

async fn repeats_events_after_errors(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    stage
        .plane
        .fail("append", Fault::Problem(503, "unavailable"), 2);
    stage.plane.fail("append", Fault::NoAnswer, 1);
    stage
        .plane
        .fail("append", Fault::Problem(507, "insufficient_storage"), 1);
    all_lines(&stage).await
}

async fn repeats_events_after_lost_answers(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    stage.plane.fail("append", Fault::LostAnswer, 3);
    all_lines(&stage).await
}

async fn repeats_events_that_were_not_acknowledged(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    stage.plane.with(|state| state.forgets = 1);
    all_lines(&stage).await
}

async fn fills_gaps(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    // What was acknowledged is gone: a server that was restored from a backup.
    let id = stage.plane.give(Work::command(SLOWLY));
    stage
        .until("the agent says something", |state| {
            state.attempts[&id].output().contains("line 2")
        })
        .await?;
    stage.plane.with(|state| {
        let attempt = state.attempts.get_mut(&id).expect("it was given");
        let epoch = attempt.epoch;
        attempt.claims.entry(epoch).or_default().events.clear();
    });
    let finish = stage.finished(&id).await?;
    stage.ended_as(&finish, "succeeded")?;
    let output = stage.look(&id, |attempt| attempt.output());
    ensure!(output == LINES, "the log has {output:?}");
    Ok(())
}

async fn finishes_last(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    stage
        .plane
        .fail("append", Fault::Problem(503, "unavailable"), usize::MAX);
    let id = stage.plane.give(Work::command("echo a line; echo x > new"));
    stage
        .until("events are sent", |state| state.of("append").count() >= 2)
        .await?;
    // Time enough for the agent to end.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let early = stage.plane.with(|state| state.of("finish").count());
    ensure!(
        early == 0,
        "`finish` came while events were not acknowledged"
    );
    stage.plane.heal("append");
    let finish = stage.finished(&id).await?;
    stage.ended_as(&finish, "succeeded")?;
    let refused = stage
        .plane
        .with(|state| state.of("finish").any(|seen| seen.status == 409));
    ensure!(!refused, "`finish` named what the server did not have yet");
    stage.diff(&id)?;
    Ok(())
}

async fn repeats_its_finish(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    stage
        .plane
        .fail("finish", Fault::Problem(503, "unavailable"), 2);
    stage.plane.fail("finish", Fault::NoAnswer, 1);
    stage
        .ends(Work::command("echo x > new"), "succeeded")
        .await?;
    let bodies: Vec<_> = stage
        .plane
        .with(|state| state.of("finish").map(|seen| seen.body.clone()).collect());
    ensure!(
        bodies.iter().all(|body| *body == bodies[0]),
        "`finish` changed: {bodies:?}"
    );
    Ok(())
}

async fn takes_attempt_ended_for_an_answer(scene: Arc<Scene>) -> Result<()> {
    let stage = Stage::set(&scene).await?;
    stage.plane.fail("finish", Fault::LostAnswer, 1);
    let (id, _) = stage
        .ends(Work::command("echo x > new"), "succeeded")
        .await?;
    // A heartbeat may have said `abandon` before: the attempt has ended.
    stage
        .until("it lets go of the claim", |state| {
            let named = state.of("heartbeat").last();
            let named = named.is_some_and(|seen| seen.body["leases"].to_string().contains(&id));
            state.of("finish").any(|seen| seen.status == 409) || !named
        })
        .await?;
    stage.ends(Work::command("true"), "succeeded").await?;
    let count = stage.plane.with(|state| {
        let finishes = state.of("finish");
        finishes
            .filter(|seen| seen.attempt.as_deref() == Some(id.as_str()))
            .count()
    });
    ensure!(count <= 2, "`finish` came {count} times");
    Ok(())
}
