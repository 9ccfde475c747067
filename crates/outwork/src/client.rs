//! The commands that talk to a server: `outwork-cli` with the outside world handed in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use outwork_cli::{Check, CheckResult, ClientCommand, GlobalArgs, Io};

use crate::failure::Failure;
use crate::work::{self, WorkerArgs};
use crate::{serve, system};

pub(crate) fn run(command: ClientCommand, globals: GlobalArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot start: {error}");
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

fn surroundings(command: &ClientCommand, globals: &GlobalArgs) -> Io {
    Io {
        stdin: Box::new(io::stdin()),
        stdout: Box::new(io::stdout()),
        stderr: Box::new(io::stderr()),
        stdin_is_terminal: io::stdin().is_terminal(),
        stdout_is_terminal: io::stdout().is_terminal(),
        stderr_is_terminal: io::stderr().is_terminal(),
        width: rustix::termios::tcgetwinsize(io::stdout())
            .ok()
            .map(|size| size.ws_col),
        variables: variables(globals),
        current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        now: system::now,
        random: || u128::from_ne_bytes(system::random()),
        interrupt: Box::pin(async {
            // Without a handler Ctrl-C ends the process, which is right too.
            let _ = tokio::signal::ctrl_c().await;
        }),
        root_command: crate::Cli::command,
        checks: match command {
            ClientCommand::Doctor(_) => worker_checks(),
            _ => Vec::new(),
        },
    }
}

/// The environment; where nothing says which server to use, the one that runs on this machine.
fn variables(globals: &GlobalArgs) -> BTreeMap<OsString, OsString> {
    let mut variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    let named = globals.url.is_some()
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
fn worker_checks() -> Vec<Check> {
    let config = system::default_data_dir().and_then(|data_dir| {
        work::config(WorkerArgs {
            name: system::host_name(),
            agents_dir: data_dir.join("agents"),
            data_dir,
            slots: 1,
        })
    });
    let result = async move {
        let checks = outwork_worker::doctor::doctor(&config?).await;
        let faults: Vec<_> = checks.iter().filter(|check| !check.ok).collect();
        let details: Vec<String> = checks
            .iter()
            .map(|check| format!("{}: {}", check.name, check.detail))
            .collect();
        let hint = faults
            .iter()
            .filter_map(|check| check.hint.clone())
            .collect::<Vec<_>>()
            .join(" ");
        let details = details.join("; ");
        Ok::<_, Failure>(match faults.is_empty() {
            true => CheckResult::ok(details),
            false => CheckResult::warning(details, hint),
        })
    };
    vec![Check {
        name: "worker".to_owned(),
        result: Box::pin(async {
            result.await.unwrap_or_else(|failure| {
                CheckResult::warning(
                    failure.to_string(),
                    "Workers need Linux with git and user namespaces.",
                )
            })
        }),
    }]
}
