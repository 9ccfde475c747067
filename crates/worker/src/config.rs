//! What a worker is told by whoever starts it. Nothing here reads the environment or the clock.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use ipnet::IpNet;
use outwork_domain::Timestamp;
use outwork_domain::resources::Resources;
pub use outwork_egress::proxy::UpstreamProxies;
pub use outwork_sandbox::{Backend, Kernel, OciRuntime};

/// Tells the time for events. The worker measures durations and leases by its own monotonic clock, never by this one.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a worker is set up.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Outwork's data directory; the worker owns `worker/` below it.
    pub data_dir: PathBuf,
    /// Where this worker's server is, such as `https://outwork.example`: git reads private repositories there. Without it the worker does not
    /// say that it can, and is given credentials.
    pub server_url: Option<String>,
    /// What people call the worker.
    pub name: String,
    /// How many attempts it runs at once, at least 1.
    pub slots: u32,
    /// What it says of itself; environments can ask for it.
    pub labels: BTreeMap<String, String>,
    /// Where agents are installed, see [`crate::install`].
    pub agents_dir: PathBuf,
    /// A program that calls `outwork_sandbox::launcher_main` when its first argument is `outwork_sandbox::LAUNCHER_ARGUMENT`,
    /// before it starts any thread. Usually the worker's own.
    pub launcher: PathBuf,
    /// How git is started.
    pub git: GitProgram,
    /// The first host id of the first slot's sandbox (only a worker that is root uses it); each slot has 65536.
    pub uid_base: u32,
    /// The first of 65536 host ids that nothing else uses: the owners of what is kept on the disk (only a worker that is root
    /// uses it). Not among those of the slots.
    pub store_uid_base: u32,
    /// What is kept between attempts.
    pub cache: CacheLimits,
    /// Where images come from.
    pub images: ImageSources,
    /// How the machine reaches the network, and what sandboxes may reach of it beside public hosts.
    pub network: Network,
    /// What stands between commands and the machine.
    pub containment: Containment,
    /// Runtimes that the operator offers beside those of the base: `<name>/<version>/`.
    pub runtimes_dir: Option<PathBuf>,
    /// Stamps events.
    pub now: Clock,
    /// How long running attempts may go on after shutdown was asked for; then they are given back.
    pub drain_grace: Duration,
    /// Time limits and sizes that are the worker's own.
    pub timing: Timing,
}

/// What is kept between attempts, and how much.
#[derive(Clone, Debug)]
pub struct CacheLimits {
    /// How long a snapshot is used after it was built.
    pub snapshot_ttl: Duration,
    /// What all snapshots may take on the disk together, in bytes.
    pub snapshot_bytes: u64,
    /// What all images may take on the disk together, in bytes.
    pub image_bytes: u64,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            snapshot_ttl: Duration::from_secs(12 * 3600),
            snapshot_bytes: 50 << 30,
            image_bytes: 20 << 30,
        }
    }
}

/// Where images come from.
#[derive(Clone, Default)]
pub struct ImageSources {
    /// For references without a host, such as `debian:12`; without it they are refused.
    pub default_registry: Option<String>,
    /// Directories below which images may be read from files.
    pub local_directories: Vec<PathBuf>,
    /// Registries that are reached at another place: from the host that references name to `host[:port][/prefix]`.
    pub mirrors: BTreeMap<String, String>,
    /// `host:port` of registries without TLS, beside those on this machine.
    pub plain_http: Vec<String>,
    /// The operator's own proxies, as in the variables of these names.
    pub https_proxy: Option<String>,
    /// For plain HTTP.
    pub http_proxy: Option<String>,
    /// Hosts that are reached without a proxy.
    pub no_proxy: Option<String>,
}

/// How the machine reaches the network, and what sandboxes may reach of it beside public hosts.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Addresses and networks that scripts may reach though they are not public.
    pub setup_addresses: Vec<IpNet>,
    /// Ports that scripts may reach beside 80 and 443; environments name those of their agents.
    pub setup_ports: Vec<u16>,
    /// Addresses and networks that agents with a network may reach though they are not public.
    pub agent_addresses: Vec<IpNet>,
    /// The operator's own proxies.
    pub upstream: UpstreamProxies,
    /// Certificates to trust, in one file of the host: by the proxy, and in sandboxes. The system's when `None`.
    pub ca_bundle: Option<PathBuf>,
}

/// What stands between commands and the machine.
#[derive(Clone, Debug)]
pub struct Containment {
    /// How commands are isolated.
    pub backend: Backend,
    /// What sandboxes may use where their environment says nothing; unlimited where this says nothing either.
    pub resources: Resources,
    /// How many files and directories a sandbox may add to the disk.
    pub disk_files: u64,
}

impl Default for Containment {
    fn default() -> Self {
        Self {
            backend: Backend::Namespaces,
            resources: Resources {
                memory_bytes: Some(4 << 30),
                cpu_millis: None,
                processes: Some(512),
                disk_bytes: Some(10 << 30),
                open_files: Some(4096),
            },
            disk_files: 1_000_000,
        }
    }
}

/// How git is started.
#[derive(Clone)]
pub struct GitProgram {
    /// The binary.
    pub program: PathBuf,
    /// PATH for git, ssh and the package manager.
    pub search_path: OsString,
    /// All variables of the process; those that say how to reach the network (proxies, certificates, ssh agent) are used.
    pub environment: Vec<(OsString, OsString)>,
}

/// Time limits and sizes that are the worker's own. Those of the steps come with each assignment.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How long the server may keep a request for work open; at most 30 s.
    pub acquire_wait: Duration,
    /// How long events are gathered before they are sent.
    pub flush_every: Duration,
    /// How much an agent and the setup script may write into the log of one attempt, in bytes; beyond it, it is left out.
    pub log_bytes: u64,
    /// With less than this free on the disk of the data directory, in bytes, the worker takes nothing: it would fail
    /// attempt after attempt. They wait for another worker, or until there is space.
    pub reserve_bytes: u64,
    /// How long an agent that speaks a protocol may take until it says anything at all.
    pub first_output: Duration,
    /// How long such an agent may be silent while it runs no command and no call of the model is open.
    pub silence: Duration,
    /// How long an agent has to end by itself when its turn is over, before it is killed.
    pub end_grace: Duration,
    /// How long an agent has to stop when it is cancelled or its time is up, before it is killed. Short: whoever cancels
    /// wants it to do nothing more.
    pub stop_grace: Duration,
    /// How long a model's answer may pause before the agent tries again.
    pub model_idle: Duration,
    /// How often what a running agent has done is saved at the server, if it changed.
    pub checkpoint_every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            acquire_wait: Duration::from_secs(20),
            flush_every: Duration::from_millis(50),
            log_bytes: 50 << 20,
            reserve_bytes: 256 << 20,
            first_output: Duration::from_secs(120),
            silence: Duration::from_secs(20 * 60),
            end_grace: Duration::from_secs(5),
            stop_grace: Duration::from_millis(50),
            model_idle: Duration::from_secs(300),
            checkpoint_every: Duration::from_secs(20),
        }
    }
}

impl WorkerConfig {
    /// The directory that the worker owns.
    pub fn state_dir(&self) -> PathBuf {
        self.data_dir.join("worker")
    }
}

impl std::fmt::Debug for WorkerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the environment: it may hold secrets.
        f.debug_struct("WorkerConfig")
            .field("data_dir", &self.data_dir)
            .field("name", &self.name)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}
