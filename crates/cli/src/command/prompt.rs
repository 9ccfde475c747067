//! Where a prompt comes from: the argument, standard input, or an editor.

use std::io::ErrorKind;
use std::path::PathBuf;

use outwork_domain::limits;

use crate::editor;
use crate::error::CliError;
use crate::session::Session;

/// The prompt: `argument`; standard input for `-` or from a pipe; else what is written in an editor. The files of
/// `context` follow it, each below its name.
pub(crate) async fn read(
    session: &mut Session,
    argument: Option<&str>,
    context: &[PathBuf],
) -> Result<String, CliError> {
    // Before an editor opens.
    let files = contents(session, context)?;
    let mut prompt = match argument {
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
    for (name, text) in files {
        let text = text.trim_end();
        prompt = format!("{}\n\n# {name}\n\n{text}\n", prompt.trim_end());
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

/// The files by the names that they were given by.
fn contents(session: &Session, files: &[PathBuf]) -> Result<Vec<(String, String)>, CliError> {
    let content = |path: &PathBuf| {
        let name = path.display().to_string();
        match std::fs::read_to_string(session.current_dir.join(path)) {
            Ok(text) => Ok((name, text)),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(CliError::usage(format!("{name} is not text in UTF-8")).code("bad_context"))
            }
            Err(error) => Err(CliError::usage(format!("{name} cannot be read"))
                .code("bad_context")
                .source(error)),
        }
    };
    files.iter().map(content).collect()
}

async fn from_stdin(session: &mut Session) -> Result<String, CliError> {
    let bytes = session.read_stdin().await?;
    String::from_utf8(bytes).map_err(|_| {
        CliError::usage("the prompt on standard input is not UTF-8").hint("convert it with `iconv`")
    })
}

async fn from_editor(session: &Session) -> Result<String, CliError> {
    let editor = editor::named(session).ok_or_else(|| {
        CliError::usage("the prompt is missing, and no editor is set to write it in")
            .hint("give the prompt as an argument, or on standard input with `-`, or set EDITOR")
    })?;
    editor::edit(
        session,
        editor,
        String::new(),
        ".md",
        "nothing was submitted",
    )
    .await
}
