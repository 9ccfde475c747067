//! The agent's turn.

use std::sync::Mutex;

use outwork_agents::{Adapter, Launch, TurnOutcome};
use outwork_api::output_schema::OutputSchema;
use outwork_domain::Failure;
use outwork_failpoint as failpoint;
use outwork_git::ReadOnlyBind;
use outwork_sandbox::{Running, Stdin};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::drive::{Beside, Bounds, Driven, drive};
use super::model::ModelGateway;
use super::network::Egress;
use super::start::Halt;
use super::step::{StepName, StepTimer};
use super::{Run, Stopped, checkpoint, network};
use crate::failure;
use crate::sandbox_layout::{self as inside, Inside, Who};
use crate::state_dir::RunDir;

/// An agent that runs, and what it was given.
pub(super) struct Started {
    running: Running,
    outside: Outside,
    timer: StepTimer,
}

/// What an agent reaches from its sandbox.
struct Outside {
    gateway: Option<ModelGateway>,
    egress: Option<Egress>,
    /// Where both have their sockets.
    directory: RunDir,
}

/// Starts the agent in the attempt's tree.
pub(super) async fn start(run: &mut Run, launch: &Launch) -> Result<Started, Halt> {
    let timer = run.begin(StepName::Agent);
    match try_start(run, launch).await {
        Ok((running, outside)) => Ok(Started {
            running,
            outside,
            timer,
        }),
        Err(halt) => {
            let detail = match &halt {
                Halt::Stopped(stopped) => stopped.detail(),
                Halt::Broken(_) => Some("the snapshot is broken".to_owned()),
            };
            run.end(timer, detail);
            Err(halt)
        }
    }
}

async fn try_start(run: &mut Run, launch: &Launch) -> Result<(Running, Outside), Halt> {
    let directory = run
        .host
        .state
        .fresh_run_dir(run.slot)
        .map_err(|error| failure::internal("the attempt's sockets cannot be made", &error))?;
    let outside = Outside {
        gateway: ModelGateway::start(run, directory.path()).await?,
        egress: Egress::of_agent(run, directory.path()).await?,
        directory,
    };
    let spawned = spawn(run, launch, &outside);
    let mut running = run.begun_within(StepName::Agent, spawned).await?;
    let tree = run.tree.as_mut().expect("the caller laid it");
    tree.root = running.take_handles().pop();
    failpoint::pass("worker.sandbox.started");
    Ok((running, outside))
}

/// Lets it work until its turn is over and nothing of it is left.
pub(super) async fn run(
    run: &mut Run,
    started: Started,
    mut adapter: Box<dyn Adapter>,
) -> Result<(), Stopped> {
    let Started {
        running,
        outside: Outside {
            gateway,
            egress,
            directory,
        },
        timer,
    } = started;
    let bounds = Bounds::agent(run);
    let session = Mutex::new(None);
    let beside = Beside {
        gateway: gateway.as_ref(),
        egress: egress.as_ref(),
        tail: None,
        session: Some(&session),
    };
    let mut inbox = run.inbox.take();
    let over = CancellationToken::new();
    let driving = async {
        let driven = drive(run, running, adapter.as_mut(), &bounds, beside, &mut inbox).await;
        over.cancel();
        driven
    };
    let (driven, ()) = tokio::join!(driving, checkpoint::until(run, &session, &over));
    run.session_after = adapter.session_files();
    if let Ok(Driven {
        stopped: Some(Stopped::Released),
        ..
    }) = &driven
    {
        run.is_handed_over = checkpoint::last(run).await;
    }
    if let Some(gateway) = gateway {
        run.tokens = gateway.stop().await;
    }
    if let Some(egress) = egress {
        egress.stop().await;
    }
    drop(directory);
    run.agent_time = Some(timer.elapsed());
    let done = driven
        .map_err(Stopped::Failed)
        .and_then(|driven| ended(run, driven));
    let detail = match &done {
        Ok(()) => Some("done".to_owned()),
        Err(stopped) => stopped.detail(),
    };
    run.end(timer, detail);
    done
}

fn ended(run: &mut Run, driven: Driven) -> Result<(), Stopped> {
    let Driven {
        outcome,
        stopped,
        limit,
        exit: _,
        code: _,
    } = driven;
    if let TurnOutcome::Completed { last_message } = &outcome {
        run.message = last_message.as_deref().map(clipped);
    }
    let schema = run.assignment.output_schema.take();
    match (stopped, outcome, limit) {
        (Some(stopped), _, _) => Err(stopped),
        (None, TurnOutcome::Completed { last_message }, _) => match schema {
            Some(schema) => {
                let answer = last_message.unwrap_or_default();
                run.message = Some(checked(schema, &answer)?);
                Ok(())
            }
            None => Ok(()),
        },
        (None, TurnOutcome::Asked { question }, _) => Err(Stopped::Asks {
            question: clipped(&question),
        }),
        // What the agent says of it is a consequence.
        (None, TurnOutcome::Interrupted | TurnOutcome::Failed { .. }, Some(limit)) => {
            Err(limit.into())
        }
        // Nobody asked it to stop.
        (None, TurnOutcome::Interrupted, None) => Err(failure::turn(
            outwork_agents::FailureClass::AgentCrashed,
            "The agent ended its turn early.",
        )
        .into()),
        (None, TurnOutcome::Failed { class, message }, None) => {
            Err(failure::turn(class, &message).into())
        }
    }
}

/// The answer as JSON and nothing else.
fn checked(schema: Value, answer: &str) -> Result<String, Failure> {
    let schema = OutputSchema::of(schema)
        .map_err(|error| failure::internal("the schema of the answer cannot be used", &error))?;
    let answer = schema.check(answer);
    let answer = answer.map_err(|mismatch| failure::output_mismatch(&mismatch.to_string()))?;
    match answer.to_string() {
        text if text.len() > MESSAGE_BYTES => {
            let fault = format!(
                "it has {} bytes; at most {MESSAGE_BYTES} are kept",
                text.len()
            );
            Err(failure::output_mismatch(&fault))
        }
        text => Ok(text),
    }
}

async fn spawn(run: &Run, launch: &Launch, outside: &Outside) -> Result<Running, Halt> {
    let Outside {
        gateway,
        egress,
        directory: _,
    } = outside;
    let tree = run.tree.as_ref().expect("the caller laid it");
    tree.write_home(launch, run.host.ids)
        .map_err(|error| failure::internal("the agent's home cannot be written", &error))?;
    let mut binds = tree.binds();
    binds.extend(agent_bind(run)?);
    binds.extend(run.runtimes.binds());
    binds.extend(egress.iter().flat_map(Egress::binds));
    let mut environment = inside::environment(
        Who::Agent,
        &tree.base,
        &run.assignment,
        egress.as_ref().map(Egress::variables).unwrap_or_default(),
        launch.env.iter().cloned(),
    );
    network::join_java_options(run, &mut environment, egress.as_ref());
    run.runtimes.add_to(&mut environment);
    let model = gateway.as_ref().map(ModelGateway::socket);
    let proxy = egress.as_ref().map(Egress::socket);
    let forwards = [
        model.map(|socket| (inside::MODEL_PORT, socket)),
        proxy.map(|socket| (inside::PROXY_PORT, socket)),
    ];
    let inside = Inside {
        who: Who::Agent,
        command: launch.argv.clone(),
        environment,
        stdin: Stdin::Piped,
        cwd: &run.cwd,
        base: &tree.base,
        overlays: tree.overlays(),
        binds,
        links: run.runtimes.links(),
        script: None,
        forwards: forwards.into_iter().flatten().collect(),
        handles: vec!["/".into()],
    };
    let spawned = inside.spawn(run).await;
    spawned.map_err(|error| tree.not_spawned(error))
}

fn agent_bind(run: &Run) -> Result<Option<ReadOnlyBind>, Failure> {
    match &run.assignment.agent {
        outwork_api::environment::Agent::Command { command: _ }
        | outwork_api::environment::Agent::None {} => Ok(None),
        outwork_api::environment::Agent::Codex {} => {
            let root = crate::install::codex_root(&run.host.config.agents_dir);
            let host = root.ok_or_else(|| failure::agent_not_installed("codex"))?;
            Ok(Some(ReadOnlyBind {
                host,
                inside: inside::agent_root("codex").into(),
            }))
        }
    }
}

const MESSAGE_BYTES: usize = 64 * 1024;

fn clipped(text: &str) -> String {
    text[..text.floor_char_boundary(MESSAGE_BYTES)].to_owned()
}
