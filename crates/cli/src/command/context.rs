//! `outwork context`: the servers that one is signed in to, and which of them is used.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::config::{Config, Host};
use crate::error::CliError;
use crate::render::table;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Choose between several servers
///
/// Each `outwork login` adds a context: a server, who is signed in, and a name. The newest is used until
/// another is chosen. Any command takes another one with `--url NAME`, or $OUTWORK_URL.
#[derive(Subcommand, Clone, Debug)]
pub enum ContextCommand {
    List(ListArgs),
    /// Use this server from now on
    Use(OneArgs),
    Rename(RenameArgs),
    /// Sign out of this server: its token is forgotten here
    Rm(OneArgs),
}

/// List the servers
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Print `{"contexts":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// One of them.
#[derive(Args, Clone, Debug)]
pub struct OneArgs {
    /// Its name or address
    #[arg(value_name = "CONTEXT")]
    pub context: String,
}

/// Give a server another name
#[derive(Args, Clone, Debug)]
pub struct RenameArgs {
    /// Its name or address
    #[arg(value_name = "CONTEXT")]
    pub context: String,
    /// What to call it
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: String,
}

/// Reads a context's name: what cannot be taken for an address.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    match text.chars().count() {
        1..=64 if text.chars().all(is_plain) => Ok(text.to_owned()),
        _ => Err("take letters, digits, `-`, `_` and `.`, at most 64".to_owned()),
    }
}

impl ContextCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::List(args) => args.json,
            Self::Use(_) | Self::Rename(_) | Self::Rm(_) => false,
        }
    }
}

pub(crate) fn run(command: ContextCommand, session: &mut Session) -> Result<(), CliError> {
    let config = session.files.config()?;
    match command {
        ContextCommand::List(args) => list(&config, session, &args),
        ContextCommand::Use(OneArgs { context }) => {
            let url = found(&config, &context)?;
            session
                .out
                .note(&format!("commands go to {} now", plain(&url)));
            let config = Config {
                default_host: Some(url),
                ..config
            };
            Ok(session.files.keep(&config)?)
        }
        ContextCommand::Rename(RenameArgs { context, name }) => {
            let url = found(&config, &context)?;
            let holder = config.url_of(&name);
            if holder.is_some_and(|holder| holder != url) {
                return Err(
                    CliError::failed(format!("another server is called `{name}`"))
                        .code("name_taken")
                        .hint("`outwork context list` shows the names"),
                );
            }
            let mut config = config;
            if let Some(host) = config.hosts.get_mut(&url) {
                host.name = Some(name);
            }
            Ok(session.files.keep(&config)?)
        }
        ContextCommand::Rm(OneArgs { context }) => {
            let url = found(&config, &context)?;
            session.files.sign_out(&url)?;
            session.out.note(&format!("signed out of {}", plain(&url)));
            if config.default_host.as_ref() == Some(&url) && config.hosts.len() > 1 {
                session
                    .out
                    .note("no server is chosen now; choose one with `outwork context use`");
            }
            Ok(())
        }
    }
}

fn found(config: &Config, context: &str) -> Result<String, CliError> {
    config.url_of(context).ok_or_else(|| {
        let names: Vec<&str> = config.names().map(|(name, _, _)| name).collect();
        let hint = match names.is_empty() {
            true => "sign in to one with `outwork login --url URL`".to_owned(),
            false => format!("there are: {}", names.join(", ")),
        };
        CliError::failed(format!("no server is called `{context}`"))
            .code("not_found")
            .hint(hint)
    })
}

fn list(config: &Config, session: &mut Session, args: &ListArgs) -> Result<(), CliError> {
    let is_used = |url: &str| config.default_host.as_deref() == Some(url);
    if args.json {
        let context = |(name, url, host): (&str, &str, &Host)| {
            json!({
                "name": name,
                "url": url,
                "user": host.user,
                "workspace": host.workspace,
                "is_used": is_used(url),
            })
        };
        let contexts: Vec<_> = config.names().map(context).collect();
        return session.out.json(&json!({"contexts": contexts}));
    }
    if config.hosts.is_empty() {
        session
            .out
            .note("none; sign in with `outwork login --url URL`");
        return Ok(());
    }
    let row = |(name, url, host): (&str, &str, &Host)| {
        let mark = if is_used(url) { "*" } else { "" };
        [mark, name, url, &host.user, &host.workspace]
            .map(plain)
            .to_vec()
    };
    let rows: Vec<_> = config.names().map(row).collect();
    table::print(
        &mut session.out,
        &["", "NAME", "URL", "USER", "WORKSPACE"],
        rows,
    )
}
