//! `outwork man`: the manual pages, made from the same text as `--help`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Write the manual pages, one for each command
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork man ~/.local/share/man/man1 && man outwork-exec
  outwork man | man -l -")]
pub struct ManArgs {
    /// The folder to write them to, made if need be; the first page is printed when left out
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

pub(crate) fn run(args: ManArgs, session: &mut Session) -> Result<(), CliError> {
    let mut root = (session.root_command)().disable_help_subcommand(true);
    // Gives each subcommand its whole name.
    root.build();
    let Some(folder) = args.folder else {
        let page = page(&root).map_err(|error| unwritten("the page", error))?;
        return session.out.bytes(&page);
    };
    let folder = session.current_dir.join(folder);
    fs::create_dir_all(&folder).map_err(|error| unwritten(&folder.display().to_string(), error))?;
    let count = write(&root, &folder)?;
    let shown = folder.display().to_string();
    session
        .out
        .note(&format!("{count} pages are in {}", plain(&shown)));
    Ok(())
}

/// Writes the page of a command and those below it; how many these are.
fn write(command: &Command, folder: &Path) -> Result<usize, CliError> {
    let path = folder.join(Man::new(command.clone()).get_filename());
    page(command)
        .and_then(|page| fs::write(&path, page))
        .map_err(|error| unwritten(&path.display().to_string(), error))?;
    let mut count = 1;
    for below in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        count += write(below, folder)?;
    }
    Ok(count)
}

fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone())
        // The day of the build would be another one each time.
        .date("")
        .source(format!("Outwork {version}"))
        .manual("Outwork");
    let mut page = Vec::new();
    man.render(&mut page)?;
    Ok(page)
}

fn unwritten(what: &str, error: std::io::Error) -> CliError {
    CliError::failed(format!("{what} cannot be written"))
        .code("not_written")
        .source(error)
}
