//! Whether a request is Slack's and of now.

use outwork_slack::signature::{SignatureFault, check, sign};

/// The example of Slack's documentation ("Verifying requests from Slack").
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TIME: &str = "1531420618";
const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

fn checked(time: &str, signature: &str, body: &[u8], now: i64) -> Result<(), SignatureFault> {
    check(SECRET, Some(time), Some(signature), body, now)
}

#[test]
fn slacks_own_example_is_taken() {
    assert_eq!(sign(SECRET, TIME, BODY), SIGNATURE);
    let now = 1_531_420_618;
    for off in [-300, -1, 0, 1, 300] {
        assert_eq!(checked(TIME, SIGNATURE, BODY, now + off), Ok(()));
    }
    for off in [-301, 301, 86_400] {
        assert_eq!(
            checked(TIME, SIGNATURE, BODY, now + off),
            Err(SignatureFault::Old)
        );
    }
}

#[test]
fn what_differs_is_not_taken() {
    let now = 1_531_420_618;
    let cases: [(&str, &str, &[u8], SignatureFault); 9] = [
        (TIME, SIGNATURE, b"other", SignatureFault::Wrong),
        ("1531420619", SIGNATURE, BODY, SignatureFault::Wrong),
        (
            TIME,
            "v0=b2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            BODY,
            SignatureFault::Wrong,
        ),
        (TIME, "v1=a2", BODY, SignatureFault::Malformed),
        (TIME, "", BODY, SignatureFault::Malformed),
        (TIME, "v0=", BODY, SignatureFault::Malformed),
        ("", SIGNATURE, BODY, SignatureFault::Malformed),
        ("+1531420618", SIGNATURE, BODY, SignatureFault::Malformed),
        (
            "99999999999999999999",
            SIGNATURE,
            BODY,
            SignatureFault::Malformed,
        ),
    ];
    for (time, signature, body, fault) in cases {
        assert_eq!(
            checked(time, signature, body, now),
            Err(fault),
            "{time} {signature}"
        );
    }
    assert_eq!(
        check(SECRET, None, Some(SIGNATURE), BODY, now),
        Err(SignatureFault::Missing)
    );
    assert_eq!(
        check(SECRET, Some(TIME), None, BODY, now),
        Err(SignatureFault::Missing)
    );
    assert_eq!(
        check("other", Some(TIME), Some(SIGNATURE), BODY, now),
        Err(SignatureFault::Wrong)
    );
}
