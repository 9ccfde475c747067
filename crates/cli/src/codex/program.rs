//! Finding the stock client, and becoming it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::Variables;
use crate::error::CliError;

/// What our launcher begins with, so that it is never taken for the client.
pub(crate) const LAUNCHER_MARK: &str = "#!/bin/sh\n# Outwork's launcher for codex.";
/// The first version whose `codex cloud` refuses servers other than its maker's.
const REFUSES_FROM: (u64, u64) = (0, 152);

/// The client that is installed: `OUTWORK_CODEX`, else the first in the path that is not our launcher.
pub(crate) fn installed(variables: &Variables) -> Result<PathBuf, CliError> {
    if let Some(named) = variables.path("OUTWORK_CODEX") {
        return Ok(named);
    }
    let path = variables.path("PATH").unwrap_or_default();
    let mut folders = path.as_os_str().as_bytes().split(|byte| *byte == b':');
    let found = folders.find_map(|folder| {
        let program = Path::new(OsStr::from_bytes(folder)).join("codex");
        (is_program(&program) && !is_launcher(&program)).then_some(program)
    });
    found.ok_or_else(|| {
        CliError::failed("the program `codex` is not in the PATH")
            .code("no_codex")
            .hint("install it with `npm install --global @openai/codex@0.151.0`, or name it with OUTWORK_CODEX")
    })
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

pub(crate) fn is_launcher(path: &Path) -> bool {
    let mut start = vec![0; LAUNCHER_MARK.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == LAUNCHER_MARK.as_bytes()
}

/// Fails where that client's `codex cloud` does not take another server. It is asked with `home` as its home: it makes folders there.
pub(crate) fn takes_other_servers(program: &Path, home: &Path) -> Result<(), CliError> {
    let mut command = Command::new(program);
    let output = command.arg("--version").env("CODEX_HOME", home).output();
    let output = output.map_err(|error| cannot_run(program, error))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = said
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned();
    let mut numbers = version.split('.').map(|number| number.parse::<u64>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= REFUSES_FROM => {
            let message = format!("codex {version} refuses servers other than its maker's");
            Err(CliError::failed(message).code("refuses").hint(
                "use `outwork exec`, `outwork list` and so on; or codex 0.151.0 or older, named with OUTWORK_CODEX",
            ))
        }
        // What says nothing of its version is tried.
        _ => Ok(()),
    }
}

/// Ends this process by becoming that program.
pub(crate) fn become_it(
    program: &Path,
    arguments: &[OsString],
    change: impl FnOnce(&mut Command),
) -> CliError {
    let mut command = Command::new(program);
    command.args(arguments);
    change(&mut command);
    cannot_run(program, command.exec())
}

fn cannot_run(program: &Path, error: std::io::Error) -> CliError {
    CliError::failed(format!("{} cannot be run", program.display()))
        .code("no_codex")
        .source(error)
        .hint("name the program with OUTWORK_CODEX")
}
