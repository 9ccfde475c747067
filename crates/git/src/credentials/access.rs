//! From a credential to a call of git that may use it, and for no longer than that.

use super::{Credentials, Token, Username, usual_username};
use crate::process::{Call, Git};
use crate::url::{Protocol, RepoUrl};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Git gives a helper that begins with `!` to a shell, with `get`, `store` or `erase` as its argument. The secret is in the environment, and
/// `printf` is the shell's own, so that nothing of it is in any argument.
const HELPER: &str = r#"!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$OUTWORK_GIT_USERNAME" "$OUTWORK_GIT_TOKEN"; }; f"#;
/// With the user name of the address, which git knows.
const HELPER_WITHOUT_USERNAME: &str =
    r#"!f() { test "$1" = get && printf 'password=%s\n' "$OUTWORK_GIT_TOKEN"; }; f"#;

/// The same for all calls: no configuration of the machine, no agent, no question, and nothing of what ssh can do beside.
const SSH: &str = "ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=15 -o IdentitiesOnly=yes -o IdentityAgent=none \
     -o PreferredAuthentications=publickey -o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no -o HashKnownHosts=no \
     -o ClearAllForwardings=yes -o PermitLocalCommand=no";

const KEYS: &str = "keys";
const FIRST_SEEN: &str = "known_hosts";

/// What one call is given. Dropping it removes what is on disk of it.
#[derive(Debug)]
pub(crate) enum Access {
    Nothing,
    Token {
        setting: String,
        /// None for that of the address.
        username: Option<String>,
        token: Token,
        /// Settings of the way there.
        way: Vec<String>,
    },
    Ssh {
        command: String,
        _files: Vec<NamedTempFile>,
    },
}

/// Why a credential is not used for an address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("a token is sent over https only")]
    Plain,
    #[error("a token is for https, and an ssh key for ssh")]
    OtherProtocol,
    #[error("the key cannot be kept for ssh")]
    Keys(#[source] io::Error),
}

impl Credentials {
    /// What a call for this address is given.
    pub(crate) fn access(&self, git: &Git, url: &RepoUrl) -> Result<Access, Unusable> {
        match (self, url.protocol()) {
            (Self::Gateway { address, token }, _) => Ok(through(address, token, url)),
            // A local repository needs none.
            (Self::None, _) | (_, Protocol::File) => Ok(Access::Nothing),
            (Self::Token { username, token }, Protocol::Https | Protocol::Http) => {
                if url.protocol() == Protocol::Http && !url.is_loopback() {
                    return Err(Unusable::Plain);
                }
                Ok(for_host(url, username.as_ref(), token))
            }
            (
                Self::SshKey {
                    private_key,
                    known_hosts,
                },
                Protocol::Ssh,
            ) => {
                let known_hosts = known_hosts.as_ref().map(|hosts| hosts.0.as_str());
                let ssh = ssh(git, private_key.reveal(), known_hosts);
                ssh.map_err(Unusable::Keys)
            }
            (Self::Token { .. }, Protocol::Ssh | Protocol::Git)
            | (Self::SshKey { .. }, Protocol::Https | Protocol::Http | Protocol::Git) => {
                Err(Unusable::OtherProtocol)
            }
        }
    }

    /// The text without the token: what a server said may repeat it.
    pub(crate) fn masked(&self, text: String) -> String {
        match self {
            Self::Token { token, .. } | Self::Gateway { token, .. } if token.0.len() >= 8 => {
                text.replace(&token.0, "****")
            }
            Self::Token { .. } | Self::Gateway { .. } | Self::SshKey { .. } | Self::None => text,
        }
    }
}

/// The helper is asked for this protocol, host and port alone: a server that sends git elsewhere gets nothing there.
fn for_host(url: &RepoUrl, username: Option<&Username>, token: &Token) -> Access {
    let protocol = url.protocol().as_str();
    let authority = url.authority().unwrap_or_default();
    let username = match username {
        Some(name) => Some(name.0.clone()),
        None if url.has_user() => None,
        None => Some(usual_username(url, token).to_owned()),
    };
    let helper = match username {
        Some(_) => HELPER,
        None => HELPER_WITHOUT_USERNAME,
    };
    Access::Token {
        setting: format!("credential.{protocol}://{authority}.helper={helper}"),
        username,
        token: token.clone(),
        way: Vec::new(),
    }
}

/// The repository keeps its own address, also in what git writes down: only for the call it stands for the gateway's.
fn through(gateway: &RepoUrl, token: &Token, url: &RepoUrl) -> Access {
    let username = Credentials::gateway_username();
    let mut access = for_host(gateway, Some(&username), token);
    if let Access::Token { way, .. } = &mut access {
        way.push(format!(
            "url.{}.insteadOf={}",
            gateway.as_str(),
            url.as_str()
        ));
        way.push("http.followRedirects=false".to_owned());
        if gateway.is_loopback() {
            // The machine's proxy is for elsewhere.
            way.push("http.proxy=".to_owned());
        }
    }
    access
}

fn ssh(git: &Git, private_key: &str, known_hosts: Option<&str>) -> io::Result<Access> {
    let private_dir = git
        .private_dir()
        .ok_or_else(|| io::Error::other("this git has no folder of its own"))?;
    let keys = Keys::open(private_dir)?;
    let key = keys.write(private_key)?;
    let mut command = format!("{SSH} -o IdentityFile={}", quoted(key.path())?);
    let mut files = vec![key];
    match known_hosts {
        Some(lines) => {
            let file = keys.write(lines)?;
            command += " -o StrictHostKeyChecking=yes";
            command += &format!(" -o UserKnownHostsFile={}", quoted(file.path())?);
            files.push(file);
        }
        None => {
            let first_seen = private_dir.join(FIRST_SEEN);
            command += " -o StrictHostKeyChecking=accept-new";
            command += &format!(" -o UserKnownHostsFile={}", quoted(&first_seen)?);
        }
    }
    Ok(Access::Ssh {
        command,
        _files: files,
    })
}

/// For the shell that git starts, and for ssh's own reading of it, in which `%` and `$` mean something.
fn quoted(path: &Path) -> io::Result<String> {
    let text = path.to_str().filter(|text| {
        let odd = |c: char| c.is_control() || matches!(c, '\'' | '"' | '\\' | '%' | '$');
        !text.contains(odd)
    });
    let text = text.ok_or_else(|| {
        io::Error::other(format!(
            "the path {} holds a character that ssh would not take; keep Outwork's data elsewhere",
            path.display()
        ))
    })?;
    Ok(format!("'\"{text}\"'"))
}

/// The folder of the keys that are in use. Each is locked as long as it is, so that those of a process that was killed can be told.
struct Keys {
    folder: PathBuf,
    /// Held while a file is made or looked at.
    _lock: File,
}

impl Keys {
    fn open(private_dir: &Path) -> io::Result<Self> {
        let folder = private_dir.join(KEYS);
        make_private(&folder)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(private_dir.join("keys.lock"))?;
        lock.lock()?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// A new file that only its owner can read.
    fn write(&self, text: &str) -> io::Result<NamedTempFile> {
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.as_file().lock()?;
        file.write_all(text.as_bytes())?;
        Ok(file)
    }
}

/// Removes keys that a killed process left.
pub(crate) fn sweep(private_dir: &Path) -> io::Result<()> {
    if !private_dir.join(KEYS).exists() {
        return Ok(());
    }
    let keys = Keys::open(private_dir)?;
    for entry in std::fs::read_dir(&keys.folder)? {
        let path = entry?.path();
        let removed = match File::open(&path) {
            Ok(file) if file.try_lock().is_ok() => std::fs::remove_file(&path),
            Ok(_) => Ok(()),
            Err(fault) => Err(fault),
        };
        // Its owner may have come first.
        match removed {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

impl Access {
    /// Must come before the name of git's command: settings that git is given later win, and an empty helper has been given before.
    pub(crate) fn add_to<'a>(&self, call: Call<'a>) -> Call<'a> {
        match self {
            Self::Nothing => call,
            Self::Token {
                setting,
                username,
                token,
                way,
            } => {
                let settings = std::iter::once(setting).chain(way);
                let call = settings.fold(call, |call, setting| call.args(["-c", setting]));
                let call = call.env("OUTWORK_GIT_TOKEN", &token.0);
                match username {
                    Some(username) => call.env("OUTWORK_GIT_USERNAME", username),
                    None => call,
                }
            }
            Self::Ssh { command, _files } => call.env("GIT_SSH_COMMAND", command),
        }
    }
}
