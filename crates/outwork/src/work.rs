//! `outwork worker`, and the worker inside `outwork up`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outwork_api::client::{Client, HttpWorkerApi};
use outwork_api::problem::Code;
use outwork_api::worker::WorkerApi;
use outwork_domain::labels::{Labels, check_labels};
use outwork_worker::{
    CacheLimits, GitProgram, ImageSources, IpNet, Network, StartError, Timing, UpstreamProxies,
    Worker, WorkerConfig, WorkerEnd, WorkerHandle,
};
use tokio_util::sync::CancellationToken;

use crate::containment::ContainmentArgs;
use crate::enrol::{Found, TokenArgs};
use crate::failure::{Failure, FailureExt, HintExt};
use crate::say;
use crate::system::{self, StopRequests};

/// How long running attempts may go on after a request to stop unless told otherwise.
const DRAIN_GRACE: Duration = Duration::from_secs(10);

/// The first host id that sandboxes of a worker with root's rights use; 65536 for each slot.
pub(crate) const UID_BASE: u32 = 1_000_000;

/// The first of 65536 host ids that own what such a worker keeps. systemd keeps them free for the same purpose.
const STORE_UID_BASE: u32 = 0x7ffe_0000;

/// What snapshots take unless told otherwise.
const SNAPSHOT_BYTES: u64 = 50 << 30;

/// What images take unless told otherwise.
const IMAGE_BYTES: u64 = 20 << 30;

/// `outwork worker`.
#[derive(clap::Args, Debug)]
pub(crate) struct WorkArgs {
    #[command(flatten)]
    token: TokenArgs,
    /// Where mirrors and running attempts are kept
    #[arg(long, value_name = "DIR", env = "OUTWORK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where agents are installed [default: DATA_DIR/agents]
    #[arg(long, value_name = "DIR", env = "OUTWORK_AGENTS_DIR")]
    agents_dir: Option<PathBuf>,
    /// What people call the worker [default: the host's name]
    #[arg(long)]
    name: Option<String>,
    /// How many attempts run at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    slots: u32,
    #[command(flatten)]
    labels: LabelArgs,
    #[command(flatten)]
    keeping: KeepingArgs,
    #[command(flatten)]
    containment: ContainmentArgs,
    /// Print one JSON line when ready, instead of text
    #[arg(long)]
    json: bool,
}

/// What a worker says of itself; the same for `worker` and `up`.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct LabelArgs {
    /// Say this of the worker, such as gpu=true, for environments that ask for it
    /// (`outwork env create --require-label`); can be given several times
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("must be NAME=VALUE".into()),
    }
}

impl LabelArgs {
    /// As they are registered. Errors: too many of them.
    pub(crate) fn labels(self) -> Result<Labels, Failure> {
        let labels = Labels::from_iter(self.labels);
        check_labels(&labels).failure("--label cannot be used")?;
        Ok(labels)
    }
}

/// What a worker keeps between attempts, and where it takes it from; the same for `worker` and `up`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct KeepingArgs {
    /// How long the result of an environment's setup is used
    #[arg(long, value_name = "DURATION", env = "OUTWORK_SNAPSHOT_TTL", default_value = "12h", value_parser = ttl)]
    pub(crate) snapshot_ttl: Duration,
    /// How often what a running agent has done is saved at the server, for the case that this worker is lost
    #[arg(long, value_name = "DURATION", env = "OUTWORK_CHECKPOINT_EVERY", default_value = "20s", value_parser = checkpoint_every)]
    checkpoint_every: Duration,
    /// How long running attempts may go on after a request to stop; then they are given back
    #[arg(long, value_name = "DURATION", env = "OUTWORK_DRAIN_GRACE", default_value = "10s", value_parser = outwork_cli::duration::parse)]
    pub(crate) drain_grace: Duration,
    /// How much of the disk the results of setups may take, such as 20G [default: 50G, or half of the disk if that is less]
    #[arg(long, value_name = "SIZE", env = "OUTWORK_SNAPSHOT_DISK", value_parser = size)]
    snapshot_disk: Option<u64>,
    /// How much of the disk images may take, such as 20G [default: 20G, or a quarter of the disk if that is less]
    #[arg(long, value_name = "SIZE", env = "OUTWORK_IMAGE_DISK", value_parser = size)]
    image_disk: Option<u64>,
    /// The registry of images without one in their name, such as `debian:12`
    #[arg(long, value_name = "HOST", env = "OUTWORK_DEFAULT_REGISTRY")]
    default_registry: Option<String>,
    /// A directory from which environments may take images as files; can be given several times
    #[arg(long, value_name = "DIR")]
    allow_local_image: Vec<PathBuf>,
    /// Reach a registry at another place, such as docker.example=10.0.0.7:5000; can be given several times
    #[arg(long, value_name = "HOST=PLACE", value_parser = mirror)]
    registry_mirror: Vec<(String, String)>,
    /// A registry without TLS, beside those on this machine; can be given several times
    #[arg(long, value_name = "HOST:PORT")]
    allow_http_registry: Vec<String>,
    /// Runtimes to offer beside those of the base: DIR/NAME/VERSION/bin
    #[arg(long, value_name = "DIR", env = "OUTWORK_RUNTIMES_DIR")]
    runtimes_dir: Option<PathBuf>,
    /// Certificates to trust, in sandboxes and by the proxy [default: the file in SSL_CERT_FILE, or the system's]
    #[arg(long, value_name = "FILE", env = "OUTWORK_CA_BUNDLE")]
    ca_bundle: Option<PathBuf>,
    /// An address or network that setup scripts may reach though it is not public, such as 10.0.0.7 or 10.1.0.0/16
    #[arg(long, value_name = "ADDRESS", value_parser = network)]
    setup_allow_address: Vec<IpNet>,
    /// A port that setup scripts may reach beside 80 and 443
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    setup_allow_port: Vec<u16>,
    /// An address or network that agents with a network may reach though it is not public
    #[arg(long, value_name = "ADDRESS", value_parser = network)]
    agent_allow_address: Vec<IpNet>,
}

impl Default for KeepingArgs {
    fn default() -> Self {
        Self {
            checkpoint_every: Timing::default().checkpoint_every,
            drain_grace: DRAIN_GRACE,
            snapshot_ttl: CacheLimits::default().snapshot_ttl,
            snapshot_disk: None,
            image_disk: None,
            default_registry: None,
            allow_local_image: Vec::new(),
            registry_mirror: Vec::new(),
            allow_http_registry: Vec::new(),
            runtimes_dir: None,
            ca_bundle: None,
            setup_allow_address: Vec::new(),
            setup_allow_port: Vec::new(),
            agent_allow_address: Vec::new(),
        }
    }
}

fn checkpoint_every(text: &str) -> Result<Duration, String> {
    match outwork_cli::duration::parse(text)? {
        short if short < Duration::from_secs(1) => Err("must be at least 1s".into()),
        every => Ok(every),
    }
}

fn ttl(text: &str) -> Result<Duration, String> {
    let duration = outwork_cli::duration::parse(text)?;
    if (Duration::from_secs(1)..=Duration::from_secs(365 * 24 * 3600)).contains(&duration) {
        return Ok(duration);
    }
    Err("must be between 1s and 365d".into())
}

/// Bytes, or with K, M, G or T at the end.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    const WRONG: &str = "must be a size such as 500M or 20G";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err(WRONG.into()),
    };
    let number: u64 = digits.parse().map_err(|_| WRONG)?;
    number.checked_mul(1 << shift).ok_or(WRONG.into())
}

fn mirror(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((host, place)) if !host.is_empty() && !place.is_empty() => {
            Ok((host.to_owned(), place.to_owned()))
        }
        _ => Err("must be HOST=PLACE".into()),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>();
    let network = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network
        .map_err(|_| "must be an address such as 10.0.0.7 or a network such as 10.1.0.0/16".into())
}

/// A worker, wherever its control plane is.
pub(crate) struct WorkerArgs {
    pub(crate) data_dir: PathBuf,
    pub(crate) name: String,
    pub(crate) agents_dir: PathBuf,
    pub(crate) slots: u32,
    pub(crate) labels: Labels,
    /// Where git reaches the control plane.
    pub(crate) server_url: Option<String>,
    /// The first host id of its sandboxes, if it is root's.
    pub(crate) uid_base: u32,
}

/// A worker that runs.
pub(crate) struct Working {
    worker: WorkerHandle,
    shutdown: CancellationToken,
}

pub(crate) async fn worker(args: WorkArgs, url: Option<String>) -> Result<(), Failure> {
    let url = url
        .or_else(|| system::variable("OUTWORK_URL"))
        .ok_or_else(|| {
            Failure::new("no server is named").with_hint("Name it with --url http://HOST:7420.")
        })?;
    let data_dir = match args.data_dir {
        Some(dir) => dir,
        None => system::default_data_dir()?,
    };
    let name = args.name.unwrap_or_else(system::host_name);
    let found = args.token.find(&url, &data_dir, &name).await?;
    let client = Client::new(&url, found.token.clone())
        .failure(format!("{url} is not a server's address"))
        .hint("It looks like http://HOST:7420.")?;
    let is_there = check_token(&client, &found).await?;
    let api = HttpWorkerApi::new(client);
    let agents_dir = args.agents_dir.unwrap_or_else(|| data_dir.join("agents"));
    let worker = WorkerArgs {
        data_dir,
        name: name.clone(),
        agents_dir,
        slots: args.slots,
        labels: args.labels.labels()?,
        server_url: Some(url.clone()),
        uid_base: UID_BASE,
    };
    let drain_grace = args.keeping.drain_grace;
    let mut working = start(worker, args.keeping, args.containment, Arc::new(api)).await?;
    let stop_requests = StopRequests::listen()?;
    if args.json {
        say::line(serde_json::json!({"event": "ready", "url": url, "name": name}));
    } else {
        say::line(format_args!(
            "Worker {name} works for {url} ({} attempts at once).",
            args.slots
        ));
        if !is_there {
            say::line("The server cannot be reached yet; the worker goes on trying.");
        }
    }
    let ended = tokio::select! {
        () = stop_requests.first() => None,
        ended = working.worker.ended() => Some(ended.failure("the worker broke off")?),
    };
    let end = match ended {
        Some(end) => end,
        None => {
            say_stopping(drain_grace);
            stop(working).await?
        }
    };
    match end {
        WorkerEnd::Stopped => Ok(()),
        WorkerEnd::Retired => retired(&found),
        WorkerEnd::Revoked => Err(revoked(&found)),
    }
}

pub(crate) fn say_stopping(grace: Duration) {
    let seconds = grace.as_secs();
    tracing::info!("stopping: running attempts have {seconds} s to end");
}

/// The server forgot the worker, and its own token is worth nothing any more.
fn retired(found: &Found) -> Result<(), Failure> {
    tracing::info!("the worker was retired, and ends");
    if found.is_own {
        std::fs::remove_file(&found.file)
            .failure(format!("{} cannot be removed", found.file.display()))
            .hint("Remove it: the token in it was revoked.")?;
    }
    Ok(())
}

fn revoked(found: &Found) -> Failure {
    let file = found.file.display();
    Failure::new(format!(
        "the worker's token was revoked ({file}); nothing of it runs any more"
    ))
    .with_hint(format!(
        "If it is to work for this server again, remove {file} and give it a new enrolment token \
         (`outwork workers enrol`) with --enrolment-token-file."
    ))
    .signed_out()
}

/// Whether the server is there. A token that it will never take is an error now: a worker goes on
/// trying for as long as it runs.
async fn check_token(client: &Client, found: &Found) -> Result<bool, Failure> {
    let file = found.file.display();
    let hint = match found.is_own {
        true => format!("If it is to work for this server, remove {file} and enrol it anew."),
        false => "Copy worker.token from the server's data directory.".to_owned(),
    };
    let wrong = |what: &str| {
        Failure::new(format!("{file} holds {what}"))
            .with_hint(hint.clone())
            .signed_out()
    };
    match client.me().await {
        Ok(me) if me.kind == "worker" => Ok(true),
        Ok(_) => Err(wrong("a token for people, not one for workers")),
        Err(error) => match error.problem() {
            Some(problem) if problem.is(Code::Unauthorized) => {
                Err(wrong("no token of this server"))
            }
            Some(problem) if problem.is(Code::TokenRevoked) => Err(revoked(found)),
            // The worker's own calls tell more.
            Some(_) => Ok(true),
            None => Ok(false),
        },
    }
}

/// Starts a worker on that control plane.
pub(crate) async fn start(
    args: WorkerArgs,
    keeping: KeepingArgs,
    containment: ContainmentArgs,
    api: Arc<dyn WorkerApi>,
) -> Result<Working, Failure> {
    let shutdown = CancellationToken::new();
    let config = full_config(args, keeping, containment)?;
    let worker = Worker::start(config, api, shutdown.clone()).await;
    let remedy = match &worker {
        Err(StartError::Isolation { source, .. }) => source.remedy.clone(),
        Ok(_) | Err(_) => "See what `outwork doctor` says.".to_owned(),
    };
    let worker = worker.failure("the worker cannot start").hint(&remedy)?;
    Ok(Working { worker, shutdown })
}

/// What a worker is set up with on this machine, unless it is told more.
pub(crate) fn config(args: WorkerArgs) -> Result<WorkerConfig, Failure> {
    full_config(
        args,
        KeepingArgs::default(),
        ContainmentArgs::of_variables(),
    )
}

fn full_config(
    args: WorkerArgs,
    keeping: KeepingArgs,
    containment: ContainmentArgs,
) -> Result<WorkerConfig, Failure> {
    let WorkerArgs {
        data_dir,
        name,
        agents_dir,
        slots,
        labels,
        server_url,
        uid_base,
    } = args;
    let cache = cache_limits(&keeping, &data_dir);
    let network = machine_network(&keeping)?;
    let local = keeping.allow_local_image.iter();
    let local_directories = local
        .map(|dir| absolute(dir))
        .collect::<Result<Vec<_>, _>>()?;
    let runtimes_dir = keeping.runtimes_dir.as_deref().map(absolute).transpose()?;
    let launcher = std::env::current_exe().failure("the path of this program is unknown")?;
    Ok(WorkerConfig {
        data_dir,
        server_url,
        name,
        slots,
        labels,
        agents_dir,
        launcher,
        git: git_program()?,
        uid_base,
        store_uid_base: STORE_UID_BASE,
        cache,
        images: ImageSources {
            default_registry: keeping.default_registry,
            local_directories,
            mirrors: keeping.registry_mirror.into_iter().collect(),
            plain_http: keeping.allow_http_registry,
            https_proxy: proxy_variable("https_proxy"),
            http_proxy: proxy_variable("http_proxy"),
            no_proxy: proxy_variable("no_proxy"),
        },
        network,
        containment: containment.parsed()?,
        runtimes_dir,
        now: Arc::new(system::now),
        drain_grace: keeping.drain_grace,
        timing: Timing {
            checkpoint_every: keeping.checkpoint_every,
            ..Timing::default()
        },
    })
}

fn cache_limits(keeping: &KeepingArgs, data_dir: &Path) -> CacheLimits {
    // It need not exist yet; its disk does.
    let existing = data_dir.ancestors().find(|path| path.exists());
    let disk = existing.and_then(system::disk_size).unwrap_or(u64::MAX);
    CacheLimits {
        snapshot_ttl: keeping.snapshot_ttl,
        snapshot_bytes: keeping
            .snapshot_disk
            .unwrap_or_else(|| SNAPSHOT_BYTES.min(disk / 2)),
        image_bytes: keeping
            .image_disk
            .unwrap_or_else(|| IMAGE_BYTES.min(disk / 4)),
    }
}

/// In either spelling.
pub(crate) fn proxy_variable(name: &str) -> Option<String> {
    system::variable(name).or_else(|| system::variable(&name.to_ascii_uppercase()))
}

/// Sandboxes reach the network as this machine does: through its proxy if it has one, and with its certificates.
fn machine_network(keeping: &KeepingArgs) -> Result<Network, Failure> {
    let upstream = UpstreamProxies::parse(
        proxy_variable("http_proxy").as_deref(),
        proxy_variable("https_proxy").as_deref(),
        proxy_variable("no_proxy").as_deref(),
    )
    .failure("the proxy of this machine cannot be used for sandboxes")
    .hint("Set http_proxy and https_proxy to http://HOST:PORT, or unset them.")?;
    let ca_bundle = match &keeping.ca_bundle {
        Some(file) => Some(file.clone()),
        None => system::variable("SSL_CERT_FILE").map(PathBuf::from),
    };
    Ok(Network {
        setup_addresses: keeping.setup_allow_address.clone(),
        setup_ports: keeping.setup_allow_port.clone(),
        agent_addresses: keeping.agent_allow_address.clone(),
        upstream,
        ca_bundle: ca_bundle.map(|file| readable(&file)).transpose()?,
    })
}

/// The real path of a file with certificates: it is shown in sandboxes.
fn readable(file: &Path) -> Result<PathBuf, Failure> {
    let real = std::fs::canonicalize(file);
    let opened = real.and_then(|real| std::fs::File::open(&real).map(|_| real));
    opened
        .failure(format!(
            "the certificates in {} cannot be read",
            file.display()
        ))
        .hint("Name a file with --ca-bundle, or unset SSL_CERT_FILE.")
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).failure(format!("{} is not a path", path.display()))
}

/// Git and what it needs of this process' environment.
pub(crate) fn git_program() -> Result<GitProgram, Failure> {
    Ok(GitProgram {
        program: system::find_program("git")?,
        search_path: system::search_path(),
        environment: std::env::vars_os().collect(),
    })
}

/// Asks a worker to stop, and waits.
pub(crate) async fn stop(working: Working) -> Result<WorkerEnd, Failure> {
    let Working { worker, shutdown } = working;
    shutdown.cancel();
    worker.join().await.failure("the worker broke off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_networks_are_read() {
        assert_eq!(size("50"), Ok(50));
        assert_eq!(size("2k"), Ok(2048));
        assert_eq!(size("20G"), Ok(20 << 30));
        assert_eq!(size("1TiB"), Ok(1 << 40));
        for wrong in ["", "G", "-1G", "1X", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert!(network("10.0.0.7").is_ok() && network("fd00::/8").is_ok());
        assert!(network("example.org").is_err());
    }
}
