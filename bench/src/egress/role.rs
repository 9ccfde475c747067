//! The processes beside the clients: this program again, in another role.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{inside, origin};

/// The first argument.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Origin,
    Client,
}

impl Role {
    pub(crate) fn of(argument: &str) -> Option<Self> {
        [Self::Origin, Self::Client]
            .into_iter()
            .find(|role| role.argument() == argument)
    }

    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Origin => "egress-origin",
            Self::Client => "egress-client",
        }
    }
}

/// Plays it until it is killed, or the client until it is done.
pub(crate) fn run(role: Role, arguments: &[String]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match role {
            Role::Origin => origin::serve(arguments).await,
            Role::Client => inside::client(arguments).await,
        }
    })
}

/// Told by a role once it listens.
pub(super) fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// A process in a role; it ends with this value.
pub(super) struct Player {
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

impl Player {
    /// Returns with the line that it says when it is ready.
    pub(super) fn start(role: Role, arguments: &[&str]) -> Result<(Self, String)> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(role.argument())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("piped")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let player = Self {
            child,
            _stdout: stdout,
        };
        match line.trim() {
            "" => bail!("{} ended before it was ready", role.argument()),
            said => Ok((player, said.to_owned())),
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // Gone already if it failed, which its own message says.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
