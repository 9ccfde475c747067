//! Calls that are sent again, before the agent has seen anything.

use std::time::Duration;

use hyper::StatusCode;
use outwork_egress::gateway::{GatewayConfig, GatewayEvent, RetryReason, Tokens};
use scripted_model::{ALWAYS, Failure, Step};

use crate::harness::{
    Api, Harness, Then, ask, body_of, harness, raw_endpoint_of, scripted_with, within,
};

fn quick() -> GatewayConfig {
    GatewayConfig {
        retry_delay: Duration::from_millis(2),
        max_retry_wait: Duration::from_secs(2),
        ..GatewayConfig::default()
    }
}

fn status(status: u16, retry_after_s: Option<u64>) -> Failure {
    Failure::Status {
        status,
        code: None,
        message: None,
        retry_after_s,
    }
}

async fn reasons(harness: &mut Harness) -> Vec<RetryReason> {
    let events = harness.events_of_request().await;
    let reasons = events.iter().filter_map(|event| match event {
        GatewayEvent::Retried { reason, .. } => Some(*reason),
        GatewayEvent::Started { .. }
        | GatewayEvent::FirstByte { .. }
        | GatewayEvent::Finished { .. }
        | GatewayEvent::Refused { .. }
        | GatewayEvent::UpstreamError { .. }
        | GatewayEvent::BudgetExceeded(_) => None,
    });
    reasons.collect()
}

#[tokio::test]
async fn an_endpoint_that_is_down_for_a_moment_is_not_noticed() {
    for passing in [502, 503, 504, 529] {
        let step = Step::new()
            .say("hello")
            .fail_times(status(passing, None), 2);
        let (model, mut harness) = scripted_with(step, quick());
        let answer = harness.send(ask()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(body_of(answer).await.contains("response.completed"));
        let expected = [RetryReason::Status(passing); 2];
        assert_eq!(reasons(&mut harness).await, expected);
        let requests = model.requests();
        assert_eq!(requests.len(), 3);
        assert!(requests.iter().all(|r| r.body == requests[0].body));
        assert_eq!(harness.gateway.totals().retried, 2);
    }
}

#[tokio::test]
async fn an_endpoint_that_stays_down_is_shown() {
    let step = Step::new()
        .say("hello")
        .fail_times(status(503, None), ALWAYS);
    let (model, mut harness) = scripted_with(step, quick());
    let answer = harness.send(ask()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reasons(&mut harness).await.len(), 2);
    assert_eq!(model.requests().len(), 3);
}

#[tokio::test]
async fn a_wait_that_the_endpoint_asks_for_is_kept_if_it_is_short() {
    let step = Step::new().say("hello").fail(status(429, Some(1)));
    let (_model, mut short) = scripted_with(step, quick());
    assert_eq!(short.send(ask()).await.status(), StatusCode::OK);
    let events = short.events_of_request().await;
    let waited = events.iter().any(|event| {
        matches!(event, GatewayEvent::Retried { wait, .. } if *wait >= Duration::from_secs(1))
    });
    assert!(waited, "{events:?}");

    for (asked, code) in [(Some(3), 429), (None, 429), (None, 500), (None, 401)] {
        let step = Step::new().say("hello").fail(status(code, asked));
        let (model, mut harness) = scripted_with(step, quick());
        let answer = harness.send(ask()).await;
        assert_eq!(answer.status().as_u16(), code, "{asked:?}");
        assert_eq!(model.requests().len(), 1, "{code} {asked:?}");
        assert_eq!(reasons(&mut harness).await, []);
    }
}

#[tokio::test]
async fn no_connection_is_tried_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut harness = harness(&format!("http://{address}/v1"), quick());
    let answer = harness.send(ask()).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let events = harness.events_of_request().await;
    let retries = events.iter().filter(|event| {
        let reason = RetryReason::Unreachable;
        matches!(event, GatewayEvent::Retried { reason: r, .. } if *r == reason)
    });
    assert_eq!(retries.count(), 2);
    let free = matches!(
        events.last(),
        Some(GatewayEvent::Finished {
            tokens: Tokens::None,
            ..
        })
    );
    assert!(free, "{events:?}");
}

#[tokio::test]
async fn nothing_is_sent_again_once_the_answer_began() {
    let broken = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\n: hello\n\n\r\n";
    let endpoint = raw_endpoint_of(&[broken], Then::Close).await;
    let mut harness = harness(&endpoint.base_url, quick());
    let answer = harness.send(Api::ChatCompletions.request(true)).await;
    within(http_body_util::BodyExt::collect(answer.into_body()))
        .await
        .unwrap_err();
    assert_eq!(reasons(&mut harness).await, []);
    assert_eq!(endpoint.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_agent_that_leaves_ends_the_waiting() {
    let config = GatewayConfig {
        retry_delay: Duration::from_secs(1000),
        max_retry_wait: Duration::from_secs(2000),
        ..GatewayConfig::default()
    };
    let step = Step::new()
        .say("hello")
        .fail_times(status(503, None), ALWAYS);
    let (model, mut harness) = scripted_with(step, config);
    let stream = harness.connect().await;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    let answer = tokio::spawn(async move { sender.send_request(ask()).await });
    loop {
        let event = within(harness.events.recv()).await.unwrap();
        if matches!(event, GatewayEvent::Retried { .. }) {
            break;
        }
    }
    answer.abort();
    driver.abort();
    let events = harness.events_of_request().await;
    assert!(
        matches!(events[..], [GatewayEvent::Finished { status: None, .. }]),
        "{events:?}"
    );
    assert_eq!(model.requests().len(), 1);
}
