//! Events as Slack's documentation and its typed client (`EnvelopedEvent`, `GenericMessageEvent`, `AppMentionEvent`) describe them.

use outwork_slack::event::read;
use outwork_slack::{Inbound, Received};
use serde_json::{Value, json};

/// An event in its envelope.
pub fn envelope(event: &Value) -> Value {
    json!({
        "token": "not-used-any-more", "team_id": "T0TEAM", "context_team_id": "T0TEAM", "context_enterprise_id": null,
        "api_app_id": "A0APP", "event": event, "type": "event_callback", "event_id": "Ev0EVENT",
        "event_time": 1_795_186_420, "is_ext_shared_channel": false, "event_context": "4-abc",
        "authorizations": [{"enterprise_id": null, "team_id": "T0TEAM", "user_id": "U0BOT", "is_bot": true,
            "is_enterprise_install": false}]})
}

fn mention() -> Value {
    json!({"type": "app_mention", "user": "U1ADA", "ts": "1795186420.000100", "client_msg_id": "3a0b",
        "text": "<@U0BOT> fix the sum", "team": "T0TEAM", "blocks": [{"type": "rich_text", "elements": []}],
        "channel": "C0CHAN", "event_ts": "1795186420.000100"})
}

fn message() -> Value {
    json!({"type": "message", "user": "U1ADA", "ts": "1795186421.000100", "text": "yes, do", "team": "T0TEAM",
        "thread_ts": "1795186420.000100", "parent_user_id": "U1ADA", "channel": "C0CHAN", "channel_type": "channel",
        "event_ts": "1795186421.000100"})
}

fn with(mut event: Value, field: &str, value: Value) -> Value {
    event[field] = value;
    event
}

fn read_it(event: &Value) -> Received {
    read(envelope(event).to_string().as_bytes()).expect("it is as Slack writes it")
}

fn work(event: &Value) -> Inbound {
    match read_it(event) {
        Received::Work(inbound) => *inbound,
        other => panic!("{other:?}"),
    }
}

fn why_ignored(event: &Value) -> String {
    match read_it(event) {
        Received::Ignored(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mention_is_reduced() {
    let inbound = work(&mention());
    assert_eq!(inbound.key(), "message:T0TEAM/C0CHAN/1795186420.000100");
    assert_eq!(inbound.lane(), "slack:T0TEAM/C0CHAN/1795186420.000100");
    insta::assert_json_snapshot!(inbound);
    // What is kept can be read again.
    let kept = serde_json::to_string(&inbound).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Inbound>(&kept).expect("the same"),
        inbound
    );
}

/// Slack tells of one message as `app_mention` and as `message`, with two ids of events.
#[test]
fn a_message_told_twice_has_one_key() {
    let as_message = json!({"type": "message", "user": "U1ADA", "ts": "1795186420.000100",
        "text": "<@U0BOT> fix the sum", "channel": "C0CHAN", "channel_type": "channel", "event_ts": "1795186420.000100"});
    assert_eq!(work(&as_message), work(&mention()));
}

#[test]
fn replies_and_direct_messages_are_taken() {
    let Inbound::Message(reply) = work(&message()) else {
        panic!("a message")
    };
    assert_eq!(
        (reply.is_to_us, reply.is_reply, reply.is_direct),
        (false, true, false)
    );
    assert_eq!(reply.place.thread, "1795186420.000100");
    let direct = json!({"type": "message", "user": "U1ADA", "ts": "1.2", "text": "fix it", "channel": "D0DM",
        "channel_type": "im", "event_ts": "1.2"});
    let Inbound::Message(direct) = work(&direct) else {
        panic!("a message")
    };
    assert_eq!(
        (direct.is_to_us, direct.is_reply, direct.is_direct),
        (true, false, true)
    );
    // A thread's first message names itself.
    let root = with(message(), "thread_ts", json!("1795186421.000100"));
    assert_eq!(why_ignored(&root), "it is said to nobody here");
    let files = with(
        with(message(), "subtype", json!("file_share")),
        "files",
        json!([{"id": "F1", "name": "trace\u{7}.txt"}, {"id": "F2", "name": null}]),
    );
    let Inbound::Message(files) = work(&files) else {
        panic!("a message")
    };
    assert_eq!(files.text, "yes, do\n(attached, not passed on: trace.txt)");
}

#[test]
fn what_no_person_wrote_just_now_is_ignored() {
    let cases = [
        (with(mention(), "bot_id", json!("B1")), "a bot wrote it"),
        (
            with(message(), "user", json!("U0BOT")),
            "the app wrote it itself",
        ),
        (
            with(message(), "user", json!("USLACKBOT")),
            "Slack itself wrote it",
        ),
        (
            with(message(), "subtype", json!("bot_message")),
            "`bot_message` is no new message",
        ),
        (
            json!({"type": "message", "subtype": "message_changed", "hidden": true, "channel": "C0CHAN", "ts": "1.3",
                "event_ts": "1.3", "message": message(), "previous_message": message()}),
            "it is no new message",
        ),
        (
            json!({"type": "message", "subtype": "message_deleted", "channel": "C0CHAN", "ts": "1.3", "deleted_ts": "1.2",
                "event_ts": "1.3"}),
            "`message_deleted` is no new message",
        ),
        (
            json!({"type": "reaction_added", "user": "U1ADA", "reaction": "eyes", "event_ts": "1.2"}),
            "`reaction_added` is not listened to",
        ),
        (
            with(message(), "thread_ts", Value::Null),
            "it is said to nobody here",
        ),
    ];
    for (event, why) in cases {
        assert_eq!(why_ignored(&event), why, "{event}");
    }
}

#[test]
fn slack_asks_whether_somebody_is_there() {
    let body = br#"{"token":"x","challenge":"3eZbrw1a","type":"url_verification"}"#;
    assert_eq!(read(body), Ok(Received::Challenge("3eZbrw1a".to_owned())));
    read(br#"{"type":"url_verification"}"#).expect_err("no challenge");
    let limited = br#"{"token":"x","type":"app_rate_limited","team_id":"T1","minute_rate_limited":1518467820,"api_app_id":"A1"}"#;
    assert!(matches!(read(limited), Ok(Received::Ignored(_))));
}

#[test]
fn what_cannot_be_read_is_said() {
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"{\"type\":1}",
        &[0xff, 0xfe],
    ] {
        read(body).expect_err("no event");
    }
    for (field, value) in [
        ("channel", Value::Null),
        ("channel", json!("C1/../x")),
        ("user", Value::Null),
        ("ts", json!("1.2 3")),
        ("ts", json!("9".repeat(65))),
        ("text", json!(7)),
    ] {
        let body = envelope(&with(mention(), field, value.clone())).to_string();
        read(body.as_bytes()).expect_err(field);
    }
    // Truncated anywhere: an error, never a panic.
    let whole = envelope(&mention()).to_string();
    for end in 0..whole.len() {
        read(&whole.as_bytes()[..end]).expect_err("a part");
    }
}
