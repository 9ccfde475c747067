//! `outwork open`: a task's page in the browser.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use clap::Args;

use crate::error::CliError;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// Open a task's page in the browser
///
/// With $BROWSER, or with the system's own. Its address is printed, whether or not a browser opens.
#[derive(Args, Clone, Debug)]
pub struct OpenArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
}

pub(crate) async fn run(args: OpenArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let id = args.task.resolve(&client).await?;
    let url = client.task(&id).await?.summary.url;
    session.out.line(&plain(&url))?;
    browse(session, &url)
}

/// Opens a page in the browser, once its address was printed.
pub(super) fn browse(session: &mut Session, url: &str) -> Result<(), CliError> {
    // The address is the server's: nothing else may be opened by it.
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(CliError::failed("the address is none of a page"));
    }
    let browser = session.variables.text("BROWSER");
    let browser = browser.filter(|browser| !browser.trim().is_empty());
    let programs: Vec<&str> = match &browser {
        Some(browser) => vec![browser],
        None => OPENERS.to_vec(),
    };
    let variables: Vec<(OsString, OsString)> = session.variables.all().collect();
    let has_opened = programs.iter().any(|program| {
        let mut command = Command::new(program);
        command.arg(url).env_clear().envs(variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null()).spawn().is_ok()
    });
    match has_opened {
        true => Ok(()),
        false => Err(CliError::failed("no browser could be started")
            .code("no_browser")
            .hint("open the address above yourself, or name a browser with BROWSER")),
    }
}
