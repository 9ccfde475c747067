//! `outwork token`: the tokens of members.

use clap::{Args, Subcommand, ValueEnum};
use outwork_api::client::Client;
use outwork_api::member::{MemberToken, NewMemberToken, Scope};
use outwork_domain::TokenId;
use serde::Serialize;

use super::member;
use crate::error::CliError;
use crate::render::table;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Make and revoke tokens of members
#[derive(Subcommand, Clone, Debug)]
pub enum TokenCommand {
    Create(CreateArgs),
    /// List tokens, without their texts
    List(ListArgs),
    /// Revoke a token
    Revoke(RevokeArgs),
}

/// Make a token
///
/// It is printed this once; the server keeps its hash. Admins make tokens, for themselves and for others.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork token create --for Ada laptop > ada.token
  outwork token create --for ci --days 90 --scope tasks --scope publish 'nightly build' > ci.token")]
pub struct CreateArgs {
    /// The member that it speaks for; yourself when left out
    #[arg(long = "for", value_name = "MEMBER")]
    pub member: Option<String>,
    /// In how many days it is accepted no more; never when left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3650))]
    pub days: Option<u64>,
    /// What it may at most, besides reading: read (nothing else), review, tasks, publish, settings or admin; may be
    /// repeated. Everything that its member may when left out
    #[arg(long = "scope", value_name = "SCOPE", hide_possible_values = true)]
    pub scopes: Vec<ScopeName>,
    /// What it is for
    #[arg(value_name = "LABEL")]
    pub label: String,
    /// Print the token and what is kept of it as JSON
    #[arg(long)]
    pub json: bool,
}

/// What a token may at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScopeName {
    Read,
    Review,
    Tasks,
    Publish,
    Settings,
    Admin,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Read => Self::Read,
            ScopeName::Review => Self::Review,
            ScopeName::Tasks => Self::Tasks,
            ScopeName::Publish => Self::Publish,
            ScopeName::Settings => Self::Settings,
            ScopeName::Admin => Self::Admin,
        }
    }
}

/// List tokens, without their texts
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// The member whose they are; yours when left out
    #[arg(long = "for", value_name = "MEMBER")]
    pub member: Option<String>,
    /// Print `{"tokens":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Revoke a token
#[derive(Args, Clone, Debug)]
pub struct RevokeArgs {
    /// The token's id, as `outwork token list` shows it
    #[arg(value_name = "TOKEN")]
    pub token: TokenId,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    tokens: &'a [MemberToken],
}

impl TokenCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Create(args) => args.json,
            Self::List(args) => args.json,
            Self::Revoke(_) => false,
        }
    }
}

pub(crate) async fn run(command: TokenCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        TokenCommand::Create(args) => create(args, session).await,
        TokenCommand::List(args) => list(args, session).await,
        TokenCommand::Revoke(args) => revoke(args, session).await,
    }
}

async fn create(args: CreateArgs, session: &mut Session) -> Result<(), CliError> {
    let CreateArgs {
        member,
        days,
        scopes,
        label,
        json,
    } = args;
    let client = session.client()?;
    let member = named(&client, member).await?;
    let new = NewMemberToken {
        label,
        scopes: scopes.into_iter().map(Into::into).collect(),
        expires_in_days: days,
    };
    let made = client.make_member_token(&member, &new).await?;
    if json {
        return session.out.json(&made);
    }
    // Alone on standard output, so that it can be sent to a file.
    session.out.line(&plain(made.token.reveal()))?;
    let id = plain(&made.stored.id);
    let until = match made.stored.expires_at {
        Some(at) => format!(" until {at}"),
        None => String::new(),
    };
    session
        .out
        .note(&format!("{id} is accepted{until}; it is not shown again"));
    Ok(())
}

async fn list(args: ListArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let member = named(&client, args.member).await?;
    let tokens = client.member_tokens(&member).await?.items;
    if args.json {
        return session.out.json(&Listed { tokens: &tokens });
    }
    let row = |token: &MemberToken| {
        let until = token.expires_at.map(|at| at.to_string());
        vec![
            token.id.clone(),
            token.label.clone().unwrap_or_default(),
            token.created_at.to_string(),
            until.unwrap_or_else(|| "never".to_owned()),
            match token.scopes.as_slice() {
                [] => "all".to_owned(),
                scopes => scopes.join(" "),
            },
        ]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    let headers = ["ID", "LABEL", "MADE", "EXPIRES", "SCOPES"];
    table::print(&mut session.out, &headers, rows)
}

async fn revoke(args: RevokeArgs, session: &mut Session) -> Result<(), CliError> {
    let id = args.token.to_string();
    session.client()?.revoke_member_token(&id).await?;
    session.out.note(&format!("revoked {id}"));
    Ok(())
}

/// The id of the member named, else one's own.
async fn named(client: &Client, name: Option<String>) -> Result<String, CliError> {
    Ok(match name {
        Some(name) => member::resolve(client, &name).await?.id,
        None => client.me().await?.principal_id,
    })
}
