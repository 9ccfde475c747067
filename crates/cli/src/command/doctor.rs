//! `outwork doctor`: what is wrong with the setup.

use clap::Args;
use futures_util::FutureExt;
use outwork_api::client::Client;
use serde_json::json;

use crate::config;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::io::{Check, CheckResult, CheckStatus};
use crate::session::Session;
use crate::terminal::plain::plain;
use crate::terminal::style::Paint;

/// The oldest git whose `apply` does what is needed.
const OLDEST_GIT: (u32, u32) = (2, 32);

/// Check the setup
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Print `{"checks":[…]}`
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: DoctorArgs, session: &mut Session) -> Result<ExitStatus, CliError> {
    let mut results = vec![
        ("configuration".to_owned(), configuration(session)),
        ("server".to_owned(), server(session).await),
        ("git".to_owned(), git(session).await),
    ];
    let none = futures_util::future::ready(Vec::new()).boxed();
    for Check { name, result } in std::mem::replace(&mut session.checks, none).await {
        results.push((name, result));
    }
    let has_failed = results
        .iter()
        .any(|(_, result)| result.status == CheckStatus::Failed);
    if args.json {
        let checks = results.iter().map(|(name, result)| {
            let CheckResult {
                status,
                detail,
                hint,
            } = result;
            json!({"name": name, "status": status, "detail": detail, "hint": hint})
        });
        session
            .out
            .json(&json!({"checks": checks.collect::<Vec<_>>()}))?;
    } else {
        for (name, result) in &results {
            print(session, name, result)?;
        }
    }
    Ok(if has_failed {
        ExitStatus::Failed
    } else {
        ExitStatus::Ok
    })
}

fn print(session: &mut Session, name: &str, result: &CheckResult) -> Result<(), CliError> {
    let CheckResult {
        status,
        detail,
        hint,
    } = result;
    let (word, paint) = match status {
        CheckStatus::Ok => ("ok", Paint::Green),
        CheckStatus::Warning => ("warning", Paint::Yellow),
        CheckStatus::Failed => ("failed", Paint::Red),
    };
    let word = session.out.stdout_style.paint(paint, &format!("{word:<8}"));
    session
        .out
        .line(&format!("{word} {}: {}", plain(name), plain(detail)))?;
    match hint {
        Some(hint) => session.out.line(&format!("         hint: {}", plain(hint))),
        None => Ok(()),
    }
}

fn configuration(session: &Session) -> CheckResult {
    let path = match session.files.config_path() {
        Ok(path) => path,
        Err(error) => return CheckResult::warning(error.to_string(), "set OUTWORK_CONFIG_DIR"),
    };
    let read = session
        .files
        .config()
        .and_then(|_| session.files.credentials());
    match read {
        Err(error) => from_error(error.into()),
        Ok(_) if others_can_read(&session.files) => CheckResult::warning(
            "other users of this machine can read the credentials file",
            format!(
                "run `chmod 600 {}`",
                path.with_file_name("credentials.toml").display()
            ),
        ),
        Ok(_) if path.exists() => CheckResult::ok(path.display().to_string()),
        Ok(_) => CheckResult::ok(format!("{} (none yet)", path.display())),
    }
}

#[cfg(unix)]
fn others_can_read(files: &config::ConfigFiles) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let metadata = files
        .credentials_path()
        .ok()
        .and_then(|path| path.metadata().ok());
    metadata.is_some_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_: &config::ConfigFiles) -> bool {
    false
}

async fn server(session: &Session) -> CheckResult {
    match signed_in(session).await {
        Ok(detail) => CheckResult::ok(detail),
        Err(error) => from_error(error),
    }
}

async fn signed_in(session: &Session) -> Result<String, CliError> {
    let client: Client = session.client()?;
    let me = client.me().await?;
    Ok(format!(
        "{} (version {}), signed in as {} in workspace {}",
        client.base_url(),
        me.server_version,
        me.name,
        me.workspace_name
    ))
}

async fn git(session: &Session) -> CheckResult {
    const HINT: &str = "install git 2.32 or newer; `outwork apply` needs it";
    match session.git().version().await {
        Err(error) => CheckResult::failed(error.to_string(), HINT),
        Ok(line) if version(&line).is_some_and(|version| version < OLDEST_GIT) => {
            CheckResult::failed(format!("{line} is too old"), HINT)
        }
        Ok(line) => CheckResult::ok(line),
    }
}

/// From `git version 2.39.5 (Apple Git-154)`.
fn version(line: &str) -> Option<(u32, u32)> {
    let mut numbers = line.split(' ').nth(2)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn from_error(error: CliError) -> CheckResult {
    let detail = match error.root_cause() {
        Some(cause) => format!("{}: {}", error.message, cause.lines().next().unwrap_or("")),
        None => error.message.clone(),
    };
    CheckResult {
        status: CheckStatus::Failed,
        detail,
        hint: error.hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("git version 2.9.1"), Some((2, 9)));
        assert!(version("git version 2.9.1").expect("a version") < OLDEST_GIT);
        assert_eq!(version("nonsense"), None);
    }
}
