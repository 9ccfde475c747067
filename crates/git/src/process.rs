//! Starting git: scrubbed environment, argument vectors only, time limits, whole process group killed.

mod call;
#[cfg(all(test, unix))]
mod tests;

#[cfg_attr(not(target_os = "linux"), allow(unused_imports))]
pub(crate) use call::Output;
pub(crate) use call::{Call, Input};

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time for work that needs no network.
pub(crate) const LOCAL_LIMIT: Duration = Duration::from_secs(120);

/// A call of git that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("git cannot be started from {program}; install git 2.39 or newer, or name its path")]
    Start { program: String, source: io::Error },
    #[error("git took longer than {limit_ms} ms to {operation} and was stopped")]
    TimedOut {
        operation: &'static str,
        limit_ms: u128,
    },
    #[error("git failed to {operation}: {stderr}")]
    Failed {
        operation: &'static str,
        code: Option<i32>,
        stderr: String,
    },
    #[error("git wrote more than {limit_bytes} bytes to {operation}")]
    OutputTooLarge {
        operation: &'static str,
        limit_bytes: usize,
    },
    #[error("git answered something unexpected to {operation}: {answer}")]
    Unexpected {
        operation: &'static str,
        answer: String,
    },
    #[error("input or output failed while git was to {operation}")]
    Io {
        operation: &'static str,
        source: io::Error,
    },
}

/// Settings that hold in every repository this crate owns. `safe.directory` is here because a worker that runs as root mirrors repositories
/// of other owners, and git passes command-line settings on to `git upload-pack` of a local repository only through a file.
const PRIVATE_CONFIG: &str = "\
[safe]\n\tdirectory = *\n\tbareRepository = all\n\
[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tautocrlf = false\n\tsymlinks = true\n\tattributesFile = /dev/null\n\texcludesFile = /dev/null\n\taskPass =\n\
[credential]\n\thelper =\n\
[gc]\n\tauto = 0\n\
[maintenance]\n\tauto = false\n\
[fetch]\n\twriteCommitGraph = false\n\
[submodule]\n\trecurse = false\n\
[http]\n\tlowSpeedLimit = 1000\n\tlowSpeedTime = 60\n\
[init]\n\tdefaultBranch = main\n\
[advice]\n\tdetachedHead = false\n";

/// Variables that an operator may hand on to an isolated git: how to reach the network, nothing that names a program or a repository.
const PASSED_ON: [&str; 12] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "SSH_AUTH_SOCK",
];

/// Variables that git needs in the user's own repository. `GIT_DIR` and its kin are deliberately absent: the folder decides.
const USERS_OWN: [&str; 10] = [
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "USERPROFILE",
    "SYSTEMROOT",
    "APPDATA",
    "TEMP",
];

/// A git binary with the environment in which it is started.
#[derive(Debug, Clone)]
pub struct Git {
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    private_dir: Option<PathBuf>,
}

impl Git {
    /// A git for repositories that Outwork owns: it reads no configuration of the machine or of a user.
    ///
    /// `search_path` is the value of PATH for git and ssh. `private_dir` is made if missing and holds our configuration file, the host keys that
    /// ssh has seen, and ssh keys while they are in use; it must be closed to agents. Keys that a killed process left there are removed.
    pub fn isolated(
        program: impl Into<PathBuf>,
        search_path: &OsStr,
        private_dir: &Path,
    ) -> Result<Self, GitError> {
        let io = |source| GitError::Io {
            operation: "prepare its private folder",
            source,
        };
        std::fs::create_dir_all(private_dir).map_err(io)?;
        let private_dir = private_dir.canonicalize().map_err(io)?;
        let config = private_dir.join("gitconfig");
        if std::fs::read(&config).ok().as_deref() != Some(PRIVATE_CONFIG.as_bytes()) {
            let fresh = tempfile::NamedTempFile::new_in(&private_dir).map_err(io)?;
            std::fs::write(fresh.path(), PRIVATE_CONFIG).map_err(io)?;
            fresh.persist(&config).map_err(|fault| io(fault.error))?;
        }
        crate::credentials::sweep(&private_dir).map_err(io)?;
        let mut git = Self {
            program: program.into(),
            environment: Vec::new(),
            private_dir: Some(private_dir.clone()),
        };
        git.set("PATH", search_path);
        git.set("HOME", private_dir.as_os_str());
        git.set("GIT_CONFIG_GLOBAL", config.as_os_str());
        git.set("GIT_CONFIG_NOSYSTEM", OsStr::new("1"));
        git.set("GIT_ATTR_NOSYSTEM", OsStr::new("1"));
        git.set("GIT_NO_REPLACE_OBJECTS", OsStr::new("1"));
        // A constant; git gives it to a shell, host and path are added by git as quoted arguments.
        git.set(
            "GIT_SSH_COMMAND",
            OsStr::new("ssh -o BatchMode=yes -o ConnectTimeout=15"),
        );
        git.set("GIT_SSH_VARIANT", OsStr::new("ssh"));
        git.set_always();
        Ok(git)
    }

    /// A git for the user's own repository: the user's configuration applies, hooks and fsmonitor do not. Of `environment` (all variables of
    /// the process) only the few are taken that git needs to find that configuration.
    pub fn for_user(
        program: impl Into<PathBuf>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let mut git = Self {
            program: program.into(),
            environment: Vec::new(),
            private_dir: None,
        };
        for (name, value) in environment {
            if name.to_str().is_some_and(|name| USERS_OWN.contains(&name)) {
                git.environment.push((name, value));
            }
        }
        git.set_always();
        git
    }

    /// Adds those of the process's variables that say how to reach the network (proxies, certificates, ssh agent); others are ignored.
    pub fn with_network_environment(
        mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        for (name, value) in environment {
            if name.to_str().is_some_and(|name| PASSED_ON.contains(&name)) {
                self.set(name, &value);
            }
        }
        // What the rest of the program trusts; git by itself does not look at that variable.
        let of = |wanted: &str| {
            let mut variables = self.environment.iter();
            variables.find(|(name, _)| name == wanted).cloned()
        };
        if let (None, Some((_, file))) = (of("GIT_SSL_CAINFO"), of("SSL_CERT_FILE")) {
            self.set("GIT_SSL_CAINFO", &file);
        }
        self
    }

    /// The private folder, if this git has one.
    pub fn private_dir(&self) -> Option<&Path> {
        self.private_dir.as_deref()
    }

    fn set_always(&mut self) {
        self.set("LC_ALL", OsStr::new("C"));
        self.set("GIT_TERMINAL_PROMPT", OsStr::new("0"));
        self.set("GIT_ASKPASS", OsStr::new(""));
        self.set("SSH_ASKPASS", OsStr::new(""));
        self.set("GIT_OPTIONAL_LOCKS", OsStr::new("0"));
        self.set("GIT_PAGER", OsStr::new("cat"));
        self.set("GIT_EDITOR", OsStr::new("false"));
        // No protocol unless a call names one.
        self.set("GIT_ALLOW_PROTOCOL", OsStr::new("none"));
    }

    fn set(&mut self, name: impl Into<OsString>, value: &OsStr) {
        let name = name.into();
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.to_owned()));
    }

    /// The version line of the binary, for `doctor`.
    pub async fn version(&self) -> Result<String, GitError> {
        let output = self
            .call("tell its version")
            .arg("version")
            .limit(Duration::from_secs(10))
            .success()
            .await?;
        Ok(output.text().trim().to_owned())
    }
}
