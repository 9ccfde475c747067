//! `outwork completion`: for shells.

use clap::Args;
use clap_complete::Shell;

use crate::error::CliError;
use crate::session::Session;

/// Print completions for a shell
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
    let mut command = (session.root_command)();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    session.out.bytes(&script)
}
