//! `outwork agent install|list`: the agents that a worker on this machine can run.

use std::io::IsTerminal;
use std::path::PathBuf;

use outwork_worker::install::{self, Installed};

use crate::failure::{Failure, FailureExt, HintExt};
use crate::{say, system};

#[derive(clap::Subcommand, Debug)]
pub(crate) enum AgentCommand {
    /// Install an agent for the worker on this machine, at the version this Outwork drives
    Install {
        /// codex
        agent: String,
        #[command(flatten)]
        place: Place,
    },
    /// List the agents that the worker on this machine can run
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(clap::Args, Debug)]
pub(crate) struct Place {
    /// Where the worker's data is kept
    #[arg(long, value_name = "DIR", env = "OUTWORK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where agents are installed [default: DATA_DIR/agents]
    #[arg(long, value_name = "DIR", env = "OUTWORK_AGENTS_DIR")]
    agents_dir: Option<PathBuf>,
}

impl Place {
    fn agents_dir(self) -> Result<PathBuf, Failure> {
        match (self.agents_dir, self.data_dir) {
            (Some(dir), _) => Ok(dir),
            (None, Some(data)) => Ok(data.join("agents")),
            (None, None) => Ok(system::default_data_dir()?.join("agents")),
        }
    }
}

pub(crate) async fn run(command: AgentCommand) -> Result<(), Failure> {
    match command {
        AgentCommand::Install { agent, place } => {
            let dir = place.agents_dir()?;
            let environment: Vec<_> = std::env::vars_os().collect();
            let installed = install::install(&dir, &agent, &environment)
                .await
                .failure(format!("{agent} was not installed"))
                .hint("`outwork agent install codex` needs npm and its registry; nothing of an earlier installation was changed.")?;
            say::line(cells(&installed).join("\t"));
            Ok(())
        }
        AgentCommand::List { json, place } => {
            let agents = install::list(&place.agents_dir()?);
            if json {
                let agents: Vec<_> = agents.iter().map(object).collect();
                say::line(serde_json::json!({ "agents": agents }));
            } else {
                let table = listed(&agents);
                // It may have no line.
                table.lines().for_each(say::line);
            }
            Ok(())
        }
    }
}

/// A table for people, lines with tabs for programs.
fn listed(agents: &[Installed]) -> String {
    let rows = agents.iter().map(cells);
    if std::io::stdout().is_terminal() {
        return outwork_cli::aligned(&["AGENT", "VERSION", "PATH"], rows)
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect();
    }
    rows.map(|row| row.join("\t") + "\n").collect()
}

fn cells(installed: &Installed) -> Vec<String> {
    let Installed {
        name,
        version,
        path,
    } = installed;
    let version = version.as_deref().unwrap_or("-");
    let path = path
        .as_ref()
        .map_or_else(|| "-".into(), |path| path.display().to_string());
    vec![(*name).to_owned(), version.to_owned(), path]
}

fn object(installed: &Installed) -> serde_json::Value {
    let Installed {
        name,
        version,
        path,
    } = installed;
    serde_json::json!({ "name": name, "version": version, "path": path })
}
