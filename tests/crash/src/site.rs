//! A server, its database, its workers, and the network between them and to the people.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use outwork_api::client::{Client, IdempotencyKey, Token};
use outwork_api::environment::{Agent, NewEnvironment};
use outwork_test_postgres::Cluster;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::left::Before;
use crate::points::{Dealer, Role};
use crate::record::Record;
use crate::relay::Relay;
use crate::seat::{Keeper, Seat};
use crate::work;

/// The first of the users that workers run as.
const USERS: u32 = 65521;

/// Which database.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// How a site is set up.
pub(crate) struct Plan {
    pub(crate) engine: Engine,
    /// As `--lease` says it; the default without.
    pub(crate) lease: Option<&'static str>,
    pub(crate) workers: usize,
    pub(crate) slots: u32,
    /// Where the server's data is, if not on the disk of all.
    pub(crate) data: Option<PathBuf>,
    /// Arms failure points in processes that are started again.
    pub(crate) dealer: Option<Arc<Dealer>>,
}

pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) keeper: Keeper,
    pub(crate) network: Relay,
    pub(crate) clock: PathBuf,
    /// What the worker owns on its disk.
    pub(crate) state: PathBuf,
}

pub(crate) struct Site {
    pub(crate) record: Arc<Record>,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) server: Keeper,
    pub(crate) server_clock: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) workers: Vec<Worker>,
    /// Of the people.
    pub(crate) network: Relay,
    /// Over the people's network.
    pub(crate) client: Client,
    /// Past it.
    pub(crate) direct: Client,
    /// In the environment of everything in a sandbox.
    pub(crate) mark: String,
    pub(crate) before: Before,
    pub(crate) dir: TempDir,
}

impl Site {
    pub(crate) async fn start(plan: Plan) -> Result<Self> {
        let before = Before::look();
        let dir = scratch()?;
        let root = dir.path();
        let program = program(root)?;
        let record = Arc::new(Record::default());
        let cluster = (plan.engine == Engine::Postgres).then(Cluster::start);
        let data = plan.data.unwrap_or_else(|| root.join("server"));
        let mut arguments = texts(&["server", "--json", "--listen"]);
        arguments.push(free_address()?.to_string());
        arguments.extend(texts(&["--data-dir", &data.display().to_string()]));
        if let Some(lease) = plan.lease {
            arguments.extend(texts(&["--lease", lease]));
        }
        if let Some(cluster) = &cluster {
            arguments.extend(texts(&["--database", &cluster.new_database()]));
        }
        let server_clock = root.join("server.clock");
        let seat = Seat {
            name: "server".to_owned(),
            role: Role::Server,
            program: program.clone(),
            arguments,
            log: root.join("server.log"),
            user: None,
            clock: server_clock.clone(),
            home: root.to_owned(),
        };
        let started = Keeper::start(seat, plan.dealer.clone(), Arc::clone(&record)).await;
        let (server, ready) = started?;
        let address = address(&ready)?;
        let token = token(&ready)?;
        let network = Relay::start(address).await?;
        let mut site = Self {
            client: Client::new(&network.url(), token.clone())?,
            direct: Client::new(&format!("http://{address}"), token)?,
            record,
            cluster,
            server,
            server_clock,
            data,
            workers: Vec::new(),
            network,
            mark: format!("crash-{}", std::process::id()),
            before,
            dir,
        };
        for number in 0..plan.workers {
            let worker = Hire {
                number,
                slots: plan.slots,
                program: &program,
                server: address,
                token_file: ready["worker_token_file"].as_str().context("a file")?,
            };
            let worker = site.hire(worker, plan.dealer.clone()).await?;
            site.workers.push(worker);
        }
        site.make_environment().await?;
        Ok(site)
    }

    async fn hire(&self, hire: Hire<'_>, dealer: Option<Arc<Dealer>>) -> Result<Worker> {
        let Hire {
            number,
            slots,
            program,
            server,
            token_file,
        } = hire;
        let name = format!("worker {}", number + 1);
        let home = self.dir.path().join(format!("worker-{}", number + 1));
        fs::create_dir(&home)?;
        let token = home.join("token");
        fs::copy(token_file, &token)?;
        // Workers of root share their host ids, so there may be one of them on a machine; the others are of ordinary users.
        let is_root = rustix::process::geteuid().is_root();
        let user = (is_root && number > 0).then(|| USERS + u32::try_from(number).unwrap_or(0));
        if user.is_some() {
            for path in [&home, &token] {
                chown(path, user, user)?;
            }
        }
        let network = Relay::start(server).await?;
        let text = |path: PathBuf| path.display().to_string();
        let arguments = [
            texts(&["worker", "--json", "--name", &name]),
            texts(&["--url", &network.url(), "--slots", &slots.to_string()]),
            texts(&["--token-file", &text(token)]),
            texts(&["--data-dir", &text(home.clone())]),
        ];
        let state = home.join("worker");
        self.record
            .worker_keeps_attempts_in(&name, state.join("attempts"));
        let clock = home.join("clock");
        let seat = Seat {
            name: name.clone(),
            role: Role::Worker,
            program: program.to_owned(),
            arguments: arguments.concat(),
            log: self.dir.path().join(format!("worker-{}.log", number + 1)),
            user,
            clock: clock.clone(),
            home,
        };
        let (keeper, _) = Keeper::start(seat, dealer, Arc::clone(&self.record)).await?;
        Ok(Worker {
            name,
            keeper,
            network,
            clock,
            state,
        })
    }

    async fn make_environment(&self) -> Result<()> {
        let repository = self.dir.path().join("repository");
        make_repository(&repository)?;
        let environment: NewEnvironment = serde_json::from_value(json!({
            "label": work::ENVIRONMENT,
            "repository_url": repository.display().to_string(),
            "agent": Agent::Command { command: work::AGENT.to_owned() },
            "variables": {work::MARK: self.mark},
            "timeout_seconds": 120,
        }))?;
        let key = IdempotencyKey::from_random(1);
        self.direct.create_environment(&environment, &key).await?;
        Ok(())
    }

    /// Ends everything in order, and looks for what is left.
    pub(crate) async fn end(self) -> Result<()> {
        let Self {
            record,
            cluster,
            server,
            data,
            workers,
            mark,
            before,
            dir,
            ..
        } = self;
        let mut states = Vec::new();
        for Worker { keeper, state, .. } in workers {
            keeper.end().await?;
            states.push(state);
        }
        server.end().await?;
        drop(cluster);
        before.compare(&record, dir.path(), &mark, &states, &data);
        if !record.findings().is_empty() {
            let kept = dir.keep();
            eprintln!("kept for a look: {}", kept.display());
        }
        Ok(())
    }
}

struct Hire<'a> {
    number: usize,
    slots: u32,
    program: &'a Path,
    server: SocketAddr,
    token_file: &'a str,
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|text| (*text).to_owned()).collect()
}

/// A directory that everybody can reach, in the target folder if that is not closed to others.
fn scratch() -> Result<TempDir> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("a target folder")?;
    let is_open = |path: &Path| {
        let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        mode & 0o001 != 0
    };
    let place = match target.ancestors().all(is_open) {
        true => target.join("tmp"),
        false => std::env::temp_dir(),
    };
    fs::create_dir_all(&place)?;
    let dir = tempfile::Builder::new()
        .prefix("crash-")
        .tempdir_in(place)?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

/// A copy of the binary with failure points, where every worker's user can run it.
fn program(dir: &Path) -> Result<PathBuf> {
    let failing = std::env::current_exe()?.with_file_name("outwork-failing");
    ensure!(
        failing.exists(),
        "{} is missing: run `make crash`, which builds it",
        failing.display()
    );
    let copy = dir.join("outwork");
    // By another process: what this one writes could not be run while it starts something else.
    let copied = Command::new("cp").arg(&failing).arg(&copy).status()?;
    ensure!(copied.success(), "the binary cannot be copied");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
    Ok(copy)
}

/// One that nobody listens on; the server takes it again whenever it starts.
fn free_address() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?)
}

fn address(ready: &Value) -> Result<SocketAddr> {
    let url = ready["url"].as_str().context("a url")?;
    Ok(url.trim_start_matches("http://").parse()?)
}

fn token(ready: &Value) -> Result<Token> {
    let file = ready["token_file"].as_str().context("a token file")?;
    Ok(Token::parse(&fs::read_to_string(file)?)?)
}

fn make_repository(path: &Path) -> Result<()> {
    fs::create_dir(path)?;
    fs::write(path.join(work::FILE), "start\n")?;
    for arguments in [
        &["init", "-q", "-b", "main"][..],
        &["add", "-A"],
        &["commit", "-q", "-m", "start"],
    ] {
        let mut git = Command::new("git");
        git.current_dir(path)
            .args([
                "-c",
                "user.name=Crash",
                "-c",
                "user.email=crash@example.invalid",
            ])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        ensure!(git.status()?.success(), "git {arguments:?} failed");
    }
    Ok(())
}
