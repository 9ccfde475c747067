//! `outwork integration add`: connects a forge or a chat.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use outwork_api::integration::{
    ForgeSettings, IntegrationSettings, NewApp, NewIntegration, SlackSettings, SlackWho,
};

use crate::error::CliError;
use crate::secret_file;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Connect a forge or a chat
#[derive(Subcommand, Clone, Debug)]
pub enum AddCommand {
    /// Connect GitHub, also Enterprise Server
    Github(GithubArgs),
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

/// What forges have.
#[derive(Args, Clone, Debug)]
pub struct PlainArgs {
    /// The name by which it is mentioned; `outwork` when left out
    #[arg(long, value_name = "NAME")]
    pub mention: Option<String>,
    /// Where its interface is, if it is not the usual public server: `https://HOST/api/v3` of GitHub, `/api/v4` of GitLab, `/api/v1` of Gitea
    #[arg(long, value_name = "URL")]
    pub api_url: Option<String>,
    /// What people must at least be allowed there
    #[arg(long, value_name = "RIGHT", value_parser = ["read", "triage", "write", "maintain", "admin"], default_value = "write")]
    pub permission: String,
    /// A label that gives a task
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// Open pull requests only when somebody asks for one
    #[arg(long)]
    pub pr_when_asked: bool,
    /// How often failing checks are looked into without anybody asking
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10), default_value = "3")]
    pub check_rounds: u32,
}

/// A forge.
#[derive(Args, Clone, Debug)]
pub struct ForgeArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub plain: PlainArgs,
    /// A file with the secret of its webhooks; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub webhook_secret_file: PathBuf,
    /// A file with the token that it is asked with; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
}

/// GitHub.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork integration add github hub --app --organization team
  outwork integration add github hub --webhook-secret-file secret --token-file token
  outwork integration add github hub --webhook-secret-file secret --app-id 12345 --app-key-file app.pem")]
pub struct GithubArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub plain: PlainArgs,
    /// Make a GitHub App: prints an address to be opened in a browser
    #[arg(long, conflicts_with_all = ["webhook_secret_file", "token_file", "app_id", "app_key_file"])]
    pub app: bool,
    /// The name that is proposed for the app, and by which it is mentioned; the integration's when left out
    #[arg(long, value_name = "NAME", requires = "app")]
    pub app_name: Option<String>,
    /// The organization that is to own the app
    #[arg(long, value_name = "NAME", requires = "app")]
    pub organization: Option<String>,
    /// Where people open GitHub, if it is not github.com
    #[arg(long, value_name = "URL", requires = "app")]
    pub web_url: Option<String>,
    /// A file with the secret of its webhooks; `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "app")]
    pub webhook_secret_file: Option<PathBuf>,
    /// A file with the token that it is asked with; `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present_any = ["app", "app_id"])]
    pub token_file: Option<PathBuf>,
    /// The number of a GitHub App that there is, in place of a token
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "app_key_file",
        conflicts_with = "token_file"
    )]
    pub app_id: Option<u64>,
    /// A file with that app's private key
    #[arg(long, value_name = "FILE", requires = "app_id")]
    pub app_key_file: Option<PathBuf>,
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
            Self::Github(args) => &args.common,
            Self::Gitlab(args) | Self::Gitea(args) => &args.common,
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
        AddCommand::Github(args) if args.app => return begin_app(args, session).await,
        AddCommand::Github(args) => IntegrationSettings::Github(github(args, session).await?),
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

/// The settings without secrets.
fn settings(plain: PlainArgs) -> ForgeSettings {
    let PlainArgs {
        mention,
        api_url,
        permission,
        label,
        pr_when_asked,
        check_rounds,
    } = plain;
    ForgeSettings {
        mention,
        api_url,
        permission: Some(permission),
        label,
        pull_requests: pr_when_asked.then(|| "when_asked".to_owned()),
        check_rounds: Some(check_rounds),
        app_id: None,
        webhook_secret: None,
        token: None,
        app_key: None,
    }
}

async fn forge(args: ForgeArgs, session: &mut Session) -> Result<ForgeSettings, CliError> {
    let ForgeArgs {
        common: _,
        plain,
        webhook_secret_file,
        token_file,
    } = args;
    let webhook = secret_file::secret(session, &webhook_secret_file, "webhook secret").await?;
    let token = secret_file::secret(session, &token_file, "token").await?;
    Ok(ForgeSettings {
        webhook_secret: Some(webhook),
        token: Some(token),
        ..settings(plain)
    })
}

async fn github(args: GithubArgs, session: &mut Session) -> Result<ForgeSettings, CliError> {
    let GithubArgs {
        common: _,
        plain,
        app: _,
        app_name: _,
        organization: _,
        web_url: _,
        webhook_secret_file,
        token_file,
        app_id,
        app_key_file,
    } = args;
    let mut settings = ForgeSettings {
        app_id,
        ..settings(plain)
    };
    if let Some(file) = webhook_secret_file {
        let secret = secret_file::secret(session, &file, "webhook secret").await?;
        settings.webhook_secret = Some(secret);
    }
    if let Some(file) = token_file {
        settings.token = Some(secret_file::secret(session, &file, "token").await?);
    }
    if let Some(file) = app_key_file {
        settings.app_key = Some(secret_file::secret(session, &file, "private key").await?);
    }
    Ok(settings)
}

/// Where a browser goes on; GitHub gives the secrets to the server.
async fn begin_app(args: GithubArgs, session: &mut Session) -> Result<(), CliError> {
    let GithubArgs {
        common,
        plain: of_forge,
        app_name,
        organization,
        web_url,
        ..
    } = args;
    let CommonArgs {
        name,
        environments,
        default_env,
        json,
    } = common;
    let new = NewApp {
        name,
        environments,
        default_environment: default_env,
        settings: settings(of_forge),
        app_name,
        organization,
        web_url,
    };
    let form = session.client()?.begin_app(&new).await?;
    if json {
        return session.out.json(&form);
    }
    session.out.line(&plain(&form.url))?;
    session
        .out
        .note("open it in a browser within an hour; GitHub makes the app and leads back");
    Ok(())
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
