//! What a command works with: the outside world, read once.

use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use outwork_api::client::{Client, IdempotencyKey, Jitter};
use outwork_domain::Timestamp;
use outwork_git::{Git, Repository};

use crate::args::GlobalArgs;
use crate::config::{self, ConfigFiles, Variables};
use crate::error::CliError;
use crate::io::{Check, Io};
use crate::terminal::output::Output;
use crate::terminal::style::Style;

/// One command's surroundings.
pub(crate) struct Session {
    pub out: Output,
    pub stdin: Option<Box<dyn Read + Send>>,
    pub stdin_is_terminal: bool,
    pub variables: Variables,
    pub files: ConfigFiles,
    pub current_dir: PathBuf,
    pub url_flag: Option<String>,
    pub now: fn() -> Timestamp,
    pub hide_typing: fn() -> Box<dyn std::any::Any + Send>,
    pub root_command: fn() -> clap::Command,
    pub checks: BoxFuture<'static, Vec<Check>>,
    /// What to tell somebody who interrupts now.
    pub interruption_advice: Arc<Mutex<Option<String>>>,
    random: fn() -> u128,
}

impl Session {
    /// From the parts of `io`; the interruption is the caller's to watch.
    pub fn new(io: Io, globals: &GlobalArgs) -> (Self, BoxFuture<'static, ()>) {
        let Io {
            stdin,
            stdout,
            stderr,
            stdin_is_terminal,
            stdout_is_terminal,
            stderr_is_terminal,
            width,
            variables,
            current_dir,
            now,
            random,
            interrupt,
            hide_typing,
            root_command,
            checks,
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
        };
        let session = Self {
            out,
            stdin: Some(stdin),
            stdin_is_terminal,
            files: ConfigFiles::from_variables(&variables),
            variables,
            current_dir,
            url_flag: globals.url.clone(),
            now,
            hide_typing,
            root_command,
            checks,
            interruption_advice: Arc::default(),
            random,
        };
        (session, interrupt)
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

    pub fn git(&self) -> Git {
        Git::for_user("git", self.variables.all())
    }

    /// The repository around the current folder.
    pub async fn repository(&self) -> Result<Repository, CliError> {
        use outwork_git::RepositoryError;
        Repository::at(self.git(), &self.current_dir)
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

    /// All of standard input. Once.
    pub async fn read_stdin(&mut self) -> Result<Vec<u8>, CliError> {
        let mut stdin = self.stdin.take().expect("standard input is read once");
        let read = move || {
            let mut bytes = Vec::new();
            stdin.read_to_end(&mut bytes).map(|_| bytes)
        };
        tokio::task::spawn_blocking(read)
            .await
            .expect("reading does not panic")
            .map_err(|error| CliError::failed("standard input cannot be read").source(error))
    }

    /// One line of standard input, typed by a person whom nobody is to look over the shoulder. Once.
    pub async fn read_secret_line(&mut self, question: &str) -> Result<Vec<u8>, CliError> {
        let mut stdin = self.stdin.take().expect("standard input is read once");
        let hidden = (self.hide_typing)();
        self.out.ask(question);
        let read = move || {
            let mut line = Vec::new();
            let mut byte = [0];
            while stdin.read(&mut byte)? == 1 && byte[0] != b'\n' {
                line.push(byte[0]);
            }
            Ok::<_, std::io::Error>(line)
        };
        let line = tokio::task::spawn_blocking(read)
            .await
            .expect("reading does not panic");
        drop(hidden);
        self.out.end_echo();
        line.map_err(|error| CliError::failed("standard input cannot be read").source(error))
    }

    /// What to tell somebody who presses Ctrl-C from now on.
    pub fn advise_on_interruption(&self, advice: Option<String>) {
        *self
            .interruption_advice
            .lock()
            .expect("no panic while held") = advice;
    }
}
