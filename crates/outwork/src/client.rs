//! The commands that talk to a server: `outwork-cli` with the outside world handed in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use outwork_cli::error::CliError;
use outwork_cli::phrase::after_colon;
use outwork_cli::{Check, CheckResult, ClientCommand, ExitStatus, GlobalArgs, Io};
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::signal::unix::{SignalKind, signal};

use outwork_domain::labels::Labels;

use crate::local::{self, LocalArgs};
use crate::work::{self, WorkerArgs};
use crate::{say, serve, system};

pub(crate) fn run(command: ClientCommand, globals: GlobalArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            say::error(format_args!("error: the runtime cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let status = runtime.block_on(async {
        let io = surroundings(&command, &globals);
        outwork_cli::run(command, globals, io).await
    });
    // A read of standard input that nobody waits for any more must not hold the process.
    runtime.shutdown_background();
    status.into()
}

/// `outwork run`, which brings its control plane and its worker along.
pub(crate) async fn run_here(args: LocalArgs, globals: GlobalArgs) -> ExitStatus {
    let LocalArgs { run, machine } = args;
    let command = ClientCommand::Run(Box::new(run));
    let io = Io {
        // Whoever ends it in another way than by Ctrl-C wants nothing to be left either.
        interrupts: stream::select_all(
            [
                SignalKind::interrupt(),
                SignalKind::terminate(),
                SignalKind::hangup(),
            ]
            .map(items),
        )
        .boxed(),
        local: local::start(machine).boxed_local(),
        ..surroundings(&command, &globals)
    };
    outwork_cli::run(command, globals, io).await
}

/// Answers a shell that asks what can come next, which ends the process. Returns when none does.
pub(crate) fn complete() {
    let command = || {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let line = std::env::args_os();
        outwork_cli::complete::with_values(crate::Cli::command(), variables(None), line)
    };
    CompleteEnv::with_factory(command)
        .var(outwork_cli::complete::VARIABLE)
        .complete();
}

fn surroundings(command: &ClientCommand, globals: &GlobalArgs) -> Io {
    Io {
        stdin: Box::new(io::stdin()),
        stdout: Box::new(io::stdout()),
        stderr: Box::new(io::stderr()),
        stdin_is_terminal: io::stdin().is_terminal(),
        stdout_is_terminal: io::stdout().is_terminal(),
        can_page: io::stdout().is_terminal(),
        stderr_is_terminal: io::stderr().is_terminal(),
        width: termios::tcgetwinsize(io::stdout())
            .ok()
            .map(|size| size.ws_col),
        variables: variables(globals.url.as_deref()),
        current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("outwork")),
        now: system::now,
        random: || u128::from_ne_bytes(system::random()),
        interrupts: items(SignalKind::interrupt()),
        hide_typing: || Box::new(HiddenTyping::start()),
        open_screen: outwork_tui::Screen::open,
        root_command: crate::Cli::command,
        checks: match command {
            ClientCommand::Doctor(_) => Box::pin(worker_checks()),
            _ => Box::pin(std::future::ready(Vec::new())),
        },
        local: std::future::ready(Err(CliError::failed("this command runs nothing here")))
            .boxed_local(),
    }
}

/// An item at each signal of that kind, such as Ctrl-C. Listens from now on, not from the first time somebody waits for it:
/// whoever presses it at a question would else end the process with the terminal's echo switched off.
fn items(kind: SignalKind) -> BoxStream<'static, ()> {
    match signal(kind) {
        Ok(signals) => stream::unfold(signals, |mut signals| async move {
            let pressed = signals.recv().await;
            pressed.map(|()| ((), signals))
        })
        .boxed(),
        // Without a handler it ends the process, which is right too.
        Err(_) => stream::pending().boxed(),
    }
}

/// The environment; where nothing says which server to use, the one that runs on this machine.
fn variables(url: Option<&str>) -> BTreeMap<OsString, OsString> {
    let mut variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    let named = url.is_some()
        || ["OUTWORK_URL", "CODEX_CLOUD_TASKS_BASE_URL"]
            .iter()
            .any(|name| system::variable(name).is_some())
        || config_dir().is_some_and(|dir| dir.join("config.toml").exists());
    if named {
        return variables;
    }
    let local = system::default_data_dir()
        .ok()
        .and_then(|dir| serve::local_server(&dir));
    if let Some((url, token)) = local {
        variables.insert("OUTWORK_URL".into(), url.into());
        variables
            .entry("OUTWORK_TOKEN".into())
            .or_insert_with(|| token.into());
    }
    variables
}

fn config_dir() -> Option<PathBuf> {
    let below =
        |name: &str, path: &str| system::variable(name).map(|dir| Path::new(&dir).join(path));
    below("OUTWORK_CONFIG_DIR", "")
        .or_else(|| below("XDG_CONFIG_HOME", "outwork"))
        .or_else(|| below("HOME", ".config/outwork"))
}

/// What `outwork doctor` looks at for a worker on this machine.
async fn worker_checks() -> Vec<Check> {
    let config = system::default_data_dir().and_then(|data_dir| {
        work::config(WorkerArgs {
            name: system::host_name(),
            agents_dir: data_dir.join("agents"),
            data_dir,
            slots: 1,
            labels: Labels::new(),
            server_url: None,
            uid_base: work::UID_BASE,
        })
    });
    let config = match config {
        Ok(config) => config,
        Err(failure) => {
            let hint = "workers need Linux with git and user namespaces";
            return vec![Check {
                name: "worker".to_owned(),
                result: CheckResult::warning(failure.to_string(), hint),
            }];
        }
    };
    let found = outwork_worker::doctor::doctor(&config).await;
    // A worker elsewhere may do the work: what is missing here is no failure.
    let told = found.into_iter().map(|check| Check {
        name: format!("worker {}", check.name),
        result: match (check.ok, check.hint) {
            (true, hint) => CheckResult {
                hint: hint.as_deref().map(after_colon),
                ..CheckResult::ok(check.detail)
            },
            (false, Some(hint)) => CheckResult::warning(check.detail, after_colon(&hint)),
            (false, None) => CheckResult::warning(check.detail, "see the worker's log"),
        },
    });
    told.collect()
}

/// Standard input's terminal while it does not show what is typed.
struct HiddenTyping(Option<Termios>);

impl HiddenTyping {
    fn start() -> Self {
        let Ok(before) = termios::tcgetattr(io::stdin()) else {
            return Self(None);
        };
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let is_hidden = termios::tcsetattr(io::stdin(), OptionalActions::Flush, &hidden).is_ok();
        Self(is_hidden.then_some(before))
    }
}

impl Drop for HiddenTyping {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // Nothing can be done about a terminal that is gone.
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}
