//! What answers mean.

use std::time::Duration;

use outwork_slack::web::{EVENT_TYPE, LONGEST_WAIT, WebFault, answered, find_marked, next_cursor};
use serde_json::{Value, json};

const USUAL_WAIT: Duration = Duration::from_secs(30);

fn refused(error: &str) -> WebFault {
    WebFault::Refused {
        error: error.to_owned(),
        needed: None,
        details: Vec::new(),
    }
}

#[test]
fn answers_say_whether_it_was_done() {
    type Case<'a> = (u16, Option<&'a str>, &'a str, Result<Value, WebFault>);
    let cases: [Case<'_>; 9] = [
        (
            200,
            None,
            r#"{"ok":true,"ts":"1.2"}"#,
            Ok(json!({"ok": true, "ts": "1.2"})),
        ),
        (
            200,
            None,
            r#"{"ok":false,"error":"invalid_auth"}"#,
            Err(refused("invalid_auth")),
        ),
        (200, None, r#"{"ok":false}"#, Err(refused("http_200"))),
        (
            429,
            Some("7"),
            "",
            Err(WebFault::Limited(Duration::from_secs(7))),
        ),
        (429, Some("soon"), "", Err(WebFault::Limited(USUAL_WAIT))),
        (
            429,
            Some("999999"),
            "",
            Err(WebFault::Limited(LONGEST_WAIT)),
        ),
        (
            503,
            None,
            "<html>",
            Err(WebFault::Passing("Slack answers 503.".to_owned())),
        ),
        (
            200,
            None,
            "<html>",
            Err(WebFault::Passing(
                "Slack does not answer as it should (200).".to_owned(),
            )),
        ),
        (
            200,
            None,
            r#"{"ok":false,"error":"fatal_error"}"#,
            Err(WebFault::Passing("Slack answers `fatal_error`.".to_owned())),
        ),
    ];
    for (status, retry_after, body, meaning) in cases {
        assert_eq!(
            answered(status, retry_after, body.as_bytes()),
            meaning,
            "{body}"
        );
    }
}

#[test]
fn people_are_told_what_to_do() {
    let body = br#"{"ok":false,"error":"missing_scope","needed":"reactions:write","provided":"chat:write"}"#;
    let fault = answered(200, None, body).expect_err("a fault");
    assert_eq!(
        fault.explained(),
        (
            "Slack answers `missing_scope`: the token lacks `reactions:write`.".to_owned(),
            Some("Add the scope to the app, and install it again.")
        )
    );
    let body = br#"{"ok":false,"error":"invalid_blocks","errors":["must be more than 0 characters [json-pointer:/blocks/0]"],"response_metadata":{"messages":["[ERROR] x"]}}"#;
    let fault = answered(200, None, body).expect_err("a fault");
    assert_eq!(
        fault.explained().0,
        "Slack answers `invalid_blocks`. (must be more than 0 characters [json-pointer:/blocks/0]; [ERROR] x)"
    );
    assert!(refused("token_revoked").is_of_token());
    assert!(refused("message_not_found").is_of_message());
}

#[test]
fn a_message_is_found_by_its_mark() {
    let answer = json!({"ok": true, "messages": [
        {"ts": "1.0", "text": "hi"},
        {"ts": "2.0", "metadata": {"event_type": "other", "event_payload": {"key": "a"}}},
        {"ts": "3.0", "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": "a"}}}],
        "response_metadata": {"next_cursor": ""}});
    assert_eq!(find_marked(&answer, "a"), Some("3.0".to_owned()));
    assert_eq!(find_marked(&answer, "b"), None);
    assert_eq!(next_cursor(&answer), None);
}
