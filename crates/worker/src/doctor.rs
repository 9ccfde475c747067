//! What a worker needs of its machine, looked at one by one.

use std::path::Path;

use outwork_api::network::Resources;
use outwork_egress::policy::Policy;
use outwork_egress::process::EgressProcess;
use outwork_egress::proxy::{ProxyConfig, Roots};
use outwork_git::Git;
use outwork_sandbox::{
    Capabilities, Hold, KernelVersion, OverlaySupport, Privilege, Spec, Unusable, probe,
};

use crate::config::WorkerConfig;
use crate::failure::chain;
use crate::{install, sandbox_layout};

/// Less than this is too little for a checkout.
const DISK_BYTES: u64 = 1 << 30;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What: `sandbox`, `limits`, `landlock`, `overlays`, `network`, `git`, `agents` or `disk`.
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

/// Looks at sandboxes (one is made and run), how limits are held, the second fence around files, overlays, the proxy to the network
/// (one is started), git, agents and the disk. Changes nothing, but for git's private configuration in the data directory.
pub async fn doctor(config: &WorkerConfig) -> Vec<Check> {
    let capabilities = probe();
    vec![
        sandbox(config, &capabilities).await,
        limits(config, &capabilities),
        second_fence(&capabilities),
        overlays(&capabilities),
        network(config).await,
        git(config).await,
        agents(&config.agents_dir),
        disk(&config.data_dir),
    ]
}

async fn sandbox(config: &WorkerConfig, capabilities: &Capabilities) -> Check {
    const NAME: &str = "sandbox";
    let backend = &config.containment.backend;
    let tried = backend.probe(capabilities, &config.launcher, config.uid_base);
    match tried.await {
        Ok(()) => {
            let KernelVersion { major, minor } = capabilities.kernel;
            let who = match capabilities.privilege {
                Privilege::Root { .. } => "as root: each attempt has a user of its own",
                Privilege::User { .. } => "as an ordinary user: attempts share its number",
            };
            let kernel = backend.kernel().sentence();
            Check::good(
                NAME,
                format!("{backend} on Linux {major}.{minor}, {who}. {kernel}"),
            )
        }
        Err(Unusable {
            backend: _,
            reason,
            remedy,
        }) => Check::bad(NAME, format!("{backend}: {reason}"), remedy),
    }
}

/// Not all hold as tightly everywhere.
fn limits(config: &WorkerConfig, capabilities: &Capabilities) -> Check {
    const NAME: &str = "limits";
    let mut spec = Spec::new(["/bin/true"]);
    spec.uid_base = config.uid_base;
    spec.limits = sandbox_layout::limits(&Resources::default(), &config.containment);
    // Whatever the machine has: how it would be held is to be seen.
    spec.limits.cpu_millis.get_or_insert(1000);
    match config.containment.backend.plan(&spec, capabilities) {
        Ok(plan) => {
            let mut check = Check::good(NAME, plan.holds.lines().join("; "));
            let watched = |hold: &Option<Hold>| matches!(hold, Some(Hold::Watched { .. }));
            if watched(&plan.holds.memory) {
                check.hint = Some(
                    "Memory is looked at, not held: for exact limits run the worker as root, or give it control groups of its own (systemd: Delegate=yes).".to_owned(),
                );
            }
            check
        }
        Err(error) => Check::bad(
            NAME,
            error.to_string(),
            "Enable what is named, or use another machine for the worker.",
        ),
    }
}

fn second_fence(capabilities: &Capabilities) -> Check {
    const NAME: &str = "landlock";
    match capabilities.landlock {
        Some(version) => Check::good(NAME, format!("version {version}: files are fenced twice")),
        None => {
            let mut check = Check::good(NAME, "not in this kernel: files are fenced once");
            check.hint = Some("Boot with landlock in lsm=, on Linux 5.19 or newer.".to_owned());
            check
        }
    }
}

/// The proxy's process starts, with the machine's certificates.
async fn network(config: &WorkerConfig) -> Check {
    const NAME: &str = "network";
    const HINT: &str = "Install the system's certificates (package ca-certificates), or name a bundle with --ca-bundle.";
    let directory = config.state_dir().join("run").join("doctor");
    let socket = directory.join("proxy.sock");
    let made = std::fs::create_dir_all(&directory);
    if let Err(error) = made.and_then(|()| remove_socket(&socket)) {
        return Check::bad(
            NAME,
            format!("{}: {error}", directory.display()),
            "Choose another data directory.",
        );
    }
    let mut proxy = ProxyConfig::new(Policy::closed());
    if let Some(bundle) = &config.network.ca_bundle {
        match std::fs::read_to_string(bundle) {
            Ok(pem) => proxy.roots = Roots::Pem(pem),
            Err(error) => {
                return Check::bad(NAME, format!("{}: {error}", bundle.display()), HINT);
            }
        }
    }
    let started = EgressProcess::start(&config.launcher, &proxy, &socket).await;
    let ended = match started {
        Ok((process, _)) => process.shutdown().await.map(|_| ()),
        Err(error) => Err(error),
    };
    // Nothing of it is needed.
    let _ = std::fs::remove_dir_all(&directory);
    match ended {
        Ok(()) => Check::good(
            NAME,
            "the proxy of sandboxes starts, and TLS can be inspected",
        ),
        Err(error) => Check::bad(NAME, chain(&error), HINT),
    }
}

fn remove_socket(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn overlays(capabilities: &Capabilities) -> Check {
    const NAME: &str = "overlays";
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
