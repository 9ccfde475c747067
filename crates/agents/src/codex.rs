//! OpenAI's Codex CLI, driven through `codex app-server` on standard input and output (one JSON message a line).
//!
//! Approvals are accepted and Codex' own sandbox is off: the sandbox around it is what holds, and Codex' own one fails
//! every command where user namespaces are missing while the turn still "completes".
//!
//! The session is one file, the rollout below `.codex/sessions`. Put under the same relative path into a home that holds
//! nothing else but the configuration, it continues on any machine, also after a kill in the middle of a command.

mod config;
mod conversation;
mod failure;
mod items;
mod requests;
mod running;
mod wire;

pub mod rollout;

use crate::adapter::{Adapter, AgentCommand, Capabilities, Effect, ExitStatus};
use crate::agent::{AgentKind, PrepareError, Prepared};
use crate::event::{AgentEvent, OutputStream};
use crate::launch::{HomeFile, Launch, LaunchContext};
use crate::path::{AbsolutePath, HomePath};
use crate::session::{SESSION_MAX_BYTES, SessionEntry, SessionSpec, StoredSession};
use crate::text::{LineBuffer, Utf8Stream, portions};
use conversation::{Conversation, TurnOrder};

/// The version this adapter was written for and is tested with. The protocol is experimental: another version is
/// reported as a warning.
pub const CODEX_VERSION: &str = "0.169.0";
/// The platform packages are versions of this package: `0.169.0-linux-x64`.
pub const CODEX_NPM_PACKAGE: &str = "@openai/codex";
/// Below the platform package; [`crate::Agent::Codex`]'s `binary_root` is the whole directory.
pub const CODEX_PLATFORMS: [CodexPlatform; 2] = [
    CodexPlatform {
        arch: "x86_64",
        npm_version: "0.169.0-linux-x64",
        vendor_directory: "vendor/x86_64-unknown-linux-musl",
    },
    CodexPlatform {
        arch: "aarch64",
        npm_version: "0.169.0-linux-arm64",
        vendor_directory: "vendor/aarch64-unknown-linux-musl",
    },
];

/// Where the native binary of one processor architecture is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodexPlatform {
    /// As `std::env::consts::ARCH` names it.
    pub arch: &'static str,
    pub npm_version: &'static str,
    pub vendor_directory: &'static str,
}

const SESSIONS: &str = ".codex/sessions";
/// The output of one command arrives in one line, too; far above what Codex keeps of it.
const LINE_MAX_BYTES: usize = 64 * 1024 * 1024;

pub struct Codex {
    lines: LineBuffer,
    stderr: Utf8Stream,
    conversation: Conversation,
}

impl Codex {
    pub(crate) fn prepare(
        binary_root: &AbsolutePath,
        context: LaunchContext,
    ) -> Result<Prepared, PrepareError> {
        let model = context.model.clone().ok_or(PrepareError::ModelMissing {
            agent: AgentKind::Codex,
        })?;
        if context.prompt.trim().is_empty() {
            return Err(PrepareError::PromptEmpty);
        }
        let mut files = config::files(&context, &model);
        if let Some(session) = &context.session {
            files.push(session_file(session)?);
        }
        let binary = HomePath::parse("bin/codex").expect("a plain relative path");
        let codex_home = HomePath::parse(config::CODEX_HOME).expect("a plain relative path");
        let launch = Launch {
            argv: vec![binary_root.join(&binary), "app-server".to_owned()],
            env: vec![
                ("HOME".to_owned(), context.home.as_str().to_owned()),
                ("CODEX_HOME".to_owned(), context.home.join(&codex_home)),
            ],
            files,
            directories: vec![codex_home],
        };
        let adapter = Self {
            lines: LineBuffer::new(LINE_MAX_BYTES),
            stderr: Utf8Stream::default(),
            conversation: Conversation::new(TurnOrder {
                home: context.home,
                cwd: context.cwd,
                model: model.name,
                prompt: prompt(context.prompt, context.question),
                interactive: context.interactive,
                output_schema: context.output_schema,
                resume: context.session.map(|session| session.thread_id),
            }),
        };
        Ok(Prepared {
            launch,
            adapter: Box::new(adapter),
        })
    }

    fn stderr_text(&mut self, text: &str) {
        self.conversation.remember_stderr(text);
        for portion in portions(text) {
            let text = portion.to_owned();
            self.conversation.emit(AgentEvent::Output {
                stream: OutputStream::Stderr,
                text,
            });
        }
    }
}

impl Adapter for Codex {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            steer: true,
            interrupt: true,
            resume: true,
            questions: true,
            streaming: true,
        }
    }

    fn start(&mut self) -> Vec<Effect> {
        self.conversation.initialize();
        self.conversation.take_effects()
    }

    fn on_stdout(&mut self, bytes: &[u8]) -> Vec<Effect> {
        match self.lines.push(bytes) {
            Ok(lines) => lines
                .iter()
                .for_each(|line| self.conversation.on_line(line)),
            Err(_) => self.conversation.give_up(format!(
                "Codex sent a line of more than {} MiB",
                LINE_MAX_BYTES / 1024 / 1024
            )),
        }
        self.conversation.take_effects()
    }

    fn on_stderr(&mut self, bytes: &[u8]) -> Vec<Effect> {
        let text = self.stderr.decode(bytes);
        self.stderr_text(&text);
        self.conversation.take_effects()
    }

    fn on_exit(&mut self, status: ExitStatus) -> Vec<Effect> {
        let text = self.stderr.finish();
        self.stderr_text(&text);
        self.conversation.on_exit(status);
        self.conversation.take_effects()
    }

    fn command(&mut self, command: AgentCommand) -> Vec<Effect> {
        match command {
            AgentCommand::Interrupt => self.conversation.interrupt(),
            AgentCommand::Steer { steer, text } => self.conversation.steer(steer, text),
            AgentCommand::Shutdown => self.conversation.shutdown(),
        }
        self.conversation.take_effects()
    }

    fn session_files(&self) -> Option<SessionSpec> {
        let (thread_id, file) = self.conversation.session()?;
        Some(SessionSpec {
            thread_id: thread_id.to_owned(),
            entries: vec![SessionEntry::File(file.clone())],
            max_size_bytes: SESSION_MAX_BYTES,
        })
    }
}

/// The session remembers the question only as a call that was broken off.
fn prompt(prompt: String, question: Option<String>) -> String {
    match question {
        Some(question) => format!("You asked:\n\n{question}\n\nThe answer:\n\n{prompt}"),
        None => prompt,
    }
}

/// The one file of a stored session, checked again: it may come from another version or another agent.
fn session_file(session: &StoredSession) -> Result<HomeFile, PrepareError> {
    let unusable = |reason: &str| PrepareError::SessionUnusable {
        agent: AgentKind::Codex,
        reason: reason.to_owned(),
    };
    if !is_thread_id(&session.thread_id) {
        return Err(unusable("its id is not a thread id"));
    }
    let [file] = session.files.as_slice() else {
        return Err(unusable("it must be exactly one file"));
    };
    if !is_rollout(&file.path) {
        return Err(unusable("its file is not below .codex/sessions"));
    }
    Ok(HomeFile {
        path: file.path.clone(),
        contents: file.contents.clone(),
        mode: 0o600,
    })
}

fn is_rollout(path: &HomePath) -> bool {
    path.is_below(SESSIONS) && path.as_str().ends_with(".jsonl")
}

fn is_thread_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
