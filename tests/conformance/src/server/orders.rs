//! What operators want of a worker, and who may be one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::play::{Player, text};
use super::{Play, Scene, succeeded};
use crate::check::{Check, checks, skip};
use crate::client::{Client, Content, Reply};

pub(super) fn checks() -> Vec<Check<Scene>> {
    let mut all = checks!("Orders":
        tells_orders "A drain is told with each heartbeat and by the stream, and no work is given out until it is over",
        lets_what_runs_end "A worker that drains renews and ends what it holds",
        gives_no_more_than_ordered_slots "A worker is given no more than the slots that operators want",
        takes_capacity "A heartbeat may say slots, free slots, and that the worker drains",
    );
    all.extend(checks!("Enrol":
        enrols_once "An enrolment token is exchanged for a worker's own; the same key has the same answer, another needs another use",
        keeps_to_its_worker "A worker's own token speaks for this worker alone: 403 `forbidden`",
        revokes_tokens "A token that was revoked is answered with 401 `token_revoked`",
    ));
    all
}

/// What an operator does. A control plane without orders has no such address.
async fn operator(scene: &Scene, method: Method, path: &str, body: Value) -> Result<Reply> {
    let reply = scene.admin.send(method, path, Content::Json(body)).await?;
    match reply.status {
        404 | 405 => Err(skip(format!("it has no `{path}`"))),
        _ => Ok(reply),
    }
}

async fn order(scene: &Scene, player: &Player, what: &str, body: Value) -> Result<()> {
    let path = format!("/api/v1/workers/{}/{what}", player.id);
    let method = if what == "slots" {
        Method::PUT
    } else {
        Method::POST
    };
    operator(scene, method, &path, body).await?.ok()?;
    Ok(())
}

async fn tells_orders(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let player = play.worker().await?;
    order(&scene, &player, "drain", json!({"deadline_seconds": 60})).await?;
    for _ in 0..2 {
        let orders = player.beat(&[]).await?.ok()?["orders"].clone();
        ensure!(orders["desired"] == "drain", "`orders` is {orders}");
        let deadline = orders["deadline_ms"].as_u64();
        ensure!(
            deadline.is_some_and(|ms| (1..=60_000).contains(&ms)),
            "`orders` is {orders}"
        );
    }
    let told = player.event("orders", Duration::from_secs(15)).await?;
    ensure!(told["desired"] == "drain", "the stream says {told}");
    play.submit(json!({})).await?;
    let given = player.acquire(1, 1000).await?;
    ensure!(given.is_empty(), "a worker that drains was given work");
    let path = format!("/api/v1/workers/{}/undrain", player.id);
    scene
        .admin
        .send(Method::POST, &path, Content::None)
        .await?
        .ok()?;
    let orders = player.beat(&[]).await?.ok()?["orders"].clone();
    let desired = orders["desired"].as_str().unwrap_or("run");
    ensure!(desired == "run", "`orders` is {orders}");
    player.claim().await?.finish(succeeded(), 0).await?.ok()?;
    Ok(())
}

async fn lets_what_runs_end(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    order(&scene, &player, "drain", json!({})).await?;
    let desired = player.desired(&held).await?;
    ensure!(desired == "run", "what it holds is to be {desired}");
    held.finish(succeeded(), 0).await?.ok()?;
    play.state_is(&held, "succeeded").await?;
    Ok(())
}

async fn gives_no_more_than_ordered_slots(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let player = play.worker().await?;
    order(&scene, &player, "slots", json!({"slots": 1})).await?;
    let orders = player.beat(&[]).await?.ok()?["orders"].clone();
    ensure!(orders["slots"] == 1, "`orders` is {orders}");
    play.submit(json!({"attempts": 3})).await?;
    let first = player.acquire(3, 5000).await?;
    ensure!(first.len() == 1, "{} attempts were given out", first.len());
    let more = player.acquire(3, 500).await?;
    ensure!(more.is_empty(), "{} more were given out", more.len());
    Ok(())
}

async fn takes_capacity(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let player = play.worker().await?;
    // Asked first, so that a control plane without orders is passed over.
    order(&scene, &player, "slots", json!({"slots": null})).await?;
    for body in [
        json!({"worker": player.id, "leases": [], "slots": 3, "free_slots": 2, "draining": true}),
        json!({"worker": player.id, "leases": [], "slots": 4, "free_slots": 4}),
    ] {
        scene
            .worker
            .post("/api/worker/v1/heartbeat", &body)
            .await?
            .ok()?;
    }
    let wrong = json!({"worker": player.id, "leases": [], "slots": 0});
    scene
        .worker
        .post("/api/worker/v1/heartbeat", &wrong)
        .await?
        .refused(422, "unprocessable")
}

/// An enrolment token for one worker, and its id.
async fn enrolment(scene: &Scene) -> Result<(Client, String)> {
    let made = operator(scene, Method::POST, "/api/v1/enrolment-tokens", json!({}))
        .await?
        .ok()?;
    let id = text(&made, "id")?;
    scene.note(
        Method::DELETE,
        format!("/api/v1/enrolment-tokens/{id}"),
        Value::Null,
    );
    let token = text(&made, "token")?;
    Ok((scene.worker.with_token(Some(&token)), id))
}

async fn enrol(client: &Client, key: &str) -> Result<Reply> {
    let body = json!({"key": key, "name": "conformance"});
    client.post("/api/worker/v1/enroll", &body).await
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210";

async fn enrols_once(scene: Arc<Scene>) -> Result<()> {
    let (client, _) = enrolment(&scene).await?;
    enrol(&client, "short")
        .await?
        .refused(422, "unprocessable")?;
    let first = enrol(&client, KEY).await?.ok()?;
    let again = enrol(&client, KEY).await?.ok()?;
    ensure!(
        first == again,
        "the same key was answered with {first} and {again}"
    );
    enrol(&client, OTHER_KEY)
        .await?
        .refused(401, "unauthorized")?;
    let stranger = scene
        .worker
        .with_token(Some("ow_e00000000000000000000000000000000"));
    enrol(&stranger, KEY).await?.refused(401, "unauthorized")?;
    let own = scene.worker.with_token(Some(&text(&first, "token")?));
    let registration = Play::new(&scene).await?.registration();
    let registered = own
        .post("/api/worker/v1/register", &registration)
        .await?
        .ok()?;
    ensure!(
        registered["worker"] == first["worker"],
        "it was enrolled as {} and is {}",
        first["worker"],
        registered["worker"]
    );
    Ok(())
}

/// A worker with a token of its own.
async fn enrolled(scene: &Scene) -> Result<(Client, String)> {
    let (client, _) = enrolment(scene).await?;
    let enrolled = enrol(&client, KEY).await?.ok()?;
    let own = scene.worker.with_token(Some(&text(&enrolled, "token")?));
    Ok((own, text(&enrolled, "worker")?))
}

async fn keeps_to_its_worker(scene: Arc<Scene>) -> Result<()> {
    let (own, worker) = enrolled(&scene).await?;
    let play = Play::new(&scene).await?;
    own.post("/api/worker/v1/register", &play.registration())
        .await?
        .ok()?;
    let body = |worker: &str| json!({"worker": worker, "leases": []});
    own.post("/api/worker/v1/heartbeat", &body(&worker))
        .await?
        .ok()?;
    let (player, held) = play.begin().await?;
    own.post("/api/worker/v1/heartbeat", &body(&player.id))
        .await?
        .refused(403, "forbidden")?;
    held.by(&own)
        .finish(succeeded(), 0)
        .await?
        .refused(403, "forbidden")?;
    held.finish(succeeded(), 0).await?.ok()?;
    Ok(())
}

async fn revokes_tokens(scene: Arc<Scene>) -> Result<()> {
    let (own, worker) = enrolled(&scene).await?;
    let play = Play::new(&scene).await?;
    own.post("/api/worker/v1/register", &play.registration())
        .await?
        .ok()?;
    let path = format!("/api/v1/workers/{worker}/revoke");
    let revoked = scene.admin.send(Method::POST, &path, Content::None).await?;
    revoked.ok().context("the token is revoked")?;
    let body = json!({"worker": worker, "leases": []});
    own.post("/api/worker/v1/heartbeat", &body)
        .await?
        .refused(401, "token_revoked")?;
    let (client, id) = enrolment(&scene).await?;
    let path = format!("/api/v1/enrolment-tokens/{id}");
    scene
        .admin
        .send(Method::DELETE, &path, Content::None)
        .await?
        .ok()?;
    enrol(&client, KEY).await?.refused(401, "token_revoked")
}
