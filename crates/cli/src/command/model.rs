//! `outwork model`: the model that agents use.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use outwork_api::secret::Secret;
use outwork_api::settings::{Model, NewModel};

use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Set the model that agents use
#[derive(Subcommand, Clone, Debug)]
pub enum ModelCommand {
    /// Set it
    Set(ModelSetArgs),
    /// Show it; the key is never shown
    Show(ModelShowArgs),
    /// Unset it, and forget its key
    Rm,
}

/// Set the model
#[derive(Args, Clone, Debug)]
pub struct ModelSetArgs {
    /// Where its API is, with the version: https://host/v1
    #[arg(long, value_name = "URL")]
    pub base_url: String,
    /// Its name, as the endpoint knows it
    #[arg(long)]
    pub name: String,
    /// A file that holds the key; `-` for standard input; the key that is set stays when left out
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// How many tokens a conversation may have
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    pub context_window: Option<u64>,
    /// Print the model as JSON
    #[arg(long)]
    pub json: bool,
}

/// Show the model
#[derive(Args, Clone, Debug)]
pub struct ModelShowArgs {
    /// Print the model as JSON
    #[arg(long)]
    pub json: bool,
}

impl ModelCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Set(args) => args.json,
            Self::Show(args) => args.json,
            Self::Rm => false,
        }
    }
}

pub(crate) async fn run(command: ModelCommand, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    match command {
        ModelCommand::Set(args) => {
            let ModelSetArgs {
                base_url,
                name,
                key_file,
                context_window,
                json,
            } = args;
            let api_key = match key_file {
                Some(path) => Some(read_key(session, &path).await?),
                None => None,
            };
            let model = NewModel {
                base_url,
                name,
                api_key: api_key.map(Secret::new),
                context_window,
            };
            let model = client.set_model(&model).await?;
            show(session, &model, json)
        }
        ModelCommand::Show(ModelShowArgs { json }) => match client.model().await? {
            Some(model) => show(session, &model, json),
            None => Err(CliError::failed("no model is set").code("not_found").hint(
                "set one with `outwork model set --base-url URL --name NAME --key-file FILE`",
            )),
        },
        ModelCommand::Rm => Ok(client.delete_model().await?),
    }
}

async fn read_key(session: &mut Session, path: &std::path::Path) -> Result<String, CliError> {
    let bytes = if path.as_os_str() == "-" {
        session.read_stdin().await?
    } else {
        let path = session.current_dir.join(path);
        std::fs::read(&path).map_err(|error| {
            let message = format!("the key file {} cannot be read", path.display());
            CliError::usage(message).source(error)
        })?
    };
    let key = String::from_utf8_lossy(&bytes).trim().to_owned();
    match key.is_empty() {
        true => Err(CliError::usage("the key file is empty")),
        false => Ok(key),
    }
}

fn show(session: &mut Session, model: &Model, is_json: bool) -> Result<(), CliError> {
    if is_json {
        return session.out.json(model);
    }
    let key = if model.has_api_key { "set" } else { "none" };
    for (name, value) in [
        ("name", plain(&model.name)),
        ("base URL", plain(&model.base_url)),
        ("key", key.to_owned()),
        ("context", format!("{} tokens", model.context_window)),
        ("set at", model.updated_at.to_string()),
    ] {
        session.out.line(&format!("{name:<10}{value}"))?;
    }
    Ok(())
}
