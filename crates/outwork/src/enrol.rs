//! How `outwork worker` comes to its token: one that it was given, one that it kept, or one that it enrols for.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outwork_api::Secret;
use outwork_api::client::{Client, ClientError, Token};
use outwork_api::worker::Enroll;

use crate::data_dir::write_secret;
use crate::failure::{Failure, FailureExt, HintExt};
use crate::system;

/// How long between two tries to reach the server.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Which token a worker uses.
#[derive(clap::Args, Debug)]
pub(crate) struct TokenArgs {
    /// A file with the workers' token: DATA_DIR/worker.token of the server
    #[arg(
        long,
        value_name = "FILE",
        env = "OUTWORK_WORKER_TOKEN_FILE",
        conflicts_with = "enrolment_token_file"
    )]
    token_file: Option<PathBuf>,
    /// A file with an enrolment token (`outwork workers enrol`), exchanged at the first start for a token of
    /// its own, which is kept in DATA_DIR/worker; or $OUTWORK_ENROLMENT_TOKEN
    #[arg(long, value_name = "FILE", env = "OUTWORK_ENROLMENT_TOKEN_FILE")]
    enrolment_token_file: Option<PathBuf>,
}

/// A token, and where it lies.
pub(crate) struct Found {
    pub(crate) token: Token,
    pub(crate) file: PathBuf,
    /// Whether it is the worker's own.
    pub(crate) is_own: bool,
}

impl TokenArgs {
    /// The token to use, which may first have to be exchanged: that waits for the server.
    pub(crate) async fn find(
        &self,
        url: &str,
        data_dir: &Path,
        name: &str,
    ) -> Result<Found, Failure> {
        if let Some(file) = &self.token_file {
            return Ok(Found {
                token: read(file)?,
                file: file.clone(),
                is_own: false,
            });
        }
        let kept = Kept::new(data_dir);
        if kept.token.exists() {
            tracing::info!(file = %kept.token.display(), "the worker has a token of its own");
        } else {
            let enrolment = self.enrolment_token()?;
            kept.enrol(url, enrolment, name).await?;
        }
        Ok(Found {
            token: read(&kept.token)?,
            file: kept.token,
            is_own: true,
        })
    }

    fn enrolment_token(&self) -> Result<Token, Failure> {
        if let Some(file) = &self.enrolment_token_file {
            return read(file);
        }
        let given = system::variable("OUTWORK_ENROLMENT_TOKEN").ok_or_else(|| {
            Failure::new("the worker has no token").with_hint(
                "Make an enrolment token with `outwork workers enrol` and name its file with --enrolment-token-file, \
                 or copy worker.token from the server's data directory and name it with --token-file.",
            )
        })?;
        Token::parse(&given).failure("OUTWORK_ENROLMENT_TOKEN holds no token")
    }
}

fn read(file: &Path) -> Result<Token, Failure> {
    let text = fs::read_to_string(file)
        .failure(format!("{} cannot be read", file.display()))
        .hint("Name a file with the token; `outwork worker --help` says which.")?;
    Token::parse(text.trim()).failure(format!("{} holds no token", file.display()))
}

/// What a worker keeps of its enrolment.
struct Kept {
    directory: PathBuf,
    token: PathBuf,
    /// What it made for the exchange, before it asked: asked again, the server answers the same.
    key: PathBuf,
    id: PathBuf,
}

impl Kept {
    fn new(data_dir: &Path) -> Self {
        let directory = data_dir.join("worker");
        Self {
            token: directory.join("token"),
            key: directory.join("enrolment.key"),
            id: directory.join("id"),
            directory,
        }
    }

    async fn enrol(&self, url: &str, enrolment: Token, name: &str) -> Result<(), Failure> {
        let shown = self.directory.display().to_string();
        let key = self
            .made_key()
            .failure(format!("{shown} cannot be written"))
            .hint("See that the disk has space and that the directory is this user's.")?;
        let client = Client::new(url, enrolment)
            .failure(format!("{url} is not a server's address"))
            .hint("It looks like http://HOST:7420.")?;
        let enroll = Enroll {
            key: Secret::new(key),
            name: name.to_owned(),
        };
        let enrolled = loop {
            match client.enroll(&enroll).await {
                Ok(enrolled) => break enrolled,
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, "the worker cannot be enrolled yet; it goes on trying");
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Err(error) => {
                    return Err(error).failure("the worker cannot be enrolled").hint(
                        "Make a new enrolment token with `outwork workers enrol`, and name it with --enrolment-token-file.",
                    );
                }
            }
        };
        self.keep(&enrolled.worker, enrolled.token.reveal())
            .failure(format!("{shown} cannot be written"))
            .hint("Start the worker again once it can: the server answers the same.")?;
        tracing::info!(worker = enrolled.worker, "enrolled");
        Ok(())
    }

    /// The key, made and durable before anybody is asked.
    fn made_key(&self) -> io::Result<String> {
        fs::create_dir_all(&self.directory)?;
        fs::set_permissions(&self.directory, Permissions::from_mode(0o700))?;
        match fs::read_to_string(&self.key) {
            Ok(key) => return Ok(key.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let random: [u8; 32] = system::random();
        let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        write_secret(&self.key, &key)?;
        self.sync()?;
        Ok(key)
    }

    fn keep(&self, worker: &str, token: &str) -> io::Result<()> {
        // The id first: a worker with a token of its own may not ask for another.
        write_secret(&self.id, worker)?;
        write_secret(&self.token, token)?;
        self.sync()?;
        fs::remove_file(&self.key)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

/// Whether the server may answer otherwise later.
fn is_passing(error: &ClientError) -> bool {
    match error.problem() {
        Some(problem) => problem.status >= 500 || matches!(problem.status, 408 | 425 | 429),
        None => matches!(
            error,
            ClientError::Unreachable { .. } | ClientError::Protocol { .. }
        ),
    }
}
