//! Processes beside the clients: this program again, in another role.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

/// Told by a role once it listens.
pub(crate) fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// A process in a role; it ends with this value.
pub(crate) struct Player {
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

impl Player {
    /// Returns with the line that it says when it is ready.
    pub(crate) fn start(role: &str, arguments: &[&str]) -> Result<(Self, String)> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(role)
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
            "" => bail!("{role} ended before it was ready"),
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

/// A role's runtime, with as many threads as the server that is measured beside it.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    Ok(runtime)
}
