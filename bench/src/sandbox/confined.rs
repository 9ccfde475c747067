//! A sandbox with all that an attempt's has, and the proof of it.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use outwork_sandbox::{
    Capabilities, Forward, LayerIds, Lower, Mount, Network, Overlay, Sandbox, Spec, SystemRoot,
    plan, stored_owner,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::{made, spread};

const PORT: u16 = 47_101;
/// Of the host's system, read-only.
const SYSTEM: [&str; 5] = ["bin", "lib", "lib64", "sbin", "usr"];
const SKELETON: [&str; 8] = ["etc", "usr", "opt", "proc", "dev", "sys", "tmp", "var"];
/// The sandbox in which the rest is checked.
const CHECK: &str = "check";

/// Whose system an attempt has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// One of its own, as a snapshot gives it: one overlay, which is the root. What the check wrote into its root is a layer of it, as
    /// it is with an environment's setup.
    Own,
    /// The host's, for a worker without images: beside the root, two directories of the host's can be
    /// written, each an overlay.
    Hosts,
}

impl System {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Own => "one overlay",
            Self::Hosts => "three overlays",
        }
    }
}

pub(super) struct Confined<'a> {
    directory: PathBuf,
    capabilities: &'a Capabilities,
    system: System,
}

impl<'a> Confined<'a> {
    pub(super) fn new(
        directory: &Path,
        capabilities: &'a Capabilities,
        system: System,
    ) -> Result<Self> {
        spread(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            capabilities,
            system,
        })
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("proxy.sock")
    }

    /// The programs are the host's either way, read-only, as everything that runs needs some. One port
    /// leads to a socket on the host.
    pub(super) fn spec<const N: usize>(&self, name: &str, command: [&str; N]) -> Result<Spec> {
        let attempt = made(&self.directory, name)?;
        let mut spec = Spec::new(command);
        let host = |path: &str| Lower {
            path: path.into(),
            ids: LayerIds::Host,
        };
        let skeleton = match self.system {
            System::Own => self.skeleton(&spec, &self.directory)?,
            System::Hosts => self.skeleton(&spec, &attempt)?,
        };
        let stored = Lower {
            path: skeleton,
            ids: LayerIds::Stored,
        };
        let mut root = self.overlay(&spec, &attempt, "root", stored)?;
        let setup = self.directory.join(CHECK).join("root.upper");
        if self.system == System::Own && name != CHECK {
            root.lowers.insert(
                0,
                Lower {
                    path: setup,
                    ids: LayerIds::Stored,
                },
            );
        }
        let mut mounts: Vec<Mount> = SYSTEM.iter().filter_map(|name| system(name)).collect();
        if self.system == System::Hosts {
            for (name, path) in [("usr-local", "/usr/local"), ("opt", "/opt")] {
                let overlay = self.overlay(&spec, &attempt, name, host(path))?;
                let target = PathBuf::from(path);
                mounts.push(Mount::Overlay { overlay, target });
            }
        }
        spec.system = SystemRoot::Overlay(root);
        spec.mounts.splice(0..0, mounts);
        spec.network = Network::Forwards(vec![Forward {
            listen_port: PORT,
            unix_socket: self.socket(),
        }]);
        Ok(spec)
    }

    /// Where the host's directories are shown. A system of an attempt's own is the same for all attempts,
    /// and has its links.
    fn skeleton(&self, spec: &Spec, parent: &Path) -> Result<PathBuf> {
        let skeleton = self.stored(spec, parent, "skeleton")?;
        for name in SKELETON {
            self.stored(spec, &skeleton, name)?;
        }
        if self.system == System::Own {
            for name in SYSTEM {
                let (host, own) = (Path::new("/").join(name), skeleton.join(name));
                if let Ok(points_to) = std::fs::read_link(host)
                    && !own.is_symlink()
                {
                    std::os::unix::fs::symlink(points_to, own)?;
                }
            }
        }
        Ok(skeleton)
    }

    fn overlay(&self, spec: &Spec, attempt: &Path, name: &str, lower: Lower) -> Result<Overlay> {
        Ok(Overlay {
            lowers: vec![lower],
            upper: self.stored(spec, attempt, &format!("{name}.upper"))?,
            work: self.stored(spec, attempt, &format!("{name}.work"))?,
        })
    }

    fn stored(&self, spec: &Spec, parent: &Path, name: &str) -> Result<PathBuf> {
        let path = made(parent, name)?;
        let (uid, gid) = stored_owner(self.capabilities, spec.store_uid_base, 0, 0);
        chown(&path, Some(uid), Some(gid))?;
        Ok(path)
    }

    /// What is measured has to be what is claimed: the program sees the filter, no network but the
    /// port, and a root that is an overlay. To be called first.
    pub(super) async fn check(&self, launcher: &Path) -> Result<()> {
        let listener = UnixListener::bind(self.socket())?;
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            stream.write_all(b"answered\n").await
        });
        let script = format!(
            "grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/self/status; \
             tail -n +3 /proc/net/dev | cut -d: -f1; grep ' / ' /proc/self/mountinfo; \
             cat </dev/tcp/127.0.0.1/{PORT}"
        );
        let spec = self.spec(CHECK, ["/bin/bash", "-c", &script])?;
        let mut running = Sandbox::spawn(plan(&spec, self.capabilities)?, launcher).await?;
        let mut said = String::new();
        if let Some(stdout) = &mut running.stdout {
            stdout.read_to_string(&mut said).await?;
        }
        running.wait().await?;
        answering.abort();
        let said: Vec<&str> = said.split_whitespace().collect();
        let has = |words: &[&str]| said.windows(words.len()).any(|window| window == words);
        ensure!(
            has(&["NoNewPrivs:", "1"]),
            "privileges can be had: {said:?}"
        );
        ensure!(has(&["Seccomp:", "2"]), "there is no filter: {said:?}");
        ensure!(
            has(&["CapEff:", "0000000000000000"]),
            "there are capabilities: {said:?}"
        );
        ensure!(
            said.contains(&"overlay"),
            "the root is no overlay: {said:?}"
        );
        ensure!(!said.contains(&"eth0"), "there is a network: {said:?}");
        ensure!(
            said.contains(&"answered"),
            "the port leads nowhere: {said:?}"
        );
        Ok(())
    }
}

fn system(name: &str) -> Option<Mount> {
    let path = Path::new("/").join(name);
    if let Ok(points_to) = std::fs::read_link(&path) {
        let target = path;
        return Some(Mount::Symlink { points_to, target });
    }
    let source = path.clone();
    let target = path;
    source
        .is_dir()
        .then_some(Mount::ReadOnlyBind { source, target })
}
