//! Texts in files that the command line names, because a secret has no place in it.

use std::path::Path;

use outwork_api::Secret;

use crate::error::CliError;
use crate::session::Session;

/// A secret of one line: of a file, of standard input (`-`), or of a person, who is asked where that is a terminal. `name` is what it is, such as
/// `token`.
pub(crate) async fn secret(
    session: &mut Session,
    path: &Path,
    name: &str,
) -> Result<Secret, CliError> {
    let text = match path.as_os_str() == "-" && session.stdin_is_terminal {
        true => session.ask_secret(&format!("{name} (not shown): ")).await?,
        false => text(session, path, &format!("the {name} file")).await?,
    };
    match text.trim() {
        "" => Err(
            CliError::usage(format!("the {name} file is empty")).hint(format!(
                "write the {name} into a file and name it, or give it on standard input with `-`"
            )),
        ),
        secret => Ok(Secret::new(secret)),
    }
}

/// The text of a file, or of standard input (`-`). `what` is what it is, such as `the key file`.
pub(crate) async fn text(
    session: &mut Session,
    path: &Path,
    what: &str,
) -> Result<String, CliError> {
    let bytes = if path.as_os_str() != "-" {
        let path = session.current_dir.join(path);
        std::fs::read(&path).map_err(|error| {
            let message = format!("{what} {} cannot be read", path.display());
            CliError::usage(message)
                .source(error)
                .hint("name a file on this machine, or `-` for standard input")
        })?
    } else {
        session.read_stdin().await?
    };
    String::from_utf8(bytes)
        .map_err(|_| CliError::usage(format!("{what} is not text")).hint("is it the right file?"))
}
