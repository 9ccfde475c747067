//! `outwork login`: checks a token and keeps it.

use std::path::PathBuf;

use clap::Args;
use outwork_api::client::{Client, Token};
use outwork_api::codex::DeviceApproval;

use crate::codex::home::OutworkCodexHome;
use crate::config::{self, Host};
use crate::error::{CliError, Kind};
use crate::session::Session;
use crate::terminal::plain::plain;

const TOKEN_PLACE: &str =
    "the server keeps its first token in its data directory, in the file admin.token";

/// Sign in to a server
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The server is the one given by --url or $OUTWORK_URL; its token is printed or written to a file by
the server: admin.token in its data directory. Without --token or --token-file it is asked for, or
read from standard input:

  outwork login --url http://127.0.0.1:7420 < admin.token

With --codex, `outwork codex` is signed in too: the stock client gets a token and a home of its own,
and your own login of codex stays as it is.

A token on the command line is seen by other users of the machine, and kept by the shell.")]
pub struct LoginArgs {
    /// The token itself
    #[arg(long, conflicts_with = "token_file")]
    pub token: Option<String>,
    /// A file that holds the token
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// What to call the server, for `--url` and `outwork context`; its host when left out
    #[arg(long, value_name = "NAME", value_parser = super::context::name)]
    pub name: Option<String>,
    /// Sign in the stock client as well, for `outwork codex`
    #[arg(long)]
    pub codex: bool,
    /// Sign in the client that shows this code (`codex login --device-auth`)
    #[arg(long, value_name = "CODE", conflicts_with_all = ["token", "token_file", "codex"])]
    pub approve: Option<String>,
}

pub(crate) async fn run(args: LoginArgs, session: &mut Session) -> Result<(), CliError> {
    if let Some(user_code) = args.approve {
        let approval = DeviceApproval { user_code };
        session.client()?.approve_device(&approval).await?;
        session
            .out
            .note("approved; that client is signed in as you");
        return Ok(());
    }
    if !args.codex {
        return sign_in(args, session).await;
    }
    let gives_token = args.token.is_some() || args.token_file.is_some();
    if gives_token || session.client().is_err() {
        sign_in(args, session).await?;
    }
    sign_in_codex(session).await
}

/// A login for the stock client, for whoever is signed in.
async fn sign_in_codex(session: &mut Session) -> Result<(), CliError> {
    let url = config::server_url(
        session.url_flag.as_deref(),
        &session.variables,
        &session.files,
    )?;
    let login = session.client()?.codex_login().await?;
    let home = OutworkCodexHome::write(&session.files, &url, &login)?;
    session.out.note(&format!(
        "codex is signed in to {url} in {}; run `outwork codex -- cloud`",
        home.path.display()
    ));
    Ok(())
}

async fn sign_in(args: LoginArgs, session: &mut Session) -> Result<(), CliError> {
    let url = config::server_url(
        session.url_flag.as_deref(),
        &session.variables,
        &session.files,
    )
    .map_err(|error| match error.kind {
        Kind::SignedOut => {
            CliError::usage("which server?").hint("name it: `outwork login --url URL`")
        }
        _ => error,
    })?;
    let config = session.files.config()?;
    let before = config.hosts.get(&url).and_then(|host| host.name.clone());
    let name = args.name.clone().or(before);
    if let Some(name) = &name {
        let holder = config.url_of(name);
        if let Some(other) = holder.filter(|holder| *holder != url) {
            return Err(
                CliError::failed(format!("`{name}` is what {other} is called"))
                    .code("name_taken")
                    .hint("take another name, or `outwork context rename` that one"),
            );
        }
    }
    let token = read_token(args, session).await?;
    let client = Client::new(&url, token.clone())?;
    let me = client
        .me()
        .await
        .map_err(|error| match CliError::from(error) {
            error if error.kind == Kind::SignedOut => error.hint(TOKEN_PLACE),
            error => error,
        })?;
    if me.kind == "worker" {
        let message = "this token is for a worker; it cannot be used to sign in";
        return Err(CliError::new(Kind::SignedOut, message).hint(TOKEN_PLACE));
    }
    let host = Host {
        user: me.name.clone(),
        workspace: me.workspace_name.clone(),
        name,
    };
    session.files.sign_in(&url, host, token.reveal())?;
    let line = format!(
        "signed in to {url} as {}, workspace {}",
        plain(&me.name),
        plain(&me.workspace_name)
    );
    session.out.note(&line);
    Ok(())
}

async fn read_token(args: LoginArgs, session: &mut Session) -> Result<Token, CliError> {
    let LoginArgs {
        token, token_file, ..
    } = args;
    if let Some(text) = token {
        return config::parse_token(&text, "--token");
    }
    if let Some(path) = token_file {
        let path = session.current_dir.join(path);
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| {
            CliError::usage(format!("the token file {shown} cannot be read"))
                .source(error)
                .hint(TOKEN_PLACE)
        })?;
        return config::parse_token(&text, &shown);
    }
    let text = match session.stdin_is_terminal {
        true => session.ask_secret("token (not shown): ").await?,
        false => String::from_utf8_lossy(&session.read_stdin().await?).into_owned(),
    };
    config::parse_token(&text, "standard input")
}
