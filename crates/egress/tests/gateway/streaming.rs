//! Answers flow at once, are counted, and end when either side ends.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::StatusCode;
use outwork_egress::gateway::{
    Ending, Endpoint, GatewayConfig, GatewayEvent, Tokens, Totals, Usage,
};
use scripted_model::{ALWAYS, Failure, Outcome, Step};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::harness::{
    APIS, Then, ask, body_of, get, harness, json_of, post, raw_endpoint, read_request, scripted,
    within,
};

const USAGE: scripted_model::Usage = scripted_model::Usage {
    input: 100,
    cached: 40,
    output: 20,
    reasoning: 5,
};
const COUNTED: Usage = Usage {
    input: 100,
    cached_input: 40,
    output: 20,
    reasoning: 5,
};

/// Durations differ from run to run.
fn untimed(mut events: Vec<GatewayEvent>) -> Vec<GatewayEvent> {
    for event in &mut events {
        match event {
            GatewayEvent::FirstByte { after: time, .. }
            | GatewayEvent::Finished { duration: time, .. } => *time = Duration::ZERO,
            GatewayEvent::Started { .. }
            | GatewayEvent::Retried { .. }
            | GatewayEvent::BudgetExceeded(_)
            | GatewayEvent::Refused { .. }
            | GatewayEvent::UpstreamError { .. } => {}
        }
    }
    events
}

fn finished(n: u64, tokens: Tokens, ending: Ending) -> GatewayEvent {
    GatewayEvent::Finished {
        n,
        status: Some(200),
        duration: Duration::ZERO,
        tokens,
        ending,
    }
}

#[tokio::test]
async fn the_first_chunk_comes_before_the_model_is_done() {
    let (model, mut harness) = scripted(Step::new().say("hello").gate("g").usage(USAGE));
    let mut answer = harness.send(ask()).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let first = within(answer.frame()).await.unwrap().unwrap();
    let first = first.into_data().unwrap();
    assert!(first.starts_with(b"event: response.created\n"));
    model.waiting_at("g").await;
    model.open_gate("g");
    assert!(
        body_of(answer)
            .await
            .contains("event: response.completed\n")
    );

    let (n, endpoint) = (1, Endpoint::Responses);
    let events = untimed(harness.events_of_request().await);
    assert_eq!(
        events,
        [
            GatewayEvent::Started { n, endpoint },
            GatewayEvent::FirstByte {
                n,
                status: 200,
                after: Duration::ZERO
            },
            finished(n, Tokens::Counted(COUNTED), Ending::Complete),
        ]
    );
}

/// An endpoint that sends each event only when the client has the one before.
#[tokio::test]
async fn each_event_comes_before_the_next_is_sent() {
    const EVENTS: usize = 20;
    let event = |n: usize| format!("event: e\ndata: {{\"choices\":[{{\"n\":{n}}}]}}\n\n");
    for api in APIS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (go, mut goes) = mpsc::channel::<()>(1);
        let endpoint = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for n in 0..EVENTS {
                goes.recv().await.unwrap();
                let event = event(n);
                let chunk = format!("{:x}\r\n{event}\r\n", event.len());
                stream.write_all(chunk.as_bytes()).await.unwrap();
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        });
        let harness = harness(&base_url, GatewayConfig::default());
        let mut answer = harness.send(api.request(true)).await;
        for n in 0..EVENTS {
            go.send(()).await.unwrap();
            let frame = within(answer.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), event(n), "{api:?}");
        }
        assert_eq!(body_of(answer).await, "");
        endpoint.await.unwrap();
    }
}

#[tokio::test]
async fn totals_add_up() {
    let (_model, mut harness) = scripted(Step::new().say("hello").usage(USAGE));
    body_of(harness.send(ask()).await).await;
    let whole = post("/v1/responses", &json!({"input": "hi", "stream": false}));
    assert_eq!(
        json_of(harness.send(whole).await).await["status"],
        "completed"
    );
    body_of(harness.send(get("/v1/models")).await).await;
    let wrong = post("/v1/responses", &json!({"input": "unheard of"}));
    let wrong = harness.send(wrong).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(wrong).await["error"]["code"], "no_script");
    for _ in 0..4 {
        let events = untimed(harness.events_of_request().await);
        let last = events.last().unwrap();
        assert!(
            matches!(
                last,
                GatewayEvent::Finished {
                    ending: Ending::Complete,
                    ..
                }
            ),
            "{events:?}"
        );
    }
    let mut usage = COUNTED;
    usage.add(COUNTED);
    let expected = Totals {
        started: 4,
        usage,
        counted: 2,
        without_tokens: 2,
        ..Totals::default()
    };
    assert_eq!(harness.gateway.shutdown().await, expected);
}

#[tokio::test]
async fn an_answer_without_usage_is_unknown() {
    let (_model, mut harness) = scripted(Step::new().say("hello").omit_usage());
    body_of(harness.send(ask()).await).await;
    let events = untimed(harness.events_of_request().await);
    let expected = finished(1, Tokens::Unknown, Ending::Complete);
    assert_eq!(events.last(), Some(&expected));
}

#[tokio::test]
async fn an_agent_that_leaves_cancels_the_request() {
    let hang = Failure::Hang { after_events: 2 };
    let (model, mut harness) = scripted(Step::new().say("hello").fail_times(hang, ALWAYS));
    let mut answer = harness.send(ask()).await;
    within(answer.frame()).await.unwrap().unwrap();
    drop(answer);
    let events = untimed(harness.events_of_request().await);
    let expected = finished(1, Tokens::Unknown, Ending::ClientGone);
    assert_eq!(events.last(), Some(&expected));
    let gone = |requests: &[scripted_model::RequestRecord]| {
        requests.iter().all(|r| r.outcome == Outcome::ClientGone)
    };
    model.until("cancelled request", gone).await;
}

#[tokio::test]
async fn an_agent_that_leaves_before_the_answer_cancels_the_request_too() {
    let mut endpoint = raw_endpoint("", Then::StayOpen).await;
    let mut harness = harness(&endpoint.base_url, GatewayConfig::default());
    let stream = harness.connect().await;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
            .await
            .unwrap();
    let driver = tokio::spawn(connection);
    let answer = tokio::spawn(async move { sender.send_request(ask()).await });
    let started = within(harness.events.recv()).await;
    assert!(matches!(started, Some(GatewayEvent::Started { .. })));
    answer.abort();
    driver.abort();
    let events = harness.events_of_request().await;
    let gone = matches!(
        events[..],
        [GatewayEvent::Finished {
            status: None,
            tokens: Tokens::Unknown,
            ending: Ending::ClientGone,
            ..
        }]
    );
    assert!(gone, "{events:?}");
    // The connection to the endpoint ends, if it was made at all.
    if !endpoint.requests.lock().unwrap().is_empty() {
        within(endpoint.closed.recv()).await;
    }
}

#[tokio::test]
async fn shutdown_ends_streams_and_removes_the_socket() {
    let (_model, harness) = scripted(Step::new().say("hello").gate("never"));
    let mut answer = harness.send(ask()).await;
    within(answer.frame()).await.unwrap().unwrap();
    let socket = harness.gateway.socket().to_owned();
    let mut events = harness.events;
    let totals = within(harness.gateway.shutdown()).await;
    assert!(totals.unknown_estimate > 0);
    assert_eq!((totals.started, totals.unknown), (1, 1));
    assert!(!socket.exists());
    within(answer.frame()).await.unwrap().unwrap_err();
    let mut all = Vec::new();
    while let Some(event) = within(events.recv()).await {
        all.push(event);
    }
    let expected = finished(1, Tokens::Unknown, Ending::Stopped);
    assert_eq!(untimed(all).last(), Some(&expected));
}
