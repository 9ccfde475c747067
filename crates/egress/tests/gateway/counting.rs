//! Tokens of the three APIs, streamed and not.

use http_body_util::BodyExt;
use outwork_egress::gateway::{GatewayConfig, GatewayEvent, RetryReason, Tokens, Usage};
use scripted_model::Step;
use serde_json::{Value, json};

use crate::harness::{
    APIS, Api, CANARY, Harness, Then, body_of, harness, post, raw_endpoint_of, scripted,
};

const USAGE: scripted_model::Usage = scripted_model::Usage {
    input: 100,
    cached: 40,
    output: 20,
    reasoning: 5,
};

fn counted(api: Api) -> Tokens {
    Tokens::Counted(Usage {
        input: 100,
        cached_input: 40,
        output: 20,
        reasoning: match api {
            Api::Responses | Api::ChatCompletions => 5,
            // Anthropic does not tell it apart.
            Api::Messages => 0,
        },
    })
}

async fn tokens(harness: &mut Harness) -> Tokens {
    match harness.events_of_request().await.pop() {
        Some(GatewayEvent::Finished { tokens, .. }) => tokens,
        last => panic!("{last:?} is no end"),
    }
}

#[tokio::test]
async fn every_api_is_counted_streamed_and_not() {
    for api in APIS {
        let step = Step::new()
            .reasoning("hm")
            .say("hello")
            .usage(USAGE)
            .chunk_chars(2);
        let (model, mut harness) = scripted(step);
        for streamed in [true, false] {
            let answer = harness.send(api.request(streamed)).await;
            assert_eq!(answer.status(), 200, "{api:?}");
            assert!(body_of(answer).await.contains("assistant"));
            let used = tokens(&mut harness).await;
            assert_eq!(used, counted(api), "{api:?} streamed: {streamed}");
        }
        assert_eq!(model.problems(), Vec::<String>::new());
        for request in model.requests() {
            let bearer = format!("Bearer {CANARY}");
            let (authorization, key) = match api {
                Api::Responses | Api::ChatCompletions => (Some(bearer.as_str()), None),
                Api::Messages => (None, Some(CANARY)),
            };
            assert_eq!(request.header("authorization"), authorization);
            assert_eq!(request.header("x-api-key"), key);
        }
    }
}

#[tokio::test]
async fn what_the_endpoint_does_not_say_is_unknown() {
    for api in APIS {
        let (_model, mut harness) = scripted(Step::new().say("hello").omit_usage());
        for streamed in [true, false] {
            body_of(harness.send(api.request(streamed)).await).await;
            assert_eq!(tokens(&mut harness).await, Tokens::Unknown, "{api:?}");
        }
    }
}

#[tokio::test]
async fn a_chat_is_asked_for_its_count_and_the_agent_does_not_see_it() {
    let (model, mut harness) = scripted(Step::new().say("hello").usage(USAGE));
    let shown = body_of(harness.send(Api::ChatCompletions.request(true)).await).await;
    assert_eq!(
        tokens(&mut harness).await,
        counted(Api::ChatCompletions),
        "it is counted"
    );
    assert!(shown.ends_with("data: [DONE]\n\n"), "{shown}");
    for event in shown.split_terminator("\n\n") {
        let data = event.strip_prefix("data: ").unwrap();
        if data == "[DONE]" {
            continue;
        }
        let chunk: Value = serde_json::from_str(data).unwrap();
        assert_eq!(chunk["choices"].as_array().map(Vec::len), Some(1), "{data}");
    }
    let sent = &model.requests()[0].body;
    assert_eq!(sent["stream_options"], json!({ "include_usage": true }));

    // Who asks gets what was asked for.
    let body = json!({
        "messages": [{ "role": "user", "content": "hi" }],
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    let shown = harness.send(post("/v1/chat/completions", &body)).await;
    assert!(body_of(shown).await.contains("\"prompt_tokens\":100"));
}

#[tokio::test]
async fn an_endpoint_that_knows_no_stream_options_is_asked_without() {
    let refused =
        "HTTP/1.1 422 Unprocessable Entity\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let answered = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: [DONE]\n\n";
    let endpoint = raw_endpoint_of(&[refused, answered], Then::Close).await;
    let mut harness = harness(&endpoint.base_url, GatewayConfig::default());
    for _ in 0..2 {
        let answer = harness.send(Api::ChatCompletions.request(true)).await;
        let whole = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(whole, "data: [DONE]\n\n");
    }
    let events = harness.events_of_request().await;
    let is_retry = |event: &&GatewayEvent| matches!(event, GatewayEvent::Retried { .. });
    let retry = events.iter().find(is_retry);
    assert!(matches!(
        retry,
        Some(GatewayEvent::Retried {
            reason: RetryReason::StreamOptions,
            ..
        })
    ));
    let requests = endpoint.requests.lock().unwrap();
    let asked: Vec<bool> = requests
        .iter()
        .map(|request| request.contains("include_usage"))
        .collect();
    assert_eq!(asked, [true, false, false], "it is remembered");
}
