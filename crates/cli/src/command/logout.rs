//! `outwork logout`: forgets a server's token; with `--codex`, ends the stock client's login.

use clap::Args;
use outwork_api::client::Client;

use crate::codex::home::OutworkCodexHome;
use crate::config;
use crate::error::{CliError, Kind};
use crate::session::Session;

/// Sign out of a server
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Forgets the token of the server on this machine. The token itself holds on: the server gave it to
whoever set it up.

With --codex, ends what `outwork login --codex` began and nothing else: the server takes that token
no more from then on, whoever has it. Your own login of codex stays as it is.

  outwork logout --codex          the client on this machine
  outwork logout --codex --all    all of yours, wherever they are: also those signed in by a code
  outwork logout --url work       a server by its name or address")]
pub struct LogoutArgs {
    /// End the login of the stock client instead
    #[arg(long)]
    pub codex: bool,
    /// All logins of the stock client that are yours, on whatever machine
    #[arg(long, requires = "codex")]
    pub all: bool,
}

pub(crate) async fn run(args: LogoutArgs, session: &mut Session) -> Result<(), CliError> {
    let LogoutArgs { codex, all } = args;
    match (codex, all) {
        (false, _) => sign_out(session),
        (true, false) => sign_out_codex(session).await,
        (true, true) => sign_out_all(session).await,
    }
}

fn sign_out(session: &mut Session) -> Result<(), CliError> {
    let url = server(session)?;
    let config = session.files.config()?;
    if !config.hosts.contains_key(&url) {
        return Err(
            CliError::new(Kind::SignedOut, format!("you are not signed in to {url}"))
                .hint("`outwork context list` shows where you are"),
        );
    }
    session.files.sign_out(&url)?;
    session.out.note(&format!("signed out of {url}"));
    if OutworkCodexHome::read(&session.files).is_ok_and(|home| home.url == url) {
        session
            .out
            .note("codex is signed in to it still; `outwork logout --codex` ends that");
    }
    Ok(())
}

/// The server first: while it cannot be asked, the token is needed to try again.
async fn sign_out_codex(session: &mut Session) -> Result<(), CliError> {
    let home = OutworkCodexHome::read(&session.files)?;
    let token = home.access_token()?;
    let client = Client::new(
        &home.url,
        config::parse_token(&token, "the login of codex")?,
    )?;
    client.revoke_codex_login(&token).await?;
    home.remove()?;
    let url = &home.url;
    session.out.note(&format!(
        "codex is signed out of {url}; its token is refused"
    ));
    Ok(())
}

async fn sign_out_all(session: &mut Session) -> Result<(), CliError> {
    let url = server(session)?;
    session.client()?.revoke_codex_logins().await?;
    // What is kept here for another server holds on.
    if let Ok(home) = OutworkCodexHome::read(&session.files)
        && home.url == url
    {
        home.remove()?;
    }
    session.out.note(&format!(
        "all your logins of codex at {url} have ended; their tokens are refused"
    ));
    Ok(())
}

fn server(session: &Session) -> Result<String, CliError> {
    let flag = session.url_flag.as_deref();
    config::server_url(flag, &session.variables, &session.files)
}
