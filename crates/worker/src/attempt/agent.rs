//! The agent's turn.

use outwork_agents::{Adapter, Launch, TurnOutcome};
use outwork_domain::Failure;
use outwork_git::ReadOnlyBind;
use outwork_sandbox::{Running, Stdin};

use super::drive::{Bounds, Driven, drive};
use super::model::ModelGateway;
use super::start::Halt;
use super::step::{StepName, StepTimer};
use super::{Run, Stopped};
use crate::failure;
use crate::sandbox_layout::{self as inside, Inside, Who};

/// An agent that runs, and what it was given.
pub(super) struct Started {
    running: Running,
    gateway: Option<ModelGateway>,
    timer: StepTimer,
}

/// Starts the agent in the attempt's tree.
pub(super) async fn start(run: &mut Run, launch: &Launch) -> Result<Started, Halt> {
    let timer = run.begin(StepName::Agent);
    match try_start(run, launch).await {
        Ok((running, gateway)) => Ok(Started {
            running,
            gateway,
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

async fn try_start(
    run: &mut Run,
    launch: &Launch,
) -> Result<(Running, Option<ModelGateway>), Halt> {
    let gateway = ModelGateway::start(run).await?;
    let socket = gateway.as_ref().map(ModelGateway::socket);
    let spawned = spawn(run, launch, socket);
    let mut running = run.begun_within(StepName::Agent, spawned).await?;
    let tree = run.tree.as_mut().expect("the caller laid it");
    tree.root = running.take_handles().pop();
    Ok((running, gateway))
}

/// Lets it work until its turn is over and nothing of it is left.
pub(super) async fn run(
    run: &mut Run,
    started: Started,
    mut adapter: Box<dyn Adapter>,
) -> Result<(), Stopped> {
    let Started {
        running,
        gateway,
        timer,
    } = started;
    let bounds = Bounds::agent(run);
    let driven = drive(
        run,
        running,
        adapter.as_mut(),
        &bounds,
        gateway.as_ref(),
        None,
    )
    .await;
    run.session_after = adapter.session_files();
    if let Some(gateway) = gateway {
        run.tokens = gateway.stop().await;
    }
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
        exit: _,
    } = driven;
    if let TurnOutcome::Completed { last_message } = &outcome {
        run.message = last_message.as_deref().map(clipped);
    }
    match (stopped, outcome) {
        (Some(stopped), _) => Err(stopped),
        (None, TurnOutcome::Completed { last_message: _ }) => Ok(()),
        // Nobody asked it to stop.
        (None, TurnOutcome::Interrupted) => Err(failure::turn(
            outwork_agents::FailureClass::AgentCrashed,
            "The agent ended its turn early.",
        )
        .into()),
        (None, TurnOutcome::Failed { class, message }) => {
            Err(failure::turn(class, &message).into())
        }
    }
}

async fn spawn(
    run: &Run,
    launch: &Launch,
    model_socket: Option<&std::path::Path>,
) -> Result<Running, Halt> {
    let tree = run.tree.as_ref().expect("the caller laid it");
    tree.write_home(launch, run.host.ids)
        .map_err(|error| failure::internal("the agent's home cannot be written", &error))?;
    let mut binds = tree.binds();
    binds.extend(agent_bind(run)?);
    binds.extend(run.runtimes.binds());
    let variables = launch.env.iter().cloned();
    let mut environment = inside::environment(
        Who::Agent,
        &tree.base,
        &run.assignment,
        Vec::new(),
        variables,
    );
    run.runtimes.add_to(&mut environment);
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
        forward: model_socket.map(|socket| (inside::MODEL_PORT, socket)),
        handles: vec!["/".into()],
    };
    let spawned = inside.spawn(&run.host, run.slot).await;
    spawned.map_err(|error| tree.not_spawned(error))
}

fn agent_bind(run: &Run) -> Result<Option<ReadOnlyBind>, Failure> {
    match &run.assignment.agent {
        outwork_api::environment::Agent::Command { command: _ } => Ok(None),
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
