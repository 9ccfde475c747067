//! The home that Outwork keeps for the stock client: a login of its own, beside Outwork's configuration. The person's own is never looked at.

use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use outwork_api::codex::CodexLogin;
use serde_json::{Value, json};

use crate::config::ConfigFiles;
use crate::error::{CliError, Kind};

/// So far ahead that the client never asks for another token, whatever its version: it would ask others than this server.
const LAST_REFRESH: &str = "2099-01-01T00:00:00Z";
/// Which server the login is for: it is sent nowhere else.
const SERVER: &str = "outwork-server";
/// What the client calls it.
const LOGIN: &str = "auth.json";

/// A folder that is there.
pub(crate) struct OutworkCodexHome {
    pub(crate) path: PathBuf,
    /// The server's address.
    pub(crate) url: String,
}

impl OutworkCodexHome {
    /// Writes the login for `url`, in place of the one before.
    pub(crate) fn write(
        files: &ConfigFiles,
        url: &str,
        login: &CodexLogin,
    ) -> Result<Self, CliError> {
        let path = files.folder_of_codex()?;
        let failed = |error: std::io::Error| {
            CliError::failed(format!("{} cannot be written", path.display()))
                .code("configuration")
                .source(error)
                .hint("correct its permissions, or name another folder with OUTWORK_CONFIG_DIR")
        };
        let mut folder = DirBuilder::new();
        folder.recursive(true).mode(0o700);
        folder.create(&path).map_err(failed)?;
        let CodexLogin {
            access_token,
            id_token,
            refresh_token,
            account_id,
        } = login;
        let auth = json!({
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": null,
            "tokens": {"id_token": id_token, "access_token": access_token.reveal(), "refresh_token": refresh_token, "account_id": account_id},
            "last_refresh": LAST_REFRESH,
        });
        // The server first: an old login must not be sent to a new one, so it is gone before that is written.
        let login_path = path.join(LOGIN);
        match std::fs::remove_file(&login_path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        replace(&path.join(SERVER), url).map_err(failed)?;
        replace(&login_path, &auth.to_string()).map_err(failed)?;
        Ok(Self {
            path,
            url: url.to_owned(),
        })
    }

    /// The one that was written before.
    pub(crate) fn read(files: &ConfigFiles) -> Result<Self, CliError> {
        let path = files.folder_of_codex()?;
        let url = std::fs::read_to_string(path.join(SERVER)).map_err(|error| {
            CliError::new(Kind::SignedOut, "codex is not signed in to Outwork")
                .source(error)
                .hint("run `outwork login --codex`")
        })?;
        let url = url.trim().to_owned();
        Ok(Self { path, url })
    }

    /// The access token that the client has.
    pub(crate) fn access_token(&self) -> Result<String, CliError> {
        let none = || {
            CliError::new(Kind::SignedOut, "codex is not signed in to Outwork")
                .hint("to sign in, run `outwork login --codex`")
        };
        let text =
            std::fs::read_to_string(self.path.join(LOGIN)).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => none(),
                _ => none().source(error),
            })?;
        let login: Value = serde_json::from_str(&text).map_err(|error| none().source(error))?;
        let token = login["tokens"]["access_token"].as_str();
        token.map(str::to_owned).ok_or_else(none)
    }

    /// Forgets the login. What else the client keeps there stays.
    pub(crate) fn remove(&self) -> Result<(), CliError> {
        for name in [LOGIN, SERVER] {
            match std::fs::remove_file(self.path.join(name)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let folder = self.path.display();
                    let message = format!("{name} in {folder} cannot be removed");
                    return Err(CliError::failed(message)
                        .code("configuration")
                        .source(error));
                }
            }
        }
        Ok(())
    }
}

/// Readable by its owner only, from the start.
fn replace(path: &Path, content: &str) -> std::io::Result<()> {
    let folder = path.parent().expect("a file in a folder");
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
