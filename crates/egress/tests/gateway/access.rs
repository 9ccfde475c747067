//! Who may call what, and that the key stays behind.

use hyper::StatusCode;
use outwork_egress::gateway::{GatewayConfig, GatewayEvent, Refusal};
use scripted_model::Step;
use serde_json::json;

use crate::harness::{
    CANARY, Then, ask, body_of, get, harness, json_of, post, raw_endpoint, scripted, within,
};

#[tokio::test]
async fn the_real_key_replaces_the_agents() {
    let (model, mut harness) = scripted(Step::new().say("hello"));
    let answer = harness.send(ask()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(body_of(answer).await.contains("response.completed"));
    let models = json_of(harness.send(get("/v1/models?client_version=1")).await).await;
    assert_eq!(models["data"][0]["id"], "scripted-1");

    let requests = model.requests();
    let expected = format!("Bearer {CANARY}");
    for request in &requests {
        assert_eq!(request.header("authorization"), Some(expected.as_str()));
        let host = model.address().to_string();
        assert_eq!(request.header("host"), Some(host.as_str()));
    }
    assert_eq!(requests[0].header("thread-id"), Some("thread-1"));
    assert_eq!(requests[0].body["input"], "hi");
    let sent = format!("{requests:?}");
    assert!(!sent.contains("agents-own-key"));
    assert_eq!(model.problems(), Vec::<String>::new());

    let shown = format!("{:?} {:?}", harness.gateway, harness.upstream);
    let events = format!("{:?}", harness.events_of_request().await);
    assert!(shown.contains("****") && !(shown + &events).contains(CANARY));
}

#[tokio::test]
async fn an_endpoint_that_repeats_the_key_does_not_give_it_away() {
    let answer = "HTTP/1.1 401 Unauthorized\r\nx-debug: {request}\r\nconnection: close\r\n\r\n";
    // The header of this answer ends where the repeated request has its first line end,
    // so the rest of the request, with the key, is headers and body.
    let endpoint = raw_endpoint(answer, Then::Close).await;
    let harness_1 = harness(&endpoint.base_url, GatewayConfig::default());
    let response = harness_1.send(ask()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let shown = format!("{:?}", response.headers()) + &body_of(response).await;
    assert!(!shown.contains(CANARY), "{shown}");

    let answer = "HTTP/1.1 500 Oops\r\nconnection: close\r\n\r\n<pre>{request}</pre>";
    let endpoint = raw_endpoint(answer, Then::Close).await;
    let harness_2 = harness(&endpoint.base_url, GatewayConfig::default());
    let shown = body_of(harness_2.send(ask()).await).await;
    let requests = endpoint.requests.lock().unwrap().clone();
    assert!(requests[0].contains(CANARY));
    let hidden = requests[0].replace(CANARY, &"*".repeat(CANARY.len()));
    assert_eq!(shown, format!("<pre>{hidden}</pre>"));
}

#[tokio::test]
async fn everything_else_is_refused() {
    let (model, mut harness) = scripted(Step::new().say("hello"));
    let forbidden = [
        ("POST /v1/files", Refusal::Path),
        ("POST /v1/responses/../files", Refusal::Path),
        ("POST /v1%2fresponses", Refusal::Path),
        ("POST //v1/responses", Refusal::Path),
        ("GET /v1/models/", Refusal::Path),
        ("GET /_script/requests", Refusal::Path),
        ("OPTIONS *", Refusal::Path),
        ("GET /v1/responses", Refusal::Method),
        ("GET /v1/models?key=mine", Refusal::Query),
        ("GET http://other.example/v1/models", Refusal::Target),
        ("CONNECT other.example:443", Refusal::Target),
    ];
    for (request, reason) in forbidden {
        let raw = format!(
            "{request} HTTP/1.1\r\nhost: other.example\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let (head, document) = harness.send_raw(&raw).await;
        let status = format!("HTTP/1.1 {}", reason.status());
        assert!(head.starts_with(&status), "{request}: {head}");
        assert_eq!(document["error"]["code"], reason.code(), "{request}");
        let event = within(harness.events.recv()).await;
        assert_eq!(event, Some(GatewayEvent::Refused { reason }));
    }
    assert_eq!(harness.gateway.totals().refused, forbidden.len() as u64);
    assert_eq!(harness.gateway.totals().started, 0);
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn a_host_header_does_not_choose_where_the_request_goes() {
    let (model, harness) = scripted(Step::new().say("hello"));
    let raw = "GET /v1/models HTTP/1.1\r\nhost: other.example\r\nconnection: close\r\n\r\n";
    let (head, _) = harness.send_raw(raw).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let host = model.address().to_string();
    assert_eq!(model.requests()[0].header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn anthropics_key_header_is_used_for_its_api() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let endpoint = raw_endpoint(answer, Then::Close).await;
    let harness = harness(&endpoint.base_url, GatewayConfig::default());
    let mut request = post("/v1/messages?beta=true", &json!({}));
    request.headers_mut().remove("authorization");
    let own = "agents-own-key".parse().unwrap();
    request.headers_mut().insert("x-api-key", own);
    assert_eq!(body_of(harness.send(request).await).await, "{}");
    let sent = endpoint.requests.lock().unwrap()[0].clone();
    assert!(sent.starts_with("POST /v1/messages?beta=true HTTP/1.1\r\n"));
    assert!(sent.contains(&format!("x-api-key: {CANARY}\r\n")), "{sent}");
    assert!(!sent.contains("authorization:") && !sent.contains("agents-own-key"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    // This one turns into a GET that could be sent on without the body.
    let answer = "HTTP/1.1 303 Elsewhere\r\nlocation: /v1/other\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for request in [ask(), get("/v1/models")] {
        let endpoint = raw_endpoint(answer, Then::Close).await;
        let harness = harness(&endpoint.base_url, GatewayConfig::default());
        let response = harness.send(request).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(
            json_of(response).await["error"]["code"],
            "upstream_redirect"
        );
        assert_eq!(endpoint.requests.lock().unwrap().len(), 1);
    }
}

/// Runs a test of this file again with proxies that lead nowhere.
#[test]
fn proxy_variables_are_ignored() {
    let nowhere = "http://127.0.0.1:1";
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "access::the_real_key_replaces_the_agents"])
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, nowhere)))
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && output.contains("1 passed"),
        "{output}"
    );
}
