//! The worker of `outwork up` uses the same protocol without HTTP.

use futures_util::StreamExt;
use outwork_api::problem::Code;
use outwork_api::worker::{Acquire, Desired, Finish, Outcome, OutputKind, Register, WorkerError};
use outwork_domain::principal::{Principal, PrincipalKind};
use outwork_domain::{PrincipalId, WorkspaceId};
use serde_json::json;
use uuid::Uuid;

use crate::rig::{Rig, repository};

#[tokio::test]
async fn a_worker_in_process_runs_a_task_and_is_told_to_stop_another() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let principal = Principal {
        id: PrincipalId::from_uuid(Uuid::from_u128(102)),
        workspace_id: WorkspaceId::from_uuid(Uuid::from_u128(1)),
        kind: PrincipalKind::Worker,
        name: "in process".to_owned(),
    };
    let api = rig
        .server
        .worker_api(&principal.worker().expect("it is a worker"));
    let register = Register {
        protocol_version: 1,
        worker: None,
        name: "local".into(),
        slots: 2,
        agents: vec!["command".into()],
    };
    let worker = api.register(register).await.expect("registered").worker;
    let acquire = || Acquire {
        worker: worker.clone(),
        max: 1,
        wait_ms: 10_000,
    };
    let (acquired, task) = tokio::join!(api.acquire(acquire()), rig.task("app", "first"));
    let first = acquired.expect("acquired").assignments.remove(0);
    assert_eq!(first.task, task["id"]);
    api.upload(
        first.attempt.clone(),
        first.epoch,
        OutputKind::Diff,
        b"d".to_vec(),
    )
    .await
    .expect("uploaded");
    let finish = |epoch| Finish {
        epoch,
        outcome: Outcome::Succeeded {},
        diff: Some(outwork_api::task::DiffStat::default()),
        has_session: false,
        message: None,
        tokens: None,
        last_seq: 0,
    };
    match api
        .finish(first.attempt.clone(), finish(first.epoch + 1))
        .await
    {
        Err(WorkerError::Problem(problem)) => assert!(problem.is(Code::StaleLease), "{problem:?}"),
        other => panic!("{other:?}"),
    }
    api.finish(first.attempt.clone(), finish(first.epoch))
        .await
        .expect("finished");

    let mut commands = api.commands(worker.clone()).await.expect("a stream");
    rig.task("app", "second").await;
    let second = api
        .acquire(acquire())
        .await
        .expect("acquired")
        .assignments
        .remove(0);
    rig.user()
        .post(&format!("/api/v1/tasks/{}/cancel", second.task), &json!({}))
        .await
        .expect(200);
    let command = commands.next().await.expect("a command");
    assert_eq!(
        (command.attempt, command.epoch, command.desired),
        (second.attempt, 1, Desired::Cancel)
    );
    rig.stop().await;
    assert!(
        commands.next().await.is_none(),
        "the stream must end with the server"
    );
}
