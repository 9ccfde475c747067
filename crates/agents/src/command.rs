//! Any program as an agent: the prompt on standard input, success as the exit code.
//!
//! The environment's agent command is run by `/bin/bash -c` in the checkout. Variables it gets besides the environment's:
//!
//! | variable | value |
//! |---|---|
//! | `HOME` | the agent's home, empty before the first turn |
//! | `OUTWORK_SESSION_DIR` | a directory that is kept from turn to turn |
//! | `OUTWORK_TURN` | 1 for the first turn, 2 for the first follow-up, … |
//! | `OUTWORK_INTERACTIVE` | 1 if the program may ask, else 0 |
//! | `OUTWORK_QUESTION` | the program's own question, when standard input has the answer to it |
//! | `OUTWORK_OUTPUT_SCHEMA` | a file with the JSON Schema that the answer has to match, if there is one |
//! | `OUTWORK_MODEL_BASE_URL`, `OUTWORK_MODEL_NAME` | the model, if one is configured; no key is needed |
//!
//! What it writes becomes the log. Exit code 0 completes the turn. Exit code 75 (`EX_TEMPFAIL`) asks a person: the question is what the
//! program wrote to standard output last, after its last empty line. When somebody answers, it is run again, on what it left in the
//! checkout and in `OUTWORK_SESSION_DIR`. All else fails the turn.
//!
//! Where a schema is given, the prompt ends with it, and the answer is what the program wrote to standard output last, after its last
//! empty line.

use std::collections::VecDeque;

use serde_json::Value;

use crate::adapter::{
    Adapter, AgentCommand, Capabilities, Effect, ExitStatus, FailureClass, TurnOutcome,
};
use crate::agent::{AgentKind, PrepareError, Prepared};
use crate::event::{AgentEvent, OutputStream};
use crate::launch::{HomeFile, Launch, LaunchContext};
use crate::path::HomePath;
use crate::session::{SESSION_MAX_BYTES, SessionEntry, SessionSpec, StoredSession};
use crate::text::{Utf8Stream, portions};

const SESSION_DIRECTORY: &str = ".session";
/// The command agent has one session per task; this is its name.
const THREAD_ID: &str = "command";
const ASKS: i32 = 75;
/// Of a question, in characters.
const QUESTION_CHARS: usize = 4 * 1024;
/// Of an answer that has to match a schema, in characters.
const ANSWER_CHARS: usize = 64 * 1024;
const SCHEMA_FILE: &str = ".outwork/output-schema.json";

pub struct Command {
    prompt: String,
    stdout: Utf8Stream,
    stderr: Utf8Stream,
    interactive: bool,
    /// Whether somebody wants to know what it said last.
    answers: bool,
    /// The end of what it wrote to standard output.
    said_last: VecDeque<char>,
    stop_wanted: bool,
    finished: bool,
}

impl Command {
    pub(crate) fn prepare(
        command_line: &str,
        context: LaunchContext,
    ) -> Result<Prepared, PrepareError> {
        if command_line.trim().is_empty() {
            return Err(PrepareError::CommandMissing);
        }
        if context.prompt.trim().is_empty() {
            return Err(PrepareError::PromptEmpty);
        }
        let session_directory = session_directory();
        let mut env = vec![
            ("HOME".to_owned(), context.home.as_str().to_owned()),
            (
                "OUTWORK_SESSION_DIR".to_owned(),
                context.home.join(&session_directory),
            ),
            ("OUTWORK_TURN".to_owned(), context.turn_number.to_string()),
            (
                "OUTWORK_INTERACTIVE".to_owned(),
                u8::from(context.interactive).to_string(),
            ),
        ];
        if let Some(question) = context.question {
            env.push(("OUTWORK_QUESTION".to_owned(), question));
        }
        if let Some(model) = context.model {
            env.push(("OUTWORK_MODEL_BASE_URL".to_owned(), model.base_url));
            env.push(("OUTWORK_MODEL_NAME".to_owned(), model.name));
        }
        let mut files = context.session.map_or(Ok(Vec::new()), session_files)?;
        let mut prompt = context.prompt;
        if let Some(schema) = &context.output_schema {
            let file = schema_file(schema);
            let path = context.home.join(&file.path);
            env.push(("OUTWORK_OUTPUT_SCHEMA".to_owned(), path));
            files.push(file);
            prompt.push_str(&wanted(schema));
        }
        let launch = Launch {
            argv: vec![
                "/bin/bash".to_owned(),
                "-c".to_owned(),
                command_line.to_owned(),
            ],
            env,
            files,
            directories: vec![session_directory],
        };
        let adapter = Self {
            prompt,
            stdout: Utf8Stream::default(),
            stderr: Utf8Stream::default(),
            interactive: context.interactive,
            answers: context.output_schema.is_some(),
            said_last: VecDeque::new(),
            stop_wanted: false,
            finished: false,
        };
        Ok(Prepared {
            launch,
            adapter: Box::new(adapter),
        })
    }

    fn output(&self, stream: OutputStream, text: &str) -> Vec<Effect> {
        if self.finished {
            return Vec::new();
        }
        portions(text)
            .map(|portion| {
                Effect::Event(AgentEvent::Output {
                    stream,
                    text: portion.to_owned(),
                })
            })
            .collect()
    }

    fn remember(&mut self, text: &str) {
        self.said_last.extend(text.chars());
        let kept = match self.answers {
            true => ANSWER_CHARS,
            false => QUESTION_CHARS,
        };
        let surplus = self.said_last.len().saturating_sub(kept);
        self.said_last.drain(..surplus);
    }

    /// What it wrote last, after its last empty line.
    fn said(&self) -> String {
        let said: String = self.said_last.iter().collect();
        let last = said.trim_end().rsplit("\n\n").next().unwrap_or_default();
        last.trim().to_owned()
    }

    fn question(&self) -> String {
        let said = self.said();
        let last = said.char_indices().rev().nth(QUESTION_CHARS - 1);
        match &said[last.map_or(0, |(start, _)| start)..] {
            "" => "The program asks, and did not say what.".to_owned(),
            question => question.to_owned(),
        }
    }

    fn outcome(&self, status: ExitStatus) -> TurnOutcome {
        match status {
            // Even if someone asked to stop: it was done before it heard of it.
            ExitStatus::Code(0) => TurnOutcome::Completed {
                last_message: self.answers.then(|| self.said()),
            },
            ExitStatus::Code(_) | ExitStatus::Signal(_) if self.stop_wanted => {
                TurnOutcome::Interrupted
            }
            ExitStatus::Code(ASKS) if self.interactive => TurnOutcome::Asked {
                question: self.question(),
            },
            ExitStatus::Code(code) => TurnOutcome::Failed {
                class: FailureClass::CommandFailed {
                    exit_code: Some(code),
                },
                message: format!("the agent's command failed with {status}"),
            },
            ExitStatus::Signal(_) => TurnOutcome::Failed {
                class: FailureClass::CommandFailed { exit_code: None },
                message: format!("the agent's command was ended by {status}"),
            },
        }
    }
}

impl Adapter for Command {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            steer: false,
            interrupt: true,
            resume: true,
            questions: true,
            streaming: true,
        }
    }

    fn start(&mut self) -> Vec<Effect> {
        let prompt = std::mem::take(&mut self.prompt).into_bytes();
        vec![Effect::WriteStdin(prompt), Effect::CloseStdin]
    }

    fn on_stdout(&mut self, bytes: &[u8]) -> Vec<Effect> {
        let text = self.stdout.decode(bytes);
        self.remember(&text);
        self.output(OutputStream::Stdout, &text)
    }

    fn on_stderr(&mut self, bytes: &[u8]) -> Vec<Effect> {
        let text = self.stderr.decode(bytes);
        self.output(OutputStream::Stderr, &text)
    }

    fn on_exit(&mut self, status: ExitStatus) -> Vec<Effect> {
        if self.finished {
            return Vec::new();
        }
        let stdout_rest = self.stdout.finish();
        self.remember(&stdout_rest);
        let stderr_rest = self.stderr.finish();
        let mut effects = self.output(OutputStream::Stdout, &stdout_rest);
        effects.extend(self.output(OutputStream::Stderr, &stderr_rest));
        self.finished = true;
        effects.push(Effect::TurnFinished(self.outcome(status)));
        effects
    }

    fn command(&mut self, command: AgentCommand) -> Vec<Effect> {
        match command {
            AgentCommand::Steer { steer, text: _ } => vec![Effect::SteerAnswered {
                steer,
                accepted: false,
            }],
            // A program without a protocol knows no other way to stop.
            AgentCommand::Interrupt | AgentCommand::Shutdown if !self.finished => {
                self.stop_wanted = true;
                vec![Effect::Kill]
            }
            AgentCommand::Interrupt | AgentCommand::Shutdown => Vec::new(),
        }
    }

    fn session_files(&self) -> Option<SessionSpec> {
        Some(SessionSpec {
            thread_id: THREAD_ID.to_owned(),
            entries: vec![SessionEntry::Directory(session_directory())],
            max_size_bytes: SESSION_MAX_BYTES,
        })
    }
}

/// What the prompt ends with, for programs that hand it to a model.
fn wanted(schema: &Value) -> String {
    format!(
        "\n\nYour last message must be JSON, without anything around it, that matches this JSON Schema:\n\n{schema}\n"
    )
}

fn schema_file(schema: &Value) -> HomeFile {
    HomeFile {
        path: HomePath::parse(SCHEMA_FILE).expect("a plain relative path"),
        contents: schema.to_string().into_bytes(),
        mode: 0o600,
    }
}

fn session_directory() -> HomePath {
    HomePath::parse(SESSION_DIRECTORY).expect("a plain relative path")
}

fn session_files(session: StoredSession) -> Result<Vec<HomeFile>, PrepareError> {
    let StoredSession {
        thread_id: _,
        files,
    } = session;
    if files
        .iter()
        .any(|file| !file.path.is_below(SESSION_DIRECTORY))
    {
        return Err(PrepareError::SessionUnusable {
            agent: AgentKind::Command,
            reason: format!("it has files outside {SESSION_DIRECTORY}"),
        });
    }
    // Files are data for the next turn; an executable bit does not survive.
    Ok(files
        .into_iter()
        .map(|file| HomeFile {
            path: file.path,
            contents: file.contents,
            mode: 0o600,
        })
        .collect())
}
