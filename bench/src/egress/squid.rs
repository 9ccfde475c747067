//! The peer: squid as a plain forward proxy, with its usual log and no cache.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::LOOPBACK;
use super::origin::Origin;
use super::route::{Route, Way};

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Squid {
    child: Child,
    address: SocketAddr,
    version: String,
}

impl Squid {
    pub(super) fn start(directory: &Path) -> Result<Self> {
        let version = Command::new("squid")
            .arg("-v")
            .output()
            .context("squid cannot be started; scripts/bench installs it")?;
        let version = String::from_utf8(version.stdout)?;
        let version = version.lines().next().context("squid says its version")?;
        // Squid gives up root, and then writes its files here.
        let own = directory.join("squid");
        fs::create_dir(&own)?;
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777))?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
        let address = TcpListener::bind((LOOPBACK, 0))?.local_addr()?;
        let configuration = own.join("squid.conf");
        fs::write(&configuration, self::configuration(&own, address))?;
        let mut child = Command::new("squid")
            .arg("-N")
            .arg("-f")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            let log = || fs::read_to_string(own.join("cache.log")).unwrap_or_default();
            ensure!(child.try_wait()?.is_none(), "squid ended: {}", log());
            ensure!(
                begin.elapsed() < PATIENCE,
                "squid does not listen: {}",
                log()
            );
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Ok(Self {
            child,
            address,
            version: version.to_owned(),
        })
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn route(&self, origin: &Origin) -> Result<Route> {
        Route::new(
            Way::TcpProxy(self.address),
            origin.address,
            &origin.authority,
        )
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        // Gone already if it failed, which its log said.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(directory: &Path, address: SocketAddr) -> String {
    let directory = directory.display();
    format!(
        "http_port {address}
http_access allow all
cache deny all
access_log stdio:{directory}/access.log
cache_log {directory}/cache.log
pid_filename {directory}/squid.pid
coredump_dir {directory}
netdb_filename none
pinger_enable off
visible_hostname bench
shutdown_lifetime 0 seconds
"
    )
}
