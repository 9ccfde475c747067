//! The worker of `outwork up` uses the same protocol without HTTP.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use outwork_api::problem::Code;
use outwork_api::task::{DiffStat, RepositoryDiff};
use outwork_api::worker::{
    Acquire, Desired, Finish, Outcome, OutputKind, Register, Release, WorkerApi, WorkerCommand,
    WorkerError,
};
use outwork_domain::principal::{Principal, PrincipalKind, Role};
use outwork_domain::{PrincipalId, WorkspaceId};
use serde_json::json;
use uuid::Uuid;

use crate::rig::{Rig, repository, until};

fn api(rig: &Rig) -> Arc<dyn WorkerApi> {
    let principal = Principal {
        id: PrincipalId::from_uuid(Uuid::from_u128(102)),
        workspace_id: WorkspaceId::from_uuid(Uuid::from_u128(1)),
        kind: PrincipalKind::Worker,
        name: "in process".to_owned(),
        role: Role::Viewer,
        worker_id: None,
    };
    rig.server
        .worker_api(&principal.worker().expect("it is a worker"))
}

#[tokio::test]
async fn a_worker_in_process_runs_a_task_and_is_told_to_stop_another() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let api = api(&rig);
    let register = Register {
        protocol_version: 3,
        worker: None,
        name: "local".into(),
        slots: 2,
        agents: vec!["command".into()],
        isolation: "namespaces".into(),
        labels: Default::default(),
        version: None,
        agent_versions: Default::default(),
    };
    let worker = api.register(register).await.expect("registered").worker;
    let acquire = || Acquire {
        worker: worker.clone(),
        max: 1,
        wait_ms: 10_000,
        git_gateway: false,
    };
    let (acquired, task) = tokio::join!(api.acquire(acquire()), rig.task("app", "first"));
    let first = acquired.expect("acquired").assignments.remove(0);
    assert_eq!(first.task, task["id"]);
    api.upload(
        first.attempt.clone(),
        first.epoch,
        OutputKind::Diff,
        None,
        b"d".to_vec(),
    )
    .await
    .expect("uploaded");
    let finish = |epoch| Finish {
        epoch,
        outcome: Outcome::Succeeded {},
        diffs: vec![RepositoryDiff {
            repository: "repository".into(),
            summary: DiffStat::default(),
        }],
        has_session: false,
        message: None,
        tokens: None,
        verification: None,
        agent_ms: None,
        paths: Vec::new(),
        changed_tests: Vec::new(),
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
    let WorkerCommand::Attempt(command) = commands.next().await.expect("a command") else {
        panic!("orders, and nobody gave any");
    };
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

#[tokio::test]
async fn a_worker_that_hangs_up_while_it_is_given_an_attempt_does_not_keep_it() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let api = api(&rig);
    let register = Register {
        protocol_version: 3,
        worker: None,
        name: "local".into(),
        slots: 1,
        agents: vec!["command".into()],
        isolation: "namespaces".into(),
        labels: Default::default(),
        version: None,
        agent_versions: Default::default(),
    };
    let worker = api.register(register).await.expect("registered").worker;
    let acquire = || Acquire {
        worker: worker.clone(),
        max: 1,
        wait_ms: 0,
        git_gateway: false,
    };
    rig.task("app", "p").await;
    let mut hung_up = 0;
    // It hangs up a little later each time: before the claim, in the midst of it, after it. The clock stands still, so no lease runs out.
    for patience in 0..40 {
        let mut asking = api.acquire(acquire());
        let mut answer = None;
        for _ in 0..patience * 5 {
            answer = (&mut asking).now_or_never();
            if answer.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(asking);
        let mut held = match answer {
            Some(answer) => answer.expect("acquired").assignments,
            None => Vec::new(),
        };
        if held.is_empty() {
            hung_up += 1;
            held = until(
                async || api.acquire(acquire()).await.expect("acquired").assignments,
                |held| !held.is_empty(),
            )
            .await;
        }
        let held = held.remove(0);
        let release = Release {
            epoch: held.epoch,
            resume: false,
        };
        api.release(held.attempt, release).await.expect("released");
    }
    assert!(hung_up > 0, "it never hung up in time");
    rig.stop().await;
}

#[tokio::test]
async fn what_is_submitted_while_a_worker_hangs_up_goes_to_another() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let api = api(&rig);
    let register = async |name: &str| {
        let register = Register {
            protocol_version: 3,
            worker: None,
            name: name.into(),
            slots: 1,
            agents: vec!["command".into()],
            isolation: "namespaces".into(),
            labels: Default::default(),
            version: None,
            agent_versions: Default::default(),
        };
        api.register(register).await.expect("registered").worker
    };
    let (hangs_up, other) = (register("hangs up").await, register("other").await);
    let acquire = async |worker: &str, wait_ms| {
        let acquire = Acquire {
            worker: worker.to_owned(),
            max: 1,
            wait_ms,
            git_gateway: false,
        };
        api.acquire(acquire).await.expect("acquired").assignments
    };
    let (mut hung_up, mut given) = (0, 0);
    // It hangs up about when it is given what is submitted: later the next time if that was too early, else earlier. The clock stands still,
    // so no lease runs out.
    let mut patience = 1000;
    while hung_up < 20 || given < 20 {
        let mut asking = Box::pin(acquire(&hangs_up, 30_000));
        for _ in 0..100 {
            assert!((&mut asking).now_or_never().is_none(), "nothing waits");
            tokio::task::yield_now().await;
        }
        let hanging_up = async move {
            for _ in 0..patience {
                if let Some(held) = (&mut asking).now_or_never() {
                    return held;
                }
                tokio::task::yield_now().await;
            }
            Vec::new()
        };
        let (task, mut held) = tokio::join!(rig.task("app", "p"), hanging_up);
        if held.is_empty() {
            hung_up += 1;
            patience += patience / 5 + 1;
            held = until(async || acquire(&other, 0).await, |held| !held.is_empty()).await;
        } else {
            given += 1;
            patience -= patience / 8;
        }
        let held = held.remove(0);
        assert_eq!(held.task, task["id"]);
        let finish = Finish {
            epoch: held.epoch,
            outcome: Outcome::Succeeded {},
            diffs: Vec::new(),
            has_session: false,
            message: None,
            tokens: None,
            verification: None,
            agent_ms: None,
            paths: Vec::new(),
            changed_tests: Vec::new(),
            last_seq: 0,
        };
        api.finish(held.attempt, finish).await.expect("finished");
    }
    assert!(
        hung_up > 0 && given > 0,
        "{hung_up} times, {given} times not"
    );
    rig.stop().await;
}
