//! `outwork model`: the model that agents use.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use outwork_api::Secret;
use outwork_api::client::{Client, ClientError};
use outwork_api::settings::{Model, NewModel, Prices};

use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

const SET_ONE: &str = "set one with `outwork model set --base-url URL --name NAME --key-file FILE`";

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

/// Set the model; what is left out stays as it is set
#[derive(Args, Clone, Debug)]
pub struct ModelSetArgs {
    /// Where its API is, with the version: https://host/v1 [default: as it is set]
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Its name, as the endpoint knows it [default: as it is set]
    #[arg(long)]
    pub name: Option<String>,
    /// A file that holds the key; `-` for standard input; the key that is set stays when left out
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The model needs no key; forget the one that is set
    #[arg(long, conflicts_with = "key_file")]
    pub no_key: bool,
    /// How many tokens a conversation may have [default: as it is set, or 128000]
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    pub context_window: Option<u64>,
    #[command(flatten)]
    pub prices: PriceArgs,
    /// Print the model as JSON
    #[arg(long)]
    pub json: bool,
}

/// What a million of its tokens cost
#[derive(Args, Clone, Debug, Default)]
pub struct PriceArgs {
    /// What a million tokens of input cost, such as 1.25 [default: as it is set, while address and name stay]
    #[arg(long, value_name = "PRICE")]
    pub price_input: Option<String>,
    /// The same of input that the model had cached [default: as other input]
    #[arg(long, value_name = "PRICE")]
    pub price_cached_input: Option<String>,
    /// The same of output, reasoning included
    #[arg(long, value_name = "PRICE")]
    pub price_output: Option<String>,
    /// The currency of the prices [default: as it is set, or USD]
    #[arg(long, value_name = "CODE")]
    pub currency: Option<String>,
    /// Forget the prices: what attempts cost is not known then
    #[arg(long, conflicts_with_all = ["price_input", "price_cached_input", "price_output", "currency"])]
    pub no_price: bool,
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
                no_key,
                context_window,
                prices,
                json,
            } = args;
            let api_key = match key_file {
                Some(path) => Some(read_key(session, &path).await?),
                None => no_key.then(String::new),
            };
            let asked = Asked {
                base_url,
                name,
                api_key,
                context_window,
                prices,
            };
            let model = completed(&client, asked).await?;
            let model = client.set_model(&model).await.map_err(key_advice)?;
            warn_of_plain_text(session, &model);
            show(session, &model, json)
        }
        ModelCommand::Show(ModelShowArgs { json }) => match client.model().await? {
            Some(model) => show(session, &model, json),
            None => Err(CliError::failed("no model is set")
                .code("not_found")
                .hint(SET_ONE)),
        },
        ModelCommand::Rm => {
            client.delete_model().await?;
            session.out.note("no model is set now");
            Ok(())
        }
    }
}

/// A key that is set is not sent to another server than it was given for.
fn key_advice(error: ClientError) -> CliError {
    let is_key = error.problem().is_some_and(|problem| {
        problem
            .errors
            .iter()
            .any(|field| field.pointer == "/api_key")
    });
    let error = CliError::from(error);
    match is_key {
        true => error.hint("give it with --key-file, or --no-key for a model without one"),
        false => error,
    }
}

/// What was given.
struct Asked {
    base_url: Option<String>,
    name: Option<String>,
    api_key: Option<String>,
    context_window: Option<u64>,
    prices: PriceArgs,
}

/// The model with what was given; the rest stays as it is set.
async fn completed(client: &Client, asked: Asked) -> Result<NewModel, CliError> {
    let Asked {
        base_url,
        name,
        api_key,
        context_window,
        prices,
    } = asked;
    let is_empty = base_url.is_none() && name.is_none() && api_key.is_none();
    if is_empty && context_window.is_none() && !prices.says_something() {
        return Err(CliError::usage("nothing to set was given").hint(SET_ONE));
    }
    let current = client.model().await?;
    let missing = |flag: &str| {
        CliError::usage(format!("{flag} is missing, and no model is set")).hint(SET_ONE)
    };
    let (current_url, current_name, current_window, current_prices) = match current {
        Some(model) => (
            Some(model.base_url),
            Some(model.name),
            Some(model.context_window),
            model.prices,
        ),
        None => (None, None, None, None),
    };
    let is_same = |new: &Option<String>, old: &Option<String>| match (new, old) {
        (Some(new), Some(old)) => new.trim_end_matches('/') == old.trim_end_matches('/'),
        (Some(_), None) => false,
        (None, _) => true,
    };
    // Those of another model would be wrong.
    let kept = current_prices
        .filter(|_| is_same(&base_url, &current_url) && is_same(&name, &current_name));
    Ok(NewModel {
        base_url: base_url
            .or(current_url)
            .ok_or_else(|| missing("--base-url"))?,
        name: name.or(current_name).ok_or_else(|| missing("--name"))?,
        api_key: api_key.map(Secret::new),
        context_window: context_window.or(current_window),
        prices: prices.completed(kept)?,
    })
}

impl PriceArgs {
    fn says_something(&self) -> bool {
        self.no_price || self.says_prices()
    }

    fn says_prices(&self) -> bool {
        let all = [
            &self.price_input,
            &self.price_cached_input,
            &self.price_output,
            &self.currency,
        ];
        all.into_iter().any(Option::is_some)
    }

    /// With those that stay.
    fn completed(self, kept: Option<Prices>) -> Result<Option<Prices>, CliError> {
        if self.no_price || !self.says_prices() {
            return Ok(kept.filter(|_| !self.no_price));
        }
        let missing = |flag: &str| {
            CliError::usage(format!("{flag} is missing, and no prices are set"))
                .hint("give --price-input and --price-output, for a million tokens each")
        };
        let (currency, input, cached, output) = match kept {
            Some(Prices {
                currency,
                input_per_million,
                cached_input_per_million,
                output_per_million,
            }) => (
                Some(currency),
                Some(input_per_million),
                cached_input_per_million,
                Some(output_per_million),
            ),
            None => (None, None, None, None),
        };
        Ok(Some(Prices {
            currency: self
                .currency
                .or(currency)
                .unwrap_or_else(|| "USD".to_owned()),
            input_per_million: self
                .price_input
                .or(input)
                .ok_or_else(|| missing("--price-input"))?,
            cached_input_per_million: self.price_cached_input.or(cached),
            output_per_million: self
                .price_output
                .or(output)
                .ok_or_else(|| missing("--price-output"))?,
        }))
    }
}

/// A model in the next room is well reached by http; whoever meant another one should know.
fn warn_of_plain_text(session: &mut Session, model: &Model) {
    let Some(rest) = model.base_url.strip_prefix("http://") else {
        return;
    };
    let host = rest.split('/').next().unwrap_or(rest);
    let is_here = ["localhost", "127.", "[::1]"]
        .iter()
        .any(|start| host.starts_with(start));
    if !is_here {
        session.out.note(&format!(
            "warning: prompts, code and the key go to {} unencrypted; use https where it can be",
            plain(host)
        ));
    }
}

async fn read_key(session: &mut Session, path: &std::path::Path) -> Result<String, CliError> {
    let bytes = if path.as_os_str() == "-" {
        session.read_stdin().await?
    } else {
        let path = session.current_dir.join(path);
        std::fs::read(&path).map_err(|error| {
            let message = format!("the key file {} cannot be read", path.display());
            CliError::usage(message).source(error).hint(
                "write the key into a file and name it, or give it on standard input with `-`",
            )
        })?
    };
    let key = String::from_utf8_lossy(&bytes).trim().to_owned();
    match key.is_empty() {
        true => Err(CliError::usage("the key file is empty")
            .hint("for a model without a key, give --no-key")),
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
        ("prices", prices(model.prices.as_ref())),
        ("set at", model.updated_at.to_string()),
    ] {
        session.out.line(&format!("{name:<10}{value}"))?;
    }
    Ok(())
}

fn prices(prices: Option<&Prices>) -> String {
    let Some(Prices {
        currency,
        input_per_million,
        cached_input_per_million,
        output_per_million,
    }) = prices
    else {
        return "not known".to_owned();
    };
    let cached = cached_input_per_million.iter();
    let cached: String = cached
        .map(|cached| format!(", {} cached", plain(cached)))
        .collect();
    format!(
        "{} in{cached}, {} out, {} for a million tokens",
        plain(input_per_million),
        plain(output_per_million),
        plain(currency)
    )
}
