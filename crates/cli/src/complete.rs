//! What a shell offers for the word that is being typed: ids and labels as the server has them now.
//!
//! A shell waits for this at each press of a key. So there is a short deadline, and whatever goes wrong (no server, no
//! token, no answer) offers nothing and says nothing: the line is not there to talk about that.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use outwork_api::client::{Client, TaskQuery};
use outwork_api::page::PageQuery;
use outwork_api::task::TaskSummary;

use crate::config::{self, ConfigFiles, Variables};
use crate::error::CliError;
use crate::terminal::plain::plain;

/// The variable by which a shell's script asks, with the shell's name as its value.
pub const VARIABLE: &str = "OUTWORK_COMPLETE";
/// How long a shell waits at most.
const DEADLINE: Duration = Duration::from_millis(300);
/// How many tasks are offered: the newest.
const TASKS: u32 = 20;

/// Where values come from.
struct Source {
    variables: Variables,
    files: ConfigFiles,
    /// The server that the line names itself.
    url_flag: Option<String>,
}

/// What an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Task(Tasks),
    Environment,
    Worker,
    Credential,
    Context,
    Member,
    Integration,
    Schedule,
    Webhook,
}

/// Which tasks make sense for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tasks {
    All,
    /// Those that have not ended.
    Open,
    /// Those whose agent asks.
    Asking,
}

/// A value, and what it is in words.
type Offer = (String, String);

/// The command line, for completion, with what its arguments can name. `line` is the process's arguments.
pub fn with_values(
    command: Command,
    variables: BTreeMap<OsString, OsString>,
    line: impl Iterator<Item = OsString>,
) -> Command {
    let variables = Variables::new(variables);
    let source = Source {
        files: ConfigFiles::from_variables(&variables),
        url_flag: url_flag(line),
        variables,
    };
    completed(command, &Arc::new(source))
}

fn url_flag(line: impl Iterator<Item = OsString>) -> Option<String> {
    let words: Vec<String> = line
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let after = |word: &String| word == "--url";
    let separate = words.iter().position(after);
    let joined = words.iter().find_map(|word| word.strip_prefix("--url="));
    let separate = separate.and_then(|place| words.get(place + 1));
    separate.map(String::as_str).or(joined).map(str::to_owned)
}

fn completed(command: Command, source: &Arc<Source>) -> Command {
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| match named(&name, &arg) {
        Some(named) => {
            let source = Arc::clone(source);
            arg.add(ArgValueCompleter::new(move |word: &OsStr| {
                offers(&source, named, word)
            }))
        }
        None => arg,
    });
    command.mut_subcommands(|subcommand| completed(subcommand, source))
}

/// What an argument of that command names, by what its help calls it.
fn named(command: &str, arg: &Arg) -> Option<Named> {
    let value = arg.get_value_names()?.first()?.as_str();
    match (arg.get_id().as_str(), value) {
        (_, "TASK") => Some(Named::Task(match command {
            "cancel" | "steer" | "interrupt" => Tasks::Open,
            "answer" => Tasks::Asking,
            _ => Tasks::All,
        })),
        ("env", _) | (_, "ENVIRONMENT") => Some(Named::Environment),
        (_, "WORKER" | "WORKER|ENROLMENT") => Some(Named::Worker),
        (_, "MEMBER") => Some(Named::Member),
        (_, "INTEGRATION") => Some(Named::Integration),
        (_, "SCHEDULE") => Some(Named::Schedule),
        (_, "WEBHOOK") => Some(Named::Webhook),
        (_, "SCOPE|ID") => Some(Named::Credential),
        (_, "CONTEXT") | ("url", _) => Some(Named::Context),
        (_, _) => None,
    }
}

fn offers(source: &Source, named: Named, word: &OsStr) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy();
    let found = source.within_deadline(named).unwrap_or_default();
    found
        .into_iter()
        .filter(|(value, _)| value.starts_with(&*word))
        // What a shell takes for an end of its line is no value that it can offer.
        .filter(|(value, _)| plain(value) == *value)
        .map(|(value, help)| {
            let help = (!help.is_empty()).then(|| plain(&help).into());
            CompletionCandidate::new(value).help(help)
        })
        .collect()
}

impl Source {
    fn within_deadline(&self, named: Named) -> Option<Vec<Offer>> {
        if named == Named::Context {
            return self.contexts().ok();
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .ok()?;
        let found =
            runtime.block_on(async { tokio::time::timeout(DEADLINE, self.found(named)).await });
        // A look-up of a name that nobody waits for any more must not hold the shell.
        runtime.shutdown_background();
        found.ok()?.ok()
    }

    fn client(&self) -> Result<Client, CliError> {
        let url = config::server_url(self.url_flag.as_deref(), &self.variables, &self.files)?;
        let token = config::token(&url, &self.variables, &self.files)?;
        Ok(Client::new(&url, token)?)
    }

    async fn found(&self, named: Named) -> Result<Vec<Offer>, CliError> {
        let client = self.client()?;
        match named {
            Named::Task(wanted) => tasks(&client, wanted).await,
            Named::Environment => {
                let all = client.all_environments().await?;
                Ok(all
                    .into_iter()
                    .map(|one| (one.label, one.repository_url))
                    .collect())
            }
            Named::Worker => {
                let all = client.workers().await?.items;
                Ok(all.into_iter().map(|one| (one.name, one.id)).collect())
            }
            Named::Credential => {
                let all = client.credentials().await?.items;
                Ok(all.into_iter().map(|one| (one.scope, one.id)).collect())
            }
            Named::Context => self.contexts(),
            Named::Integration => {
                let all = client.integrations().await?.items;
                Ok(all.into_iter().map(|one| (one.name, one.kind)).collect())
            }
            Named::Member => {
                let all = client.members().await?.items;
                Ok(all.into_iter().map(|one| (one.name, one.id)).collect())
            }
            Named::Schedule => {
                let all = client.schedules().await?.items;
                Ok(all.into_iter().map(|one| (one.id, one.title)).collect())
            }
            Named::Webhook => {
                let all = client.webhooks().await?.items;
                Ok(all.into_iter().map(|one| (one.url, one.state)).collect())
            }
        }
    }

    fn contexts(&self) -> Result<Vec<Offer>, CliError> {
        let config = self.files.config()?;
        let names = config.names();
        Ok(names
            .map(|(name, url, _)| (name.to_owned(), url.to_owned()))
            .collect())
    }
}

async fn tasks(client: &Client, wanted: Tasks) -> Result<Vec<Offer>, CliError> {
    let page = PageQuery {
        limit: Some(TASKS),
        cursor: None,
    };
    let query = TaskQuery {
        environment: None,
        kind: None,
        page,
    };
    let is_wanted = |task: &TaskSummary| match wanted {
        Tasks::All => true,
        Tasks::Open => !matches!(task.status.as_str(), "completed" | "failed"),
        Tasks::Asking => task.status == "needs_input",
    };
    let newest = client.tasks(&query).await?.items.into_iter();
    Ok(newest
        .filter(is_wanted)
        .map(|task| (task.id, format!("{} ({})", task.title, task.status)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_of_the_line_is_meant() {
        let flag = |line: &str| url_flag(line.split(' ').map(OsString::from));
        assert_eq!(flag("outwork --url work status").as_deref(), Some("work"));
        assert_eq!(
            flag("outwork status --url=http://h:1 x").as_deref(),
            Some("http://h:1")
        );
        assert_eq!(flag("outwork status"), None);
        assert_eq!(flag("outwork --url"), None);
    }
}
