//! Which server and which token: flags, then environment variables, then files.
//!
//! The folder is `$OUTWORK_CONFIG_DIR`, or `outwork` below `$XDG_CONFIG_HOME` or `~/.config`. It
//! holds `config.toml` (servers) and `credentials.toml` (tokens; readable by its owner only).

mod files;
mod variables;

pub use files::{Config, ConfigError, ConfigFiles, Credentials, Host};
pub use variables::Variables;

use outwork_api::client::Token;

use crate::error::{CliError, Kind};

const NO_SERVER: &str =
    "start one here with `outwork up`, or sign in to one with `outwork login --url URL`";
/// How tokens of Outwork begin.
const TOKEN_PREFIX: &str = "ow_";

/// The address of the server to use: `flag`, `OUTWORK_URL`, the configured one, or that which the
/// stock client is pointed to.
pub fn server_url(
    flag: Option<&str>,
    variables: &Variables,
    files: &ConfigFiles,
) -> Result<String, CliError> {
    let given = flag
        .map(str::to_owned)
        .or_else(|| variables.text("OUTWORK_URL"));
    if let Some(given) = given.filter(|given| !given.trim().is_empty()) {
        // A wrong file must not keep from a server whose address is given.
        let named = match given.contains("://") {
            true => None,
            false => files.config()?.url_of(&given),
        };
        return named.map_or_else(|| checked(&given), Ok);
    }
    let stock = || {
        let url = variables.text("CODEX_CLOUD_TASKS_BASE_URL")?;
        // The stock client wants this path style; here it is one server all the same.
        let url = normalised(&url);
        Some(url.strip_suffix("/backend-api").unwrap_or(&url).to_owned())
    };
    let config = files.config()?;
    config
        .default_host
        .or_else(stock)
        .ok_or_else(|| CliError::new(Kind::SignedOut, "no server is configured").hint(NO_SERVER))
}

/// The token for `url`: `OUTWORK_TOKEN`, the file named by `OUTWORK_TOKEN_FILE`, the one kept at
/// login, or `CODEX_API_KEY` if that is one of Outwork's: a key for another service is never sent.
pub fn token(url: &str, variables: &Variables, files: &ConfigFiles) -> Result<Token, CliError> {
    if let Some(text) = variables
        .text("OUTWORK_TOKEN")
        .filter(|text| !text.is_empty())
    {
        return parse_token(&text, "OUTWORK_TOKEN");
    }
    if let Some(path) = variables
        .text("OUTWORK_TOKEN_FILE")
        .filter(|path| !path.is_empty())
    {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            CliError::new(
                Kind::SignedOut,
                format!("the token file {path} cannot be read"),
            )
            .source(error)
        })?;
        return parse_token(&text, &path);
    }
    if let Some(text) = files.credentials()?.tokens.get(url) {
        return parse_token(text, "the credentials file");
    }
    match variables.text("CODEX_API_KEY") {
        Some(text) if text.starts_with(TOKEN_PREFIX) => parse_token(&text, "CODEX_API_KEY"),
        Some(_) | None => {
            let message = format!("you are not signed in to {url}");
            let hint = format!("run `outwork login --url {url}`, or set OUTWORK_TOKEN");
            Err(CliError::new(Kind::SignedOut, message).hint(hint))
        }
    }
}

/// Reads a token from `place`.
pub fn parse_token(text: &str, place: &str) -> Result<Token, CliError> {
    Token::parse(text).map_err(|error| {
        CliError::new(Kind::SignedOut, format!("{place} holds no token"))
            .source(error)
            .hint("copy all of it, on one line, as the server gave it")
    })
}

/// A server's address that somebody gave: asked for a token only if it can be one.
fn checked(url: &str) -> Result<String, CliError> {
    let url = normalised(url);
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() => Ok(url),
        Some(_) | None => {
            let message = format!("`{url}` is not the address of a server");
            let hint = "write it with http:// or https://, such as http://127.0.0.1:7420; or name one that \
                `outwork context list` shows";
            Err(CliError::usage(message).code("bad_address").hint(hint))
        }
    }
}

/// The form in which servers are compared and kept: no white space, no slash at the end.
pub fn normalised(url: &str) -> String {
    url.trim().trim_end_matches('/').to_owned()
}
