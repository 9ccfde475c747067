//! What the egress proxy costs: the same work over TLS to the same server on loopback, directly and
//! through the proxy, and new connections beside squid.
//!
//! The server, the proxy and squid are processes of their own; the clients are in this one. They reach
//! our proxy as a sandbox does, through a unix socket, and once from inside a sandbox, through its
//! forwarded port.

mod inside;
mod load;
mod origin;
mod proxy;
mod role;
mod route;
mod squid;

use std::net::Ipv4Addr;

use anyhow::Result;
use outwork_egress::policy::TlsMode;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Bench;
use crate::stats::{Bar, Ratios, Series};
use load::Work;
use origin::Origin;
use proxy::OwnProxy;
use route::Route;
use squid::Squid;

pub(crate) use role::{Role, run as role};

/// Where the server is. Its name is its address, so that nobody has to resolve one.
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
const DOWNLOAD_BYTES: u64 = 512 << 20;
const DOWNLOADS: usize = 15;
const REQUESTS: usize = 10_000;
const KEPT_CONNECTIONS: usize = 8;
const NEW_CONNECTIONS: usize = 1_000;
const BARE_CONNECTIONS: usize = 3_000;
const CONCURRENT: usize = 32;
const ROUNDS: usize = 25;

/// Everything that is measured against, and what measures it.
struct Stage {
    inspecting: OwnProxy,
    direct: Route,
    inspected: Route,
    tunnelled: Route,
    squid: Route,
    _tunnelling: OwnProxy,
    origin: Origin,
    _squid: Squid,
    /// The processes end before it, and their files after both.
    runtime: Runtime,
    directory: TempDir,
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let stage = Stage::set()?;
    stage.downloads()?;
    stage.download_inside(bench)?;
    stage.requests()?;
    stage.connections()?;
    println!();
    Ok(())
}

impl Stage {
    fn set() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let origin = Origin::start(path)?;
        let start = |tls| runtime.block_on(OwnProxy::start(path, &origin, tls));
        let (inspecting, tunnelling) = (start(TlsMode::Inspect)?, start(TlsMode::Tunnel)?);
        let squid = Squid::start(path)?;
        println!(
            "The egress proxy, TLS to a server on loopback; beside it: {}",
            squid.version()
        );
        Ok(Self {
            direct: origin.direct()?,
            inspected: inspecting.route()?,
            tunnelled: tunnelling.route()?,
            squid: squid.route(&origin)?,
            inspecting,
            _tunnelling: tunnelling,
            origin,
            _squid: squid,
            runtime,
            directory,
        })
    }

    fn downloads(&self) -> Result<()> {
        let ways = [&self.direct, &self.inspected, &self.tunnelled];
        let work = Work::Download(DOWNLOAD_BYTES);
        let [direct, inspected, tunnelled] = self.in_turn(work, DOWNLOADS, ways)?;
        let row = |how: &str, series: &Series| {
            let speed = mib_per_second(series);
            println!(
                "{}",
                series.row(&format!("512 MiB, {how}: {speed:.0} MiB/s"))
            );
        };
        row("direct", &direct);
        row("inspected", &inspected);
        row("tunnelled", &tunnelled);
        at_least(0.5, "inspected, of direct", &direct.ratios(&inspected));
        at_least(0.7, "tunnelled, of direct", &direct.ratios(&tunnelled));
        Ok(())
    }

    /// The same download by a program in a sandbox.
    fn download_inside(&self, bench: &Bench) -> Result<()> {
        let (mut inside, mut outside) = (Series::default(), Series::default());
        for _ in 0..DOWNLOADS {
            let work = Work::Download(DOWNLOAD_BYTES);
            outside.push(self.runtime.block_on(work.through(&self.inspected))?);
            let (directory, proxy) = (self.directory.path(), &self.inspecting);
            let download = inside::download(bench, directory, proxy, DOWNLOAD_BYTES);
            inside.push(self.runtime.block_on(download)?);
        }
        let speed = mib_per_second(&inside);
        println!(
            "{}",
            inside.row(&format!(
                "512 MiB, inspected, in a sandbox: {speed:.0} MiB/s"
            ))
        );
        let ratios = outside.ratios(&inside);
        let ratio = ratios.median();
        println!("  of the same without the sandbox's port: {ratio:.2}");
        println!("{}", ratios.row());
        Ok(())
    }

    fn requests(&self) -> Result<()> {
        let work = Work::Requests {
            count: REQUESTS,
            connections: KEPT_CONNECTIONS,
        };
        let [direct, inspected] = self.in_turn(work, ROUNDS, [&self.direct, &self.inspected])?;
        let row = |how: &str, series: &Series| {
            let rate = per_second(REQUESTS, series);
            let name = format!("1 KiB, {KEPT_CONNECTIONS} kept connections, {how}: {rate:.0}/s");
            println!("{}", series.row(&name));
        };
        row("direct", &direct);
        row("inspected", &inspected);
        at_least(0.5, "inspected, of direct", &direct.ratios(&inspected));
        Ok(())
    }

    fn connections(&self) -> Result<()> {
        let whole = Work::NewConnections {
            count: NEW_CONNECTIONS,
            concurrent: CONCURRENT,
        };
        let ratios = self.beside_squid("new connections, TLS and all", NEW_CONNECTIONS, whole)?;
        println!("  tunnelled, of squid: {:.2}", ratios.median());
        println!("{}", ratios.row());
        // In a tunnel TLS is the work of the ends, and most of the time above. Without it the proxies are what is compared.
        let bare = Work::BareConnections {
            count: BARE_CONNECTIONS,
            concurrent: CONCURRENT,
            server: self.origin.bare,
        };
        let ratios = self.beside_squid("new connections", BARE_CONNECTIONS, bare)?;
        at_least(1.3, "tunnelled, of squid", &ratios);
        Ok(())
    }

    fn beside_squid(&self, what: &str, count: usize, work: Work) -> Result<Ratios> {
        let ways = [&self.direct, &self.tunnelled, &self.squid];
        let all = self.in_turn(work, ROUNDS, ways)?;
        for (series, how) in all.iter().zip(["direct", "tunnelled", "through squid"]) {
            let rate = per_second(count, series);
            println!("{}", series.row(&format!("{what}, {how}: {rate:.0}/s")));
        }
        let [_, tunnelled, squid] = all;
        Ok(squid.ratios(&tunnelled))
    }

    /// Each way does the work in turn, and who begins changes: what one leaves behind does not always meet
    /// the same other. The first round is not counted.
    fn in_turn<const N: usize>(
        &self,
        work: Work,
        rounds: usize,
        ways: [&Route; N],
    ) -> Result<[Series; N]> {
        let mut all: [Series; N] = std::array::from_fn(|_| Series::default());
        for round in 0..=rounds {
            for turn in 0..N {
                let index = (round + turn) % N;
                let took = self.runtime.block_on(work.through(ways[index]))?;
                if round > 0 {
                    all[index].push(took);
                }
            }
        }
        Ok(all)
    }
}

fn at_least(bar: f64, name: &str, ratios: &Ratios) {
    Bar::AtLeast(bar).report(name, ratios.median());
    println!("{}", ratios.row());
}

fn mib_per_second(series: &Series) -> f64 {
    DOWNLOAD_BYTES as f64 / f64::from(1 << 20) / series.median().as_secs_f64()
}

fn per_second(count: usize, series: &Series) -> f64 {
    count as f64 / series.median().as_secs_f64()
}
