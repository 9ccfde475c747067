//! What attempts cost, and what was used within a time.

use std::time::Duration;

use outwork_domain::principal::PrincipalKind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

struct Scene {
    rig: Rig,
    worker: Worker,
}

impl Scene {
    async fn start() -> Self {
        let rig = Rig::start().await;
        let path = repository::make(rig.directory.path());
        rig.environment("plain", &path).await;
        let body = json!({"label": "app", "repository_url": path, "agent": {"name": "codex"}});
        let user = rig.user();
        user.post("/api/v1/environments", &body).await.expect(201);
        let worker = Worker::register(&rig, "one").await;
        Self { rig, worker }
    }

    async fn set(&self, prices: Value) -> Value {
        let mut body = json!({"base_url": "https://m.example/v1", "name": "m", "api_key": ""});
        body["prices"] = prices;
        let user = self.rig.user();
        let set = user.send(Method::PUT, "/api/v1/model", &body).await;
        set.expect(200)
    }

    /// An attempt that a worker held for five seconds and that used these tokens; as it is shown then.
    async fn done(&self, environment: &str, tokens: Value) -> Value {
        self.rig.task(environment, "p").await;
        let claim = self.worker.take().await;
        self.rig.pass(Duration::from_secs(5)).await;
        let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0, "tokens": tokens});
        self.worker.finish(&claim, result).await.expect(204);
        self.attempt(&claim.attempt).await
    }

    async fn attempt(&self, attempt: &str) -> Value {
        self.rig.get(&format!("/api/v1/attempts/{attempt}")).await
    }
}

fn tokens(input: u64, cached: u64, output: u64, uncounted: u64) -> Value {
    json!({"input": input, "cached_input": cached, "output": output, "reasoning": 0, "uncounted_calls": uncounted})
}

fn prices(currency: &str) -> Value {
    json!({"currency": currency, "input_per_million": "1.25", "cached_input_per_million": "0.125", "output_per_million": "10"})
}

fn cost(currency: &str, amount: &str, is_lower_bound: bool) -> Value {
    json!({"currency": currency, "amount": amount, "is_lower_bound": is_lower_bound})
}

#[tokio::test]
async fn an_attempt_costs_what_held_when_it_ended() {
    let it = Scene::start().await;
    let model = it.set(Value::Null).await;
    assert_eq!(model.get("prices"), None);
    let unknown = it.done("app", tokens(1_000_000, 400_000, 10_000, 0)).await;
    assert_eq!(unknown.get("cost"), None, "{unknown:#}");
    let expected = prices("USD");
    let model = it.set(expected.clone()).await;
    assert_eq!(model["prices"]["output_per_million"], "10.00");
    let known = it.done("app", tokens(1_000_000, 400_000, 10_000, 0)).await;
    assert_eq!(known["cost"], cost("USD", "0.90", false));
    let more = it.done("app", tokens(1, 0, 0, 2)).await;
    assert_eq!(more["cost"], cost("USD", "0.00000125", true));
    let uncounted = it.done("app", tokens(0, 0, 0, 2)).await;
    assert_eq!(uncounted.get("cost"), None, "it is not nothing");
    let absent = it.done("plain", Value::Null).await;
    assert_eq!(absent.get("cost"), None);
    // Cached input without a price of its own costs as much as other input.
    it.set(json!({"currency": "EUR", "input_per_million": "2", "output_per_million": "0"}))
        .await;
    let newest = it.done("app", tokens(1_000_000, 400_000, 10_000, 0)).await;
    assert_eq!(newest["cost"], cost("EUR", "2.00", false));
    let id = known["id"].as_str().expect("an id");
    assert_eq!(it.attempt(id).await["cost"], known["cost"], "it stays");
    // While it runs, and after a second claim.
    it.rig.task("app", "p").await;
    let claim = it.worker.take().await;
    assert_eq!(it.attempt(&claim.attempt).await.get("cost"), None);
    it.worker.release(&claim).await.expect(204);
    let claim = it.worker.take().await;
    let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0, "tokens": tokens(500_000, 0, 0, 0)});
    it.worker.finish(&claim, result).await.expect(204);
    assert_eq!(
        it.attempt(&claim.attempt).await["cost"],
        cost("EUR", "1.00", true)
    );
    it.rig.stop().await;
}

#[tokio::test]
async fn wrong_prices_are_named() {
    let it = Scene::start().await;
    for (field, value) in [
        ("currency", json!("usd")),
        ("currency", json!("")),
        ("input_per_million", json!("-1")),
        ("input_per_million", json!("1,5")),
        ("cached_input_per_million", json!("x")),
        ("output_per_million", json!("1e9")),
    ] {
        let mut wrong = prices("USD");
        wrong[field] = value;
        let body = json!({"base_url": "https://m.example/v1", "name": "m", "prices": wrong});
        let answer = it
            .rig
            .user()
            .send(Method::PUT, "/api/v1/model", &body)
            .await;
        let problem = answer.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], format!("/prices/{field}"));
    }
    it.rig.stop().await;
}

#[tokio::test]
async fn usage_is_summed_up() {
    let it = Scene::start().await;
    // 2026-11-20T14:53:40Z
    it.set(prices("USD")).await;
    it.done("app", tokens(1_000_000, 0, 0, 0)).await;
    it.done("plain", Value::Null).await;
    it.rig.pass(Duration::from_secs(24 * 60 * 60)).await;
    it.done("app", tokens(2_000_000, 0, 100, 0)).await;
    it.set(Value::Null).await;
    it.done("app", tokens(5, 0, 5, 0)).await;
    let usage = async |query: &str| it.rig.get(&format!("/api/v1/usage{query}")).await;
    let days = usage("").await;
    assert_eq!(
        (&days["by"], days["items"].as_array().map(Vec::len)),
        (&json!("day"), Some(2))
    );
    let expected = json!({"key": "2026-11-20", "label": "2026-11-20", "tasks": 2, "attempts": 2, "tokens": tokens(1_000_000, 0, 0, 0),
        "cost": cost("USD", "1.25", false), "unknown_cost_attempts": 0, "sandbox_seconds": 10});
    assert_eq!(days["items"][0], expected);
    assert_eq!(days["items"][1]["cost"], cost("USD", "2.501", true));
    assert_eq!(days["items"][1]["unknown_cost_attempts"], 1);
    let total = json!({"tasks": 4, "attempts": 4, "tokens": tokens(3_000_005, 0, 105, 0),
        "cost": cost("USD", "3.751", true), "unknown_cost_attempts": 1, "sandbox_seconds": 20});
    assert_eq!(days["total"], total);
    for (by, keys) in [
        ("environment", vec!["app", "plain"]),
        ("member", vec!["user-1"]),
        ("agent", vec!["codex", "command"]),
    ] {
        let parts = usage(&format!("?by={by}")).await;
        let labels = parts["items"].as_array().expect("a list").iter();
        let labels: Vec<_> = labels
            .map(|item| item["label"].as_str().expect("text"))
            .collect();
        assert_eq!(labels, keys, "{by}");
        assert_eq!(parts["total"], total);
    }
    // A day is one, from its beginning to its end.
    let one = usage("?from=2026-11-20&to=2026-11-20").await;
    assert_eq!(one["items"], json!([expected]));
    assert_eq!(
        (&one["from"], &one["to"]),
        (
            &json!("2026-11-20T00:00:00.000Z"),
            &json!("2026-11-21T00:00:00.000Z")
        )
    );
    let none = usage("?from=2026-11-20T00:00:00Z&to=2026-11-20T12:00:00Z").await;
    assert_eq!(
        (&none["items"], &none["total"]["attempts"]),
        (&json!([]), &json!(0))
    );
    assert_eq!(none["total"].get("cost"), None);
    // Two currencies are not added up.
    it.set(prices("EUR")).await;
    it.done("app", tokens(1_000_000, 0, 0, 0)).await;
    let both = usage("?by=agent").await;
    assert_eq!(both["items"][0].get("cost"), None);
    assert_eq!(
        both["items"][0]["costs"],
        json!([cost("EUR", "1.25", true), cost("USD", "3.751", true)])
    );
    for query in [
        "?from=x",
        "?to=2026-13-01",
        "?by=hour",
        "?from=2026-11-20&to=2026-11-19",
        "?from=2020-01-01",
        "?more=1",
    ] {
        let answer = it.rig.user().get(&format!("/api/v1/usage{query}")).await;
        answer.problem(400, "invalid_request");
    }
    let stranger = it.rig.stranger(PrincipalKind::User).await;
    let theirs = stranger.get("/api/v1/usage").await.expect(200);
    assert_eq!(theirs["total"]["attempts"], 0);
    it.rig.stop().await;
}
