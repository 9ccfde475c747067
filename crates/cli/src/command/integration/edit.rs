//! `outwork integration edit`: changes an integration.

use std::path::PathBuf;

use clap::Args;
use outwork_api::integration::IntegrationChange;
use serde_json::{Map, Value};

use super::{print, resolve};
use crate::error::CliError;
use crate::secret_file;
use crate::session::Session;

/// Change an integration; what is left out stays as it is
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork integration edit github --set mention=robot
  outwork integration edit github --secret token=~/new-token
  outwork integration edit slack --off")]
pub struct EditArgs {
    /// The integration's name or id
    #[arg(value_name = "INTEGRATION")]
    pub integration: String,
    /// What people call it from now on
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// An environment that tasks from there may run in, instead of those before; an empty text: all. May be repeated
    #[arg(long = "env", value_name = "ENVIRONMENT")]
    pub environments: Vec<String>,
    /// The environment where nothing else says which; an empty text: none
    #[arg(long, value_name = "ENVIRONMENT")]
    pub default_env: Option<String>,
    /// A setting, by the name that `show` has; an empty text removes it. May be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// A secret, from a file; `-` is standard input. May be repeated
    #[arg(long, value_name = "NAME=FILE", value_parser = pair)]
    pub secret: Vec<(String, String)>,
    /// Take what comes in, and send
    #[arg(long, conflicts_with = "off")]
    pub active: bool,
    /// Neither take nor send anything
    #[arg(long)]
    pub off: bool,
    /// Print the integration as JSON
    #[arg(long)]
    pub json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = split.ok_or("write a name, `=`, and what it is to be")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(args: EditArgs, session: &mut Session) -> Result<(), CliError> {
    let EditArgs {
        integration,
        name,
        environments,
        default_env,
        set,
        secret,
        active,
        off,
        json,
    } = args;
    let client = session.client()?;
    let it = resolve(&client, &integration).await?;
    let settings = match set.is_empty() && secret.is_empty() {
        true => None,
        false => {
            let mut settings = it.settings.as_object().cloned().unwrap_or_default();
            settings.insert("kind".to_owned(), it.kind.clone().into());
            settings.extend(
                set.into_iter()
                    .map(|(name, value)| (name, json_or_text(value))),
            );
            settings.retain(|_, value| value.as_str() != Some(""));
            for (name, path) in secret {
                let secret = secret_file::secret(session, &PathBuf::from(path), &name).await?;
                settings.insert(name, secret.reveal().into());
            }
            Some(known(settings)?)
        }
    };
    let change = IntegrationChange {
        name,
        environments: (!environments.is_empty()).then(|| {
            environments
                .into_iter()
                .filter(|label| !label.is_empty())
                .collect()
        }),
        default_environment: default_env,
        is_active: (active || off).then_some(active),
        settings,
    };
    let changed = client.change_integration(&it.id, &change).await?;
    print(&changed, json, session)
}

/// `true`, `3` and `["a"]` are what they look like; anything else is text.
fn json_or_text(value: String) -> Value {
    match serde_json::from_str(&value) {
        Ok(Value::String(_)) | Err(_) => Value::String(value),
        Ok(json) => json,
    }
}

fn known<T: serde::de::DeserializeOwned>(settings: Map<String, Value>) -> Result<T, CliError> {
    serde_json::from_value(Value::Object(settings)).map_err(|error| {
        CliError::usage(format!("the integration has no such setting: {error}"))
            .hint("`outwork integration show NAME` shows what there is")
    })
}
