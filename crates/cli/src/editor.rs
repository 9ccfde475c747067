//! Text written in the person's own editor.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::CliError;
use crate::session::Session;

/// The editor that `VISUAL` or `EDITOR` names.
pub(crate) fn named(session: &Session) -> Option<String> {
    ["VISUAL", "EDITOR"].into_iter().find_map(|name| {
        session
            .variables
            .text(name)
            .filter(|value| !value.trim().is_empty())
    })
}

/// Opens `editor` on a file that holds `text` and gives what it holds afterwards. The file's name
/// ends in `suffix`, so that the editor knows the language. `unused` says what did not happen when
/// the editor fails.
pub(crate) async fn edit(
    session: &Session,
    editor: String,
    text: String,
    suffix: &'static str,
    unused: &'static str,
) -> Result<String, CliError> {
    let folder = session.current_dir.clone();
    tokio::task::spawn_blocking(move || open(&editor, &text, suffix, unused, &folder))
        .await
        .expect("editing does not panic")
}

fn open(
    editor: &str,
    text: &str,
    suffix: &str,
    unused: &str,
    folder: &Path,
) -> Result<String, CliError> {
    let failed = |error: io::Error| {
        CliError::failed(format!("the editor `{editor}` cannot be used")).source(error)
    };
    let mut file = tempfile::Builder::new()
        .prefix("outwork-")
        .suffix(suffix)
        .tempfile()
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.flush().map_err(failed)?;
    let status = command(editor, file.path())
        .current_dir(folder)
        .stdin(Stdio::inherit())
        .status()
        .map_err(failed)?;
    if !status.success() {
        let message = format!("the editor `{editor}` ended with {status}; {unused}");
        return Err(CliError::failed(message));
    }
    // Editors that replace the file leave ours behind: read by its name.
    let written = std::fs::read_to_string(file.path()).map_err(failed)?;
    file.disable_cleanup(false);
    Ok(written)
}

/// As git does it: the variable may hold arguments, so a shell splits it; the path is its own word.
#[cfg(unix)]
fn command(editor: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{editor} \"$@\""))
        .arg(editor)
        .arg(path);
    command
}

#[cfg(not(unix))]
fn command(editor: &str, path: &Path) -> Command {
    let mut words = editor.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("notepad"));
    command.args(words).arg(path);
    command
}
