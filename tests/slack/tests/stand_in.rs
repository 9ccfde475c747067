//! Whether the stand-in refuses what Slack refuses.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use outwork_test_slack::{BOT_TOKEN, CHANNEL, Fault, Slack};
use serde_json::{Value, json};
use tokio::net::TcpStream;

async fn ask(slack: &Slack, method: &str, token: &str, arguments: &Value) -> (u16, Value) {
    let url = slack.api_url();
    let host = url.trim_start_matches("http://").trim_end_matches("/api");
    let wire = TcpStream::connect(host).await.expect("it listens");
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(wire)).await;
    let (mut sender, connection) = shaken.expect("HTTP");
    tokio::spawn(connection);
    let request = Request::post(format!("/api/{method}"))
        .header("host", host)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json; charset=utf-8")
        .body(Full::new(Bytes::from(arguments.to_string())))
        .expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    let status = response.status().as_u16();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("all")
        .to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn it_refuses_what_slack_refuses() {
    let slack = Slack::start(1_795_186_420);
    let message = |more: Value| {
        let mut it =
            json!({"channel": CHANNEL, "text": "x", "unfurl_links": false, "unfurl_media": false});
        for (name, value) in more.as_object().expect("an object") {
            it[name] = value.clone();
        }
        it
    };
    let section =
        |text: &str| json!([{"type": "section", "text": {"type": "mrkdwn", "text": text}}]);
    let cases = [
        ("chat.postMessage", message(json!({})), ""),
        (
            "chat.postMessage",
            message(json!({"blocks": section("fine &amp; <@U1>")})),
            "",
        ),
        (
            "chat.postMessage",
            message(json!({"channel": "C9"})),
            "channel_not_found",
        ),
        (
            "chat.postMessage",
            message(json!({"thread_ts": "9.9"})),
            "thread_not_found",
        ),
        (
            "chat.postMessage",
            message(json!({"client_msg_id": "1"})),
            "invalid_arguments",
        ),
        (
            "chat.postMessage",
            message(json!({"blocks": section("")})),
            "invalid_blocks",
        ),
        (
            "chat.postMessage",
            message(json!({"blocks": section(&"x".repeat(3001))})),
            "invalid_blocks",
        ),
        (
            "chat.postMessage",
            message(json!({"blocks": section("<!channel>")})),
            "invalid_blocks",
        ),
        (
            "chat.postMessage",
            message(json!({"blocks": section("a & b")})),
            "invalid_blocks",
        ),
        (
            "chat.postMessage",
            message(json!({"metadata": {"event_type": "a b", "event_payload": {}}})),
            "invalid_metadata_format",
        ),
        (
            "chat.update",
            json!({"channel": CHANNEL, "ts": "1.1", "text": "x"}),
            "message_not_found",
        ),
        (
            "conversations.replies",
            json!({"channel": CHANNEL, "ts": "1.1"}),
            "invalid_arguments",
        ),
        (
            "views.open",
            json!({"trigger_id": "old", "view": {}}),
            "expired_trigger_id",
        ),
        ("files.upload", json!({}), "unknown_method"),
        ("apps.connections.open", json!({}), "not_allowed_token_type"),
    ];
    for (method, arguments, error) in cases {
        let (status, answer) = ask(&slack, method, BOT_TOKEN, &arguments).await;
        assert_eq!(status, 200);
        assert_eq!(
            answer["error"].as_str().unwrap_or(""),
            error,
            "{method} {arguments}: {answer}"
        );
    }
    let (_, answer) = ask(&slack, "auth.test", "xoxb-other", &json!({})).await;
    assert_eq!(answer["error"], "invalid_auth");
    slack.fail("auth.test", Fault::Status(429, vec![("retry-after", "7")]));
    let (status, _) = ask(&slack, "auth.test", BOT_TOKEN, &json!({})).await;
    assert_eq!(status, 429);
    slack.fail("chat.postMessage", Fault::DoneBut(503));
    let before = slack.messages(CHANNEL).len();
    let (status, _) = ask(&slack, "chat.postMessage", BOT_TOKEN, &message(json!({}))).await;
    assert_eq!((status, slack.messages(CHANNEL).len()), (503, before + 1));
}
