//! Buttons and forms, as the typed client (`BlockAction`, `ViewSubmitAction`) describes them.

use outwork_slack::blocks::{Button, form};
use outwork_slack::interaction::{payload, read};
use outwork_slack::{Inbound, Place, Received};
use serde_json::{Value, json};

pub fn pressed(action: &Value) -> Value {
    json!({"type": "block_actions", "user": {"id": "U1ADA", "username": "ada", "name": "ada", "team_id": "T0TEAM"},
        "api_app_id": "A0APP", "token": "not-used-any-more",
        "container": {"type": "message", "message_ts": "1795186430.000100", "channel_id": "C0CHAN", "is_ephemeral": false,
            "thread_ts": "1795186420.000100"},
        "trigger_id": "12466734323.1395872398", "team": {"id": "T0TEAM", "domain": "example"}, "enterprise": null,
        "is_enterprise_install": false, "channel": {"id": "C0CHAN", "name": "general"},
        "message": {"type": "message", "user": "U0BOT", "ts": "1795186430.000100", "bot_id": "B0BOT", "text": "x",
            "thread_ts": "1795186420.000100"},
        "state": {"values": {}}, "response_url": "https://hooks.slack.com/actions/T0TEAM/1/x", "actions": [action]})
}

fn cancel() -> Value {
    json!({"action_id": "outwork.cancel", "block_id": "b1", "type": "button", "value": "task_1",
        "text": {"type": "plain_text", "text": "Cancel", "emoji": false}, "action_ts": "1795186440.5"})
}

#[test]
fn a_button_is_reduced() {
    let Ok(Received::Work(inbound)) = read(pressed(&cancel()).to_string().as_bytes()) else {
        panic!("work");
    };
    assert_eq!(
        inbound.key(),
        "press:C0CHAN/1795186430.000100/U1ADA/cancel/1795186440.5"
    );
    insta::assert_json_snapshot!(inbound);
}

#[test]
fn a_list_has_a_button_for_each() {
    let mut action = cancel();
    action["action_id"] = json!("outwork.environment.3");
    let Ok(Received::Work(inbound)) = read(pressed(&action).to_string().as_bytes()) else {
        panic!("work");
    };
    let Inbound::Press(press) = *inbound else {
        panic!("a button");
    };
    assert_eq!(Button::of(&press.button), Some(Button::Environment));
}

#[test]
fn buttons_of_others_are_ignored() {
    let mut action = cancel();
    action["action_id"] = json!("vote");
    assert!(matches!(
        read(pressed(&action).to_string().as_bytes()),
        Ok(Received::Ignored(_))
    ));
    assert!(matches!(
        read(br#"{"type":"shortcut"}"#),
        Ok(Received::Ignored(_))
    ));
    read(br#"{"type":"block_actions"}"#).expect_err("no actions");
    read(br"{").expect_err("no JSON");
}

/// What a form hands back is what it was opened with.
#[test]
fn a_form_goes_there_and_back() {
    let place = Place {
        team: "T0TEAM".to_owned(),
        channel: "C0CHAN".to_owned(),
        thread: "1795186420.000100".to_owned(),
    };
    let opened = form(&place, Button::Answer, "task_1", Some("Which *one*?"));
    let submitted = json!({"type": "view_submission", "team": {"id": "T0TEAM", "domain": "example"},
        "user": {"id": "U1ADA", "username": "ada", "team_id": "T0TEAM"}, "api_app_id": "A0APP", "token": "x",
        "trigger_id": "1.2", "response_urls": [],
        "view": {"id": "V0VIEW", "team_id": "T0TEAM", "type": "modal", "hash": "1.2", "callback_id": opened["callback_id"],
            "private_metadata": opened["private_metadata"], "blocks": opened["blocks"],
            "state": {"values": {"outwork_text": {"outwork_text_input": {"type": "plain_text_input", "value": "the first & last"}}}}}});
    let Ok(Received::Work(inbound)) = read(submitted.to_string().as_bytes()) else {
        panic!("work");
    };
    assert_eq!(inbound.key(), "form:V0VIEW/U1ADA");
    let Inbound::Form(form) = *inbound else {
        panic!("a form");
    };
    assert_eq!(
        (form.place, form.button.as_str(), form.value.as_str()),
        (place, "answer", "task_1")
    );
    assert_eq!(form.text, "the first & last");
}

#[test]
fn the_json_is_taken_out_of_the_form() {
    assert_eq!(
        payload(b"payload=%7B%22a%22%3A+%22%C3%BC%22%7D"),
        Some("{\"a\": \"ü\"}".as_bytes().to_vec())
    );
    assert_eq!(payload(b"x=1&payload=%7B%7D&y=2"), Some(b"{}".to_vec()));
    for wrong in [&b""[..], b"x=1", b"payload=%7", b"payload=%zz"] {
        assert_eq!(payload(wrong), None);
    }
}
