//! The agent's turn.

use outwork_agents::{Prepared, TurnOutcome};
use outwork_domain::Failure;
use outwork_sandbox::{Running, Stdin};

use super::drive::{Bounds, Driven, drive};
use super::model::ModelGateway;
use super::step::StepName;
use super::{Run, Stopped};
use crate::failure;
use crate::sandbox_layout::{self as inside, Inside};

pub(super) async fn run(run: &mut Run, prepared: Prepared) -> Result<(), Stopped> {
    let timer = run.begin(StepName::Agent);
    let done = turn(run, prepared).await;
    let detail = match &done {
        Ok(()) => Some("done".to_owned()),
        Err(stopped) => stopped.detail(),
    };
    run.end(timer, detail);
    done
}

async fn turn(run: &mut Run, prepared: Prepared) -> Result<(), Stopped> {
    let Prepared { launch, adapter } = prepared;
    let gateway = ModelGateway::start(run).await?;
    let socket = gateway.as_ref().map(ModelGateway::socket);
    let started = spawn(run, &launch.argv, &launch.env, socket);
    let started = run.bounded(StepName::Agent, started).await;
    let driven = match started {
        Ok(running) => {
            let bounds = Bounds::agent(run);
            let mut adapter = adapter;
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
            driven.map_err(Stopped::Failed)
        }
        Err(stopped) => Err(stopped),
    };
    if let Some(gateway) = gateway {
        run.tokens = gateway.stop().await;
    }
    let Driven {
        outcome,
        stopped,
        exit: _,
    } = driven?;
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
    argv: &[String],
    env: &[(String, String)],
    model_socket: Option<&std::path::Path>,
) -> Result<Running, Failure> {
    let checkout = run.checkout.as_ref().expect("the first step made it");
    let home = run.directory.home();
    let agent = match &run.assignment.agent {
        outwork_api::environment::Agent::Command { command: _ } => None,
        outwork_api::environment::Agent::Codex {} => {
            let root = crate::install::codex_root(&run.host.config.agents_dir);
            let root = root.ok_or_else(|| failure::agent_not_installed("codex"))?;
            Some((root, inside::agent_root("codex")))
        }
    };
    let inside = Inside {
        command: argv.to_vec(),
        environment: inside::environment(&run.assignment, env),
        stdin: Stdin::Piped,
        cwd: &run.cwd,
        checkout: checkout.directory(),
        home: &home,
        binds: checkout.binds(),
        agent,
        setup_script: None,
        model_socket,
    };
    inside.spawn(&run.host, run.slot).await
}

const MESSAGE_BYTES: usize = 64 * 1024;

fn clipped(text: &str) -> String {
    text[..text.floor_char_boundary(MESSAGE_BYTES)].to_owned()
}
