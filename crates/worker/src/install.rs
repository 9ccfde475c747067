//! The agents that are installed on this machine.
//!
//! `agents_dir/<agent>/<version>/` holds what a sandbox sees as `/outwork/agents/<agent>`. A version appears by one rename
//! and is never changed after it, so a worker may run while an agent is installed. Agents come from the package registry
//! that the user's own package manager is set up for; nothing is run while a package is unpacked.

mod npm;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use outwork_agents::AgentKind;
use outwork_agents::codex::{CODEX_NPM_PACKAGE, CODEX_PLATFORMS, CODEX_VERSION, CodexPlatform};

use outwork_snapshot::remove_tree;

/// What was begun by an installation that was killed starts with this.
const UNFINISHED: &str = ".unfinished-";

/// An agent that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// As environments name it.
    pub name: &'static str,
    /// Absent for `command`, which is no program of ours.
    pub version: Option<String>,
    /// Where it lies; absent for `command`.
    pub path: Option<PathBuf>,
}

/// Why an agent is not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// No agent of that name, or none that needs installing.
    #[error("there is no agent `{name}` to install; `codex` is one")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The agent is not made for this machine.
    #[error(
        "the agent `{agent}` is not available for processors of the kind {arch}; use a machine with x86_64 or aarch64"
    )]
    Platform {
        /// The agent.
        agent: &'static str,
        /// This machine's.
        arch: &'static str,
    },
    /// The package manager is missing.
    #[error("npm cannot be started; install Node.js (with npm) and try again")]
    NpmMissing(#[source] io::Error),
    /// The package manager failed.
    #[error(
        "npm could not fetch {package}; check the network and npm's registry setting (`npm config get registry`). npm said:\n{said}"
    )]
    Npm {
        /// What was to be fetched.
        package: String,
        /// The end of its error output.
        said: String,
    },
    /// The package manager took too long.
    #[error("npm took longer than {} minutes to fetch {package}; check the network and try again", npm::DOWNLOAD_WITHIN.as_secs() / 60)]
    NpmTimedOut {
        /// What was to be fetched.
        package: String,
    },
    /// The package is not what it should be.
    #[error(
        "the package {package} does not hold {missing}; try again, or use the version of Outwork that fits it"
    )]
    Content {
        /// The package.
        package: String,
        /// What was looked for.
        missing: String,
    },
    /// The program does not run here.
    #[error("the program {program} was fetched but does not run here: {said}")]
    DoesNotRun {
        /// The program.
        program: PathBuf,
        /// What it said.
        said: String,
    },
    /// The disk.
    #[error("{path} cannot be written; check its permissions and that its disk is not full")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is installed in `agents_dir`, `command` first.
pub fn list(agents_dir: &Path) -> Vec<Installed> {
    let mut found = vec![Installed {
        name: AgentKind::Command.name(),
        version: None,
        path: None,
    }];
    if let Some(path) = codex_root(agents_dir) {
        let version = Some(CODEX_VERSION.to_owned());
        found.push(Installed {
            name: AgentKind::Codex.name(),
            version,
            path: Some(path),
        });
    }
    found
}

/// Fetches an agent into `agents_dir`; does nothing if it is there. `environment` is the user's, for the package manager:
/// where its settings and the network are.
///
/// # Errors
/// What is missing or wrong, and what to do.
pub async fn install(
    agents_dir: &Path,
    name: &str,
    environment: &[(OsString, OsString)],
) -> Result<Installed, InstallError> {
    match AgentKind::parse(name) {
        Ok(AgentKind::Codex) => codex(agents_dir, environment).await,
        Ok(AgentKind::Command) | Err(_) => Err(InstallError::Unknown {
            name: name.to_owned(),
        }),
    }
}

/// Of compositions.
const NONE: &str = "none";

/// The names of the installed agents, and of the one that needs no installation because nothing runs.
pub(crate) fn names(agents_dir: &Path) -> Vec<String> {
    let installed = list(agents_dir).into_iter();
    let names = installed.map(|agent| agent.name.to_owned());
    names.chain([NONE.to_owned()]).collect()
}

/// The versions of the installed agents that have one, by name.
pub(crate) fn versions(agents_dir: &Path) -> BTreeMap<String, String> {
    let agents = list(agents_dir).into_iter();
    agents
        .filter_map(|agent| Some((agent.name.to_owned(), agent.version?)))
        .collect()
}

/// Where codex lies, in the version that this version of Outwork speaks with.
pub(crate) fn codex_root(agents_dir: &Path) -> Option<PathBuf> {
    let root = agents_dir
        .join(AgentKind::Codex.name())
        .join(CODEX_VERSION)
        .canonicalize()
        .ok()?;
    root.join("bin/codex").is_file().then_some(root)
}

async fn codex(
    agents_dir: &Path,
    environment: &[(OsString, OsString)],
) -> Result<Installed, InstallError> {
    let installed = |path| Installed {
        name: AgentKind::Codex.name(),
        version: Some(CODEX_VERSION.to_owned()),
        path: Some(path),
    };
    if let Some(path) = codex_root(agents_dir) {
        return Ok(installed(path));
    }
    let platform = platform()?;
    let home = agents_dir.join(AgentKind::Codex.name());
    let fault = |source| InstallError::Io {
        path: home.clone(),
        source,
    };
    std::fs::create_dir_all(&home).map_err(fault)?;
    remove_unfinished(&home).map_err(fault)?;
    let unfinished = Unfinished::create(&home).map_err(fault)?;
    let package = format!("{CODEX_NPM_PACKAGE}@{}", platform.npm_version);
    npm::install(&unfinished.0, &package, environment).await?;
    let vendor = unfinished
        .0
        .join("node_modules")
        .join(CODEX_NPM_PACKAGE)
        .join(platform.vendor_directory);
    let program = vendor.join("bin/codex");
    if !program.is_file() {
        return Err(InstallError::Content {
            package,
            missing: format!("{}/bin/codex", platform.vendor_directory),
        });
    }
    // Sandboxes run as other users.
    make_readable(&vendor).map_err(fault)?;
    let said = npm::version(&program, &unfinished.0).await?;
    if !said.contains(CODEX_VERSION) {
        return Err(InstallError::DoesNotRun {
            program,
            said: format!("it says `{}`", said.trim()),
        });
    }
    let place = home.join(CODEX_VERSION);
    // A directory without a program, or one of an installation that ran at the same time.
    remove_tree(&place).map_err(fault)?;
    std::fs::rename(&vendor, &place).map_err(fault)?;
    let path = codex_root(agents_dir).ok_or_else(|| fault(io::ErrorKind::NotFound.into()))?;
    Ok(installed(path))
}

fn platform() -> Result<CodexPlatform, InstallError> {
    let arch = std::env::consts::ARCH;
    CODEX_PLATFORMS
        .into_iter()
        .find(|platform| platform.arch == arch)
        .ok_or(InstallError::Platform {
            agent: AgentKind::Codex.name(),
            arch,
        })
}

fn make_readable(path: &Path) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode();
    let runs = metadata.is_dir() || mode & 0o100 != 0;
    std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(if runs { 0o755 } else { 0o644 }),
    )?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            make_readable(&entry?.path())?;
        }
    }
    Ok(())
}

/// A directory beside the versions, removed with all that is left in it.
struct Unfinished(PathBuf);

impl Unfinished {
    fn create(home: &Path) -> io::Result<Self> {
        let path = home.join(format!("{UNFINISHED}{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path.canonicalize()?))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "an unfinished installation cannot be removed");
        }
    }
}

fn remove_unfinished(home: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(home)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED)) else {
            continue;
        };
        // Of an installation that still runs: let it be.
        if pid == std::process::id().to_string() || !Path::new("/proc").join(pid).exists() {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_installations_there_is_only_the_command_agent() {
        let agents = tempfile::tempdir().unwrap();
        assert_eq!(names(agents.path()), ["command", "none"]);
        assert_eq!(names(&agents.path().join("missing")), ["command", "none"]);
        let program = agents.path().join("codex").join(CODEX_VERSION).join("bin");
        std::fs::create_dir_all(&program).unwrap();
        assert_eq!(names(agents.path()), ["command", "none"]);
        std::fs::write(program.join("codex"), "").unwrap();
        assert_eq!(names(agents.path()), ["command", "codex", "none"]);
    }

    #[tokio::test]
    async fn what_cannot_be_installed_is_said_and_leaves_nothing() {
        let agents = tempfile::tempdir().unwrap();
        let unknown = install(agents.path(), "nonsense", &[]).await.unwrap_err();
        assert!(matches!(unknown, InstallError::Unknown { .. }));
        let path = (OsString::from("PATH"), OsString::from("/nonexistent"));
        let missing = install(agents.path(), "codex", &[path]).await.unwrap_err();
        assert!(matches!(missing, InstallError::NpmMissing(_)), "{missing}");
        assert_eq!(
            std::fs::read_dir(agents.path().join("codex"))
                .unwrap()
                .count(),
            0
        );
    }

    /// A package manager that gives what it is told to give.
    fn npm(directory: &Path, script: &str) -> Vec<(OsString, OsString)> {
        let program = directory.join("npm");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", directory.display());
        vec![("PATH".into(), path.into())]
    }

    #[tokio::test]
    async fn an_agent_appears_whole_or_not_at_all() {
        let (agents, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let vendor = platform().unwrap().vendor_directory;
        let make = format!("d=$PWD/node_modules/{CODEX_NPM_PACKAGE}/{vendor}/bin; mkdir -p $d");
        let failing = npm(tools.path(), "echo 'network is down' >&2; exit 1");
        let error = install(agents.path(), "codex", &failing).await.unwrap_err();
        assert!(error.to_string().contains("network is down"), "{error}");

        let other = npm(
            tools.path(),
            &format!(
                "{make}; printf '#!/bin/sh\\necho codex 0.1\\n' > $d/codex; chmod +x $d/codex"
            ),
        );
        let error = install(agents.path(), "codex", &other).await.unwrap_err();
        assert!(matches!(error, InstallError::DoesNotRun { .. }), "{error}");
        assert_eq!(
            std::fs::read_dir(agents.path().join("codex"))
                .unwrap()
                .count(),
            0
        );

        let right = npm(
            tools.path(),
            &format!(
                "umask 077; {make}; printf '#!/bin/sh\\necho codex {CODEX_VERSION}\\n' > $d/codex; chmod +x $d/codex"
            ),
        );
        let installed = install(agents.path(), "codex", &right).await.unwrap();
        let path = installed.path.clone().unwrap();
        assert_eq!(
            std::fs::metadata(path.join("bin/codex"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o755
        );
        // Again: nothing is fetched.
        assert_eq!(
            install(agents.path(), "codex", &failing).await.unwrap(),
            installed
        );
    }
}
