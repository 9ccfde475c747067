//! `outwork codex`: the stock client, signed in to Outwork.

use std::ffi::OsString;
use std::process::Command;

use clap::Args;

use crate::codex::arguments::command_at;
use crate::codex::home::OutworkCodexHome;
use crate::codex::program::{become_it, installed, takes_other_servers};
use crate::config::Variables;
use crate::error::CliError;
use crate::session::Session;

/// The commands that go to the server. Others would send what is Outwork's to a model.
const COMMANDS: [&str; 7] = [
    "cloud",
    "cloud-tasks",
    "apply",
    "a",
    "login",
    "logout",
    "completion",
];
/// What would be used in place of the login that Outwork keeps.
const OTHER_LOGINS: [&str; 4] = [
    "CODEX_ACCESS_TOKEN",
    "CODEX_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
];

/// Run the installed codex, signed in to Outwork
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Runs the first `codex` in the PATH, or the one that OUTWORK_CODEX names, with the login that
`outwork login --codex` wrote. Your own login of codex is not used and not changed.

  outwork codex -- cloud
  outwork codex -- cloud exec --env web \"fix the login page\"
  outwork codex -- apply TASK

`codex cloud` takes other servers up to version 0.151.0; `codex apply` in every version.")]
pub struct CodexArgs {
    /// What codex is given
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    pub arguments: Vec<OsString>,
}

pub(crate) fn run(args: CodexArgs, session: &Session) -> Result<(), CliError> {
    let home = OutworkCodexHome::read(&session.files)?;
    let program = installed(&session.variables)?;
    let mut arguments = args.arguments;
    let at = command_at(&arguments);
    match arguments.get(at).and_then(|command| command.to_str()) {
        Some("cloud" | "cloud-tasks") => takes_other_servers(&program, &home.path)?,
        Some("apply" | "a") => {
            let setting = format!("chatgpt_base_url={}/backend-api", home.url);
            arguments.splice(at + 1..at + 1, ["-c".into(), setting.into()]);
        }
        Some(command) if COMMANDS.contains(&command) => {}
        None if asks_for_text(&arguments) => {}
        Some(_) | None => {
            return Err(CliError::usage(
                "`outwork codex` runs `codex cloud` and `codex apply`; a session on this machine has nothing to do with Outwork",
            )
            .hint("run `codex` itself"));
        }
    }
    Err(become_it(&program, &arguments, |command| {
        surround(command, &home, &session.variables);
    }))
}

fn asks_for_text(arguments: &[OsString]) -> bool {
    let texts = ["--help", "-h", "--version", "-V"];
    arguments
        .iter()
        .any(|word| texts.iter().any(|text| word == text))
}

/// What the client needs to find the server, and nothing by which it would find another.
fn surround(command: &mut Command, home: &OutworkCodexHome, variables: &Variables) {
    for other in OTHER_LOGINS {
        command.env_remove(other);
    }
    let url = &home.url;
    command
        .env("CODEX_HOME", &home.path)
        .env("CODEX_CLOUD_TASKS_BASE_URL", format!("{url}/backend-api"))
        .env("CODEX_AUTHAPI_BASE_URL", format!("{url}/api/accounts"))
        .env(
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE",
            format!("{url}/oauth/token"),
        )
        .env(
            "CODEX_REVOKE_TOKEN_URL_OVERRIDE",
            format!("{url}/oauth/revoke"),
        );
    if let Some(host) = on_this_machine(url) {
        for name in ["NO_PROXY", "no_proxy"] {
            let before = variables.text(name).filter(|list| !list.is_empty());
            let list = before.map_or(host.to_owned(), |list| format!("{list},{host}"));
            command.env(name, list);
        }
    }
    if let Some(authorities) = variables.path("SSL_CERT_FILE")
        && variables.path("CODEX_CA_CERTIFICATE").is_none()
    {
        command.env("CODEX_CA_CERTIFICATE", authorities);
    }
}

/// The host, if it is this machine: the client would ask its proxy for it.
fn on_this_machine(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => authority.split(':').next()?,
    };
    let is_here = host == "localhost" || host == "::1" || host.starts_with("127.");
    is_here.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::on_this_machine;

    #[test]
    fn a_proxy_is_not_asked_for_this_machine() {
        assert_eq!(on_this_machine("http://127.0.0.1:7420"), Some("127.0.0.1"));
        assert_eq!(on_this_machine("http://localhost/p"), Some("localhost"));
        assert_eq!(on_this_machine("http://[::1]:7420"), Some("::1"));
        assert_eq!(on_this_machine("https://outwork.example:443"), None);
    }
}
