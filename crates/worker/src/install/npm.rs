//! Starting the package manager, and the programs that it fetched.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::InstallError;

/// The package is about 400 MB.
pub(super) const DOWNLOAD_WITHIN: Duration = Duration::from_secs(30 * 60);
const VERSION_WITHIN: Duration = Duration::from_secs(30);

/// Unpacks `package` into `directory/node_modules` and runs none of its scripts.
pub(super) async fn install(
    directory: &Path,
    package: &str,
    environment: &[(OsString, OsString)],
) -> Result<(), InstallError> {
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-save",
        "--no-package-lock",
        "--loglevel=error",
    ])
    .arg("--prefix")
    .arg(directory)
    .arg(package)
    .env_clear()
    .envs(environment.iter().map(|(name, value)| (name, value)))
    .current_dir(directory);
    let output = match tokio::time::timeout(DOWNLOAD_WITHIN, collected(npm)).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(InstallError::NpmMissing(error)),
        Err(_) => {
            return Err(InstallError::NpmTimedOut {
                package: package.to_owned(),
            });
        }
    };
    if output.status.success() {
        return Ok(());
    }
    Err(InstallError::Npm {
        package: package.to_owned(),
        said: last_lines(&output.stderr),
    })
}

/// What the program says about its version. It gets nothing of the user's environment.
pub(super) async fn version(program: &Path, home: &Path) -> Result<String, InstallError> {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .env_clear()
        .env("HOME", home)
        .current_dir(home);
    let does_not_run = |said: String| InstallError::DoesNotRun {
        program: program.to_owned(),
        said,
    };
    match tokio::time::timeout(VERSION_WITHIN, collected(command)).await {
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(output)) => Err(does_not_run(format!(
            "{}\n{}",
            output.status,
            last_lines(&output.stderr)
        ))),
        Ok(Err(error)) => Err(does_not_run(error.to_string())),
        Err(_) => Err(does_not_run("it did not answer".to_owned())),
    }
}

async fn collected(mut command: Command) -> io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?
        .wait_with_output()
        .await
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
