//! `outwork completion`: for shells.

use clap::Args;
use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::complete::VARIABLE;
use crate::error::CliError;
use crate::session::Session;

/// Print completions for a shell
///
/// The shell then asks `outwork` what can come next: commands and flags, and ids of tasks, labels of
/// environments, workers, credentials and servers as they are now. When the server does not answer at once,
/// nothing of it is offered.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork completion bash > ~/.local/share/bash-completion/completions/outwork
  outwork completion zsh > \"${fpath[1]}/_outwork\"
  outwork completion fish > ~/.config/fish/completions/outwork.fish")]
pub struct CompletionArgs {
    /// Which shell
    pub shell: Shell,
}

pub(crate) fn run(args: CompletionArgs, session: &mut Session) -> Result<(), CliError> {
    let shells = Shells::builtins();
    let name = args.shell.to_string();
    let shell = shells.completer(&name).expect("each shell has its script");
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "outwork", "outwork", "outwork", &mut script)
        .map_err(|error| CliError::failed("the script cannot be written").source(error))?;
    session.out.bytes(&script)
}
