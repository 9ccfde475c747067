//! `outwork integration link`, `unlink` and `links`: who of the other system is which member.

use clap::Args;
use outwork_api::integration::{Link, NewLink};
use outwork_domain::integration;
use serde::Serialize;

use super::resolve;
use crate::command::member;
use crate::error::CliError;
use crate::render::table;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Say which member somebody of the other system is
///
/// What that person asks for there is asked for by the member, with the member's role.
#[derive(Args, Clone, Debug)]
pub struct LinkArgs {
    /// The integration's name or id
    #[arg(value_name = "INTEGRATION")]
    pub integration: String,
    /// The person's id in the other system, which does not change, such as U024BE7LH
    #[arg(value_name = "USER", value_parser = external_id)]
    pub user: String,
    /// The member's name or id
    #[arg(value_name = "MEMBER")]
    pub member: String,
    /// What people call that person there
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Print the link as JSON
    #[arg(long)]
    pub json: bool,
}

/// Forget which member somebody of the other system is
#[derive(Args, Clone, Debug)]
pub struct UnlinkArgs {
    /// The integration's name or id
    #[arg(value_name = "INTEGRATION")]
    pub integration: String,
    /// The person's id in the other system
    #[arg(value_name = "USER", value_parser = external_id)]
    pub user: String,
}

/// List who of the other system is which member
#[derive(Args, Clone, Debug)]
pub struct LinksArgs {
    /// The integration's name or id
    #[arg(value_name = "INTEGRATION")]
    pub integration: String,
    /// Print `{"users":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// It becomes a part of an address.
fn external_id(text: &str) -> Result<String, String> {
    match integration::is_external_id(text) {
        true => Ok(text.to_owned()),
        false => Err("give the id, of letters, digits, `_` and `-`, and not a name".to_owned()),
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    users: &'a [Link],
}

pub(super) async fn link(args: LinkArgs, session: &mut Session) -> Result<(), CliError> {
    let LinkArgs {
        integration,
        user,
        member: name_or_id,
        name,
        json,
    } = args;
    let client = session.client()?;
    let it = resolve(&client, &integration).await?;
    let member = member::resolve(&client, &name_or_id).await?;
    let new = NewLink {
        external_id: user,
        name,
        member_id: member.id,
    };
    let link = client.link_user(&it.id, &new).await?;
    if json {
        return session.out.json(&link);
    }
    let (who, member) = (plain(&link.name), plain(&member.name));
    session.out.note(&format!("{who} is {member} from now on"));
    Ok(())
}

pub(super) async fn unlink(args: UnlinkArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let it = resolve(&client, &args.integration).await?;
    client.unlink_user(&it.id, &args.user).await?;
    session
        .out
        .note(&format!("forgot who {} is", plain(&args.user)));
    Ok(())
}

pub(super) async fn list(args: LinksArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let it = resolve(&client, &args.integration).await?;
    let users = client.linked_users(&it.id).await?.items;
    if args.json {
        return session.out.json(&Listed { users: &users });
    }
    let row = |it: &Link| {
        vec![
            it.external_id.clone(),
            it.name.clone(),
            it.member_id.clone(),
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    table::print(&mut session.out, &["USER", "NAME", "MEMBER"], rows)
}
