//! Workers come and go.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::play::text;
use super::{Play, Scene, succeeded};
use crate::check::{Check, checks};

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Register":
        keeps_the_id "Registered again with its id, a worker keeps it; without, or with an unknown one, it has a new one",
        keeps_claims_over_a_registration "Registering again takes no claim away",
        refuses_wrong_registrations "Names, slots, isolation and labels have limits: 422 `unprocessable`",
        says_how_often_to_beat "At least three heartbeats fit into a lease",
        shows_the_isolation "What a worker says of its isolation is shown with the attempt",
    );
    all.extend(checks!("Versions":
        speaks_version_4 "Version 4 is taken, and answered with",
        speaks_version_3 "Version 3 is taken, answered with, and served to the end of an attempt",
        refuses_other_versions "Other versions are refused with 422, naming `/protocol_version`",
    ));
    all.extend(checks!("Deregister":
        lets_nobody_go_who_holds "A worker that holds attempts is not let go: 409 `conflict`",
        forgets_who_signed_off "A worker that signed off is not known any more",
    ));
    all.extend(checks!("Snapshots":
        takes_inventories "An inventory of snapshots is taken; wrong ones are refused with 422",
    ));
    all
}

async fn keeps_the_id(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let mut registration = play.registration();
    let first = text(&play.register(&registration).await?.ok()?, "worker")?;
    let second = text(&play.register(&registration).await?.ok()?, "worker")?;
    ensure!(first != second, "two workers have one id");
    registration["worker"] = json!(first);
    let again = text(&play.register(&registration).await?.ok()?, "worker")?;
    ensure!(again == first, "{first} registered again and is {again}");
    registration["worker"] = json!("wkr_000000000000000000000000000000ff");
    let other = text(&play.register(&registration).await?.ok()?, "worker")?;
    ensure!(
        other.starts_with("wkr_") && other != first,
        "an unknown id became {other}"
    );
    Ok(())
}

async fn keeps_claims_over_a_registration(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    let mut registration = play.registration();
    registration["worker"] = json!(player.id);
    play.register(&registration).await?.ok()?;
    let desired = player.desired(&held).await?;
    ensure!(desired == "run", "the claim is to be {desired}");
    held.finish(succeeded(), 0).await?.ok()?;
    Ok(())
}

async fn refuses_wrong_registrations(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let labels: serde_json::Map<_, _> = (0..33).map(|n| (format!("l{n}"), json!("v"))).collect();
    for (field, value) in [
        ("slots", json!(0)),
        ("slots", json!(1001)),
        ("name", json!(" ")),
        ("name", json!("a\nb")),
        ("isolation", json!("")),
        ("isolation", json!("x".repeat(101))),
        ("agents", json!(vec!["a"; 101])),
        ("labels", json!(labels)),
    ] {
        let mut registration = play.registration();
        registration[field] = value;
        let reply = play.register(&registration).await?;
        reply.refused(422, "unprocessable")?;
        let names = reply.json()?["errors"].to_string();
        ensure!(
            names.contains(field),
            "{reply}: `errors` does not name `{field}`"
        );
    }
    Ok(())
}

async fn says_how_often_to_beat(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (_, held) = play.begin().await?;
    let registered = play.register(&play.registration()).await?.ok()?;
    let interval = registered["heartbeat_interval_ms"].as_u64().unwrap_or(0);
    ensure!(
        interval > 0,
        "`heartbeat_interval_ms` is {}",
        registered["heartbeat_interval_ms"]
    );
    let lease = held.lease();
    ensure!(
        3 * Duration::from_millis(interval) <= lease,
        "a heartbeat every {interval} ms with a lease of {lease:?}"
    );
    Ok(())
}

async fn shows_the_isolation(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    play.submit(json!({})).await?;
    let mut registration = play.registration();
    registration["isolation"] = json!("a locked room");
    let player = play.worker_with(&registration).await?;
    let held = player.claim().await?;
    let shown = play.shown(&held).await?;
    ensure!(
        shown["isolation"] == "a locked room",
        "`isolation` is {}",
        shown["isolation"]
    );
    ensure!(
        shown["worker"] == player.id.as_str(),
        "`worker` is {}",
        shown["worker"]
    );
    Ok(())
}

async fn speaks(scene: Arc<Scene>, version: u32) -> Result<()> {
    let play = Play::new(&scene).await?;
    let mut registration = play.registration();
    registration["protocol_version"] = json!(version);
    let registered = play.register(&registration).await?.ok()?;
    ensure!(
        registered["protocol_version"] == version,
        "the answer is of version {}",
        registered["protocol_version"]
    );
    let player = play.worker_with(&registration).await?;
    play.submit(json!({})).await?;
    let held = player.claim().await?;
    held.step("preparing").await?.ok()?;
    held.step("running").await?.ok()?;
    held.append(1, &[super::output("a")]).await?.ok()?;
    // A version 3 worker says nothing of messages.
    let claim = json!({"attempt": held.attempt, "epoch": held.epoch});
    player.beat(&[claim]).await?.ok()?;
    held.upload("diff", b"").await?.ok()?;
    held.finish_with(succeeded(), 1, true, false).await?.ok()?;
    play.state_is(&held, "succeeded").await?;
    Ok(())
}

async fn speaks_version_4(scene: Arc<Scene>) -> Result<()> {
    speaks(scene, 4).await
}

async fn speaks_version_3(scene: Arc<Scene>) -> Result<()> {
    speaks(scene, 3).await
}

async fn refuses_other_versions(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    for version in [0, 2, 99] {
        let mut registration = play.registration();
        registration["protocol_version"] = json!(version);
        let reply = play.register(&registration).await?;
        reply.refused(422, "unprocessable")?;
        let names = reply.json()?["errors"][0]["pointer"] == "/protocol_version";
        ensure!(names, "{reply}: `errors` does not name `/protocol_version`");
    }
    Ok(())
}

async fn lets_nobody_go_who_holds(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    player.deregister().await?.refused(409, "conflict")?;
    ensure!(player.desired(&held).await? == "run", "the claim was lost");
    held.release().await?.ok()?;
    player.deregister().await?.ok()?;
    Ok(())
}

async fn forgets_who_signed_off(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let player = play.worker().await?;
    player.deregister().await?.ok()?;
    player.deregister().await?.refused(404, "not_found")?;
    player.beat(&[]).await?.refused(404, "not_found")?;
    player.ask(1, 0).await?.refused(404, "not_found")
}

async fn takes_inventories(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let player = play.worker().await?;
    let at = "2026-01-02T03:04:05.678Z";
    let (_, held) = play.begin().await?;
    let snapshot = json!({
        "key": "00ff", "environment_id": held.assignment["environment_id"], "cache_generation": 0, "reason": "first",
        "built_at": at, "last_used_at": at, "size_bytes": 1, "hits": 0, "in_use": 0,
    });
    let path = "/api/worker/v1/snapshots";
    let put = |snapshots: serde_json::Value| {
        let body = json!({"worker": player.id, "snapshots": snapshots, "uses": []});
        scene.worker.send(
            reqwest::Method::PUT,
            path,
            crate::client::Content::Json(body),
        )
    };
    for _ in 0..2 {
        put(json!([snapshot])).await?.ok()?;
    }
    let mut wrong = snapshot.clone();
    wrong["key"] = json!("no key");
    put(json!([wrong])).await?.refused(422, "unprocessable")?;
    put(json!([snapshot, snapshot]))
        .await?
        .refused(422, "unprocessable")?;
    put(json!([])).await?.ok()?;
    Ok(())
}
