//! One of the environment's scripts: bash as root inside, with secrets and, through a proxy of ours, the network. It ends at
//! the first command that fails.

use std::collections::BTreeMap;

use outwork_agents::{AbsolutePath, Agent, LaunchContext, TurnOutcome};
use outwork_domain::Failure;
use outwork_git::ReadOnlyBind;
use outwork_sandbox::{Overlay, Stdin};

use super::drive::{Beside, Bounds, Driven, drive};
use super::network::Egress;
use super::step::StepName;
use super::tail::Tail;
use super::{Run, Stopped, network};
use crate::base::Base;
use crate::failure::{self, Script};
use crate::sandbox_layout::{self as inside, Inside, SpawnError, Who};

/// A script and what it sees.
pub(super) struct ScriptRun<'a> {
    pub(super) script: Script,
    pub(super) text: &'a str,
    pub(super) base: &'a Base,
    pub(super) overlays: Vec<Overlay>,
    /// The repositories' objects.
    pub(super) binds: Vec<ReadOnlyBind>,
}

impl ScriptRun<'_> {
    fn step(&self) -> StepName {
        match self.script {
            Script::Setup => StepName::Setup,
            Script::Maintenance => StepName::Maintenance,
        }
    }

    /// Runs it until nothing of it is left. `not_spawned` says what it means if it cannot be started.
    pub(super) async fn run<E: From<Stopped> + From<Failure>>(
        self,
        run: &Run,
        not_spawned: impl FnOnce(SpawnError) -> E,
    ) -> Result<(), E> {
        let directory = run.host.state.fresh_run_dir(run.slot);
        let directory = directory
            .map_err(|error| failure::internal("the script's socket cannot be made", &error))?;
        let egress = Egress::of_script(run, directory.path()).await?;
        let done = self.execute(run, &egress, not_spawned).await;
        egress.stop().await;
        done
    }

    async fn execute<E: From<Stopped> + From<Failure>>(
        self,
        run: &Run,
        egress: &Egress,
        not_spawned: impl FnOnce(SpawnError) -> E,
    ) -> Result<(), E> {
        let (script, step) = (self.script, self.step());
        let environment = environment(run, self.base, egress);
        let mut binds = self.binds;
        binds.extend(egress.binds());
        binds.extend(run.runtimes.binds());
        let inside = Inside {
            who: Who::Root,
            command: ["/bin/bash", "-e", inside::SCRIPT]
                .map(str::to_owned)
                .into(),
            environment,
            stdin: Stdin::Null,
            cwd: &run.cwd,
            base: self.base,
            overlays: self.overlays,
            binds,
            links: run.runtimes.links(),
            script: Some(self.text),
            forwards: vec![(inside::PROXY_PORT, egress.socket())],
            handles: Vec::new(),
        };
        let spawned = async { Ok(inside.spawn(run).await) };
        let running = run.bounded(step, spawned).await?.map_err(not_spawned)?;
        // A script is a program like the agent `command`; that adapter turns its output into events.
        let mut adapter = Agent::Command {
            command_line: inside::SCRIPT.to_owned(),
        }
        .prepare(context(run)?)
        .map_err(|error| failure::prepare(&error))?
        .adapter;
        let tail = Tail::new(run.outbox.masker().clone());
        let bounds = Bounds {
            name: step,
            total: step.limit(&run.assignment),
            first_output: None,
            silence: None,
        };
        let beside = Beside {
            gateway: None,
            egress: Some(egress),
            tail: Some(&tail),
            session: None,
        };
        let Driven {
            outcome,
            stopped,
            limit,
            exit,
            code: _,
        } = drive(run, running, adapter.as_mut(), &bounds, beside, &mut None).await?;
        match (stopped, outcome, limit) {
            (Some(stopped), _, _) => Err(stopped.into()),
            (None, TurnOutcome::Completed { last_message: _ }, _) => Ok(()),
            (
                None,
                TurnOutcome::Interrupted | TurnOutcome::Asked { .. } | TurnOutcome::Failed { .. },
                Some(limit),
            ) => Err(limit.into()),
            (
                None,
                TurnOutcome::Interrupted | TurnOutcome::Asked { .. } | TurnOutcome::Failed { .. },
                None,
            ) => {
                let environment = &run.assignment.environment;
                Err(failure::script(script, environment, &exit, &tail.text()).into())
            }
        }
    }
}

/// With the secrets: for the scripts alone.
fn environment(run: &Run, base: &Base, egress: &Egress) -> BTreeMap<String, String> {
    // The scripts are root, the checkouts are the agent's: git would refuse to touch them.
    let git = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", "*"),
    ];
    let mut usual = egress.variables();
    usual.extend(git.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let secrets = run.assignment.secrets.iter();
    let secrets = secrets.map(|secret| (secret.name.clone(), secret.value.reveal().to_owned()));
    let mut variables = inside::environment(Who::Root, base, &run.assignment, usual, secrets);
    network::join_java_options(run, &mut variables, Some(egress));
    run.runtimes.add_to(&mut variables);
    variables
}

pub(super) fn context(run: &Run) -> Result<LaunchContext, Stopped> {
    let path = |path: &str| {
        AbsolutePath::parse(path).map_err(|error| failure::internal("a path is wrong", &error))
    };
    Ok(LaunchContext {
        home: path(inside::HOME)?,
        cwd: path(&run.cwd)?,
        model: None,
        prompt: "script".to_owned(),
        question: None,
        interactive: false,
        output_schema: None,
        turn_number: run.assignment.turn,
        session: None,
        model_idle_timeout_ms: 0,
    })
}
