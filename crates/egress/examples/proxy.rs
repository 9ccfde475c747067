//! Runs a proxy and prints what it decides, to try clients by hand.
//!
//! `cargo run -p outwork-egress --example proxy -- SOCKET [BUNDLE]`, then a sandbox (or any forwarder) with a port of 127.0.0.1 that leads to
//! the socket, and in it the variables that are printed first. Every public host is let through. With a BUNDLE, a file to be made, TLS is
//! inspected, and the file is what clients must trust; beside it a key store for Java is made.

#![allow(clippy::print_stdout, reason = "this is what the program prints")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use outwork_egress::policy::{Policy, TlsMode};
use outwork_egress::proxy::{Proxy, ProxyConfig, SystemResolver, TrustFiles, proxy_environment};
use outwork_egress::trust::{SYSTEM_BUNDLES, apt_configuration, bundle, java_key_store};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let socket: PathBuf = arguments.next().ok_or("give a SOCKET")?.into();
    let mut policy = Policy::setup();
    let file = arguments.next();
    if file.is_some() {
        policy.tls = TlsMode::Inspect;
    }
    let resolver = Arc::new(SystemResolver::default());
    let (proxy, mut decisions) = Proxy::start(&socket, ProxyConfig::new(policy), resolver)?;
    let trust = match (&file, proxy.certificate_authority()) {
        (Some(file), Some(authority)) => Some(trust(file, authority)?),
        _ => None,
    };
    for (name, value) in proxy_environment(47101, trust.as_ref()) {
        println!("export {name}='{value}'");
    }
    while let Some(decision) = decisions.recv().await {
        println!("{decision:?}");
    }
    Ok(())
}

fn trust(file: &str, authority: &str) -> Result<TrustFiles, Box<dyn Error>> {
    let system = SYSTEM_BUNDLES
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    let text = bundle(&system.unwrap_or_default(), authority);
    std::fs::write(file, &text)?;
    let (java, apt) = (format!("{file}.jks"), format!("{file}.apt"));
    std::fs::write(&java, java_key_store(&text)?)?;
    std::fs::write(&apt, apt_configuration(file))?;
    Ok(TrustFiles {
        bundle: file.to_owned(),
        java_key_store: Some(java),
        apt_configuration: Some(apt),
    })
}
