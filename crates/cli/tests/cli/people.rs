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
