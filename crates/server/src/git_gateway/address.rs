//! Where the gateway goes: a name is looked up once, what it gives is checked, and nothing else is dialled.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use outwork_egress::policy::AddressPolicy;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The host is at that address alone, which is not to be dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {kind}")]
pub(crate) struct AddressRefused {
    pub(crate) address: IpAddr,
    kind: &'static str,
}

impl AddressRefused {
    /// The one among the causes of an error.
    pub(crate) fn in_causes<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// A host that is written as a number is not looked up, so nobody else checks it.
pub(crate) fn check_literal(policy: &AddressPolicy, url: &Url) -> Result<(), AddressRefused> {
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse() {
        Ok(address) => check(policy, address).map(drop),
        // A name.
        Err(_) => Ok(()),
    }
}

fn check(policy: &AddressPolicy, address: IpAddr) -> Result<IpAddr, AddressRefused> {
    match policy.check(address, 0) {
        Ok(_) => Ok(address),
        Err(kind) => Err(AddressRefused { address, kind }),
    }
}

/// The system's resolver, with a check of what it gives.
pub(super) struct Checked {
    policy: Arc<AddressPolicy>,
    /// Hosts of the operator's proxies, which may be anywhere.
    proxies: Vec<String>,
}

impl Checked {
    pub(super) fn new(policy: AddressPolicy, proxies: Vec<String>) -> Self {
        Self {
            policy: Arc::new(policy),
            proxies,
        }
    }
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let is_proxy = self.proxies.iter().any(|proxy| proxy == name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            if is_proxy {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            Ok(Box::new(dialable(&policy, found)?.into_iter()) as Addrs)
        })
    }
}

/// Whether the host of that address may be gone to, for who asks it by other means. A name that leads nowhere is not refused here.
pub(super) async fn check_host(policy: &AddressPolicy, url: &Url) -> Result<(), AddressRefused> {
    check_literal(policy, url)?;
    let host = url.host_str().unwrap_or_default();
    match tokio::net::lookup_host((host.trim_matches(['[', ']']), 0)).await {
        Ok(found) => dialable(policy, found.collect()).map(drop),
        Err(_) => Ok(()),
    }
}

/// Those that may be dialled; an error if there are others only.
fn dialable(
    policy: &AddressPolicy,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, AddressRefused> {
    let mut refused = None;
    let mut kept = Vec::with_capacity(found.len());
    for address in found {
        match check(policy, address.ip()) {
            Ok(_) => kept.push(address),
            Err(fault) => refused = Some(fault),
        }
    }
    match refused {
        Some(refused) if kept.is_empty() => Err(refused),
        Some(_) | None => Ok(kept),
    }
}

#[cfg(test)]
mod tests {
    use super::super::GitGatewayConfig;
    use super::*;

    fn literal(config: &GitGatewayConfig, host: &str) -> Result<(), AddressRefused> {
        let url = Url::parse(&format!("https://{host}/a")).expect("an address");
        check_literal(&config.policy(), &url)
    }

    #[test]
    fn own_networks_are_reached_and_metadata_is_not() {
        let own = GitGatewayConfig::default();
        let public = GitGatewayConfig {
            addresses: Vec::new(),
            ..GitGatewayConfig::default()
        };
        for host in [
            "127.0.0.1:1",
            "[::1]",
            "10.1.2.3",
            "[fd00::1]",
            "192.168.0.1",
        ] {
            assert_eq!(literal(&own, host), Ok(()), "{host}");
            assert!(literal(&public, host).is_err(), "{host}");
        }
        for host in [
            "169.254.169.254",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "169.254.0.1",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
            // Other spellings of the first.
            "2852039166",
            "0xa9fea9fe",
        ] {
            assert!(literal(&own, host).is_err(), "{host}");
        }
        for host in ["203.0.113.7", "git.example.com"] {
            assert_eq!(literal(&public, host), Ok(()), "{host}");
        }
    }

    #[test]
    fn of_several_addresses_those_are_dialled_that_may_be() {
        let at = |text: &str| SocketAddr::new(text.parse().expect("an address"), 0);
        let policy = GitGatewayConfig::default().policy();
        let both = vec![at("169.254.169.254"), at("203.0.113.7")];
        assert_eq!(dialable(&policy, both), Ok(vec![at("203.0.113.7")]));
        let refused = dialable(&policy, vec![at("169.254.169.254")]).expect_err("refused");
        assert_eq!(
            refused.to_string(),
            "169.254.169.254 is a metadata service of a cloud"
        );
        assert_eq!(dialable(&policy, Vec::new()), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_name_is_checked_by_what_it_leads_to() {
        let public = GitGatewayConfig {
            addresses: Vec::new(),
            ..GitGatewayConfig::default()
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = public.client().expect("a client");
        let error = client.get("http://localhost:9/").send().await;
        let error = error.expect_err("localhost is not public");
        assert!(AddressRefused::in_causes(&error).is_some(), "{error:?}");
    }
}
