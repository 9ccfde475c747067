//! Webhooks: what is asked for, and what is told.

use std::collections::BTreeMap;

use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::Setup;
use crate::server::{Server, World, world};

const ID: &str = "whk_0192c3f0a1b27def8123456789abcd0b";
const JOB: &str = "job_0192c3f0a1b27def8123456789abcd0c";
const AT: &str = "2026-11-20T14:00:00.000Z";
const URL: &str = "https://example.com/hook";

fn webhook(state: &str) -> Value {
    let by = json!({"id": "prn_0192c3f0a1b27def8123456789abcd0a", "name": "Ada"});
    json!({"id": ID, "url": URL, "state": state, "created_by": by, "created_at": AT, "updated_at": AT})
}

fn delivery() -> Value {
    let answer =
        json!({"status": 503, "duration_ms": 7, "error": "it answers 503 Service Unavailable"});
    json!({
        "id": JOB, "event_id": "evt_1", "type": "task.finished", "state": "waiting", "tries": 2,
        "created_at": AT, "due_at": AT, "answer": answer,
    })
}

async fn server() -> Server {
    let of = format!("/api/v1/webhooks/{ID}");
    let mut made = webhook("active");
    made["secret"] = "whsec_canary".into();
    let answers = [
        (
            "GET /api/v1/webhooks".to_owned(),
            json!({"items": [webhook("active")]}),
        ),
        ("POST /api/v1/webhooks".to_owned(), made.clone()),
        (format!("PATCH {of}"), webhook("paused")),
        (format!("DELETE {of}"), Value::Null),
        (format!("POST {of}/rotate"), made),
        (format!("POST {of}/test"), delivery()),
        (
            format!("GET {of}/deliveries?limit=20"),
            json!({"items": [delivery()]}),
        ),
        (format!("POST {of}/deliveries/{JOB}/replay"), delivery()),
        (format!("POST {of}/replay"), json!({"count": 3})),
    ];
    Server::start(World {
        answers: BTreeMap::from(answers),
        ..world("completed", Some("succeeded"), "succeeded")
    })
    .await
}

fn last(server: &Server) -> (String, Value) {
    server.requests().pop().expect("something was asked")
}

#[tokio::test]
async fn a_webhook_is_made_edited_and_removed_by_its_address() {
    let server = server().await;
    let line = ["webhook", "add", URL, "--event", "task.finished"];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, format!("{ID}\nwhsec_canary\n"));
    let new = json!({"url": URL, "events": ["task.finished"]});
    assert_eq!(last(&server), ("POST /api/v1/webhooks".to_owned(), new));
    let ran = Setup::new(&server).run(&["webhook", "list"]).await;
    let ran = ran.expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, format!("{ID}\tactive\t{URL}\tall\n"));
    let line = ["webhook", "show", ID];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert!(ran.stdout.contains("made by       Ada\n"), "{}", ran.stdout);

    let of = format!("/api/v1/webhooks/{ID}");
    for (arguments, patch) in [
        (&["--pause"][..], json!({"paused": true})),
        (&["--resume"], json!({"paused": false})),
        (&["--all-events"], json!({"events": []})),
        (
            &["--to", "https://h/", "--event", "a", "--event", "b"],
            json!({"url": "https://h/", "events": ["a", "b"]}),
        ),
    ] {
        let line = [&["webhook", "edit", URL][..], arguments].concat();
        let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
        assert_eq!(ran.stderr, format!("{URL} is paused\n"));
        assert_eq!(last(&server), (format!("PATCH {of}"), patch));
    }
    let line = ["webhook", "rotate", URL];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, format!("{ID}\nwhsec_canary\n"));
    let line = ["webhook", "remove", URL];
    Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(last(&server).0, format!("DELETE {of}"));
    let line = ["webhook", "remove", "https://elsewhere/"];
    let ran = Setup::new(&server).run(&line).await;
    let ran = ran.expect(ExitStatus::Failed);
    assert!(ran.stderr.contains("no webhook"), "{}", ran.stderr);
}

#[tokio::test]
async fn deliveries_are_shown_and_made_again() {
    let server = server().await;
    let of = format!("/api/v1/webhooks/{ID}");
    let run = async |line: &[&str]| {
        let line = [&["webhook"][..], line].concat();
        Setup::new(&server).run(&line).await.expect(ExitStatus::Ok)
    };
    let ran = run(&["deliveries", URL]).await;
    let row = format!("{JOB}\ttask.finished\twaiting\t2\t{AT}\t503\n");
    assert_eq!(ran.stdout, row);
    let ran = run(&["deliveries", URL, "--json"]).await;
    assert_eq!(ran.json(), json!({"deliveries": [delivery()]}));
    let ran = run(&["test", URL]).await;
    assert_eq!(ran.stdout, format!("{JOB}\n"));
    run(&["replay", URL, JOB]).await;
    assert_eq!(
        last(&server).0,
        format!("POST {of}/deliveries/{JOB}/replay")
    );
    let ran = run(&["replay", URL, "--since", "2h", "--delivered"]).await;
    assert_eq!(ran.stderr, "3 to be delivered again\n");
    let (path, body) = last(&server);
    assert_eq!(
        (path, &body["delivered"]),
        (format!("POST {of}/replay"), &json!(true))
    );
}

#[tokio::test]
async fn a_body_is_checked_byte_by_byte() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let key = outwork_api::webhook::signature::Key::parse(secret).expect("a secret");
    let check = async |body: &str, late: i64| {
        let mut setup = Setup::without_server();
        std::fs::write(setup.dir.join("secret"), format!("{secret}\n")).expect("written");
        let sent_at = 1_795_186_500 - late;
        let keys = std::slice::from_ref(&key);
        let signed = outwork_api::webhook::signature::sign(keys, "evt_1", sent_at, b"{}");
        setup.stdin = body.into();
        let at = sent_at.to_string();
        let line = [
            "webhook",
            "verify",
            "--secret-file",
            "secret",
            "--id",
            "evt_1",
            "--timestamp",
            &at,
            "--signature",
            &signed,
        ];
        setup.run(&line).await
    };
    check("{}", 0).await.expect(ExitStatus::Ok);
    for (body, late, why) in [("{} ", 0, "no signature fits"), ("{}", 301, "five minutes")] {
        let ran = check(body, late).await.expect(ExitStatus::Failed);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn what_is_told_is_added_and_cleared() {
    const INTEGRATION: &str = "int_0192c3f0a1b27def8123456789abcd0d";
    const MINE: &str = "/api/v1/me/notifications";
    let hook = json!({"kind": "webhook", "webhook_id": ID});
    let before = json!({"rules": [{"events": ["finished"], "to": hook}]});
    let chat = json!({"kind": "slack", "integration_id": INTEGRATION, "channel": "C1"});
    let rules = json!([{"events": ["finished"], "to": hook}, {"events": ["failed"], "to": chat}]);
    let hours = json!({"from": "22:00", "to": "07:00", "time_zone": "Europe/Vienna"});
    let answers = [
        (format!("GET {MINE}"), before.clone()),
        (
            format!("PUT {MINE}"),
            json!({"rules": rules, "quiet_hours": hours}),
        ),
    ];
    let server = Server::start(World {
        answers: BTreeMap::from(answers),
        ..world("completed", Some("succeeded"), "succeeded")
    })
    .await;
    let run = async |line: &[&str]| {
        let line = [&["notify"][..], line].concat();
        Setup::new(&server).run(&line).await.expect(ExitStatus::Ok)
    };
    let ran = run(&["show", "--json"]).await;
    assert_eq!(ran.json(), before);
    let shown = format!(
        "finished  webhook {ID}\nfailed  Slack C1 ({INTEGRATION})\nquiet from 22:00 to 07:00 (Europe/Vienna)\n"
    );
    let ran = run(&[
        "add",
        "--on",
        "failed",
        "--slack",
        INTEGRATION,
        "--channel",
        "C1",
    ])
    .await;
    assert_eq!(ran.stdout, shown);
    let put = |body: Value| (format!("PUT {MINE}"), body);
    assert_eq!(last(&server), put(json!({"rules": rules})));
    run(&["quiet", "22:00", "07:00", "--tz", "Europe/Vienna"]).await;
    let body = json!({"rules": before["rules"], "quiet_hours": hours});
    assert_eq!(last(&server), put(body));
    run(&["quiet", "--off"]).await;
    assert_eq!(last(&server), put(before));
    run(&["clear"]).await;
    assert_eq!(last(&server), put(json!({"rules": []})));
}
