//! Where a command writes.

use std::io::Write;

use serde::Serialize;

use super::pager::{Held, Pager};
use super::plain::{plain, plain_json};
use super::style::{Paint, Style};
use crate::error::{CliError, Kind};

/// In characters, of an error.
const LONGEST_LINE: usize = 1000;

/// Results to standard output, notes and errors to standard error.
pub(crate) struct Output {
    pub stdout: Box<dyn Write + Send>,
    pub stderr: Box<dyn Write + Send>,
    pub stdout_style: Style,
    pub stderr_style: Style,
    pub stdout_is_terminal: bool,
    pub stderr_is_terminal: bool,
    pub width: Option<u16>,
    pub is_quiet: bool,
    /// Where results go on their way to the terminal.
    pub pager: Pager,
    /// What is to be said when the pager has ended.
    pub held: Held,
}

impl Output {
    /// One line of the result. `line` must be safe to show.
    pub fn line(&mut self, line: &str) -> Result<(), CliError> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// The result as one line of JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let line = serde_json::to_string(value).expect("wire types have string keys only");
        self.line(&plain_json(&line))
    }

    /// The result as it is.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let results: &mut dyn Write = match self.pager.open() {
            Some(pager) => pager,
            None => &mut *self.stdout,
        };
        results.write_all(bytes)?;
        Ok(results.flush()?)
    }

    /// Something to know on the way; not with `-q`. `line` must be safe to show.
    ///
    /// Whether anybody reads standard error is no concern of the command.
    pub fn note(&mut self, line: &str) {
        if !self.is_quiet {
            self.stderr_line(line);
        }
    }

    /// How something came out whose result is not there; also with `-q`. `line` must be safe to show.
    pub fn outcome(&mut self, line: &str) {
        self.stderr_line(line);
    }

    /// Why the command did not work.
    pub fn error(&mut self, error: &CliError, is_json: bool) {
        if error.kind == Kind::BrokenPipe {
            return;
        }
        if is_json {
            self.stderr_line(&plain_json(&error.to_json().to_string()));
            return;
        }
        let style = self.stderr_style;
        let label = style.paint(Paint::Red, "error:");
        self.stderr_line(&format!("{label} {}", short(&error.message)));
        for detail in error
            .details
            .iter()
            .filter(|detail| !is_said(error, detail))
        {
            self.stderr_line(&format!("  {}", short(detail)));
        }
        if let Some(cause) = error.root_cause() {
            for line in cause.trim_end().lines() {
                self.stderr_line(&format!("  {}", short(line)));
            }
        }
        if let Some(hint) = &error.hint {
            let label = style.paint(Paint::Cyan, "hint:");
            self.stderr_line(&format!("{label} {}", short(hint)));
        }
    }

    /// Asks a person something; the answer is typed on the same line.
    pub fn ask(&mut self, question: &str) {
        let _ = self.stderr.write_all(question.as_bytes());
        let _ = self.stderr.flush();
    }

    /// Ends the line on which the terminal echoed `^C`.
    pub fn end_echo(&mut self) {
        if self.stderr_is_terminal {
            self.stderr_line("");
        }
    }

    /// Waits until the result has been read, then says what waited for that.
    pub fn end_paging(&mut self) {
        self.pager.close();
        self.held.release(&mut *self.stderr);
    }

    fn stderr_line(&mut self, line: &str) {
        if self.pager.is_running() && self.stderr_is_terminal {
            return self.held.push(format!("{line}\n").as_bytes());
        }
        // Nothing can be done, and nobody be told, when standard error is closed.
        let _ = self.stderr.write_all(format!("{line}\n").as_bytes());
        let _ = self.stderr.flush();
    }
}

/// As much of a line as is of use to people, made safe to show: a server may say anything at all.
fn short(text: &str) -> String {
    let safe = plain(text);
    match safe.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &safe[..end]),
        None => safe,
    }
}

/// Whether the message or the hint has the fault of the only wrong field in it already.
fn is_said(error: &CliError, detail: &str) -> bool {
    let Some((pointer, fault)) = detail.split_once(": ") else {
        return false;
    };
    let is_only_field = pointer.starts_with('/') && error.details.len() == 1;
    let says = error.message.to_lowercase();
    is_only_field && (says.contains(&fault.to_lowercase()) || fault == "is taken")
}
