//! `outwork member`: who may do what.

use clap::{Args, Subcommand, ValueEnum};
use outwork_api::client::Client;
use outwork_api::member::{Member, MemberChange, MemberKind, NewMember, Role};
use outwork_domain::PrincipalId;
use serde::Serialize;

use crate::error::CliError;
use crate::render::table;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Say who may do what
///
/// Each role may also do what those before it may: a viewer reads; a reviewer comments and approves; a
/// member gives tasks, publishes and keeps environments; an admin keeps credentials, the model, the
/// workers and the members.
#[derive(Subcommand, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork member add 'Ada Lovelace' --role reviewer
  outwork token create --for 'Ada Lovelace' laptop > ada.token
  outwork member set 'Ada Lovelace' --role member")]
pub enum MemberCommand {
    /// List the members
    List(ListArgs),
    /// Add a member, who signs in with a token of `outwork token create`
    Add(AddArgs),
    /// Give a member another role or name
    Set(SetArgs),
    /// Let a member in no more: the tokens are revoked
    #[command(visible_alias = "rm")]
    Remove(RemoveArgs),
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    Viewer,
    Reviewer,
    Member,
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Reviewer => Self::Reviewer,
            RoleName::Member => Self::Member,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// List the members
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Print `{"members":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Add a member, who signs in with a token of `outwork token create`
#[derive(Args, Clone, Debug)]
pub struct AddArgs {
    /// What people call it; no other member is called so
    pub name: String,
    /// What it may do: viewer, reviewer, member or admin
    #[arg(long, value_name = "ROLE", hide_possible_values = true)]
    pub role: RoleName,
    /// It is a script or another system, and no person
    #[arg(long)]
    pub integration: bool,
    /// Print the member as JSON
    #[arg(long)]
    pub json: bool,
}

/// Give a member another role or name
#[derive(Args, Clone, Debug)]
pub struct SetArgs {
    /// The member's name or id
    #[arg(value_name = "MEMBER")]
    pub member: String,
    /// What it may do from now on: viewer, reviewer, member or admin
    #[arg(
        long,
        value_name = "ROLE",
        hide_possible_values = true,
        required_unless_present = "name"
    )]
    pub role: Option<RoleName>,
    /// What people call it from now on
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Print the member as JSON
    #[arg(long)]
    pub json: bool,
}

/// Let a member in no more: the tokens are revoked
#[derive(Args, Clone, Debug)]
pub struct RemoveArgs {
    /// The member's name or id
    #[arg(value_name = "MEMBER")]
    pub member: String,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    members: &'a [Member],
}

impl MemberCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::List(args) => args.json,
            Self::Add(args) => args.json,
            Self::Set(args) => args.json,
            Self::Remove(_) => false,
        }
    }
}

pub(crate) async fn run(command: MemberCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        MemberCommand::List(args) => list(args, session).await,
        MemberCommand::Add(args) => add(args, session).await,
        MemberCommand::Set(args) => set(args, session).await,
        MemberCommand::Remove(args) => remove(args, session).await,
    }
}

async fn list(args: ListArgs, session: &mut Session) -> Result<(), CliError> {
    let members = session.client()?.members().await?.items;
    if args.json {
        return session.out.json(&Listed { members: &members });
    }
    let row = |member: &Member| {
        vec![
            table::id(&session.out, &member.id),
            member.name.clone(),
            member.role.clone(),
            member.kind.clone(),
        ]
    };
    let rows: Vec<_> = members.iter().map(row).collect();
    table::print(&mut session.out, &["ID", "NAME", "ROLE", "KIND"], rows)
}

async fn add(args: AddArgs, session: &mut Session) -> Result<(), CliError> {
    let AddArgs {
        name,
        role,
        integration,
        json,
    } = args;
    let kind = match integration {
        true => MemberKind::Integration,
        false => MemberKind::User,
    };
    let new = NewMember {
        name,
        role: role.into(),
        kind,
    };
    let member = session.client()?.add_member(&new).await?;
    if json {
        return session.out.json(&member);
    }
    session.out.line(&plain(&member.id))?;
    let note = "added; `outwork token create --for NAME LABEL` makes a token to sign in with";
    session.out.note(note);
    Ok(())
}

async fn set(args: SetArgs, session: &mut Session) -> Result<(), CliError> {
    let SetArgs {
        member,
        role: asked,
        name,
        json,
    } = args;
    let client = session.client()?;
    let id = resolve(&client, &member).await?.id;
    let change = MemberChange {
        role: asked.map(Into::into),
        name,
    };
    let changed = client.change_member(&id, &change).await?;
    if json {
        return session.out.json(&changed);
    }
    let (name, role) = (plain(&changed.name), plain(&changed.role));
    session.out.note(&format!("{name} has the role {role}"));
    Ok(())
}

async fn remove(args: RemoveArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let member = resolve(&client, &args.member).await?;
    client.remove_member(&member.id).await?;
    session
        .out
        .note(&format!("removed {}", plain(&member.name)));
    Ok(())
}

/// A member that was named by its id, or by its name in upper or lower case.
pub(super) async fn resolve(client: &Client, name: &str) -> Result<Member, CliError> {
    let members = client.members().await?.items;
    let folded = name.to_lowercase();
    let is_id = name.parse::<PrincipalId>().is_ok();
    let is_meant = |member: &Member| match is_id {
        true => member.id == name,
        false => member.name.to_lowercase() == folded,
    };
    let mut found: Vec<Member> = members.into_iter().filter(is_meant).collect();
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(CliError::failed(format!(
            "there is no member with the name or id `{}`",
            plain(name)
        ))
        .code("not_found")
        .hint("`outwork member list` shows the members")),
        (Some(one), _) => Err(CliError::failed(format!(
            "there are several members with the name `{}`",
            plain(name)
        ))
        .code("ambiguous")
        .details(found.iter().chain([&one]).map(|one| plain(&one.id)))
        .hint("name one by its id")),
    }
}
