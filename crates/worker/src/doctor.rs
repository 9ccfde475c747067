//! What a worker needs of its machine, looked at one by one.

use std::collections::BTreeMap;
use std::path::Path;

use outwork_git::Git;
use outwork_sandbox::{OverlaySupport, Privilege, Sandbox, Spec, plan, probe};

use crate::config::WorkerConfig;
use crate::failure::chain;
use crate::install;

/// Less than this is too little for a checkout.
const DISK_BYTES: u64 = 1 << 30;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What: `sandbox`, `overlays`, `git`, `agents` or `disk`.
    pub name: &'static str,
    /// Whether a worker can work.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Check {
    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            ok: true,
            detail: detail.into(),
            hint: None,
        }
    }

    fn bad(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            name,
            ok: false,
            detail: detail.into(),
            hint: Some(hint.into()),
        }
    }
}

/// Looks at sandboxes (one is made and run), overlays, git, agents and the disk. Changes nothing, but for git's private configuration
/// in the data directory.
pub async fn doctor(config: &WorkerConfig) -> Vec<Check> {
    vec![
        sandbox(config).await,
        overlays(),
        git(config).await,
        agents(&config.agents_dir),
        disk(&config.data_dir),
    ]
}

async fn sandbox(config: &WorkerConfig) -> Check {
    const NAME: &str = "sandbox";
    let mut spec = Spec::new(["/bin/true"]);
    spec.uid_base = config.uid_base;
    spec.environment = BTreeMap::new();
    let capabilities = probe();
    let plan = match plan(&spec, &capabilities) {
        Ok(plan) => plan,
        Err(error) => {
            return Check::bad(
                NAME,
                error.to_string(),
                "Enable what is named, or use another machine for the worker.",
            );
        }
    };
    let ended = match Sandbox::spawn(plan, &config.launcher).await {
        Ok(mut running) => running.wait().await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(status) if status.success() => {
            let kernel = capabilities.kernel;
            Check::good(
                NAME,
                format!(
                    "Linux {}.{}, {}",
                    kernel.major,
                    kernel.minor,
                    match capabilities.privilege {
                        Privilege::Root { .. } => "as root: each attempt has a user of its own",
                        Privilege::User { .. } => "as an ordinary user: attempts share its number",
                    }
                ),
            )
        }
        Ok(status) => Check::bad(
            NAME,
            format!("a command in a sandbox ended with {status:?}"),
            "See the worker's log.",
        ),
        Err(error) => {
            let hint = error
                .hint
                .clone()
                .unwrap_or_else(|| "See the worker's log.".to_owned());
            Check::bad(NAME, chain(&error), hint)
        }
    }
}

fn overlays() -> Check {
    const NAME: &str = "overlays";
    let capabilities = probe();
    match (capabilities.overlay, capabilities.privilege) {
        (OverlaySupport::Available, _)
        | (OverlaySupport::WithoutIdMaps, Privilege::User { uid: _, gid: _ }) => {
            Check::good(NAME, "attempts can share what setup made")
        }
        (OverlaySupport::WithoutIdMaps, Privilege::Root { uid: _, gid: _ }) => Check::bad(
            NAME,
            "layers with mapped ids cannot be mounted",
            "Run the worker as an ordinary user, or on Linux 5.19 or newer.",
        ),
        (OverlaySupport::Refused { errno }, _) => Check::bad(
            NAME,
            format!(
                "they cannot be mounted: {}",
                std::io::Error::from_raw_os_error(errno)
            ),
            "Load the module with `modprobe overlay`; in a container allow mounts in its seccomp and AppArmor profiles.",
        ),
    }
}

async fn git(config: &WorkerConfig) -> Check {
    const NAME: &str = "git";
    let git = Git::isolated(
        &config.git.program,
        &config.git.search_path,
        &config.state_dir().join("git"),
    );
    let version = match git {
        Ok(git) => git.version().await,
        Err(error) => Err(error),
    };
    match version {
        Ok(version) if is_new_enough(&version) => Check::good(NAME, version),
        Ok(version) => Check::bad(NAME, version, "Install git 2.39 or newer."),
        Err(error) => Check::bad(NAME, chain(&error), "Install git 2.39 or newer."),
    }
}

fn is_new_enough(version: &str) -> bool {
    let number = version.trim_start_matches("git version ");
    let mut parts = number
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (2, 39)
}

fn agents(agents_dir: &Path) -> Check {
    let shown = |agent: install::Installed| match agent.version {
        Some(version) => format!("{} {version}", agent.name),
        None => agent.name.to_owned(),
    };
    let names: Vec<String> = install::list(agents_dir).into_iter().map(shown).collect();
    let mut check = Check::good("agents", names.join(", "));
    if names.len() == 1 {
        check.hint = Some("`outwork agent install codex` adds one that needs a model.".to_owned());
    }
    check
}

fn disk(data_dir: &Path) -> Check {
    const NAME: &str = "disk";
    // It need not exist yet.
    let Some(existing) = data_dir.ancestors().find(|path| path.exists()) else {
        return Check::bad(
            NAME,
            format!("{} does not exist", data_dir.display()),
            "Choose another data directory.",
        );
    };
    match rustix::fs::statvfs(existing) {
        Ok(stat) => {
            let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
            let detail = format!("{} MiB free in {}", free_bytes >> 20, existing.display());
            match free_bytes >= DISK_BYTES {
                true => Check::good(NAME, detail),
                false => Check::bad(NAME, detail, "Free space: a worker needs at least 1 GiB."),
            }
        }
        Err(error) => {
            let error = std::io::Error::from(error);
            Check::bad(
                NAME,
                format!("{}: {error}", existing.display()),
                "Choose another data directory.",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git_are_compared_as_numbers() {
        assert!(is_new_enough("git version 2.47.3"));
        assert!(is_new_enough("git version 3.0.1 (Apple Git-1)"));
        assert!(!is_new_enough("git version 2.9.5"));
        assert!(!is_new_enough("nonsense"));
    }
}
