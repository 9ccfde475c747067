//! What `env create`, `env edit` and their kin take on the command line, and how it is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use outwork_api::Secret;
use outwork_api::environment::{Agent, Repository};
use outwork_domain::environment::{RuntimeName, repository_name};

use crate::error::CliError;
use crate::session::Session;

/// The agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AgentName {
    /// The Codex CLI
    Codex,
    /// Any program; the prompt is its standard input
    Command,
}

/// A secret and where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFlag {
    /// The variable that the scripts find it in.
    pub name: String,
    /// Where the value is.
    pub source: SecretSource,
}

/// Where the value of a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// On the command line.
    Given(Secret),
    /// In this variable of this process.
    Variable(String),
    /// In this file.
    File(PathBuf),
    /// On standard input.
    Stdin,
}

/// A further repository as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlsoFlag {
    name: Option<String>,
    url: String,
    branch: Option<String>,
}

/// Reads `NAME=VALUE`.
pub(crate) fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// Reads `NAME`, `NAME=VALUE`, `NAME=@FILE` or `NAME=-`.
pub(crate) fn parse_secret(text: &str) -> Result<SecretFlag, String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    if name.is_empty() {
        return Err("write it as NAME, NAME=@FILE, NAME=- or NAME=VALUE".to_owned());
    }
    let source = match value {
        None => SecretSource::Variable(name.to_owned()),
        Some("-") => SecretSource::Stdin,
        Some(value) => match value.strip_prefix('@') {
            Some(file) => SecretSource::File(PathBuf::from(file)),
            None => SecretSource::Given(Secret::new(value)),
        },
    };
    Ok(SecretFlag {
        name: name.to_owned(),
        source,
    })
}

/// Reads `node=22`.
pub(crate) fn parse_runtime(text: &str) -> Result<(String, String), String> {
    let names = RuntimeName::ALL.map(RuntimeName::as_str).join(", ");
    match text.split_once('=') {
        Some((name, version)) if RuntimeName::parse(name).is_some() && !version.is_empty() => {
            Ok((name.to_owned(), version.to_owned()))
        }
        Some(_) | None => Err(format!("write it as node=22; there are {names}")),
    }
}

/// Reads `NAME=URL#BRANCH`, where name and branch may be missing.
pub(crate) fn parse_also(text: &str) -> Result<AlsoFlag, String> {
    let is_name = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        !text.is_empty() && text.chars().all(plain)
    };
    let (name, rest) = match text.split_once('=') {
        Some((name, rest)) if is_name(name) => (Some(name.to_owned()), rest),
        Some(_) | None => (None, text),
    };
    let (url, branch) = match rest.split_once('#') {
        Some((url, branch)) => (url, Some(branch)),
        None => (rest, None),
    };
    if url.is_empty() || branch.is_some_and(str::is_empty) {
        return Err("write it as NAME=URL or NAME=URL#BRANCH".to_owned());
    }
    Ok(AlsoFlag {
        name,
        url: url.to_owned(),
        branch: branch.map(str::to_owned),
    })
}

/// The further repositories that the flags name.
pub(crate) fn further(session: &Session, flags: Vec<AlsoFlag>) -> Vec<Repository> {
    let further = flags.into_iter().map(|flag| {
        let AlsoFlag { name, url, branch } = flag;
        let url = repository(session, url);
        Repository {
            name: name.unwrap_or_else(|| repository_name(&url)),
            url,
            branch,
        }
    });
    further.collect()
}

/// The secrets that the flags name, with their values.
pub(crate) async fn secrets(
    session: &mut Session,
    flags: Vec<SecretFlag>,
) -> Result<BTreeMap<String, Secret>, CliError> {
    let mut secrets = BTreeMap::new();
    for SecretFlag { name, source } in flags {
        let value = secret(session, &name, source).await?;
        secrets.insert(name, value);
    }
    Ok(secrets)
}

/// The value of the secret `name`.
pub(crate) async fn secret(
    session: &mut Session,
    name: &str,
    source: SecretSource,
) -> Result<Secret, CliError> {
    value(session, &format!("secret {name}"), name, source).await
}

/// The value of what is called `what` in sentences, and given as `name=…`.
pub(super) async fn value(
    session: &mut Session,
    what: &str,
    name: &str,
    source: SecretSource,
) -> Result<Secret, CliError> {
    let bytes = match source {
        SecretSource::Given(secret) => return Ok(secret),
        SecretSource::Variable(variable) => {
            let value = session.variables.text(&variable).ok_or_else(|| {
                CliError::usage(format!(
                    "the variable {variable} is not set, and so is no value for the {what}"
                ))
                .hint(format!(
                    "set it; or give a file with {name}=@FILE, or standard input with {name}=-"
                ))
            })?;
            value.into_bytes()
        }
        SecretSource::File(path) => {
            let path = session.current_dir.join(path);
            std::fs::read(&path).map_err(|error| {
                let message = format!("the file {} cannot be read", path.display());
                CliError::usage(message)
                    .source(error)
                    .hint(format!("it is to hold the value of the {what}"))
            })?
        }
        SecretSource::Stdin if session.stdin_is_terminal => {
            let question = format!("{name} (not shown): ");
            session.ask_secret(&question).await?.into_bytes()
        }
        SecretSource::Stdin => session.read_stdin().await?,
    };
    let text = String::from_utf8(bytes).map_err(|_| {
        CliError::usage(format!("the value of the {what} is not UTF-8"))
            .hint("encode it, for instance with `base64`, and let the script decode it")
    })?;
    // As a shell's $(cat FILE) takes it.
    let text = text.trim_end_matches(['\r', '\n']);
    match text.is_empty() {
        true => Err(
            CliError::usage(format!("the {what} has no value")).hint(format!(
                "give one: {name}=@FILE, or {name}=- for standard input"
            )),
        ),
        false => Ok(Secret::new(text)),
    }
}

/// The agent that the flags name, if they name one.
pub(crate) fn choose_agent(
    name: Option<AgentName>,
    command: Option<String>,
) -> Result<Option<Agent>, CliError> {
    match (name, command) {
        (None | Some(AgentName::Command), Some(command)) => Ok(Some(Agent::Command { command })),
        (Some(AgentName::Codex), None) => Ok(Some(Agent::Codex {})),
        (None, None) => Ok(None),
        (Some(AgentName::Command), None) => Err(CliError::usage(
            "--agent command needs --agent-command",
        )
        .hint(
            "say what to run: --agent-command 'my-agent --flag'; the prompt is its standard input",
        )),
        (Some(AgentName::Codex), Some(_)) => Err(CliError::usage(
            "--agent-command goes with --agent command only",
        )
        .hint("leave one of them out")),
    }
}

/// A folder given by a relative path is meant from here, as git takes it.
pub(crate) fn repository(session: &Session, text: String) -> String {
    // With a colon before any slash it is `host:path`.
    let is_path = text
        .split('/')
        .next()
        .is_some_and(|start| !start.contains(':'));
    let absolute = (is_path && !text.is_empty() && !text.starts_with('/'))
        .then(|| session.current_dir.join(&text).canonicalize().ok())
        .flatten();
    absolute.map_or(text, |path| path.display().to_string())
}

/// The script in a file; `-` is standard input.
pub(crate) async fn read_script(session: &mut Session, path: &Path) -> Result<String, CliError> {
    let bytes = if path.as_os_str() == "-" {
        session.read_stdin().await?
    } else {
        let path = session.current_dir.join(path);
        std::fs::read(&path).map_err(|error| {
            CliError::usage(format!("the script {} cannot be read", path.display()))
                .source(error)
                .hint("name a Bash script on this machine, or `-` for standard input")
        })?
    };
    String::from_utf8(bytes)
        .map_err(|_| CliError::usage("the script is not UTF-8").hint("convert it with `iconv`"))
}

/// The script that a flag names, if it was given.
pub(crate) async fn script(
    session: &mut Session,
    path: Option<PathBuf>,
) -> Result<Option<String>, CliError> {
    match path {
        Some(path) => read_script(session, &path).await.map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_with_the_place_of_its_value() {
        let parsed = |text: &str| parse_secret(text).ok().map(|flag| (flag.name, flag.source));
        for (text, expected) in [
            ("A", Some(("A", SecretSource::Variable("A".to_owned())))),
            ("A=@f", Some(("A", SecretSource::File("f".into())))),
            ("A=-", Some(("A", SecretSource::Stdin))),
            (
                "A=b=c",
                Some(("A", SecretSource::Given(Secret::new("b=c")))),
            ),
            ("A=", Some(("A", SecretSource::Given(Secret::new(""))))),
            ("=b", None),
            ("", None),
        ] {
            let expected = expected.map(|(name, source)| (name.to_owned(), source));
            assert_eq!(parsed(text), expected, "{text}");
        }
        let printed = format!("{:?}", parse_secret("A=canary"));
        assert!(!printed.contains("canary"), "{printed}");
    }

    #[test]
    fn a_further_repository_may_have_a_name_and_a_branch() {
        let flag = |name: Option<&str>, url: &str, branch: Option<&str>| AlsoFlag {
            name: name.map(str::to_owned),
            url: url.to_owned(),
            branch: branch.map(str::to_owned),
        };
        for (text, expected) in [
            (
                "docs=https://h/d",
                Some(flag(Some("docs"), "https://h/d", None)),
            ),
            (
                "https://h/d#next",
                Some(flag(None, "https://h/d", Some("next"))),
            ),
            (
                "d.x=git@h:d#a/b",
                Some(flag(Some("d.x"), "git@h:d", Some("a/b"))),
            ),
            ("https://h/d?x=y", Some(flag(None, "https://h/d?x=y", None))),
            ("../docs", Some(flag(None, "../docs", None))),
            ("docs=", None),
            ("docs=#b", None),
            ("docs=u#", None),
            ("", None),
        ] {
            assert_eq!(parse_also(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_runtime_is_one_of_those_there_are() {
        let pair = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        for (text, expected) in [
            ("node=22", pair("node", "22")),
            ("python=3.11", pair("python", "3.11")),
            ("perl=5", None),
            ("node", None),
            ("node=", None),
        ] {
            assert_eq!(parse_runtime(text).ok(), expected, "{text}");
        }
    }
}
