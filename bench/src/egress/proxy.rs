//! Our proxy, in a process of its own, as a worker has it: this program is the process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use outwork_egress::policy::{Destinations, Policy, TlsMode};
use outwork_egress::process::EgressProcess;
use outwork_egress::proxy::{ProxyConfig, Roots};

use super::origin::Origin;
use super::route::{Route, Way};

pub(super) struct OwnProxy {
    _process: EgressProcess,
    pub(super) socket: PathBuf,
    pub(super) server: SocketAddr,
    /// Whom a client has to trust.
    pub(super) authority: PathBuf,
}

impl OwnProxy {
    /// Must be called in the runtime that lives as long as the proxy.
    pub(super) async fn start(directory: &Path, origin: &Origin, tls: TlsMode) -> Result<Self> {
        let name = match tls {
            TlsMode::Inspect => "inspecting",
            TlsMode::Tunnel => "tunnelling",
        };
        let socket = directory.join(format!("{name}.sock"));
        let server = origin.address;
        let config = ProxyConfig {
            roots: Roots::Pem(std::fs::read_to_string(&origin.authority)?),
            ..ProxyConfig::new(Policy {
                destinations: Destinations::Public,
                ports: vec![server.port(), origin.bare.port()],
                tls,
                allow_addresses: vec![server.ip().into()],
                ..Policy::closed()
            })
        };
        let program = std::env::current_exe()?;
        let (process, mut decisions) = EgressProcess::start(&program, &config, &socket).await?;
        // A worker makes events of them.
        tokio::spawn(async move { while decisions.recv().await.is_some() {} });
        let authority = match tls {
            TlsMode::Tunnel => origin.authority.clone(),
            TlsMode::Inspect => {
                let pem = process.certificate_authority();
                let pem = pem.context("a proxy that inspects has an authority")?;
                let authority = directory.join("proxy-authority.pem");
                std::fs::write(&authority, pem)?;
                authority
            }
        };
        Ok(Self {
            _process: process,
            socket,
            server,
            authority,
        })
    }

    pub(super) fn route(&self) -> Result<Route> {
        let way = Way::UnixProxy(self.socket.clone());
        Route::new(way, self.server, &self.authority)
    }
}
