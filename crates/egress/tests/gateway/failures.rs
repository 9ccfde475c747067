//! An endpoint that is down, slow or broken.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::StatusCode;
use outwork_egress::gateway::{Ending, GatewayConfig, GatewayEvent, Tokens, UpstreamErrorKind};
use scripted_model::{Failure, Step};
use serde_json::Value;

use crate::harness::{
    Api, CANARY, Harness, Then, ask, body_of, harness, json_of, raw_endpoint, scripted, within,
};

/// Sends one request; the status and the document, and what the events say of it.
async fn fail(harness: &mut Harness) -> (StatusCode, Value, UpstreamErrorKind, Tokens) {
    let answer = harness.send(ask()).await;
    let status = answer.status();
    let document = json_of(answer).await;
    assert!(!document.to_string().contains(CANARY));
    let (kind, tokens, ending) = verdict(harness).await;
    assert_eq!(ending, Ending::Complete);
    (status, document, kind, tokens)
}

async fn verdict(harness: &mut Harness) -> (UpstreamErrorKind, Tokens, Ending) {
    let events = harness.events_of_request().await;
    let kind = events.iter().find_map(|event| match event {
        GatewayEvent::UpstreamError { kind, .. } => Some(*kind),
        GatewayEvent::Started { .. }
        | GatewayEvent::FirstByte { .. }
        | GatewayEvent::Retried { .. }
        | GatewayEvent::Finished { .. }
        | GatewayEvent::BudgetExceeded(_)
        | GatewayEvent::Refused { .. } => None,
    });
    match (kind, events.last()) {
        (Some(kind), Some(GatewayEvent::Finished { tokens, ending, .. })) => {
            (kind, *tokens, *ending)
        }
        _ => panic!("no error in {events:?}"),
    }
}

/// The beginning of a stream.
const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\n: hello\n\n\r\n";

fn quick() -> GatewayConfig {
    GatewayConfig {
        max_retries: 0,
        first_byte_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(200),
        ..GatewayConfig::default()
    }
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut harness = harness(&format!("http://{address}/v1"), quick());
    let (status, document, kind, tokens) = fail(&mut harness).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(kind, UpstreamErrorKind::Unreachable);
    assert_eq!(tokens, Tokens::None);
    assert_eq!(document["error"]["code"], "upstream_unreachable");
    let message = document["error"]["message"].as_str().unwrap();
    assert!(
        message.contains(&address.to_string()) && message.contains("base URL"),
        "{message}"
    );
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_given_up() {
    let mut endpoint = raw_endpoint("", Then::StayOpen).await;
    let mut harness = harness(&endpoint.base_url, quick());
    let (status, document, kind, tokens) = fail(&mut harness).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(kind, UpstreamErrorKind::FirstByteTimeout);
    assert_eq!(tokens, Tokens::Unknown);
    assert_eq!(document["error"]["code"], "upstream_timeout");
    within(endpoint.closed.recv()).await;
}

#[tokio::test]
async fn a_call_that_takes_too_long_in_all_is_given_up() {
    let config = GatewayConfig {
        call_timeout: Duration::from_millis(200),
        ..GatewayConfig::default()
    };
    let mut endpoint = raw_endpoint("", Then::StayOpen).await;
    let mut unanswered = harness(&endpoint.base_url, config);
    let (status, document, kind, _) = fail(&mut unanswered).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(kind, UpstreamErrorKind::CallTimeout);
    assert_eq!(document["error"]["code"], "call_timeout");
    within(endpoint.closed.recv()).await;

    let mut endpoint = raw_endpoint(HELLO, Then::StayOpen).await;
    let mut unfinished = harness(&endpoint.base_url, config);
    let stream = body_of(unfinished.send(ask()).await).await;
    assert!(stream.contains("call_timeout"), "{stream}");
    let (kind, tokens, _) = verdict(&mut unfinished).await;
    assert_eq!(kind, UpstreamErrorKind::CallTimeout);
    assert_eq!(tokens, Tokens::Unknown);
    within(endpoint.closed.recv()).await;
}

#[tokio::test]
async fn an_endpoint_that_closes_without_an_answer_is_broken() {
    for then in [Then::Close, Then::Reset] {
        let endpoint = raw_endpoint("", then).await;
        let mut harness = harness(&endpoint.base_url, GatewayConfig::default());
        let (status, _, kind, tokens) = fail(&mut harness).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert_eq!((kind, tokens), (UpstreamErrorKind::Broken, Tokens::Unknown));
        let tries = endpoint.requests.lock().unwrap().len();
        assert_eq!(tries, 1, "the gateway must not repeat a request that costs");
    }
}

#[tokio::test]
async fn an_endpoint_without_tls_is_told_apart() {
    let endpoint = raw_endpoint("HTTP/1.1 400 Bad Request\r\n\r\n", Then::Close).await;
    let base_url = endpoint.base_url.replace("http:", "https:");
    let mut harness = harness(&base_url, GatewayConfig::default());
    let (status, document, kind, tokens) = fail(&mut harness).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!((kind, tokens), (UpstreamErrorKind::Tls, Tokens::None));
    assert_eq!(document["error"]["code"], "upstream_tls");
}

#[tokio::test]
async fn an_error_status_is_passed_on() {
    let limited = Failure::Status {
        status: 429,
        code: Some("rate_limit_exceeded".into()),
        message: None,
        retry_after_s: Some(70),
    };
    let (_model, mut harness) = scripted(Step::new().say("hello").fail(limited));
    let answer = harness.send(ask()).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()["retry-after"], "70");
    assert_eq!(
        json_of(answer).await["error"]["code"],
        "rate_limit_exceeded"
    );
    let expected = (
        UpstreamErrorKind::Status(429),
        Tokens::None,
        Ending::Complete,
    );
    assert_eq!(verdict(&mut harness).await, expected);
    assert!(
        body_of(harness.send(ask()).await)
            .await
            .contains("completed")
    );
}

#[tokio::test]
async fn a_stream_that_breaks_off_does_not_look_complete() {
    let drop = Failure::Drop { after_events: 3 };
    let (_model, mut harness) = scripted(Step::new().say("hello").fail(drop));
    let answer = harness.send(ask()).await;
    within(answer.into_body().collect()).await.unwrap_err();
    let broken = UpstreamErrorKind::Broken;
    let expected = (broken, Tokens::Unknown, Ending::Broken(broken));
    assert_eq!(verdict(&mut harness).await, expected);
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_ended_with_an_error_of_its_api() {
    for (api, begin) in [
        (Api::Responses, "event: response.failed\ndata: "),
        (Api::ChatCompletions, "data: {\"error\":"),
        (Api::Messages, "event: error\ndata: "),
    ] {
        let mut endpoint = raw_endpoint(HELLO, Then::StayOpen).await;
        let mut harness = harness(&endpoint.base_url, quick());
        let mut answer = harness.send(api.request(true)).await;
        let first = within(answer.frame()).await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), ": hello\n\n");
        let rest = body_of(answer).await;
        assert!(rest.starts_with(begin), "{api:?}: {rest}");
        assert!(rest.contains("upstream_idle_timeout") && rest.ends_with("\n\n"));
        let kind = UpstreamErrorKind::IdleTimeout;
        let expected = (kind, Tokens::Unknown, Ending::Broken(kind));
        assert_eq!(verdict(&mut harness).await, expected);
        within(endpoint.closed.recv()).await;
    }
}

#[tokio::test]
async fn an_answer_that_stops_inside_an_event_is_broken_off() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n7\r\n: hello\r\n";
    let mut endpoint = raw_endpoint(answer, Then::StayOpen).await;
    let mut harness = harness(&endpoint.base_url, quick());
    let mut answer = harness.send(ask()).await;
    within(answer.frame()).await.unwrap().unwrap();
    within(answer.frame()).await.unwrap().unwrap_err();
    let (kind, ..) = verdict(&mut harness).await;
    assert_eq!(kind, UpstreamErrorKind::IdleTimeout);
    within(endpoint.closed.recv()).await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_or_cut() {
    let config = GatewayConfig {
        max_answer_bytes: 15,
        ..GatewayConfig::default()
    };
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n0123456789abcdef";
    let endpoint = raw_endpoint(announced, Then::Close).await;
    let mut refused = harness(&endpoint.base_url, config);
    let (status, document, kind, _) = fail(&mut refused).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(kind, UpstreamErrorKind::AnswerTooLarge);
    assert_eq!(document["error"]["code"], "answer_too_large");

    let answer: &'static str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\n: hello\n\n\r\n9\r\n: hello\n\n\r\n0\r\n\r\n";
    let endpoint = raw_endpoint(answer, Then::Close).await;
    let mut cut = harness(&endpoint.base_url, config);
    let answer = cut.send(ask()).await;
    // Whether one or both of the events come in one piece is the network's choice.
    let stream = body_of(answer).await;
    assert!(stream.contains("answer_too_large"), "{stream}");
    let (kind, ..) = verdict(&mut cut).await;
    assert_eq!(kind, UpstreamErrorKind::AnswerTooLarge);
}

#[tokio::test]
async fn an_agent_that_breaks_off_its_request_is_not_the_endpoints_fault() {
    use tokio::io::AsyncWriteExt;
    let (_model, mut harness) = scripted(Step::new().say("hello"));
    let mut stream = harness.connect().await;
    let partial = "POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"input\"";
    stream.write_all(partial.as_bytes()).await.unwrap();
    drop(stream);
    let events = harness.events_of_request().await;
    let is_right = matches!(
        events[..],
        [
            GatewayEvent::Started { .. },
            GatewayEvent::Finished {
                status: None,
                ending: Ending::ClientGone,
                ..
            }
        ]
    );
    assert!(is_right, "{events:?}");
}
