//! Notices: what people are told of their tasks, and where.

use std::time::Duration;

use outwork_domain::integration::{Integration, IntegrationKind, LinkedUser};
use outwork_domain::job::{Job, Queue, State};
use outwork_domain::principal::{PrincipalKind, Role};
use outwork_domain::{IntegrationId, PrincipalId, WorkspaceId};
use outwork_server::Clock;
use outwork_store::{IntegrationRecord, MemberRecord};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::receiver::{Receiver, setting, webhook};
use crate::rig::worker::Worker;
use crate::rig::{Rig, repository, until};

const MINE: &str = "/api/v1/me/notifications";

fn workspace() -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::from_u128(1))
}

/// The rig's person.
fn person() -> PrincipalId {
    PrincipalId::from_uuid(Uuid::from_u128(101))
}

/// An integration with Slack, which sends nothing here: what is kept for it is looked at.
async fn slack(rig: &Rig) -> IntegrationId {
    let now = rig.clock.now();
    let id = IntegrationId::from_uuid(Uuid::from_u128(7));
    let principal_id = PrincipalId::from_uuid(Uuid::from_u128(8));
    let integration = Integration {
        id,
        workspace_id: workspace(),
        kind: IntegrationKind::Slack,
        name: "slack".to_owned(),
        principal_id,
        settings:
            json!({"environments": [], "default_environment": null, "settings": {"kind": "slack"}})
                .to_string(),
        is_active: true,
        created_at: now,
        updated_at: now,
    };
    let member = MemberRecord {
        id: principal_id,
        kind: PrincipalKind::Integration,
        name: "slack".to_owned(),
        role: Role::Member,
        created_at: now,
    };
    let record = IntegrationRecord {
        integration,
        sealed: None,
    };
    let added = rig.store.add_integration(record, member).await;
    added.expect("it is the first");
    id
}

async fn link(rig: &Rig, integration: IntegrationId) {
    let user = LinkedUser {
        integration_id: integration,
        external_id: "U1".to_owned(),
        name: "ada".to_owned(),
        principal_id: person(),
        created_at: rig.clock.now(),
    };
    let linked = rig.store.link_user(workspace(), user).await;
    linked.expect("both are there");
}

async fn set(rig: &Rig, path: &str, wanted: &Value) {
    let answer = rig.user().send(Method::PUT, path, wanted).await.expect(200);
    assert_eq!(answer, *wanted);
    assert_eq!(rig.get(path).await, *wanted);
}

/// What was to be posted, oldest first, once there is so much.
async fn posts(rig: &Rig, integration: IntegrationId, count: usize) -> Vec<Job> {
    let owner = integration.to_string();
    let mut jobs = until(
        async || {
            let jobs = rig.store.jobs(workspace(), Queue::Post, &owner, 100, None);
            jobs.await.expect("works").items
        },
        |jobs| jobs.len() >= count,
    )
    .await;
    jobs.reverse();
    jobs
}

fn body(job: &Job) -> Value {
    assert_eq!(job.kind, "notice");
    serde_json::from_str(&job.body).expect("JSON")
}

#[tokio::test]
async fn each_is_told_once_where_it_was_wanted() {
    let rig = Rig::start_with(setting()).await;
    let slack = slack(&rig).await;
    link(&rig, slack).await;
    let receiver = Receiver::start().await;
    let hook = webhook(&rig, &receiver.url, &["turn.created"]).await;
    let environment = rig
        .environment("demo", &repository::make(rig.directory.path()))
        .await;
    let change = json!({"approvals": 1});
    let of_environment = format!(
        "/api/v1/environments/{}",
        environment["id"].as_str().expect("an id")
    );
    let patched = rig
        .user()
        .send(Method::PATCH, &of_environment, &change)
        .await;
    patched.expect(200);
    let chat = json!({"kind": "slack", "integration_id": slack.to_string()});
    let channel = json!({"kind": "slack", "integration_id": slack.to_string(), "channel": "C1"});
    set(
        &rig,
        MINE,
        &json!({"rules": [
            {"events": ["finished", "failed"], "to": chat},
            {"events": ["failed"], "to": chat},
        ]}),
    )
    .await;
    set(
        &rig,
        &format!("{of_environment}/notifications"),
        &json!({"rules": [
            {"events": ["failed"], "to": {"kind": "webhook", "webhook_id": hook["id"]}},
            {"events": ["approval_wanted"], "to": channel},
            {"events": ["finished"], "to": {"kind": "none"}},
        ]}),
    )
    .await;
    let worker = Worker::register(&rig, "w").await;

    rig.task("demo", "good").await;
    let claim = worker.take().await;
    worker.step(&claim, "running").await.expect(200);
    worker.succeed(&claim, "").await;
    let told = posts(&rig, slack, 2).await;
    let bodies: Vec<_> = told.iter().map(body).collect();
    assert_eq!(bodies[0]["to"], "U1");
    assert_eq!(bodies[0]["text"], "“good” has succeeded.");
    assert_eq!(bodies[1]["to"], "C1");
    assert_eq!(
        bodies[1]["text"],
        "“good” has succeeded; its result waits for approval."
    );
    let url = bodies[0]["url"].as_str().expect("an address");
    assert!(
        url.starts_with("https://outwork.example/tasks/task_"),
        "{url}"
    );

    rig.task("demo", "bad").await;
    let claim = worker.take().await;
    worker.fail(&claim, "agent_failed").await;
    let told = posts(&rig, slack, 3).await;
    assert_eq!(body(&told[2])["text"], "“bad” has not succeeded: failed.");
    // The webhook is told the event as any other, besides those that it is told anyway.
    let kinds = until(
        async || {
            receiver
                .got()
                .iter()
                .map(super::receiver::Got::kind)
                .collect::<Vec<_>>()
        },
        |kinds| kinds.iter().any(|kind| kind == "task.finished"),
    )
    .await;
    assert_eq!(kinds, ["turn.created", "turn.created", "task.finished"]);
    assert_eq!(posts(&rig, slack, 3).await.len(), 3);
    rig.stop().await;
}

#[tokio::test]
async fn what_happens_at_night_is_told_in_the_morning() {
    let rig = Rig::start_with(setting()).await;
    let slack = slack(&rig).await;
    rig.environment("demo", &repository::make(rig.directory.path()))
        .await;
    let worker = Worker::register(&rig, "w").await;
    // It is 14:53:40 UTC.
    let channel = json!({"kind": "slack", "integration_id": slack.to_string(), "channel": "C1"});
    let hours = json!({"from": "15:00", "to": "06:30", "time_zone": "Europe/Vienna"});
    let rules = json!([{"events": ["failed"], "to": channel}]);
    set(&rig, MINE, &json!({"rules": rules, "quiet_hours": hours})).await;
    rig.task("demo", "bad").await;
    let claim = worker.take().await;
    worker.fail(&claim, "agent_failed").await;
    let told = posts(&rig, slack, 1).await.remove(0);
    let State::Waiting { due_at, .. } = told.state else {
        panic!("{told:?}")
    };
    let wait = due_at.since(rig.clock.now());
    assert_eq!(wait, Duration::from_secs(14 * 3600 + 36 * 60 + 20));
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_with_why() {
    let rig = Rig::start_with(setting()).await;
    let slack = slack(&rig).await.to_string();
    let environment = rig
        .environment("demo", &repository::make(rig.directory.path()))
        .await;
    let of_environment = format!(
        "/api/v1/environments/{}/notifications",
        environment["id"].as_str().expect("an id")
    );
    let to = |to: Value| json!({"rules": [{"events": ["failed"], "to": to}]});
    let foreign = IntegrationId::from_uuid(Uuid::from_u128(9)).to_string();
    let quiet = |from: &str, zone: &str| json!({"rules": [], "quiet_hours": {"from": from, "to": "07:00", "time_zone": zone}});
    for (path, wanted, field) in [
        (
            MINE,
            to(json!({"kind": "slack", "integration_id": slack})),
            "/rules/0/to/integration_id",
        ),
        (
            MINE,
            to(json!({"kind": "slack", "integration_id": foreign, "channel": "C1"})),
            "/rules/0/to/integration_id",
        ),
        (
            MINE,
            to(json!({"kind": "slack", "integration_id": slack, "channel": "<!here>"})),
            "/rules/0/to/channel",
        ),
        (
            &of_environment,
            to(json!({"kind": "slack", "integration_id": slack})),
            "/rules/0/to/channel",
        ),
        (
            MINE,
            json!({"rules": [{"events": ["sleeps"], "to": {"kind": "none"}}]}),
            "/rules/0/events",
        ),
        (
            MINE,
            json!({"rules": [{"events": [], "to": {"kind": "none"}}]}),
            "/rules/0/events",
        ),
        (MINE, to(json!({"kind": "pigeon"})), "/rules/0/to/kind"),
        (MINE, quiet("25:00", "UTC"), "/quiet_hours"),
        (MINE, quiet("22:00", "Mars/Olympus"), "/quiet_hours"),
    ] {
        let answer = rig.user().send(Method::PUT, path, &wanted).await;
        let problem = answer.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], field, "{problem}");
    }
    let unknown =
        to(json!({"kind": "webhook", "webhook_id": "whk_00000000000000000000000000000009"}));
    let answer = rig.user().send(Method::PUT, MINE, &unknown).await;
    answer.problem(404, "not_found");
    let stranger = rig.stranger(PrincipalKind::User).await;
    stranger
        .get(&of_environment)
        .await
        .problem(404, "not_found");
    assert_eq!(rig.get(MINE).await, json!({"rules": []}));
    rig.stop().await;
}
