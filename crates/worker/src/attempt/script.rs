//! One of the environment's scripts: bash as root inside, with secrets and, through a proxy of ours, the network. It ends at
//! the first command that fails.

use outwork_agents::{AbsolutePath, Agent, LaunchContext, TurnOutcome};
use outwork_domain::Failure;
use outwork_egress::proxy::{TrustFiles, proxy_environment};
use outwork_git::ReadOnlyBind;
use outwork_sandbox::{Overlay, Stdin};

use super::drive::{Bounds, Driven, drive};
use super::proxy::ScriptProxy;
use super::step::StepName;
use super::tail::Tail;
use super::{Run, Stopped};
use crate::base::Base;
use crate::failure::{self, Script};
use crate::sandbox_layout::{self as inside, Inside, SpawnError, Who};

const JAVA: &str = "JAVA_TOOL_OPTIONS";

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
        let proxy = ScriptProxy::start(run)?;
        let done = self.execute(run, &proxy, not_spawned).await;
        proxy.stop().await;
        done
    }

    async fn execute<E: From<Stopped> + From<Failure>>(
        self,
        run: &Run,
        proxy: &ScriptProxy,
        not_spawned: impl FnOnce(SpawnError) -> E,
    ) -> Result<(), E> {
        let (script, step) = (self.script, self.step());
        let environment = environment(run, self.base);
        let mut binds = self.binds;
        binds.extend(ca_bundle(run));
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
            forward: Some((inside::PROXY_PORT, proxy.socket())),
            handles: Vec::new(),
        };
        let spawned = async { Ok(inside.spawn(&run.host, run.slot).await) };
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
        let Driven {
            outcome,
            stopped,
            exit,
        } = drive(run, running, adapter.as_mut(), &bounds, None, Some(&tail)).await?;
        match (stopped, outcome) {
            (Some(stopped), _) => Err(stopped.into()),
            (None, TurnOutcome::Completed { last_message: _ }) => Ok(()),
            (None, TurnOutcome::Interrupted | TurnOutcome::Failed { .. }) => {
                let environment = &run.assignment.environment;
                Err(failure::script(script, environment, &exit, &tail.text()).into())
            }
        }
    }
}

/// With the secrets: for the scripts alone.
fn environment(run: &Run, base: &Base) -> std::collections::BTreeMap<String, String> {
    let bundle = run.host.config.network.ca_bundle.as_ref();
    let trust = bundle.map(|_| TrustFiles {
        bundle: inside::CA_BUNDLE.to_owned(),
        java_key_store: None,
        apt_configuration: None,
    });
    // The scripts are root, the checkouts are the agent's: git would refuse to touch them.
    let git = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", "*"),
    ];
    let mut usual = proxy_environment(inside::PROXY_PORT, trust.as_ref());
    let java = usual.iter().find(|(name, _)| name == JAVA);
    let java = java.map(|(_, value)| value.clone());
    usual.extend(git.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let secrets = run.assignment.secrets.iter();
    let secrets = secrets.map(|secret| (secret.name.clone(), secret.value.reveal().to_owned()));
    let mut variables = inside::environment(Who::Root, base, &run.assignment, usual, secrets);
    // What the JVM is told is one text: the environment's own is added, not put in the place of the proxy.
    if let (Some(own), Some(proxy)) = (run.assignment.variables.get(JAVA), java) {
        variables.insert(JAVA.to_owned(), format!("{proxy} {own}"));
    }
    run.runtimes.add_to(&mut variables);
    variables
}

fn ca_bundle(run: &Run) -> Option<ReadOnlyBind> {
    let bundle = run.host.config.network.ca_bundle.as_ref()?;
    Some(ReadOnlyBind {
        host: bundle.clone(),
        inside: inside::CA_BUNDLE.into(),
    })
}

fn context(run: &Run) -> Result<LaunchContext, Stopped> {
    let path = |path: &str| {
        AbsolutePath::parse(path).map_err(|error| failure::internal("a path is wrong", &error))
    };
    Ok(LaunchContext {
        home: path(inside::HOME)?,
        cwd: path(&run.cwd)?,
        model: None,
        prompt: "script".to_owned(),
        turn_number: run.assignment.turn,
        session: None,
        model_idle_timeout_ms: 0,
    })
}
