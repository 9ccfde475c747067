//! Work is given out: in time, once, with all that is needed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use serde_json::json;

use super::{Play, Scene, succeeded};
use crate::check::{Check, checks};

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Acquire":
        refuses_wrong_requests "`max` is 1 to 100, `wait_ms` at most 30000: 422 `unprocessable`",
        keeps_a_long_poll_open "Without work a poll is answered when `wait_ms` has passed, with nothing",
        answers_as_soon_as_there_is_work "With work a poll is answered at once",
        gives_each_attempt_once "An attempt is given to one worker",
        gives_no_more_than_asked_for "No more attempts than `max` are given out",
        gives_work_to_who_can_do_it "A worker is given attempts of its agents and labels only",
    );
    all.extend(checks!("Assignment":
        gives_all_that_is_needed "An assignment has every field that the protocol names",
        gives_the_starting_diff "What a person sent along can be downloaded, byte for byte",
        has_no_other_inputs "An input that the attempt does not have is answered with 404 `not_found`",
    ));
    all
}

async fn refuses_wrong_requests(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let player = play.worker().await?;
    for (max, wait_ms) in [(0, 0), (101, 0), (1, 30_001)] {
        player
            .ask(max, wait_ms)
            .await?
            .refused(422, "unprocessable")?;
    }
    Ok(())
}

async fn keeps_a_long_poll_open(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let player = play.worker().await?;
    for wait_ms in [0, 1500] {
        let begun = Instant::now();
        let held = player.acquire(1, wait_ms).await?;
        let took = begun.elapsed();
        ensure!(
            held.is_empty(),
            "something was given out that nobody submitted"
        );
        let wait = Duration::from_millis(wait_ms);
        ensure!(
            took + Duration::from_millis(100) >= wait,
            "it was answered after {took:?}, not {wait:?}"
        );
        ensure!(
            took < wait + Duration::from_secs(10),
            "it was answered after {took:?}, not {wait:?}"
        );
    }
    Ok(())
}

async fn answers_as_soon_as_there_is_work(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let player = play.worker().await?;
    let begun = Instant::now();
    let submitting = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        play.submit(json!({})).await
    };
    let (held, _) = tokio::try_join!(player.acquire(1, 30_000), submitting)?;
    ensure!(
        held.len() == 1,
        "the poll was answered with {} attempts",
        held.len()
    );
    ensure!(
        begun.elapsed() < Duration::from_secs(25),
        "it took {:?}",
        begun.elapsed()
    );
    Ok(())
}

async fn gives_each_attempt_once(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let players = [play.worker().await?, play.worker().await?];
    for _ in 0..2 {
        play.submit(json!({"attempts": 3})).await?;
    }
    let mut given = Vec::new();
    for _ in 0..10 {
        let asking = players
            .iter()
            .chain(&players)
            .map(|player| player.acquire(2, 500));
        given.extend(try_join_all(asking).await?.into_iter().flatten());
        if given.len() >= 6 {
            break;
        }
    }
    let mut ids: Vec<_> = given.iter().map(|held| &held.attempt).collect();
    ids.sort();
    ids.dedup();
    ensure!(
        ids.len() == given.len(),
        "an attempt was given out twice: {ids:?}"
    );
    ensure!(
        given.len() == 6,
        "{} of 6 attempts were given out",
        given.len()
    );
    Ok(())
}

async fn gives_no_more_than_asked_for(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let player = play.worker().await?;
    play.submit(json!({"attempts": 3})).await?;
    for (max, expected) in [(1, 1), (2, 2)] {
        let held = player.acquire(max, 5000).await?;
        ensure!(
            held.len() <= max as usize,
            "{} attempts came for `max` {max}",
            held.len()
        );
        ensure!(
            held.len() == expected,
            "{} attempts came, {expected} waited",
            held.len()
        );
    }
    Ok(())
}

async fn gives_work_to_who_can_do_it(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    play.submit(json!({})).await?;
    let mut other_agents = play.registration();
    other_agents["agents"] = json!(["of_a_later_version"]);
    let mut other_labels = play.registration();
    other_labels["labels"] = json!({"conformance": "another"});
    for registration in [other_agents, other_labels] {
        let player = play.worker_with(&registration).await?;
        let held = player.acquire(1, 500).await?;
        ensure!(
            held.is_empty(),
            "a worker was given what it cannot do: it registered with {registration}"
        );
    }
    let held = play.worker().await?.claim().await?;
    held.finish(succeeded(), 0).await?.ok()?;
    Ok(())
}

async fn gives_all_that_is_needed(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    let assignment = &held.assignment;
    for (field, prefix) in [
        ("attempt", "att_"),
        ("task", "task_"),
        ("environment_id", "env_"),
    ] {
        let id = assignment[field].as_str().unwrap_or_default();
        let is_id = id.strip_prefix(prefix).is_some_and(|rest| rest.len() == 32);
        ensure!(is_id, "`{field}` is {}", assignment[field]);
    }
    for field in ["epoch", "lease_ms", "turn", "number"] {
        ensure!(
            assignment[field].as_i64() > Some(0),
            "`{field}` is {}",
            assignment[field]
        );
    }
    for field in [
        "preparing_ms",
        "setting_up_ms",
        "running_ms",
        "collecting_ms",
    ] {
        let limit = &assignment["limits"][field];
        ensure!(limit.as_u64() > Some(0), "`limits.{field}` is {limit}");
    }
    let expected = [
        ("/agent", json!({"name": "command", "command": "true"})),
        ("/prompt", json!("do it")),
        ("/has_session", json!(false)),
        ("/repositories/0/branch", json!("main")),
        ("/repositories/0/commit", json!(scene.repository.commit)),
        ("/repositories/0/has_starting_diff", json!(false)),
        ("/repositories/0/has_carried_diff", json!(false)),
    ];
    for (pointer, value) in expected {
        let found = assignment.pointer(pointer);
        ensure!(
            found == Some(&value),
            "`{pointer}` is {found:?}, and should be {value}"
        );
    }
    ensure!(
        held.repository().is_string(),
        "the repository has no name: {assignment}"
    );
    Ok(())
}

async fn gives_the_starting_diff(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let diff = scene.repository.patch(&[("new", "ünlike\n")]).await?;
    play.submit(json!({"starting_diff": String::from_utf8(diff.clone())?}))
        .await?;
    let held = play.worker().await?.claim().await?;
    let says = &held.assignment["repositories"][0]["has_starting_diff"];
    ensure!(*says == true, "`has_starting_diff` is {says}");
    let reply = held.download("starting_diff").await?;
    ensure!(
        reply.status == 200 && reply.bytes == diff,
        "{reply}: it is another diff"
    );
    Ok(())
}

async fn has_no_other_inputs(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    for kind in [
        "starting_diff",
        "carried_diff",
        "session",
        "diff",
        "nonsense",
    ] {
        held.download(kind).await?.refused(404, "not_found")?;
    }
    Ok(())
}
