//! The client against a server that behaves as badly as networks do.

mod scripted;
mod starved;

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use outwork_api::client::{
    Client, ClientError, EventQuery, Follow, Followed, HttpWorkerApi, IdempotencyKey, Jitter,
    TaskQuery, Token,
};
use outwork_api::page::PageQuery;
use outwork_api::problem::{CONTENT_TYPE, Code, Problem};
use outwork_api::task::{NewTask, TaskKind};
use outwork_api::worker::{
    Acquire, AttemptCommand, Desired, Heartbeat, InputKind, Orders, OutputKind, WorkerApi,
    WorkerCommand, WorkerDesired, WorkerError,
};
use scripted::{Reply, Server};

const JSON: &str = "application/json";

fn client(url: &str) -> Client {
    Client::new(url, Token::parse("ow_test").expect("a token")).expect("a client")
}

fn json(text: &str) -> Reply {
    Reply::Whole(200, JSON, text.to_owned())
}

fn problem(problem: &Problem) -> Reply {
    let text = serde_json::to_string(problem).expect("a problem");
    Reply::Whole(problem.status, CONTENT_TYPE, text)
}

fn event(seq: i64, body: &str) -> String {
    format!(
        "id: {seq}\ndata: {{\"seq\":{seq},\"at\":\"2026-11-20T14:00:00.000Z\",\"epoch\":1,{body}}}\n\n"
    )
}

fn message(seq: i64) -> String {
    event(seq, &format!("\"type\":\"message\",\"text\":\"{seq}\""))
}

fn done(seq: i64) -> String {
    event(seq, "\"type\":\"state\",\"state\":\"succeeded\"")
}

const ME: &str = r#"{"principal_id":"prn_1","kind":"user","name":"ada","workspace_id":"ws_1",
    "workspace_name":"home","server_version":"0.1.0","something_new":[1]}"#;

fn task_json() -> String {
    r#"{"id":"task_1","url":"http://h/tasks/1","title":"do","status":"pending",
    "created_at":"2026-11-20T14:00:00.000Z","updated_at":"2026-11-20T14:00:00.000Z",
    "environment_id":"env_1","environment_label":"demo","summary":
    {"files_changed":0,"lines_added":0,"lines_removed":0},"is_review":false,"attempt_total":1,
    "commit":"c0ffee","turns":[]}"#
        .to_owned()
}

fn new_task() -> NewTask {
    NewTask {
        environment: "demo".to_owned(),
        prompt: "do".to_owned(),
        branch: None,
        commit: None,
        attempts: None,
        agents: Vec::new(),
        starting_diff: None,
        starting_session: None,
        interactive: true,
        output_schema: None,
        priority: Default::default(),
        kind: Default::default(),
        paths: Vec::new(),
    }
}

fn follow(attempt: &str, after: i64) -> Follow {
    Follow {
        attempt: attempt.to_owned(),
        after,
        patience: Duration::from_secs(20),
        jitter: Jitter::from_random(7),
    }
}

#[tokio::test]
async fn a_request_carries_the_token_and_new_fields_are_ignored() {
    let server = Server::start(vec![json(ME)]).await;
    let me = client(&format!("{}/below/", server.url)).me().await;
    assert_eq!(me.expect("an answer").name, "ada");
    let seen = &server.seen()[0];
    assert_eq!(seen.line, "GET /below/api/v1/me HTTP/1.1");
    assert_eq!(seen.header("authorization"), Some("Bearer ow_test"));
}

#[tokio::test]
async fn a_post_is_sent_again_with_the_same_key_until_it_is_answered() {
    let server = Server::start(vec![
        Reply::HangUp,
        problem(&Problem::new(Code::IdempotencyInFlight, "wait")),
        Reply::Whole(201, JSON, task_json()),
    ])
    .await;
    let key = IdempotencyKey::from_random(0xfeed);
    let task = client(&server.url).submit(&new_task(), &key).await;
    assert_eq!(task.expect("submitted").summary.id, "task_1");
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for request in &seen {
        assert_eq!(request.line, "POST /api/v1/tasks HTTP/1.1");
        assert_eq!(request.header("idempotency-key"), Some(key.as_str()));
        assert_eq!(request.body, br#"{"environment":"demo","prompt":"do"}"#);
    }
}

#[tokio::test]
async fn a_post_without_a_key_is_sent_once() {
    let server = Server::start(vec![Reply::HangUp]).await;
    let error = client(&server.url).cancel_task("task_1").await;
    let error = error.expect_err("no answer");
    assert!(
        matches!(error, ClientError::Unreachable { .. }),
        "{error:?}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn each_kind_of_failure_has_its_error() {
    let refusal =
        Problem::new(Code::Unauthorized, "not a token of this server").with_hint("sign in again");
    let server = Server::start(vec![
        problem(&refusal),
        Reply::Whole(502, "text/html", "<html>".to_owned()),
        Reply::Whole(302, "text/html", String::new()),
        Reply::Whole(200, "text/html", "<html>".to_owned()),
    ])
    .await;
    let client = client(&server.url);
    let error = client.me().await.expect_err("refused");
    assert_eq!(error.problem(), Some(&refusal));
    assert!(!error.is_transient());
    let error = client.me().await.expect_err("a proxy's page");
    assert!(error.is_transient(), "{error}");
    let error = client.me().await.expect_err("a redirect").to_string();
    assert!(error.contains("redirects to /elsewhere"), "{error}");
    let error = client.me().await.expect_err("a page").to_string();
    assert!(error.contains("it answers with a web page"), "{error}");
    let error = client.me().await.expect_err("nobody listens");
    assert!(
        matches!(error, ClientError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_log_is_followed_over_broken_connections_without_gap_or_repetition() {
    let two = message(2);
    let (first_half, second_half) = two.split_at(20);
    let server = Server::start(vec![
        Reply::Stream(vec![message(1), first_half.to_owned()]),
        Reply::HangUp,
        problem(&Problem::new(Code::Unavailable, "starting")),
        // Repeats what is known, then leaves one out: the gap is not passed on.
        Reply::Stream(vec![message(1), two.clone(), message(4)]),
        Reply::Stream(vec![
            ": keep-alive\n\n".to_owned(),
            message(3),
            second_half.to_owned(),
        ]),
        Reply::Stream(vec![
            event(4, "\"type\":\"from_the_future\",\"x\":1"),
            done(5),
            message(6),
        ]),
    ])
    .await;
    let items: Vec<Followed> = client(&server.url)
        .follow(follow("att_1", 0))
        .try_collect()
        .await
        .expect("followed to the end");
    let seqs: Vec<i64> = items
        .iter()
        .filter_map(|item| match item {
            Followed::Event(record) => Some(record.event.seq),
            Followed::Reconnecting(_) => None,
        })
        .collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    let last_ids: Vec<_> = server
        .seen()
        .iter()
        .map(|request| request.header("last-event-id").expect("sent").to_owned())
        .collect();
    assert_eq!(last_ids, ["0", "1", "1", "1", "2", "3"]);
    let unknown = items.iter().find_map(|item| match item {
        Followed::Event(record) if record.event.seq == 4 => Some(record.json.clone()),
        _ => None,
    });
    assert_eq!(
        unknown.expect("event 4")["x"],
        1,
        "unknown events are kept whole"
    );
}

#[tokio::test]
async fn following_what_is_not_there_fails_at_once() {
    let missing = Problem::new(Code::NotFound, "no such attempt");
    let server = Server::start(vec![problem(&missing)]).await;
    let client = client(&server.url);
    let mut stream = Box::pin(client.follow(follow("att_1", 0)));
    let error = stream.next().await.expect("an item").expect_err("refused");
    assert_eq!(error.problem(), Some(&missing));
    assert!(stream.next().await.is_none());
    // By now nobody listens any more.
    let mut stream = Box::pin(client.follow(follow("att_1", 0)));
    let error = stream.next().await.expect("an item").expect_err("nobody");
    assert!(
        matches!(error, ClientError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn patience_ends() {
    let server = Server::start(vec![Reply::Stream(vec![message(1)])]).await;
    let client = client(&server.url);
    let follow = Follow {
        patience: Duration::from_millis(300),
        ..follow("att_1", 0)
    };
    let result: Result<Vec<Followed>, _> = client.follow(follow).try_collect().await;
    let error = result.expect_err("the server is gone");
    assert!(
        matches!(error, ClientError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn pages_and_queries() {
    let page = r#"{"items":[{"seq":3,"at":"2026-11-20T14:00:00.000Z","epoch":0,
        "type":"cancel_requested"}],"next_cursor":"3"}"#;
    let server = Server::start(vec![
        json(page),
        json(r#"{"items":[]}"#),
        Reply::Whole(200, "text/plain", "diff --git\n".to_owned()),
        problem(&Problem::new(Code::NotFound, "no model")),
        Reply::Whole(204, JSON, String::new()),
    ])
    .await;
    let client = client(&server.url);
    let query = EventQuery {
        after: 2,
        limit: Some(1),
    };
    let events = client.events("att_1", query).await.expect("a page");
    assert_eq!(events.items[0].event.seq, 3);
    let query = TaskQuery {
        environment: Some("a b&c".to_owned()),
        kind: Some(TaskKind::Review),
        page: PageQuery {
            limit: Some(5),
            cursor: Some("+/=".to_owned()),
        },
    };
    client.tasks(&query).await.expect("a page");
    let diff = client.task_diff("task_1", None, Some(2), None).await;
    assert_eq!(diff.expect("a diff"), b"diff --git\n");
    assert_eq!(client.model().await.expect("an answer"), None);
    client.delete_environment("env_1").await.expect("removed");
    let lines: Vec<_> = server
        .seen()
        .into_iter()
        .map(|request| request.line)
        .collect();
    assert_eq!(
        lines,
        [
            "GET /api/v1/attempts/att_1/events?after=2&limit=1 HTTP/1.1",
            "GET /api/v1/tasks?environment=a+b%26c&kind=review&limit=5&cursor=%2B%2F%3D HTTP/1.1",
            "GET /api/v1/tasks/task_1/diff?attempt=2 HTTP/1.1",
            "GET /api/v1/model HTTP/1.1",
            "DELETE /api/v1/environments/env_1 HTTP/1.1",
        ]
    );
}

#[tokio::test]
async fn the_worker_protocol_goes_over_the_documented_paths() {
    let command = r#"{"attempt":"att_1","epoch":3,"desired":"cancel"}"#;
    let orders = r#"{"desired":"drain","deadline_ms":5}"#;
    let server = Server::start(vec![
        json(r#"{"assignments":[]}"#),
        json(r#"{"leases":[{"attempt":"att_1","epoch":3,"desired":"run"}]}"#),
        Reply::Stream(vec![format!(
            ": hi\n\nevent: command\ndata: {command}\n\nevent: later\ndata: ?\n\nevent: command\ndata: {command}\n\nevent: orders\ndata: {orders}\n\n"
        )]),
        Reply::Whole(200, "application/octet-stream", "patch".to_owned()),
        Reply::Whole(204, JSON, String::new()),
        problem(&Problem::new(Code::StaleLease, "stale")),
        Reply::Whole(502, "text/html", String::new()),
    ])
    .await;
    let api = HttpWorkerApi::new(client(&server.url));
    let acquire = Acquire {
        worker: "wkr_1".to_owned(),
        max: 1,
        wait_ms: 1000,
        git_gateway: false,
    };
    assert!(
        api.acquire(acquire)
            .await
            .expect("an answer")
            .assignments
            .is_empty()
    );
    let heartbeat = || Heartbeat {
        worker: "wkr_1".to_owned(),
        ..Heartbeat::default()
    };
    let answer = api.heartbeat(heartbeat()).await.expect("an answer");
    assert_eq!(answer.leases[0].desired, Desired::Run);
    let commands = api.commands("wkr_1".to_owned()).await.expect("a stream");
    let cancel = WorkerCommand::Attempt(AttemptCommand {
        attempt: "att_1".to_owned(),
        epoch: 3,
        desired: Desired::Cancel,
        messages: Vec::new(),
    });
    let drain = WorkerCommand::Orders(Orders {
        desired: WorkerDesired::Drain,
        deadline_ms: Some(5),
        slots: None,
    });
    assert_eq!(
        commands.collect::<Vec<_>>().await,
        [cancel.clone(), cancel, drain]
    );
    let bytes = api
        .download(
            "att_1".to_owned(),
            3,
            InputKind::CarriedDiff,
            Some("docs".to_owned()),
        )
        .await;
    assert_eq!(bytes.expect("bytes"), b"patch");
    api.upload(
        "att_1".to_owned(),
        3,
        OutputKind::Diff,
        None,
        b"\0raw".to_vec(),
    )
    .await
    .expect("taken");
    let stale = api.heartbeat(heartbeat()).await.expect_err("stale");
    assert!(
        matches!(stale, WorkerError::Problem(ref p) if p.is(Code::StaleLease)),
        "{stale:?}"
    );
    let proxy = api
        .heartbeat(heartbeat())
        .await
        .expect_err("a proxy's page");
    assert!(matches!(proxy, WorkerError::Unreachable(_)), "{proxy:?}");
    let gone = api
        .heartbeat(heartbeat())
        .await
        .expect_err("nobody listens");
    assert!(matches!(gone, WorkerError::Unreachable(_)), "{gone:?}");
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(
        lines[..5],
        [
            "POST /api/worker/v1/acquire HTTP/1.1",
            "POST /api/worker/v1/heartbeat HTTP/1.1",
            "GET /api/worker/v1/commands?worker=wkr_1 HTTP/1.1",
            "GET /api/worker/v1/attempts/att_1/objects/carried_diff?epoch=3&repository=docs HTTP/1.1",
            "PUT /api/worker/v1/attempts/att_1/objects/diff?epoch=3 HTTP/1.1",
        ]
    );
    assert_eq!(seen[4].body, b"\0raw");
}
