//! What comes over Socket Mode.

use outwork_slack::socket::{Sent, acknowledged, read};
use outwork_slack::{Inbound, Received};
use serde_json::json;

use crate::payloads::envelope;

#[test]
fn an_envelope_holds_what_comes_over_http() {
    let event = json!({"type": "app_mention", "user": "U1ADA", "ts": "1.2", "text": "<@U0BOT> x", "channel": "C0CHAN",
        "event_ts": "1.2"});
    let sent = json!({"envelope_id": "57d6", "type": "events_api", "accepts_response_payload": false,
        "retry_attempt": 1, "retry_reason": "timeout", "payload": envelope(&event)});
    let Ok(Sent::Envelope { id, received }) = read(&sent.to_string()) else {
        panic!("an envelope");
    };
    assert_eq!(id, "57d6");
    let Ok(Received::Work(inbound)) = received else {
        panic!("work");
    };
    assert!(matches!(*inbound, Inbound::Message(_)));
    assert_eq!(acknowledged("57d6"), r#"{"envelope_id":"57d6"}"#);
}

#[test]
fn slack_says_hello_and_goodbye() {
    let hello = r#"{"type":"hello","num_connections":1,"debug_info":{"host":"applink-1"},"connection_info":{"app_id":"A0APP"}}"#;
    assert!(matches!(read(hello), Ok(Sent::Hello)));
    let goodbye =
        r#"{"type":"disconnect","reason":"refresh_requested","debug_info":{"host":"applink-1"}}"#;
    let Ok(Sent::Disconnect { reason }) = read(goodbye) else {
        panic!("a goodbye");
    };
    assert_eq!(reason, "refresh_requested");
    // What cannot be worked on is acknowledged all the same: it would come again for ever.
    let odd = r#"{"envelope_id":"1","type":"events_api","payload":{"type":7}}"#;
    let Ok(Sent::Envelope { received, .. }) = read(odd) else {
        panic!("an envelope");
    };
    received.expect_err("no event");
    let command = r#"{"envelope_id":"1","type":"slash_commands","payload":{"command":"/x"}}"#;
    let Ok(Sent::Envelope { received, .. }) = read(command) else {
        panic!("an envelope");
    };
    assert!(matches!(received, Ok(Received::Ignored(_))));
    assert!(matches!(read("{}"), Ok(Sent::Other)));
    read("{").expect_err("no JSON");
}
