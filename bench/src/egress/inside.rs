//! The client in a sandbox: it has no network but the port that leads to the proxy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use outwork_sandbox::{Forward, Mount, Network, Sandbox, Spec, plan, probe};
use tokio::io::AsyncReadExt;

use super::load::Work;
use super::proxy::OwnProxy;
use super::role::Role;
use super::route::{Route, Way};
use crate::Bench;
use crate::player::say;

const PORT: u16 = 47_101;
const PROGRAM: &str = "/bench/client";
const AUTHORITY: &str = "/bench/authority.pem";

/// How long the download took, by the clock inside.
pub(super) async fn download(
    bench: &Bench,
    directory: &Path,
    proxy: &OwnProxy,
    bytes: u64,
) -> Result<Duration> {
    let server = proxy.server.to_string();
    let bytes = bytes.to_string();
    let mut spec = Spec::new([PROGRAM, Role::Client.argument(), &server, &bytes]);
    let authority = directory.join("authority-inside.pem");
    std::fs::copy(&proxy.authority, &authority)?;
    let shown = [(std::env::current_exe()?, PROGRAM), (authority, AUTHORITY)];
    for (source, target) in shown {
        let target = PathBuf::from(target);
        spec.mounts.push(Mount::ReadOnlyBind { source, target });
    }
    spec.network = Network::Forwards(vec![Forward {
        listen_port: PORT,
        unix_socket: proxy.socket.clone(),
    }]);
    let mut running = Sandbox::spawn(plan(&spec, &probe())?, &bench.outwork).await?;
    let (mut said, mut complaint) = (String::new(), String::new());
    let mut stdout = running.stdout.take().context("piped")?;
    let mut stderr = running.stderr.take().context("piped")?;
    tokio::try_join!(
        stdout.read_to_string(&mut said),
        stderr.read_to_string(&mut complaint)
    )?;
    let status = running.wait().await?;
    ensure!(status.success(), "the client inside failed: {complaint}");
    Ok(Duration::from_nanos(said.trim().parse()?))
}

/// The role: `egress-client SERVER BYTES`. Says the nanoseconds that the download took.
pub(super) async fn client(arguments: &[String]) -> Result<()> {
    let [server, bytes] = arguments else {
        anyhow::bail!("two arguments: the server's address and the bytes");
    };
    let proxy = SocketAddr::from(([127, 0, 0, 1], PORT));
    let route = Route::new(Way::TcpProxy(proxy), server.parse()?, Path::new(AUTHORITY))?;
    let took = Work::Download(bytes.parse()?).through(&route).await?;
    say(&took.as_nanos().to_string())
}
