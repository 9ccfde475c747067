//! Requests that are refused, whatever they are about.

use std::sync::Arc;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Play, Scene};
use crate::check::{Check, checks};
use crate::client::Content;

pub(super) fn checks() -> Vec<Check<Scene>> {
    checks!("Errors":
        wants_a_token "Without a token, or with one that is none, every verb is answered with 401 `unauthorized`",
        wants_a_workers_token "A person's token opens no verb, and a worker's token nothing else: 403 `forbidden`",
        refuses_what_is_no_json "A body that is no JSON is answered with 400 `invalid_request`",
        refuses_unknown_fields "A field that the protocol does not have is answered with 400 `invalid_request`",
        refuses_other_content_types "A body that is not marked as JSON is answered with 415 `unsupported_media_type`",
        refuses_large_bodies "A body above the limit is answered with 413 `too_large`",
        knows_no_other_attempt "An attempt that is not there is answered with 404 `not_found`",
        knows_no_other_worker "A worker that is not registered is answered with 404 `not_found`",
        names_each_problem "Each problem is application/problem+json with type, title, status, code and detail",
    )
}

const ATTEMPT: &str = "att_00000000000000000000000000000001";
const WORKER: &str = "wkr_00000000000000000000000000000001";

/// Every verb with a JSON body: path and a body that is right but for the names in it.
fn verbs() -> Vec<(Method, String, Value)> {
    let life = |verb: &str| format!("/api/worker/v1/{verb}");
    let attempt = |verb: &str| format!("/api/worker/v1/attempts/{ATTEMPT}/{verb}");
    let outcome = json!({"result": "succeeded"});
    vec![
        (
            Method::POST,
            life("register"),
            json!({"protocol_version": 4, "name": "a", "slots": 1, "agents": [], "isolation": "none"}),
        ),
        (
            Method::POST,
            life("acquire"),
            json!({"worker": WORKER, "max": 1, "wait_ms": 0}),
        ),
        (
            Method::POST,
            life("heartbeat"),
            json!({"worker": WORKER, "leases": []}),
        ),
        (Method::POST, life("deregister"), json!({"worker": WORKER})),
        (
            Method::PUT,
            life("snapshots"),
            json!({"worker": WORKER, "snapshots": [], "uses": []}),
        ),
        (
            Method::POST,
            attempt("step"),
            json!({"epoch": 1, "step": "running"}),
        ),
        (
            Method::POST,
            attempt("events"),
            json!({"epoch": 1, "first_seq": 1, "events": []}),
        ),
        (Method::POST, attempt("checkpoint"), json!({"epoch": 1})),
        (
            Method::POST,
            attempt("finish"),
            json!({"epoch": 1, "outcome": outcome, "has_session": false, "last_seq": 0}),
        ),
        (Method::POST, attempt("release"), json!({"epoch": 1})),
    ]
}

async fn wants_a_token(scene: Arc<Scene>) -> Result<()> {
    for token in [
        None,
        Some("nonsense"),
        Some("ow_w00000000000000000000000000000000"),
    ] {
        let client = scene.worker.with_token(token);
        for (method, path, body) in verbs() {
            client
                .send(method, &path, Content::Json(body))
                .await?
                .refused(401, "unauthorized")?;
        }
        let object = format!("/api/worker/v1/attempts/{ATTEMPT}/objects/diff?epoch=1");
        client
            .get(&format!("/api/worker/v1/commands?worker={WORKER}"))
            .await?
            .refused(401, "unauthorized")?;
        let content = Content::Bytes("application/octet-stream", Vec::new());
        client
            .send(Method::PUT, &object, content)
            .await?
            .refused(401, "unauthorized")?;
    }
    Ok(())
}

async fn wants_a_workers_token(scene: Arc<Scene>) -> Result<()> {
    for (method, path, body) in verbs() {
        scene
            .admin
            .send(method, &path, Content::Json(body))
            .await?
            .refused(403, "forbidden")?;
    }
    scene
        .worker
        .get("/api/v1/tasks")
        .await?
        .refused(403, "forbidden")
}

async fn refuses_what_is_no_json(scene: Arc<Scene>) -> Result<()> {
    for (method, path, _) in verbs() {
        for text in ["", "{", "[]", "{} {}"] {
            let content = Content::Bytes("application/json", text.into());
            scene
                .worker
                .send(method.clone(), &path, content)
                .await?
                .refused(400, "invalid_request")?;
        }
    }
    Ok(())
}

async fn refuses_unknown_fields(scene: Arc<Scene>) -> Result<()> {
    for (method, path, mut body) in verbs() {
        body["colour"] = json!("blue");
        let reply = scene
            .worker
            .send(method, &path, Content::Json(body))
            .await?;
        reply.refused(400, "invalid_request")?;
        let names = reply.json()?["errors"].to_string();
        ensure!(
            names.contains("/colour"),
            "{reply}: `errors` does not name the field"
        );
    }
    Ok(())
}

async fn refuses_other_content_types(scene: Arc<Scene>) -> Result<()> {
    for (method, path, body) in verbs() {
        let content = Content::Bytes("text/plain", body.to_string().into());
        scene
            .worker
            .send(method, &path, content)
            .await?
            .refused(415, "unsupported_media_type")?;
    }
    Ok(())
}

async fn refuses_large_bodies(scene: Arc<Scene>) -> Result<()> {
    let name = "x".repeat(3 << 20);
    let body =
        json!({"protocol_version": 4, "name": name, "slots": 1, "agents": [], "isolation": "none"});
    scene
        .worker
        .post("/api/worker/v1/register", &body)
        .await?
        .refused(413, "too_large")
}

async fn knows_no_other_attempt(scene: Arc<Scene>) -> Result<()> {
    for (method, path, body) in verbs() {
        if !path.contains("/attempts/") {
            continue;
        }
        for id in [ATTEMPT, "att_nonsense", WORKER] {
            let path = path.replace(ATTEMPT, id);
            let reply = scene
                .worker
                .send(method.clone(), &path, Content::Json(body.clone()))
                .await?;
            reply.refused(404, "not_found")?;
        }
    }
    Ok(())
}

async fn knows_no_other_worker(scene: Arc<Scene>) -> Result<()> {
    for (method, path, body) in verbs() {
        if path.contains("/attempts/") || path.ends_with("/register") {
            continue;
        }
        scene
            .worker
            .send(method, &path, Content::Json(body))
            .await?
            .refused(404, "not_found")?;
    }
    let path = format!("/api/worker/v1/commands?worker={WORKER}");
    scene.worker.get(&path).await?.refused(404, "not_found")
}

async fn names_each_problem(scene: Arc<Scene>) -> Result<()> {
    let play = Play::new(&scene).await?;
    let (player, held) = play.begin().await?;
    scene
        .worker
        .get("/api/worker/v1/nothing")
        .await?
        .refused(404, "not_found")?;
    scene
        .worker
        .get("/api/worker/v1/register")
        .await?
        .refused(405, "method_not_allowed")?;
    player.ask(0, 0).await?.refused(422, "unprocessable")?;
    held.step("dancing").await?.refused(422, "unprocessable")?;
    held.upload("song", b"la")
        .await?
        .refused(404, "not_found")?;
    held.finish(super::succeeded(), 7)
        .await?
        .refused(409, "out_of_order")?;
    player.deregister().await?.refused(409, "conflict")
}
