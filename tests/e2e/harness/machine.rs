//! What is different on the machine that a server and its worker run on.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use super::clean;

/// Nothing, unless it is said.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// In the environment of what is started.
    pub variables: Vec<(String, String)>,
    /// In the place of `/etc/hosts`, for this one alone.
    pub hosts: Option<PathBuf>,
}

impl Machine {
    pub fn with_variables(variables: &[(&str, &str)]) -> Self {
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            variables: owned.collect(),
            hosts: None,
        }
    }

    /// A program and its first arguments, as it is started on this machine.
    pub(super) fn command<S: AsRef<OsStr>>(&self, program: &[S]) -> Command {
        let is_root = rustix::process::geteuid().is_root();
        let mut command = match &self.hosts {
            None => clean(program[0].as_ref()),
            Some(hosts) => {
                let mut command = clean(OsStr::new("unshare"));
                // An ordinary user has mounts of its own in a user namespace, and gives up there what it has too much.
                let script = match is_root {
                    true => "mount --bind \"$0\" /etc/hosts && exec \"$@\"",
                    false => {
                        command.args(["--user", "--map-current-user", "--keep-caps"]);
                        "mount --bind \"$0\" /etc/hosts && exec setpriv --inh-caps=-all --ambient-caps=-all \"$@\""
                    }
                };
                command.args(["--mount", "sh", "-c", script]).arg(hosts);
                command.arg(&program[0]);
                command
            }
        };
        command.args(&program[1..]);
        let variables = self.variables.iter();
        command.envs(variables.map(|(name, value)| (name, value)));
        command
    }
}
