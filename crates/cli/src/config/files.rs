//! `config.toml` and `credentials.toml`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Variables;
use crate::error::CliError;

/// `config.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server used unless another is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_host: Option<String>,
    /// The servers signed in to, by address.
    #[serde(default)]
    pub hosts: BTreeMap<String, Host>,
}

/// What is known of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Who is signed in.
    pub user: String,
    /// To which workspace.
    pub workspace: String,
    /// What people call it; else it goes by its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Config {
    /// The servers signed in to: name, address, what is known of them.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str, &Host)> {
        self.hosts.iter().map(|(url, host)| {
            let name = host.name.as_deref().unwrap_or_else(|| host_in(url));
            (name, url.as_str(), host)
        })
    }

    /// The address of the server of that name or address, if one is signed in to it.
    pub fn url_of(&self, name: &str) -> Option<String> {
        let url = super::normalised(name);
        if self.hosts.contains_key(&url) {
            return Some(url);
        }
        let mut named = self.names().filter(|(known, _, _)| *known == name);
        match (named.next(), named.next()) {
            (Some((_, url, _)), None) => Some(url.to_owned()),
            _ => None,
        }
    }
}

fn host_in(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// `credentials.toml`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Tokens by the server's address.
    #[serde(default)]
    pub tokens: BTreeMap<String, String>,
}

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No variable says where the folder is.
    #[error("there is no home folder to keep the configuration in")]
    NoFolder,
    /// Reading.
    #[error("{path} cannot be read")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Understanding.
    #[error("{path} is not as expected")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Writing.
    #[error("{path} cannot be written")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let message = error.to_string();
        let plain = Self::failed(message).code("configuration");
        match error {
            ConfigError::NoFolder => plain.hint("name a folder with OUTWORK_CONFIG_DIR"),
            ConfigError::Read { source, .. } | ConfigError::Write { source, .. } => plain
                .source(source)
                .hint("correct its permissions, or name another folder with OUTWORK_CONFIG_DIR"),
            ConfigError::Parse { source, .. } => plain
                .source(source)
                .hint("correct it; or remove it and run `outwork login --url URL` again"),
        }
    }
}

/// The folder with both files.
#[derive(Clone, Debug)]
pub struct ConfigFiles {
    folder: Option<PathBuf>,
}

impl ConfigFiles {
    /// The folder that the variables name.
    pub fn from_variables(variables: &Variables) -> Self {
        let home = if cfg!(windows) {
            variables.path("APPDATA")
        } else {
            variables.path("HOME").map(|home| home.join(".config"))
        };
        let folder = variables.path("OUTWORK_CONFIG_DIR").or_else(|| {
            let above = variables.path("XDG_CONFIG_HOME").or(home)?;
            Some(above.join("outwork"))
        });
        Self { folder }
    }

    /// Where `config.toml` is.
    pub fn config_path(&self) -> Result<PathBuf, ConfigError> {
        self.path("config.toml")
    }

    /// Where `credentials.toml` is.
    pub fn credentials_path(&self) -> Result<PathBuf, ConfigError> {
        self.path("credentials.toml")
    }

    /// The home of the stock client that is signed in to Outwork.
    pub fn folder_of_codex(&self) -> Result<PathBuf, ConfigError> {
        self.path("codex")
    }

    /// Where launchers are put.
    pub fn folder_of_shims(&self) -> Result<PathBuf, ConfigError> {
        self.path("shims")
    }

    /// The configuration; empty when there is none yet.
    pub fn config(&self) -> Result<Config, ConfigError> {
        self.config_path()
            .map_or_else(|_| Ok(Config::default()), |path| read(&path))
    }

    /// The tokens; none when there are none yet.
    pub fn credentials(&self) -> Result<Credentials, ConfigError> {
        self.credentials_path()
            .map_or_else(|_| Ok(Credentials::default()), |path| read(&path))
    }

    /// Keeps a server and its token, and makes it the one that is used.
    pub fn sign_in(&self, url: &str, host: Host, token: &str) -> Result<(), ConfigError> {
        let mut credentials = self.credentials()?;
        credentials.tokens.insert(url.to_owned(), token.to_owned());
        write(&self.credentials_path()?, &credentials)?;
        let mut config = self.config()?;
        config.hosts.insert(url.to_owned(), host);
        config.default_host = Some(url.to_owned());
        self.keep(&config)
    }

    /// Forgets a server and its token.
    pub fn sign_out(&self, url: &str) -> Result<(), ConfigError> {
        let mut credentials = self.credentials()?;
        credentials.tokens.remove(url);
        write(&self.credentials_path()?, &credentials)?;
        let mut config = self.config()?;
        config.hosts.remove(url);
        config.default_host = config.default_host.filter(|used| used != url);
        self.keep(&config)
    }

    /// Replaces the configuration.
    pub fn keep(&self, config: &Config) -> Result<(), ConfigError> {
        write(&self.config_path()?, config)
    }

    fn path(&self, name: &str) -> Result<PathBuf, ConfigError> {
        let folder = self.folder.as_ref().ok_or(ConfigError::NoFolder)?;
        Ok(folder.join(name))
    }
}

fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T, ConfigError> {
    let path = || path.to_owned();
    let text = match std::fs::read_to_string(path()) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(source) => {
            return Err(ConfigError::Read {
                path: path(),
                source,
            });
        }
    };
    toml::from_str(&text).map_err(|mut error| {
        // The text around the fault may hold a token.
        error.set_input(None);
        ConfigError::Parse {
            path: path(),
            source: Box::new(error),
        }
    })
}

/// Replaces the file at once; it is readable by its owner only from the start.
fn write(path: &Path, content: &impl Serialize) -> Result<(), ConfigError> {
    let failed = |source| ConfigError::Write {
        path: path.to_owned(),
        source,
    };
    let text = toml::to_string(content).expect("tables with text keys");
    let folder = path.parent().expect("a file in a folder");
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
