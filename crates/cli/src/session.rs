//! What a command works with: the outside world, read once.

use std::io::Read;
use std::path::{Path, PathBuf};

use futures_util::future::{BoxFuture, LocalBoxFuture};
use futures_util::stream::BoxStream;
use outwork_api::client::{Client, IdempotencyKey, Jitter};
use outwork_domain::Timestamp;
use outwork_git::{Git, Repository};
use outwork_tui::Screen;

use crate::args::GlobalArgs;
use crate::config::{self, ConfigFiles, Variables};
use crate::error::CliError;
use crate::io::{Check, Io, Local};
use crate::terminal::output::Output;
use crate::terminal::pager::{Held, Pager};
use crate::terminal::style::Style;

/// One command's surroundings.
pub(crate) struct Session {
    pub out: Output,
    pub stdin: Option<Box<dyn Read + Send>>,
    pub stdin_is_terminal: bool,
    pub variables: Variables,
    pub files: ConfigFiles,
    pub current_dir: PathBuf,
    pub program: PathBuf,
    pub url_flag: Option<String>,
    pub now: fn() -> Timestamp,
    pub hide_typing: fn() -> Box<dyn std::any::Any + Send>,
    pub open_screen: fn() -> std::io::Result<Screen>,
    pub root_command: fn() -> clap::Command,
    pub checks: BoxFuture<'static, Vec<Check>>,
    pub local: Option<LocalBoxFuture<'static, Result<Local, CliError>>>,
    /// What happens when somebody presses Ctrl-C now.
    pub on_interrupt: OnInterrupt,
    random: fn() -> u128,
}

/// What happens when the command is interrupted.
#[derive(Default)]
pub(crate) struct OnInterrupt {
    /// What to tell.
    pub advice: Option<String>,
    /// What has to be taken back.
    pub undo: Option<Undo>,
}

/// Takes back what a command made that did not come to its end.
pub(crate) type Undo = BoxFuture<'static, Result<(), CliError>>;

impl Session {
    /// From the parts of `io`; the interruptions are the caller's to watch.
    pub fn new(io: Io, globals: &GlobalArgs) -> (Self, BoxStream<'static, ()>) {
        let Io {
            stdin,
            stdout,
            stderr,
            stdin_is_terminal,
            stdout_is_terminal,
            can_page: _,
            stderr_is_terminal,
            width,
            variables,
            current_dir,
            program,
            now,
            random,
            interrupts,
            hide_typing,
            open_screen,
            root_command,
            checks,
            local,
        } = io;
        let variables = Variables::new(variables);
        let out = Output {
            stdout,
            stderr,
            stdout_style: Style::choose(globals.color, &variables, stdout_is_terminal),
            stderr_style: Style::choose(globals.color, &variables, stderr_is_terminal),
            stdout_is_terminal,
            stderr_is_terminal,
            width,
            is_quiet: globals.quiet,
            pager: Pager::No,
            held: Held::default(),
        };
        let session = Self {
            out,
            stdin: Some(stdin),
            stdin_is_terminal,
            files: ConfigFiles::from_variables(&variables),
            variables,
            current_dir,
            program,
            url_flag: globals.url.clone(),
            now,
            hide_typing,
            open_screen,
            root_command,
            checks,
            local: Some(local),
            on_interrupt: OnInterrupt::default(),
            random,
        };
        (session, interrupts)
    }

    /// A client for the configured server.
    pub fn client(&self) -> Result<Client, CliError> {
        let url = config::server_url(self.url_flag.as_deref(), &self.variables, &self.files)?;
        let token = config::token(&url, &self.variables, &self.files)?;
        Ok(Client::new(&url, token)?)
    }

    /// A name for one request.
    pub fn idempotency_key(&self) -> IdempotencyKey {
        IdempotencyKey::from_random((self.random)())
    }

    pub fn jitter(&self) -> Jitter {
        // The lower half of the bits is as random as the whole.
        Jitter::from_random((self.random)() as u64)
    }

    /// 128 random bits, other ones each time.
    pub fn random(&self) -> fn() -> u128 {
        self.random
    }

    pub fn git(&self) -> Git {
        Git::for_user("git", self.variables.all())
    }

    /// The repository around the current folder.
    pub async fn repository(&self) -> Result<Repository, CliError> {
        repository_at(self.git(), &self.current_dir).await
    }

    /// All of standard input. Once: a second reader is told.
    pub async fn read_stdin(&mut self) -> Result<Vec<u8>, CliError> {
        let mut stdin = self.stdin.take().ok_or_else(|| {
            CliError::usage("standard input can be read once only")
                .hint("give one thing there, and the others in files")
        })?;
        let read = move || {
            let mut bytes = Vec::new();
            stdin.read_to_end(&mut bytes).map(|_| bytes)
        };
        tokio::task::spawn_blocking(read)
            .await
            .expect("reading does not panic")
            .map_err(unreadable)
    }

    /// Asks a person; `None` when nothing comes any more.
    pub async fn ask(&mut self, question: &str) -> Result<Option<String>, CliError> {
        self.out.ask(question);
        self.read_line().await
    }

    /// Asks a person yes or no; `otherwise` is what an empty answer means. The end of the input is a no.
    pub async fn confirm(&mut self, question: &str, otherwise: bool) -> Result<bool, CliError> {
        loop {
            let Some(answer) = self.ask(question).await? else {
                return Ok(false);
            };
            match answer.trim().to_lowercase().as_str() {
                "" => return Ok(otherwise),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => {}
            }
        }
    }

    /// Asks a person whom nobody is to look over the shoulder; empty when nothing comes any more.
    pub async fn ask_secret(&mut self, question: &str) -> Result<String, CliError> {
        let hidden = (self.hide_typing)();
        self.out.ask(question);
        let line = self.read_line().await;
        drop(hidden);
        self.out.end_echo();
        line.map(Option::unwrap_or_default)
    }

    /// One line of standard input, without its end. What comes after it is still there.
    async fn read_line(&mut self) -> Result<Option<String>, CliError> {
        let mut stdin = self.stdin.take().expect("nobody asks after reading all");
        let read = move || {
            let mut line = Vec::new();
            let mut byte = [0];
            let is_end = loop {
                match stdin.read(&mut byte) {
                    Ok(1) if byte[0] != b'\n' => line.push(byte[0]),
                    Ok(read) => break Ok(read == 0),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => break Err(error),
                }
            };
            (stdin, line, is_end)
        };
        let (stdin, line, is_end) = tokio::task::spawn_blocking(read)
            .await
            .expect("reading does not panic");
        self.stdin = Some(stdin);
        match is_end.map_err(unreadable)? && line.is_empty() {
            true => Ok(None),
            false => Ok(Some(
                String::from_utf8_lossy(&line)
                    .trim_end_matches('\r')
                    .to_owned(),
            )),
        }
    }

    /// What to tell somebody who presses Ctrl-C from now on.
    pub fn advise_on_interruption(&mut self, advice: Option<String>) {
        self.on_interrupt.advice = advice;
    }
}

fn unreadable(error: std::io::Error) -> CliError {
    CliError::failed("standard input cannot be read").source(error)
}

/// The repository around a folder.
pub(crate) async fn repository_at(git: Git, folder: &Path) -> Result<Repository, CliError> {
    use outwork_git::RepositoryError;
    Repository::at(git, folder)
        .await
        .map_err(|error| match error {
            RepositoryError::NotARepository { .. } => {
                CliError::failed("this folder is in no git repository")
                    .code("no_repository")
                    .hint("go to a clone of the task's repository and run the command again")
            }
            RepositoryError::Bare { .. } => CliError::failed(error.to_string())
                .code("no_repository")
                .hint("go to a clone with files"),
            RepositoryError::Git(source) => CliError::failed(source.to_string())
                .code("git")
                .source(source),
        })
}
