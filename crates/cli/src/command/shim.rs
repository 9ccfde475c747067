//! `outwork shim`: a launcher named `codex` that takes cloud tasks to Outwork and everything else to the client itself.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::codex::arguments::{CLOUD_DEFAULT, Route, route};
use crate::codex::program::{LAUNCHER_MARK, become_it, installed, is_launcher};
use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Let `codex cloud` and `codex apply` use Outwork, whatever the version of codex
#[derive(Subcommand, Clone, Debug)]
pub enum ShimCommand {
    /// Put a launcher named codex into a folder for the front of the PATH
    #[command(after_help = "\
The launcher takes `codex cloud …`, `codex apply` and `codex --cloud` to Outwork, and `codex` alone
where CODEX_CLOUD_DEFAULT is 1, true, yes or on. Everything else goes to the codex behind it.")]
    Install(Place),
    /// Remove the launcher
    Uninstall(Place),
    /// What the launcher runs
    #[command(hide = true)]
    Run(RunArgs),
}

#[derive(Args, Clone, Debug)]
pub struct Place {
    /// The launcher's folder [default: shims, beside the configuration]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

pub(crate) fn run(command: ShimCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        ShimCommand::Install(place) => install(place, session),
        ShimCommand::Uninstall(place) => uninstall(place, session),
        ShimCommand::Run(args) => launch(&args.arguments, session),
    }
}

fn install(place: Place, session: &mut Session) -> Result<(), CliError> {
    let folder = folder(place, session)?;
    let launcher = folder.join("codex");
    if launcher.symlink_metadata().is_ok() && !is_launcher(&launcher) {
        let message = format!(
            "{} is there already, and is not Outwork's",
            launcher.display()
        );
        return Err(CliError::failed(message).hint("name another folder with --dir"));
    }
    let outwork = session.program.clone();
    let failed = |error| unwritable(&launcher, error);
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let text = script(&outwork)?;
    let new = tempfile::NamedTempFile::new_in(&folder).map_err(failed)?;
    std::fs::write(new.path(), text).map_err(failed)?;
    std::fs::set_permissions(new.path(), PermissionsExt::from_mode(0o755)).map_err(failed)?;
    new.persist(&launcher)
        .map_err(|error| failed(error.error))?;
    session.out.line(&plain(&launcher.display().to_string()))?;
    if !is_first(&launcher, session) {
        let folder = plain(&folder.display().to_string());
        session.out.note(&format!(
            "put it first in the PATH, in your shell's profile too: export PATH=\"{folder}:$PATH\""
        ));
    }
    Ok(())
}

fn uninstall(place: Place, session: &mut Session) -> Result<(), CliError> {
    let launcher = folder(place, session)?.join("codex");
    if !is_launcher(&launcher) {
        let message = format!("{} is no launcher of Outwork's", launcher.display());
        return Err(
            CliError::failed(message).hint("name the folder that it was put into with --dir")
        );
    }
    std::fs::remove_file(&launcher).map_err(|error| unwritable(&launcher, error))?;
    let shown = plain(&launcher.display().to_string());
    session.out.note(&format!("removed {shown}"));
    Ok(())
}

/// Becomes Outwork or the client.
fn launch(arguments: &[OsString], session: &Session) -> Result<(), CliError> {
    let default = session.variables.text(CLOUD_DEFAULT);
    let (program, arguments) = match route(arguments, default.as_deref()) {
        Route::Outwork(arguments) => (session.program.clone(), arguments),
        Route::Browser => (session.program.clone(), vec![OsString::from("cloud")]),
        Route::Client => (installed(&session.variables)?, arguments.to_vec()),
    };
    Err(become_it(&program, &arguments, |_| {}))
}

fn folder(place: Place, session: &Session) -> Result<PathBuf, CliError> {
    match place.dir {
        Some(dir) => Ok(session.current_dir.join(dir)),
        None => Ok(session.files.folder_of_shims()?),
    }
}

/// Whether `codex` in a shell is this launcher.
fn is_first(launcher: &Path, session: &Session) -> bool {
    let path = session.variables.text("PATH").unwrap_or_default();
    let mut programs = path
        .split(':')
        .map(|folder| Path::new(folder).join("codex"));
    let first = programs.find(|program| program.is_file());
    first.is_some_and(|first| first.canonicalize().ok() == launcher.canonicalize().ok())
}

/// When Outwork is gone it says so, instead of taking the client along.
fn script(outwork: &Path) -> Result<String, CliError> {
    let text = outwork.to_str().ok_or_else(|| {
        CliError::failed(format!("the path {} is no text", outwork.display()))
            .hint("install outwork in another folder")
    })?;
    let quoted = format!("'{}'", text.replace('\'', r"'\''"));
    Ok(format!(
        "{LAUNCHER_MARK} `outwork shim uninstall` removes it.\n\
         if [ ! -x {quoted} ]; then\n  \
           echo \"outwork is gone; remove $0 to use codex without it\" >&2\n  exit 127\n\
         fi\n\
         exec {quoted} shim run -- \"$@\"\n"
    ))
}

fn unwritable(path: &Path, error: std::io::Error) -> CliError {
    CliError::failed(format!("{} cannot be changed", path.display()))
        .source(error)
        .hint("name another folder with --dir")
}
