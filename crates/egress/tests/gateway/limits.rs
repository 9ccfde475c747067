//! What one agent may use.

use std::time::Duration;

use hyper::StatusCode;
use outwork_egress::gateway::{GatewayConfig, GatewayEvent, Refusal};
use scripted_model::Step;
use serde_json::json;

use crate::harness::{ask, body_of, get, json_of, post, scripted, scripted_with, within};

fn small_bodies() -> GatewayConfig {
    GatewayConfig {
        max_request_body_bytes: 1000,
        ..GatewayConfig::default()
    }
}

#[tokio::test]
async fn an_announced_body_that_is_too_large_is_refused_unread() {
    let (model, mut harness) = scripted_with(Step::new().say("hello"), small_bodies());
    let raw = "POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1001\r\n\r\n";
    let (head, document) = harness.send_raw(raw).await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    assert_eq!(document["error"]["code"], "request_too_large");
    let reason = Refusal::BodyTooLarge;
    let event = within(harness.events.recv()).await;
    assert_eq!(event, Some(GatewayEvent::Refused { reason }));
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn a_body_of_unknown_length_is_measured() {
    let (model, harness) = scripted_with(Step::new().say("hello"), small_bodies());
    let chunked = |size: usize| {
        let body = json!({"input": "hi", "padding": "x".repeat(size)}).to_string();
        format!(
            "POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
    };
    let (head, _) = harness.send_raw(&chunked(500)).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (head, document) = harness.send_raw(&chunked(1000)).await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    assert_eq!(document["error"]["code"], "request_too_large");
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn a_large_body_passes() {
    let (model, harness) = scripted(Step::new().say("hello"));
    let padding = "x".repeat(8 << 20);
    let request = post("/v1/responses", &json!({"input": "hi", "padding": padding}));
    assert_eq!(harness.send(request).await.status(), StatusCode::OK);
    assert_eq!(model.requests()[0].body["padding"], padding);
}

#[tokio::test]
async fn a_request_that_does_not_arrive_in_time_is_refused() {
    let config = GatewayConfig {
        request_timeout: Duration::from_millis(100),
        ..GatewayConfig::default()
    };
    let (model, mut harness) = scripted_with(Step::new().say("hello"), config);
    let raw =
        "POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{";
    let (head, document) = harness.send_raw(raw).await;
    assert!(head.starts_with("HTTP/1.1 408"), "{head}");
    assert_eq!(document["error"]["code"], "request_timeout");
    let events = harness.events_of_request().await;
    let reason = Refusal::BodyTooSlow;
    assert!(events.contains(&GatewayEvent::Refused { reason }));
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn the_memory_for_requests_is_bounded() {
    let config = GatewayConfig {
        max_request_memory_bytes: 128 << 10,
        ..GatewayConfig::default()
    };
    let (_model, harness) = scripted_with(Step::new().say("hello"), config);
    let of_size = |size: usize| {
        let body = json!({"input": "hi", "padding": "x".repeat(size)});
        harness.send(post("/v1/responses", &body))
    };
    let too_much = of_size(200 << 10).await;
    assert_eq!(too_much.status(), StatusCode::TOO_MANY_REQUESTS);
    // What was taken is given back.
    for _ in 0..3 {
        assert_eq!(of_size(100 << 10).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn requests_above_the_limit_are_refused_until_one_ends() {
    let config = GatewayConfig {
        max_concurrent_requests: 1,
        ..GatewayConfig::default()
    };
    let (model, mut harness) = scripted_with(Step::new().say("hello").gate("g"), config);
    let first = harness.send(ask()).await;
    model.waiting_at("g").await;
    let second = harness.send(get("/v1/models")).await;
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(json_of(second).await["error"]["code"], "too_many_requests");
    model.open_gate("g");
    body_of(first).await;
    harness.events_of_request().await;
    let third = harness.send(get("/v1/models")).await;
    assert_eq!(third.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_flood_of_refusals_does_not_push_out_other_events() {
    let config = GatewayConfig {
        event_capacity: 16,
        ..GatewayConfig::default()
    };
    let (_model, mut harness) = scripted_with(Step::new().say("hello"), config);
    for _ in 0..50 {
        harness.send(get("/v1/files")).await;
    }
    body_of(harness.send(ask()).await).await;
    let events = harness.events_of_request().await;
    let refusals = events
        .iter()
        .filter(|e| matches!(e, GatewayEvent::Refused { .. }));
    assert_eq!(refusals.count(), 8, "half of the places");
    assert_eq!(events.len(), 8 + 3);
    let totals = harness.gateway.totals();
    assert_eq!((totals.refused, totals.events_dropped), (50, 42));
}

#[tokio::test]
async fn connections_above_the_limit_wait() {
    let config = GatewayConfig {
        max_connections: 1,
        ..GatewayConfig::default()
    };
    let (_model, harness) = scripted_with(Step::new().say("hello"), config);
    let first = harness.connect().await;
    let second = harness.send(get("/v1/models"));
    let release = async {
        tokio::task::yield_now().await;
        drop(first);
    };
    let (second, ()) = tokio::join!(second, release);
    assert_eq!(second.status(), StatusCode::OK);
}
