//! `outwork notify`: what you are told of your tasks, and where.

use clap::{Args, Subcommand};
use outwork_api::client::Client;
use outwork_api::notice::{NotificationPlace, NotificationRule, Notifications, QuietHours};
use outwork_domain::{IntegrationId, WebhookId};

use crate::environment_ref;
use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Say what you are told of your tasks, and where
///
/// With --env it is what all are told of the tasks of an environment.
#[derive(Subcommand, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork notify add --on needs_input --on failed --slack team
  outwork notify add --env web --on approval_wanted --slack team --channel C0123ABCD
  outwork notify quiet 22:00 07:00 --tz Europe/Vienna")]
pub enum NotifyCommand {
    /// Show what is told
    Show(ShowArgs),
    Add(AddArgs),
    /// Have nothing told any more
    Clear(ClearArgs),
    /// Have nothing told in a part of each day: it comes at the end
    Quiet(QuietArgs),
}

/// Show what is told
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Of all tasks of this environment, by label or id
    #[arg(long, value_name = "ENVIRONMENT")]
    pub env: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Have something told
///
/// There are needs_input (an agent asks), finished, failed, approval_wanted and pull_request.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("place").required(true))]
pub struct AddArgs {
    /// Of all tasks of this environment, by label or id
    #[arg(long, value_name = "ENVIRONMENT")]
    pub env: Option<String>,
    /// What is told; can be given several times
    #[arg(long = "on", value_name = "EVENT", required = true)]
    pub events: Vec<String>,
    /// In Slack, by this integration's name or id: to yourself, or in --channel
    #[arg(long, value_name = "INTEGRATION", group = "place")]
    pub slack: Option<String>,
    /// The channel's id
    #[arg(long, value_name = "CHANNEL", requires = "slack")]
    pub channel: Option<String>,
    /// At this webhook, by its id or address
    #[arg(long, value_name = "WEBHOOK", group = "place")]
    pub webhook: Option<String>,
    /// Print what is told now as JSON
    #[arg(long)]
    pub json: bool,
}

/// Have nothing told any more
#[derive(Args, Clone, Debug)]
pub struct ClearArgs {
    /// Of all tasks of this environment, by label or id
    #[arg(long, value_name = "ENVIRONMENT")]
    pub env: Option<String>,
}

/// Have nothing told in a part of each day: it comes at the end
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("hours").required(true).multiple(true))]
pub struct QuietArgs {
    /// Of all tasks of this environment, by label or id
    #[arg(long, value_name = "ENVIRONMENT")]
    pub env: Option<String>,
    /// When it begins, such as 22:00
    #[arg(requires_all = ["to", "tz"], group = "hours")]
    pub from: Option<String>,
    /// When it ends, such as 07:00
    pub to: Option<String>,
    /// In which time zone, such as Europe/Vienna
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// All day long is told again
    #[arg(long, conflicts_with_all = ["from", "to", "tz"], group = "hours")]
    pub off: bool,
    /// Print what is told now as JSON
    #[arg(long)]
    pub json: bool,
}

impl NotifyCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Show(args) => args.json,
            Self::Add(args) => args.json,
            Self::Quiet(args) => args.json,
            Self::Clear(_) => false,
        }
    }
}

pub(crate) async fn run(command: NotifyCommand, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    match command {
        NotifyCommand::Show(args) => {
            let of = environment(&client, args.env).await?;
            let settings = client.notifications(of.as_deref()).await?;
            print(&settings, args.json, session)
        }
        NotifyCommand::Add(args) => add(args, &client, session).await,
        NotifyCommand::Clear(args) => {
            let of = environment(&client, args.env).await?;
            let nothing = Notifications::default();
            client.set_notifications(of.as_deref(), &nothing).await?;
            session.out.note("nothing is told any more");
            Ok(())
        }
        NotifyCommand::Quiet(args) => quiet(args, &client, session).await,
    }
}

async fn environment(client: &Client, name: Option<String>) -> Result<Option<String>, CliError> {
    match name {
        Some(name) => Ok(Some(environment_ref::find(client, &name).await?.id)),
        None => Ok(None),
    }
}

async fn add(args: AddArgs, client: &Client, session: &mut Session) -> Result<(), CliError> {
    let AddArgs {
        env,
        events,
        slack,
        channel,
        webhook,
        json,
    } = args;
    let of = environment(client, env).await?;
    let to = match (slack, webhook) {
        (Some(name), _) => NotificationPlace::Slack {
            integration_id: integration(client, name).await?,
            channel,
        },
        (None, Some(name)) => NotificationPlace::Webhook {
            webhook_id: named_webhook(client, name).await?,
        },
        (None, None) => unreachable!("the command line has one of them"),
    };
    let mut settings = client.notifications(of.as_deref()).await?;
    let rule = NotificationRule { events, to };
    if !settings.rules.contains(&rule) {
        settings.rules.push(rule);
    }
    let now = client.set_notifications(of.as_deref(), &settings).await?;
    print(&now, json, session)
}

/// Who is no admin names it by its id.
async fn integration(client: &Client, name: String) -> Result<String, CliError> {
    if name.parse::<IntegrationId>().is_ok() {
        return Ok(name);
    }
    let all = client.integrations().await?.items;
    let folded = name.to_lowercase();
    let found = all.into_iter().find(|it| it.name.to_lowercase() == folded);
    found.map(|it| it.id).ok_or_else(|| {
        let message = format!(
            "there is no integration with the name or id `{}`",
            plain(&name)
        );
        let error = CliError::failed(message).code("not_found");
        error.hint("`outwork integration list` shows the integrations")
    })
}

async fn named_webhook(client: &Client, name: String) -> Result<String, CliError> {
    match name.parse::<WebhookId>() {
        Ok(_) => Ok(name),
        Err(_) => Ok(super::webhook::resolve(client, &name).await?.id),
    }
}

async fn quiet(args: QuietArgs, client: &Client, session: &mut Session) -> Result<(), CliError> {
    let QuietArgs {
        env,
        from,
        to,
        tz,
        off: _,
        json,
    } = args;
    let of = environment(client, env).await?;
    let mut settings = client.notifications(of.as_deref()).await?;
    settings.quiet_hours = match (from, to, tz) {
        (Some(from), Some(to), Some(time_zone)) => Some(QuietHours {
            from,
            to,
            time_zone,
        }),
        // --off.
        (_, _, _) => None,
    };
    let now = client.set_notifications(of.as_deref(), &settings).await?;
    print(&now, json, session)
}

fn print(settings: &Notifications, json: bool, session: &mut Session) -> Result<(), CliError> {
    if json {
        return session.out.json(settings);
    }
    let Notifications { rules, quiet_hours } = settings;
    if rules.is_empty() {
        session
            .out
            .note("nothing is told; `outwork notify add` has something told");
    }
    for NotificationRule { events, to } in rules {
        let place = match to {
            NotificationPlace::Slack {
                integration_id,
                channel: Some(channel),
            } => format!("Slack {channel} ({integration_id})"),
            NotificationPlace::Slack {
                integration_id,
                channel: None,
            } => format!("Slack, a message to you ({integration_id})"),
            NotificationPlace::Webhook { webhook_id } => format!("webhook {webhook_id}"),
            NotificationPlace::None => "nowhere".to_owned(),
            NotificationPlace::Unknown => "a place that a newer version knows".to_owned(),
        };
        let line = format!("{}  {}", events.join(","), place);
        session.out.line(&plain(&line))?;
    }
    if let Some(QuietHours {
        from,
        to,
        time_zone,
    }) = quiet_hours
    {
        let line = format!("quiet from {from} to {to} ({time_zone})");
        session.out.line(&plain(&line))?;
    }
    Ok(())
}
