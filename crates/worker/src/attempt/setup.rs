//! The environment's setup script: bash, in the checkout, in the agent's home, without network. It ends at the first command
//! that fails. What it changes in the checkout is part of the diff like the agent's own changes, unless git ignores it.

use outwork_agents::{AbsolutePath, Agent, LaunchContext, TurnOutcome};
use outwork_sandbox::Stdin;

use super::drive::{Bounds, Driven, drive};
use super::step::StepName;
use super::tail::Tail;
use super::{Run, Stopped};
use crate::failure;
use crate::sandbox_layout::{self as inside, Inside};

pub(super) async fn run(run: &mut Run) -> Result<(), Stopped> {
    let Some(script) = run
        .assignment
        .setup_script
        .as_deref()
        .filter(|script| !script.trim().is_empty())
    else {
        return Ok(());
    };
    let timer = run.begin(StepName::Setup);
    let done = execute(run, script).await;
    let detail = match &done {
        Ok(()) => Some("exit code 0".to_owned()),
        Err(stopped) => stopped.detail(),
    };
    run.end(timer, detail);
    done
}

async fn execute(run: &Run, script: &str) -> Result<(), Stopped> {
    let checkout = run.checkout.as_ref().expect("the step before made it");
    let home = run.directory.home();
    let running = Inside {
        command: vec![
            "/bin/bash".to_owned(),
            "-e".to_owned(),
            inside::SETUP_SCRIPT.to_owned(),
        ],
        environment: inside::environment(&run.assignment, &[]),
        stdin: Stdin::Null,
        cwd: &run.cwd,
        checkout: checkout.directory(),
        home: &home,
        binds: checkout.binds(),
        agent: None,
        setup_script: Some(script),
        model_socket: None,
    };
    let running = running.spawn(&run.host, run.slot);
    let running = run.bounded(StepName::Setup, running).await?;
    // A script is a program like the agent `command`; that adapter turns its output into events.
    let mut adapter = Agent::Command {
        command_line: inside::SETUP_SCRIPT.to_owned(),
    }
    .prepare(context(run)?)
    .map_err(|error| failure::prepare(&error))?
    .adapter;
    let tail = Tail::default();
    let bounds = Bounds {
        name: StepName::Setup,
        total: StepName::Setup.limit(&run.assignment),
        first_output: None,
        silence: None,
    };
    let Driven {
        outcome,
        stopped,
        exit,
    } = drive(run, running, adapter.as_mut(), &bounds, None, Some(&tail)).await?;
    match (stopped, outcome) {
        (Some(stopped), _) => Err(stopped),
        (None, TurnOutcome::Completed { last_message: _ }) => Ok(()),
        (None, TurnOutcome::Interrupted | TurnOutcome::Failed { .. }) => {
            Err(failure::setup(&exit, &tail.text()).into())
        }
    }
}

fn context(run: &Run) -> Result<LaunchContext, Stopped> {
    let path = |path: &str| {
        AbsolutePath::parse(path).map_err(|error| failure::internal("a path is wrong", &error))
    };
    Ok(LaunchContext {
        home: path(inside::HOME)?,
        cwd: path(&run.cwd)?,
        model: None,
        prompt: "setup".to_owned(),
        turn_number: run.assignment.turn,
        session: None,
        model_idle_timeout_ms: 0,
    })
}
