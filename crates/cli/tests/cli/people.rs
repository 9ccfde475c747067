//! Members and their tokens, comments and approvals: what is asked for, and what is told.

use std::collections::BTreeMap;

use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::Setup;
use crate::server::{Server, TASK, World, world};

const ADA: &str = "prn_0192c3f0a1b27def8123456789abcd0a";
const AT: &str = "2026-11-20T14:00:00.000Z";

fn member(role: &str) -> Value {
    json!({"id": ADA, "name": "Ada", "kind": "user", "role": role, "created_at": AT})
}

async fn server(answers: &[(&str, Value)]) -> Server {
    let answers = answers
        .iter()
        .map(|(line, answer)| ((*line).to_owned(), answer.clone()));
    let answers: BTreeMap<String, Value> = answers.collect();
    Server::start(World {
        answers,
        ..world("completed", Some("succeeded"), "succeeded")
    })
    .await
}

/// The last request, with its body.
fn last(server: &Server) -> (String, Value) {
    server.requests().pop().expect("something was asked")
}

#[tokio::test]
async fn members_are_added_changed_and_removed_by_name() {
    let of_ada = format!("/api/v1/members/{ADA}");
    let server = server(&[
        ("GET /api/v1/members", json!({"items": [member("viewer")]})),
        ("POST /api/v1/members", member("reviewer")),
        (&format!("PATCH {of_ada}"), member("admin")),
        (&format!("DELETE {of_ada}"), Value::Null),
    ])
    .await;
    let setup = Setup::new(&server);
    let ran = setup.run(&["member", "list"]).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, format!("{ADA}\tAda\tviewer\tuser\n"));
    let line = ["member", "add", "Ada", "--role", "reviewer"];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, format!("{ADA}\n"));
    let new = json!({"name": "Ada", "role": "reviewer", "kind": "user"});
    assert_eq!(last(&server), ("POST /api/v1/members".to_owned(), new));
    let line = ["member", "set", "ada", "--role", "admin"];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stderr, "Ada has the role admin\n");
    let patch = json!({"role": "admin"});
    assert_eq!(last(&server), (format!("PATCH {of_ada}"), patch));
    let line = ["member", "remove", ADA];
    Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(last(&server).0, format!("DELETE {of_ada}"));
    let line = ["member", "remove", "Grace"];
    let ran = Setup::new(&server).run(&line).await;
    let ran = ran.expect(ExitStatus::Failed);
    assert!(ran.stderr.contains("no member"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_token_is_alone_on_standard_output() {
    let path = format!("/api/v1/members/{ADA}/tokens");
    let made = json!({"id": "tok_0192c3f0a1b27def8123456789abcd01", "member_id": ADA, "label": "laptop", "created_at": AT, "token": "ow_u1"});
    let server = server(&[
        ("GET /api/v1/members", json!({"items": [member("viewer")]})),
        (&format!("POST {path}"), made),
        (
            "DELETE /api/v1/tokens/tok_0192c3f0a1b27def8123456789abcd01",
            Value::Null,
        ),
    ])
    .await;
    let line = ["token", "create", "--for", "Ada", "--days", "9", "laptop"];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, "ow_u1\n");
    assert_eq!(
        ran.stderr,
        "tok_0192c3f0a1b27def8123456789abcd01 is accepted; it is not shown again\n"
    );
    let new = json!({"label": "laptop", "expires_in_days": 9});
    assert_eq!(last(&server), (format!("POST {path}"), new));
    let line = ["token", "revoke", "tok_0192c3f0a1b27def8123456789abcd01"];
    Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
}

fn comment() -> Value {
    json!({"id": "com_1", "task_id": TASK, "turn": 1, "attempt": 2, "repository": "app", "path": "a.rs", "side": "new", "line": 3,
        "end_line": 4, "excerpt": "x\ny", "text": "Why?\nReally.", "author": {"id": ADA, "name": "Ada"}, "created_at": AT,
        "updated_at": AT, "sent_in_turn": 2})
}

#[tokio::test]
async fn comments_are_made_listed_and_sent() {
    let path = format!("/api/v1/tasks/{TASK}/comments");
    let server = server(&[
        (&format!("GET {path}"), json!({"items": [comment()]})),
        (&format!("POST {path}"), comment()),
    ])
    .await;
    let line = ["comment", TASK, "a.rs:3-4", "Why?", "--attempt", "2"];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, "com_1\n");
    let new = json!({"attempt": 2, "path": "a.rs", "side": "new", "line": 3, "end_line": 4, "text": "Why?"});
    assert_eq!(last(&server), (format!("POST {path}"), new));
    let ran = Setup::new(&server).run(&["comments", TASK]).await;
    let expected =
        "com_1  a.rs:3-4  attempt 1.2  Ada, sent in turn 2\n  > x\n  > y\n  Why?\n  Really.\n";
    assert_eq!(ran.expect(ExitStatus::Ok).stdout, expected);
    let line = ["follow-up", TASK, "--comments"];
    Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    let requests = server.requests();
    let sent = requests.iter().find(|(line, _)| line.ends_with("/turns"));
    let (_, body) = sent.expect("a turn was asked for");
    assert_eq!(*body, json!({"prompt": "", "comments": true}));
}

#[tokio::test]
async fn a_result_is_approved_or_not() {
    let path = format!("/api/v1/tasks/{TASK}/approvals");
    let given = json!([{"by": {"id": ADA, "name": "Ada"}, "at": AT}]);
    let stands = |state: &str, given: Value, rejected: Value| json!({"needed": 2, "given": given, "rejected": rejected, "state": state});
    for (line, asked, answer, told) in [
        (
            vec!["approve", TASK],
            json!({"verdict": "approve"}),
            stands("waiting", given.clone(), json!([])),
            "waits for approval: 1 of 2 (Ada)\n",
        ),
        (
            vec!["approve", TASK, "--reject", "-m", "No", "--attempt", "2"],
            json!({"verdict": "reject", "text": "No", "attempt": 2}),
            stands("rejected", json!([]), given.clone()),
            "rejected by Ada\n",
        ),
        (
            vec!["approve", TASK, "--withdraw"],
            json!({"verdict": "withdraw"}),
            stands("waiting", json!([]), json!([])),
            "waits for approval: 0 of 2\n",
        ),
    ] {
        let server = server(&[(&format!("POST {path}"), answer)]).await;
        let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
        assert_eq!(ran.stderr, told);
        assert_eq!(last(&server), (format!("POST {path}"), asked));
    }
}

#[tokio::test]
async fn comments_are_settled_changed_and_removed() {
    const ONE: &str = "com_0192c3f0a1b27def8123456789abcd01";
    const TWO: &str = "com_0192c3f0a1b27def8123456789abcd02";
    let of = |id: &str| format!("/api/v1/comments/{id}");
    let named = |id: &str| {
        let mut one = comment();
        one["id"] = json!(id);
        one
    };
    let server = server(&[
        (&format!("PATCH {}", of(ONE)), named(ONE)),
        (&format!("PATCH {}", of(TWO)), named(TWO)),
        (&format!("DELETE {}", of(ONE)), Value::Null),
    ])
    .await;
    for (reopen, told) in [(false, "resolved"), (true, "opened")] {
        let mut line = vec!["comments", "resolve", ONE, TWO];
        line.extend(reopen.then_some("--reopen"));
        let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
        assert_eq!(ran.stderr, format!("{told} {ONE}\n{told} {TWO}\n"));
        let patch = json!({"resolved": !reopen});
        assert_eq!(last(&server), (format!("PATCH {}", of(TWO)), patch));
    }
    let line = ["comments", "edit", ONE, "Why not?", "--json"];
    let ran = Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    let shown: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(shown["id"], ONE);
    let patch = json!({"text": "Why not?"});
    assert_eq!(last(&server), (format!("PATCH {}", of(ONE)), patch));
    let line = ["comments", "remove", ONE];
    Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(last(&server).0, format!("DELETE {}", of(ONE)));
}

#[tokio::test]
async fn the_audit_is_shown_and_tokens_are_made_for_less() {
    let entry = json!({"id": "aud_1", "at": AT, "by": {"id": ADA, "name": "Ada"}, "action": "POST /api/v1/tasks/{id}/cancel",
        "object": "/api/v1/tasks/task_1/cancel"});
    let path = format!("/api/v1/members/{ADA}/tokens");
    let made = json!({"id": "tok_0192c3f0a1b27def8123456789abcd01", "member_id": ADA, "label": "ci", "scopes": ["tasks", "publish"],
        "created_at": AT, "token": "ow_u1"});
    let server = server(&[
        (
            "GET /api/v1/audit?limit=20",
            json!({"items": [entry], "next_cursor": "c"}),
        ),
        ("GET /api/v1/members", json!({"items": [member("member")]})),
        (&format!("POST {path}"), made.clone()),
        (&format!("GET {path}"), json!({"items": [made]})),
    ])
    .await;
    let ran = Setup::new(&server).run(&["audit"]).await;
    let line = format!("{AT}\tAda\tPOST\t/api/v1/tasks/task_1/cancel\n");
    assert_eq!(ran.expect(ExitStatus::Ok).stdout, line);
    let ran = Setup::new(&server).run(&["audit", "--json"]).await;
    let shown: Value = serde_json::from_str(&ran.expect(ExitStatus::Ok).stdout).expect("JSON");
    assert_eq!(shown["cursor"], "c");
    let line = [
        "token", "create", "--for", "Ada", "--scope", "tasks", "--scope", "publish", "ci",
    ];
    Setup::new(&server).run(&line).await.expect(ExitStatus::Ok);
    let new = json!({"label": "ci", "scopes": ["tasks", "publish"]});
    assert_eq!(last(&server), (format!("POST {path}"), new));
    let ran = Setup::new(&server)
        .run(&["token", "list", "--for", "Ada"])
        .await;
    let listed = ran.expect(ExitStatus::Ok).stdout;
    assert!(listed.ends_with("\tnever\ttasks publish\n"), "{listed}");
}
