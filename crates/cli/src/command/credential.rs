//! `outwork credential`: how private repositories are reached.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use outwork_api::Secret;
use outwork_api::client::Client;
use outwork_api::credential::{
    Credential, CredentialSecret, ForgeKind, NewCredential, PushSettings,
};
use outwork_domain::CredentialId;
use outwork_domain::credential::CredentialScope;
use serde::Serialize;

use crate::error::CliError;
use crate::render::{table, task};
use crate::secret_file;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Keep credentials for private repositories
#[derive(Subcommand, Clone, Debug)]
pub enum CredentialCommand {
    Set(SetArgs),
    /// List the credentials, without what is secret
    List(ListArgs),
    /// Remove a credential
    Rm(RmArgs),
}

/// Set a credential
///
/// It belongs to the workspace, is encrypted on the server, and is never shown again. The server finds
/// commits with it, and workers copy repositories; no sandbox sees it. With --push it is for `outwork pr`
/// alone, may write, and is never given to a worker. One of the same scope and kind is replaced.
#[derive(Args, Clone, Debug)]
#[command(
    group = clap::ArgGroup::new("secret").required(true),
    after_help = "\
Examples:
  outwork credential set git.example.com --token-file ~/token
  outwork credential set git.example.com/team --token-file - --username ada
  outwork credential set git.example.com --ssh-key-file ~/.ssh/deploy_key --known-hosts hosts
  outwork credential set github.com/team --push --token-file ~/write-token
  outwork credential set git.example.com --push --forge gitea --token-file ~/write-token"
)]
pub struct SetArgs {
    /// Which repositories: a host, or a host and the beginning of a path; the longest that fits is used
    #[arg(value_name = "SCOPE", value_parser = parse_scope)]
    pub scope: String,
    /// For https: a file that holds the token or password; `-` for standard input
    #[arg(long, value_name = "FILE", group = "secret")]
    pub token_file: Option<PathBuf>,
    /// For ssh: a file that holds an unencrypted private key; `-` for standard input
    #[arg(long, value_name = "FILE", group = "secret")]
    pub ssh_key_file: Option<PathBuf>,
    /// The host's keys, as in ~/.ssh/known_hosts; the first key seen is kept when left out
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    pub known_hosts: Option<PathBuf>,
    /// The user name, where the server wants a particular one with the token
    #[arg(long, value_name = "NAME", conflicts_with = "ssh_key_file")]
    pub username: Option<String>,
    /// It is for publishing results, and for nothing else
    #[arg(long)]
    pub push: bool,
    /// What the repositories' server is, so that pull requests can be opened: github, gitlab, gitea (also Forgejo) or
    /// none; known for github.com, gitlab.com, codeberg.org and gitea.com
    #[arg(long, value_name = "KIND", requires = "push", value_parser = parse_forge)]
    pub forge: Option<ForgeKind>,
    /// Where that server's interface is, if not at the usual place of its host
    #[arg(long, value_name = "URL", requires = "push")]
    pub api_url: Option<String>,
    /// Print the credential as JSON, without what is secret
    #[arg(long)]
    pub json: bool,
}

/// List the credentials, without what is secret
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Print `{"credentials":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Remove a credential
#[derive(Args, Clone, Debug)]
pub struct RmArgs {
    /// Its scope or id
    #[arg(value_name = "SCOPE|ID")]
    pub credential: String,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    credentials: &'a [Credential],
}

impl CredentialCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Set(args) => args.json,
            Self::List(args) => args.json,
            Self::Rm(_) => false,
        }
    }
}

fn parse_forge(text: &str) -> Result<ForgeKind, String> {
    match text {
        "github" => Ok(ForgeKind::Github),
        "gitlab" => Ok(ForgeKind::Gitlab),
        "gitea" | "forgejo" => Ok(ForgeKind::Gitea),
        "none" => Ok(ForgeKind::None),
        _ => Err("write github, gitlab, gitea, forgejo or none".to_owned()),
    }
}

fn parse_scope(text: &str) -> Result<String, String> {
    CredentialScope::parse(text)
        .map(|scope| scope.as_str().to_owned())
        .map_err(|error| error.to_string())
}

pub(crate) async fn run(command: CredentialCommand, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    match command {
        CredentialCommand::Set(args) => set(args, &client, session).await,
        CredentialCommand::List(args) => list(args, &client, session).await,
        CredentialCommand::Rm(args) => remove(args, &client, session).await,
    }
}

async fn set(args: SetArgs, client: &Client, session: &mut Session) -> Result<(), CliError> {
    let SetArgs {
        scope,
        token_file,
        ssh_key_file,
        known_hosts,
        username,
        push,
        forge,
        api_url,
        json,
    } = args;
    let secret = match (token_file, ssh_key_file) {
        (Some(path), _) => CredentialSecret::Token {
            username,
            token: secret_file::secret(session, &path, "token").await?,
        },
        (None, Some(path)) => CredentialSecret::SshKey {
            private_key: private_key(session, &path).await?,
            known_hosts: match known_hosts {
                Some(path) => {
                    Some(secret_file::text(session, &path, "the file of known hosts").await?)
                }
                None => None,
            },
        },
        (None, None) => unreachable!("the command line has one of them"),
    };
    let stored = client
        .set_credential(&NewCredential {
            scope,
            secret,
            push: push.then_some(PushSettings { forge, api_url }),
        })
        .await?;
    match json {
        true => session.out.json(&stored),
        false => session.out.line(&plain(&stored.id)),
    }
}

async fn private_key(session: &mut Session, path: &Path) -> Result<Secret, CliError> {
    let text = secret_file::text(session, path, "the key file").await?;
    let text = text.trim();
    if !text.starts_with("-----BEGIN ") || !text.contains("PRIVATE KEY-----") {
        return Err(CliError::usage("the key file holds no private key")
            .hint("name the private one of the two files, without .pub at its end"));
    }
    // OpenSSH reads no key whose last line does not end.
    Ok(Secret::new(format!("{text}\n")))
}

async fn list(args: ListArgs, client: &Client, session: &mut Session) -> Result<(), CliError> {
    let credentials = client.credentials().await?.items;
    if args.json {
        return session.out.json(&Listed {
            credentials: &credentials,
        });
    }
    if credentials.is_empty() {
        session
            .out
            .note("no credentials; set one with `outwork credential set HOST --token-file FILE`");
        return Ok(());
    }
    let is_terminal = session.out.stdout_is_terminal;
    let now = (session.now)();
    let rows: Vec<_> = credentials
        .iter()
        .map(|credential| {
            let Credential {
                id,
                scope,
                kind,
                username,
                updated_at,
            } = credential;
            let set = match is_terminal {
                true => task::age(*updated_at, now),
                false => updated_at.to_string(),
            };
            vec![
                table::id(&session.out, id),
                scope.clone(),
                kind.clone(),
                username.clone().unwrap_or_default(),
                set,
            ]
        })
        .collect();
    let headers = ["ID", "SCOPE", "KIND", "USER", "SET"];
    table::print(&mut session.out, &headers, rows)
}

async fn remove(args: RmArgs, client: &Client, session: &mut Session) -> Result<(), CliError> {
    let name = args.credential;
    let id = match name.parse::<CredentialId>() {
        Ok(id) => id.to_string(),
        Err(_) => find(client, &name).await?,
    };
    client.delete_credential(&id).await?;
    session.out.note(&format!("removed {}", plain(&name)));
    Ok(())
}

/// The id of the only credential with that scope.
async fn find(client: &Client, scope: &str) -> Result<String, CliError> {
    let parsed = parse_scope(scope).ok();
    let found: Vec<Credential> = client
        .credentials()
        .await?
        .items
        .into_iter()
        .filter(|one| Some(&one.scope) == parsed.as_ref())
        .collect();
    match found.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(
            CliError::failed(format!("there is no credential for `{scope}`"))
                .code("not_found")
                .hint("`outwork credential list` shows the credentials"),
        ),
        several => Err(CliError::failed(format!(
            "there are {} credentials for `{scope}`",
            several.len()
        ))
        .code("ambiguous")
        .details(
            several
                .iter()
                .map(|one| format!("{}  {}", one.id, one.kind)),
        )
        .hint("name one by its id")),
    }
}
