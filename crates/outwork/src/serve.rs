//! `outwork up` and `outwork server`: composes the control plane from the data directory, and for
//! `up` a worker in the same process.

mod git_gateway;
mod objects;
mod secret_key;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outwork_api::secret::Secret;
use outwork_api::worker::WorkerApi;
use outwork_domain::limits::AttemptLimits;
use outwork_domain::principal::PrincipalKind;
use outwork_domain::{PrincipalId, TokenId, WorkspaceId};
use outwork_server::{ModelDefault, OtherKey, Server, ServerConfig, StartError, token};
use outwork_store::{Bootstrap, NewToken, Store};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use crate::containment::ContainmentArgs;
use crate::data_dir::DataDir;
use crate::failure::{Failure, FailureExt, HintExt};
use crate::say;
use crate::system::{self, ServerClock, StopRequests, SystemRandom};
use crate::work::{self, KeepingArgs, LabelArgs, WorkerArgs};
use git_gateway::GitGatewayArgs;
use objects::ObjectsArgs;
use secret_key::SecretKey;

/// Where a server listens unless told otherwise.
pub(crate) const LISTEN: &str = "127.0.0.1:7420";

/// The tokens of a conversation with a model whose own number nobody said.
pub(crate) const CONTEXT_WINDOW: u64 = 128_000;

/// What `up` and `server` have in common.
#[derive(clap::Args, Debug)]
pub(crate) struct ServeArgs {
    /// Where the store, the objects and the tokens are kept
    #[arg(long, value_name = "DIR", env = "OUTWORK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", env = "OUTWORK_LISTEN", default_value = LISTEN)]
    listen: SocketAddr,
    /// Use this PostgreSQL (postgres://…) instead of SQLite in the data directory
    #[arg(
        long,
        value_name = "URL",
        env = "OUTWORK_DATABASE_URL",
        hide_env_values = true
    )]
    database: Option<String>,
    #[command(flatten)]
    objects: ObjectsArgs,
    #[command(flatten)]
    git_gateway: GitGatewayArgs,
    /// The key that seals secrets in the store: 64 hexadecimal digits, readable by you alone
    /// [default: DATA_DIR/secret.key, made at the first start]
    #[arg(long, value_name = "FILE", env = "OUTWORK_SECRET_KEY_FILE")]
    secret_key_file: Option<PathBuf>,
    /// If the secret key was lost: delete all secrets, injections, credentials and model keys that cannot be
    /// opened with this one
    #[arg(long)]
    forget_secrets: bool,
    /// Where people reach the server, if that is not the address it listens on
    #[arg(long, value_name = "URL", env = "OUTWORK_PUBLIC_URL")]
    public_url: Option<String>,
    /// How long a worker may be silent before its attempts are given to another
    #[arg(long, value_name = "DURATION", env = "OUTWORK_LEASE", default_value = "10s", value_parser = lease)]
    lease: Duration,
    /// The most attempts of one turn
    #[arg(long, value_name = "N", env = "OUTWORK_MAX_ATTEMPTS", default_value_t = ServerConfig::ATTEMPTS_PER_TURN, value_parser = clap::value_parser!(u32).range(1..=100))]
    max_attempts: u32,
    /// Print one JSON line when ready, instead of text
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// Where agents are installed [default: DATA_DIR/agents]
    #[arg(long, value_name = "DIR", env = "OUTWORK_AGENTS_DIR")]
    agents_dir: Option<PathBuf>,
    /// How many attempts run at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    slots: u32,
    #[command(flatten)]
    labels: LabelArgs,
    #[command(flatten)]
    keeping: KeepingArgs,
    #[command(flatten)]
    containment: ContainmentArgs,
}

fn lease(text: &str) -> Result<Duration, String> {
    let duration = outwork_cli::duration::parse(text)?;
    if (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&duration) {
        return Ok(duration);
    }
    Err("must be between 1s and 1h".into())
}

impl ServeArgs {
    /// For one command on this machine: SQLite and a directory, whatever the variables of the environment say.
    pub(crate) fn of_one_command() -> Self {
        Self {
            data_dir: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            database: None,
            objects: ObjectsArgs::default(),
            git_gateway: GitGatewayArgs::default(),
            secret_key_file: None,
            forget_secrets: false,
            public_url: None,
            lease: AttemptLimits::default().lease,
            max_attempts: ServerConfig::ATTEMPTS_PER_TURN,
            json: false,
        }
    }
}

/// `outwork server`.
pub(crate) async fn server(args: ServeArgs) -> Result<(), Failure> {
    let running = Running::start(&args).await?;
    let stop_requests = StopRequests::listen()?;
    running.announce(&args, None)?;
    stop_requests.first().await;
    tracing::info!("stopping");
    running.stop().await
}

/// `outwork up`.
pub(crate) async fn up(args: UpArgs) -> Result<(), Failure> {
    let running = Running::start(&args.serve).await?;
    let agents_dir = args
        .agents_dir
        .clone()
        .unwrap_or_else(|| running.data.join("agents"));
    let drain_grace = args.keeping.drain_grace;
    let worker = work::start(
        WorkerArgs {
            data_dir: running.data.join(""),
            name: system::host_name(),
            agents_dir: agents_dir.clone(),
            slots: args.slots,
            labels: args.labels.labels()?,
            server_url: Some(running.local_url()),
            uid_base: work::UID_BASE,
        },
        args.keeping,
        args.containment,
        running.worker_api().await?,
    )
    .await?;
    let stop_requests = StopRequests::listen()?;
    running.announce(&args.serve, Some(args.slots))?;
    stop_requests.first().await;
    work::say_stopping(drain_grace);
    work::stop(worker).await?;
    running.stop().await
}

/// Connections that may wait to be accepted. When a server is back, all who follow and all workers come at once, and whoever finds no place
/// tries again only after a second.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Also while connections of the server before this one are not forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A server that listens.
pub(crate) struct Running {
    pub(crate) data: DataDir,
    store: Store,
    server: Server,
    /// Where it listens.
    address: SocketAddr,
    url: String,
    pub(crate) token_file: PathBuf,
    worker_token_file: PathBuf,
    /// Commands on this machine find the server by themselves.
    is_default_data: bool,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<io::Result<()>>,
}

impl Running {
    async fn start(args: &ServeArgs) -> Result<Self, Failure> {
        let dir = match &args.data_dir {
            Some(dir) => dir.clone(),
            None => system::default_data_dir()?,
        };
        Self::start_on(DataDir::open(&dir)?, args, model_default()?).await
    }

    /// The same on a directory that is held already, with that model unless another is set.
    pub(crate) async fn start_on(
        data: DataDir,
        args: &ServeArgs,
        model: Option<ModelDefault>,
    ) -> Result<Self, Failure> {
        let is_default_data = data.is(&system::default_data_dir());
        let listener = listen(args.listen)
            .failure(format!("cannot listen on {}", args.listen))
            .hint("Another program may use the port; choose one with --listen 127.0.0.1:PORT, or 0 for any.")?;
        let address = listener.local_addr().failure("the address is unknown")?;
        let url = args
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{address}"));
        let store = open_store(&data, args.database.as_deref()).await?;
        let secret_key = SecretKey::load(&data, args.secret_key_file.as_deref())?;
        let objects = args.objects.open(&data).await?;
        let (token_file, worker_token_file) = bootstrap(&data, &store).await?;
        let shutdown = CancellationToken::new();
        let server = Server::start(ServerConfig {
            store: store.clone(),
            objects,
            public_url: url.trim_end_matches('/').to_owned(),
            clock: Arc::new(ServerClock::start()),
            random: Arc::new(SystemRandom),
            secret_key: secret_key.bytes,
            other_key: if args.forget_secrets {
                OtherKey::Forget
            } else {
                OtherKey::Refuse
            },
            git: system::git(&data.join("git"))?,
            resolve_limit: ServerConfig::RESOLVE_LIMIT,
            git_gateway: args.git_gateway.config()?,
            webhooks: args.git_gateway.webhooks(),
            limits: AttemptLimits {
                lease: args.lease,
                ..AttemptLimits::default()
            },
            attempts_per_turn: args.max_attempts,
            model,
            free_space: system::free_space(&data.join("")),
            reserve_bytes: ServerConfig::RESERVE_BYTES,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            shutdown: shutdown.clone(),
        })
        .await;
        let server = started(server, &secret_key.path)?;
        let serving = tokio::spawn(outwork_server::serve(
            listener,
            server.router(),
            shutdown.clone(),
        ));
        Ok(Self {
            data,
            store,
            server,
            address,
            url,
            token_file,
            worker_token_file,
            is_default_data,
            shutdown,
            serving,
        })
    }

    /// Where git, which is no part of this process, reaches the server on this machine.
    pub(crate) fn local_url(&self) -> String {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        format!("http://{address}")
    }

    /// The worker API for the worker in this process, with the right that its token gives.
    pub(crate) async fn worker_api(&self) -> Result<Arc<dyn WorkerApi>, Failure> {
        let token = std::fs::read_to_string(&self.worker_token_file).failure(format!(
            "{} cannot be read",
            self.worker_token_file.display()
        ))?;
        let hash = token_hash(&self.worker_token_file, token.trim())?;
        let authenticated = self.store.authenticate(hash, system::now()).await;
        let authenticated = authenticated
            .failure("the store cannot be read")?
            .ok_or_else(|| {
                Failure::new("the token in worker.token is not one of this store's")
                    .with_hint("Restore the data directory as a whole, or start with an empty one.")
            })?;
        let access = authenticated
            .principal
            .worker()
            .failure("worker.token is of another kind")?;
        Ok(self.server.worker_api(&access))
    }

    /// Says that it is ready: to the person, to scripts, and to the commands on this machine.
    fn announce(&self, args: &ServeArgs, slots: Option<u32>) -> Result<(), Failure> {
        self.data.publish(&self.url, &self.token_file)?;
        if args.json {
            let ready = serde_json::json!({
                "event": "ready",
                "url": self.url,
                "token_file": self.token_file,
                "worker_token_file": self.worker_token_file,
            });
            say::line(ready);
            return Ok(());
        }
        let worker = match slots {
            Some(1) => "one worker here, one attempt at once".to_owned(),
            Some(slots) => format!("one worker here, {slots} attempts at once"),
            None => "no worker yet".to_owned(),
        };
        say::line(format_args!(
            "Outwork is ready at {} ({worker}). Ctrl-C stops it.",
            self.url
        ));
        if slots.is_none() {
            say::line("Start a worker, here or with a copy of the token elsewhere:");
            say::line(format_args!(
                "  outwork worker --url {} --token-file {}",
                self.url,
                self.worker_token_file.display()
            ));
        }
        say::line("Give it work, from another terminal:");
        if !self.is_default_data {
            say::line(format_args!(
                "  outwork login --url {} --token-file {}",
                self.url,
                self.token_file.display()
            ));
        }
        say::line(
            "  outwork env init                  # in a clone; or: outwork env create LABEL --repo URL",
        );
        say::line(format_args!(
            "  outwork exec --env LABEL --wait \"fix the failing test\""
        ));
        Ok(())
    }

    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.shutdown.cancel();
        let served = self.serving.await.failure("the listener broke off")?;
        self.server.stopped().await;
        self.store.close().await;
        served.failure("the listener failed")
    }
}

fn started<T>(started: Result<T, StartError>, secret_key: &Path) -> Result<T, Failure> {
    let is_other_key = matches!(started, Err(StartError::OtherKey));
    let started = started.failure("the server cannot start");
    if !is_other_key {
        return started;
    }
    started.hint(&format!(
        "Restore {} from a backup, or name the right file with --secret-key-file. If the key is lost, start \
         once with --forget-secrets, then set the secrets, injections, credentials and model keys again.",
        secret_key.display()
    ))
}

async fn open_store(data: &DataDir, database: Option<&str>) -> Result<Store, Failure> {
    match database {
        None => {
            let path = data.join("outwork.sqlite");
            Store::open_sqlite(&path)
                .await
                .failure(format!("the store {} cannot be opened", path.display()))
                .hint("See that the disk has space; a damaged store can be restored from a backup.")
        }
        Some(url) => Store::open_postgres(url)
            .await
            .failure("the PostgreSQL database cannot be opened")
            .hint(
                "Check --database: postgres://USER:PASSWORD@HOST/NAME, and that the server runs.",
            ),
    }
}

/// The first workspace, and a token each for people and for workers, at the first start.
async fn bootstrap(data: &DataDir, store: &Store) -> Result<(PathBuf, PathBuf), Failure> {
    let workspace_id = WorkspaceId::from_uuid(system::new_uuid());
    let mut tokens = Vec::new();
    for (file, kind, name) in [
        ("admin.token", PrincipalKind::User, "admin"),
        ("worker.token", PrincipalKind::Worker, "workers"),
    ] {
        let text = data.secret(file, || {
            token::new_token(kind, system::random())
                .0
                .reveal()
                .to_owned()
        })?;
        tokens.push(NewToken {
            token_id: TokenId::from_uuid(system::new_uuid()),
            principal_id: PrincipalId::from_uuid(system::new_uuid()),
            workspace_id,
            kind,
            name: name.to_owned(),
            hash: token_hash(&data.join(file), &text)?,
            expires_at: None,
        });
    }
    let bootstrap = Bootstrap {
        workspace_id,
        workspace_name: "default".to_owned(),
        tokens,
    };
    let hashes: Vec<_> = bootstrap.tokens.iter().map(|token| token.hash).collect();
    store
        .bootstrap(bootstrap, system::now())
        .await
        .failure("the first workspace cannot be made")?;
    for hash in hashes {
        let known = store.authenticate(hash, system::now()).await;
        if known.failure("the store cannot be read")?.is_none() {
            tracing::warn!(
                directory = %data.join("").display(),
                "the database was set up by another server, and does not know the tokens in this data directory: \
                 copy admin.token, worker.token and secret.key from that server's"
            );
            break;
        }
    }
    Ok((data.join("admin.token"), data.join("worker.token")))
}

fn token_hash(file: &Path, text: &str) -> Result<token::TokenHash, Failure> {
    token::parse(text).ok_or_else(|| {
        Failure::new(format!(
            "{} does not hold one of Outwork's tokens",
            file.display()
        ))
        .with_hint("Restore the data directory as a whole, or start with an empty one.")
    })
}

/// The model that the environment names.
pub(crate) fn model_default() -> Result<Option<ModelDefault>, Failure> {
    let Some(base_url) = system::variable("OUTWORK_MODEL_BASE_URL") else {
        return Ok(None);
    };
    let name = system::variable("OUTWORK_MODEL_NAME").ok_or_else(|| {
        Failure::new("OUTWORK_MODEL_BASE_URL is set and OUTWORK_MODEL_NAME is not")
            .with_hint("Name the model as its endpoint knows it.")
    })?;
    Ok(Some(ModelDefault {
        base_url,
        name,
        api_key: system::variable("OUTWORK_MODEL_API_KEY").map(Secret::new),
        context_window: CONTEXT_WINDOW,
    }))
}

/// Where the server that runs on this machine's default data directory listens, if one does.
pub(crate) fn local_server(data_dir: &Path) -> Option<(String, String)> {
    let text = std::fs::read_to_string(data_dir.join("server.json")).ok()?;
    let known: serde_json::Value = serde_json::from_str(&text).ok()?;
    let token = std::fs::read_to_string(known["token_file"].as_str()?).ok()?;
    Some((known["url"].as_str()?.to_owned(), token.trim().to_owned()))
}
