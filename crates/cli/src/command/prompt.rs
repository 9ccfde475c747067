//! Where a prompt comes from: the argument, standard input, or an editor.

use std::io::Read;
use std::process::{Command, Stdio};

use outwork_domain::limits;

use crate::error::CliError;
use crate::session::Session;

/// The prompt: `argument`; standard input for `-` or from a pipe; else what is written in an editor.
pub(crate) async fn read(
    session: &mut Session,
    argument: Option<&str>,
) -> Result<String, CliError> {
    let prompt = match argument {
        Some("-") => from_stdin(session).await?,
        Some(prompt) => prompt.to_owned(),
        None if session.stdin_is_terminal => from_editor(session).await?,
        None => from_stdin(session).await?,
    };
    if prompt.trim().is_empty() {
        return Err(CliError::usage("the prompt is empty")
            .code("empty_prompt")
            .hint("say what is to be done, such as \"fix the failing test\""));
    }
    if prompt.len() > limits::PROMPT_BYTES {
        let message = format!(
            "the prompt has {} bytes; at most {} are taken",
            prompt.len(),
            limits::PROMPT_BYTES
        );
        return Err(CliError::usage(message)
            .code("prompt_too_long")
            .hint("put long material into the repository and name the file in the prompt"));
    }
    Ok(prompt)
}

async fn from_stdin(session: &mut Session) -> Result<String, CliError> {
    let bytes = session.read_stdin().await?;
    String::from_utf8(bytes).map_err(|_| {
        CliError::usage("the prompt on standard input is not UTF-8").hint("convert it with `iconv`")
    })
}

async fn from_editor(session: &Session) -> Result<String, CliError> {
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| {
            session
                .variables
                .text(name)
                .filter(|value| !value.trim().is_empty())
        })
        .ok_or_else(|| {
            CliError::usage("the prompt is missing, and no editor is set to write it in").hint(
                "give the prompt as an argument, or on standard input with `-`, or set EDITOR",
            )
        })?;
    let folder = session.current_dir.clone();
    tokio::task::spawn_blocking(move || edit(&editor, &folder))
        .await
        .expect("editing does not panic")
}

fn edit(editor: &str, folder: &std::path::Path) -> Result<String, CliError> {
    let failed = |error: std::io::Error| {
        CliError::failed(format!("the editor `{editor}` cannot be used")).source(error)
    };
    let mut file = tempfile::Builder::new()
        .prefix("outwork-prompt-")
        .suffix(".md")
        .tempfile()
        .map_err(failed)?;
    let status = editor_command(editor, file.path())
        .current_dir(folder)
        .stdin(Stdio::inherit())
        .status()
        .map_err(failed)?;
    if !status.success() {
        return Err(CliError::failed(format!(
            "the editor `{editor}` ended with {status}; nothing was submitted"
        )));
    }
    let mut prompt = String::new();
    // Editors that replace the file leave ours behind: read by its name.
    std::fs::File::open(file.path())
        .and_then(|mut written| written.read_to_string(&mut prompt))
        .map_err(failed)?;
    file.disable_cleanup(false);
    Ok(prompt)
}

/// As git does it: the variable may hold arguments, so a shell splits it; the path is its own word.
#[cfg(unix)]
fn editor_command(editor: &str, path: &std::path::Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{editor} \"$@\""))
        .arg(editor)
        .arg(path);
    command
}

#[cfg(not(unix))]
fn editor_command(editor: &str, path: &std::path::Path) -> Command {
    let mut words = editor.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("notepad"));
    command.args(words).arg(path);
    command
}
