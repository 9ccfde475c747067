//! Runs a proxy of the setup phase and prints what it decides, to try clients by hand.
//!
//! `cargo run -p outwork-egress --example proxy -- SOCKET`, then a sandbox (or any forwarder) with a port of 127.0.0.1 that leads to the
//! socket, and in it the variables that are printed first.

#![allow(clippy::print_stdout, reason = "this is what the program prints")]

use std::path::PathBuf;
use std::sync::Arc;

use outwork_egress::policy::Policy;
use outwork_egress::proxy::{Proxy, ProxyConfig, SystemResolver, proxy_environment};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let socket: PathBuf = std::env::args_os().nth(1).expect("SOCKET").into();
    for (name, value) in proxy_environment(47101, None) {
        println!("export {name}='{value}'");
    }
    let resolver = Arc::new(SystemResolver::default());
    let (_proxy, mut decisions) =
        Proxy::start(&socket, ProxyConfig::new(Policy::setup()), resolver)?;
    while let Some(decision) = decisions.recv().await {
        println!("{decision:?}");
    }
    Ok(())
}
