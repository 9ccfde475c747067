//! `outwork integration add`: connects a forge or a chat.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use outwork_api::integration::{
    ForgeSettings, IntegrationSettings, NewIntegration, SlackSettings, SlackWho,
};

use crate::error::CliError;
use crate::secret_file;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Connect a forge or a chat
#[derive(Subcommand, Clone, Debug)]
pub enum AddCommand {
    /// Connect GitHub, also Enterprise Server
    Github(ForgeArgs),
    /// Connect GitLab
    Gitlab(ForgeArgs),
    /// Connect Gitea or Forgejo
    Gitea(ForgeArgs),
    /// Connect a workspace of Slack
    Slack(SlackArgs),
}

/// What every kind has.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// What people call it, and the member that it acts as
    pub name: String,
    /// An environment that tasks from there may run in; all when left out. May be repeated
    #[arg(long = "env", value_name = "ENVIRONMENT")]
    pub environments: Vec<String>,
    /// The environment where nothing else says which
    #[arg(long, value_name = "ENVIRONMENT")]
    pub default_env: Option<String>,
    /// Print the integration as JSON
    #[arg(long)]
    pub json: bool,
}

/// A forge.
#[derive(Args, Clone, Debug)]
pub struct ForgeArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// The name by which it is mentioned; `outwork` when left out
    #[arg(long, value_name = "NAME")]
    pub mention: Option<String>,
    /// A file with the secret of its webhooks; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub webhook_secret_file: PathBuf,
    /// A file with the token that it is asked with; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
}

/// A workspace of Slack.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork integration add slack slack --signing-secret-file secret --bot-token-file bot
  outwork integration add slack slack --app-token-file app --bot-token-file bot --env web")]
pub struct SlackArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// A file with the app's signing secret, for what Slack sends to the server; `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "app_token_file")]
    pub signing_secret_file: Option<PathBuf>,
    /// A file with the bot's token, `xoxb-…`; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub bot_token_file: PathBuf,
    /// A file with the app's token, `xapp-…`, for Socket Mode, where the server asks Slack; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub app_token_file: Option<PathBuf>,
    /// A channel in which tasks may be given, by its id; all when left out. May be repeated
    #[arg(long = "channel", value_name = "ID")]
    pub channels: Vec<String>,
    /// Let all full members of the Slack workspace give tasks, not only those who are linked to a member
    #[arg(long)]
    pub everyone: bool,
    /// Link whoever has the name of a member as confirmed address for mail
    #[arg(long)]
    pub link_by_email: bool,
    /// Tell threads no more of a task than its link and its state
    #[arg(long)]
    pub link_only: bool,
    /// Where Slack's Web API is; `https://slack.com/api` when left out
    #[arg(long, value_name = "URL")]
    pub api_url: Option<String>,
}

impl AddCommand {
    pub(super) fn common(&self) -> &CommonArgs {
        match self {
            Self::Github(args) | Self::Gitlab(args) | Self::Gitea(args) => &args.common,
            Self::Slack(args) => &args.common,
        }
    }
}

pub(super) async fn run(command: AddCommand, session: &mut Session) -> Result<(), CliError> {
    let CommonArgs {
        name,
        environments,
        default_env,
        json,
    } = command.common().clone();
    let settings = match command {
        AddCommand::Github(args) => IntegrationSettings::Github(forge(args, session).await?),
        AddCommand::Gitlab(args) => IntegrationSettings::Gitlab(forge(args, session).await?),
        AddCommand::Gitea(args) => IntegrationSettings::Gitea(forge(args, session).await?),
        AddCommand::Slack(args) => IntegrationSettings::Slack(slack(args, session).await?),
    };
    let new = NewIntegration {
        name,
        environments,
        default_environment: default_env,
        settings,
    };
    let made = session.client()?.add_integration(&new).await?;
    if json {
        return session.out.json(&made);
    }
    session.out.line(&plain(&made.hook_url))?;
    session
        .out
        .note("added; the address is where the other system sends what happens there");
    Ok(())
}

async fn forge(args: ForgeArgs, session: &mut Session) -> Result<ForgeSettings, CliError> {
    let ForgeArgs {
        common: _,
        mention,
        webhook_secret_file,
        token_file,
    } = args;
    Ok(ForgeSettings {
        mention,
        webhook_secret: Some(
            secret_file::secret(session, &webhook_secret_file, "webhook secret").await?,
        ),
        token: Some(secret_file::secret(session, &token_file, "token").await?),
    })
}

async fn slack(args: SlackArgs, session: &mut Session) -> Result<SlackSettings, CliError> {
    let SlackArgs {
        common: _,
        signing_secret_file,
        bot_token_file,
        app_token_file,
        channels,
        everyone,
        link_by_email,
        link_only,
        api_url,
    } = args;
    let signing_secret = match signing_secret_file {
        Some(path) => Some(secret_file::secret(session, &path, "signing secret").await?),
        None => None,
    };
    let app_token = match app_token_file {
        Some(path) => Some(secret_file::secret(session, &path, "app's token").await?),
        None => None,
    };
    Ok(SlackSettings {
        signing_secret,
        bot_token: Some(secret_file::secret(session, &bot_token_file, "token").await?),
        socket_mode: app_token.is_some(),
        app_token,
        link_only,
        channels,
        who: match everyone {
            true => SlackWho::Everyone,
            false => SlackWho::Linked,
        },
        link_by_email,
        api_url,
    })
}
