//! The tokens that an agent may use, and what happens when they are used up.

use http_body_util::BodyExt;
use hyper::StatusCode;
use outwork_egress::gateway::{
    Ending, GatewayConfig, GatewayEvent, Refusal, Spending, Terms, Tokens,
};
use scripted_model::{ScriptedModel, Step, Usage};
use serde_json::{Value, json};

use crate::harness::{APIS, Api, Harness, body_of, get, json_of, post, scripted_on, within};

fn usage(input: u64, output: u64) -> Usage {
    Usage {
        input,
        output,
        ..Usage::default()
    }
}

fn with_budget(step: Step, max_tokens: u64) -> (ScriptedModel, Harness) {
    let terms = Terms {
        max_tokens: Some(max_tokens),
        retry_seed: 1,
    };
    scripted_on(step, GatewayConfig::default(), terms)
}

/// All events that are there, up to the end of the n-th call.
async fn events_until(harness: &mut Harness, calls: usize) -> Vec<GatewayEvent> {
    let mut events = Vec::new();
    for _ in 0..calls {
        events.extend(harness.events_of_request().await);
    }
    events
}

fn exceeded(events: &[GatewayEvent]) -> Vec<Spending> {
    let spendings = events.iter().filter_map(|event| match event {
        GatewayEvent::BudgetExceeded(spending) => Some(*spending),
        GatewayEvent::Started { .. }
        | GatewayEvent::Retried { .. }
        | GatewayEvent::FirstByte { .. }
        | GatewayEvent::Finished { .. }
        | GatewayEvent::Refused { .. }
        | GatewayEvent::UpstreamError { .. } => None,
    });
    spendings.collect()
}

#[tokio::test]
async fn calls_are_refused_when_it_is_used_up() {
    for api in APIS {
        let (model, mut harness) = with_budget(Step::new().say("hello").usage(usage(60, 40)), 100);
        // The call that uses it up is answered to its end.
        let answer = body_of(harness.send(api.request(true)).await).await;
        assert!(!answer.contains("insufficient_quota"), "{api:?}: {answer}");
        let events = events_until(&mut harness, 1).await;
        assert_eq!(exceeded(&events), [], "nothing was refused");

        for _ in 0..2 {
            let refused = harness.send(api.request(true)).await;
            assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
            // Without it the libraries of both makers would try again.
            assert_eq!(refused.headers()["x-should-retry"], "false");
            let kind = match api {
                Api::Responses | Api::ChatCompletions => "insufficient_quota",
                Api::Messages => "rate_limit_error",
            };
            let document = json_of(refused).await;
            assert_eq!(document["type"], "error");
            assert_eq!(document["error"]["type"], kind, "{api:?}");
            let message = document["error"]["message"].as_str().unwrap();
            assert!(message.contains("budget is used up"), "{message}");
        }
        // What costs nothing is still there.
        let models = harness.send(get("/v1/models")).await;
        assert_eq!(models.status(), StatusCode::OK);
        let events = events_until(&mut harness, 1).await;
        let spending = Spending {
            max_tokens: 100,
            counted: 100,
            estimated: 0,
        };
        assert_eq!(
            exceeded(&events),
            [spending],
            "once, with the first refusal"
        );
        let reason = Refusal::OverBudget;
        assert!(events.contains(&GatewayEvent::Refused { reason }));
        assert_eq!(model.requests().len(), 2, "the call, and the models");
        assert!(harness.gateway.totals().over_budget);
    }
}

#[tokio::test]
async fn a_running_stream_is_cut_by_its_size() {
    // 60 deltas of 40 bytes: 5 tokens at least each; the budget ends in the middle.
    let text = "x".repeat(60 * 40);
    for api in APIS {
        let step = Step::new()
            .say(text.clone())
            .chunk_chars(40)
            .usage(usage(1, 600));
        let (model, mut harness) = with_budget(step, 150);
        let answer = body_of(harness.send(api.request(true)).await).await;
        let deltas = answer.matches(&"x".repeat(40)).count();
        assert!((20..=30).contains(&deltas), "{api:?}: {deltas} deltas");
        assert!(answer.ends_with("\n\n"));
        let (_, last) = answer.trim_end().rsplit_once("data: ").unwrap();
        let last: Value = serde_json::from_str(last).unwrap();
        let error = match api {
            Api::Responses => &last["response"]["error"],
            Api::ChatCompletions | Api::Messages => &last["error"],
        };
        assert_eq!(error["code"], "insufficient_quota", "{api:?}: {last}");

        let events = events_until(&mut harness, 1).await;
        let Some(GatewayEvent::Finished { tokens, ending, .. }) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!((*tokens, *ending), (Tokens::Unknown, Ending::OverBudget));
        let spending = exceeded(&events)[0];
        assert_eq!((spending.max_tokens, spending.counted), (150, 0));
        assert!(spending.estimated > 150, "{spending:?}");
        let next = harness.send(api.request(true)).await;
        assert_eq!(next.status(), StatusCode::TOO_MANY_REQUESTS);
        let cancelled = |requests: &[scripted_model::RequestRecord]| {
            requests[0].outcome != scripted_model::Outcome::InFlight
        };
        model.until("end of the call at the model", cancelled).await;
    }
}

#[tokio::test]
async fn a_stream_is_cut_as_soon_as_the_api_tells_a_count_above_it() {
    let step = Step::new().say("never seen").usage(usage(5000, 5));
    let (_model, mut harness) = with_budget(step, 1000);
    let answer = body_of(harness.send(Api::Messages.request(true)).await).await;
    assert!(answer.starts_with("event: message_start\n"), "{answer}");
    assert!(!answer.contains("never seen") && answer.contains("event: error\n"));
    let spending = Spending {
        max_tokens: 1000,
        counted: 0,
        estimated: 5000,
    };
    let events = events_until(&mut harness, 1).await;
    assert_eq!(exceeded(&events), [spending]);
}

#[tokio::test]
async fn leaving_before_the_count_is_no_way_round_it() {
    let (_model, mut harness) = with_budget(Step::new().say("hello").gate("never"), 12_000);
    let padding = "words ".repeat(5000);
    let request = || {
        let body = json!({"input": format!("hi {padding}"), "stream": true});
        post("/v1/responses", &body)
    };
    // 7,500 tokens each, likely.
    for _ in 0..2 {
        let mut answer = harness.send(request()).await;
        within(answer.frame()).await.unwrap().unwrap();
        drop(answer);
        events_until(&mut harness, 1).await;
    }
    let refused = harness.send(request()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let totals = harness.gateway.totals();
    assert_eq!((totals.unknown, totals.counted), (2, 0));
    assert!(totals.unknown_estimate > 12_000, "{totals:?}");
    assert_eq!(totals.usage, outwork_egress::gateway::Usage::default());
}

#[tokio::test]
async fn a_request_that_alone_is_too_large_is_not_sent() {
    let (model, mut harness) = with_budget(Step::new().say("hello"), 100);
    let body = json!({"input": "hi ".repeat(1000), "stream": true});
    let refused = harness.send(post("/v1/responses", &body)).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(model.requests().is_empty());
    let events = events_until(&mut harness, 1).await;
    assert_eq!(exceeded(&events).len(), 1);
    let totals = harness.gateway.totals();
    assert_eq!((totals.without_tokens, totals.unknown), (1, 0));
}

#[tokio::test]
async fn a_flood_does_not_push_out_the_event() {
    let config = GatewayConfig {
        event_capacity: 4,
        ..GatewayConfig::default()
    };
    let terms = Terms {
        max_tokens: Some(0),
        retry_seed: 1,
    };
    let (_model, mut harness) = scripted_on(Step::new().say("hello"), config, terms);
    for _ in 0..20 {
        harness.send(get("/v1/models")).await;
    }
    let refused = harness.send(Api::Responses.request(true)).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let mut events = Vec::new();
    while let Ok(event) = harness.events.try_recv() {
        events.push(event);
    }
    assert_eq!(exceeded(&events).len(), 1, "{events:?}");
    assert!(harness.gateway.totals().events_dropped > 0);
}
