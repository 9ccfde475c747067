//! How the server reads private repositories for its workers, and where it may tell what happens.

use std::net::IpAddr;
use std::path::Path;

use outwork_server::{GitGatewayConfig, WebhookConfig};
use outwork_worker::IpNet;

use crate::failure::{Failure, FailureExt, HintExt};
use crate::system;
use crate::work::proxy_variable;

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct GitGatewayArgs {
    /// An address or network that is not public and that private repositories may be read from, such as 10.0.0.7 or
    /// 10.1.0.0/16, or `none`; can be given several times [default: this machine and private networks]
    #[arg(long, value_name = "ADDRESS", env = "OUTWORK_GIT_ADDRESS", value_delimiter = ',', value_parser = place)]
    git_address: Vec<Place>,
    /// An address or network that is not public and that webhooks may be at, such as 10.0.0.7 or 10.1.0.0/16; can be given several
    /// times [default: none]
    #[arg(long, value_name = "ADDRESS", env = "OUTWORK_WEBHOOK_ADDRESS", value_delimiter = ',', value_parser = place)]
    webhook_address: Vec<Place>,
    /// Take no workers that need the credentials of private repositories: those of versions before the git gateway
    #[arg(long)]
    require_git_gateway: bool,
}

/// Where repositories may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    None,
    Network(IpNet),
}

fn place(text: &str) -> Result<Place, String> {
    if text == "none" {
        return Ok(Place::None);
    }
    let network = text.parse::<IpNet>();
    let network = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(Place::Network).map_err(|_| {
        "must be an address such as 10.0.0.7, a network such as 10.1.0.0/16, or none".into()
    })
}

impl GitGatewayArgs {
    /// Where webhooks may be beside the public Internet.
    pub(crate) fn webhooks(&self) -> WebhookConfig {
        WebhookConfig {
            addresses: networks(&self.webhook_address),
            ..WebhookConfig::default()
        }
    }

    /// With the proxies and certificates of this machine.
    pub(crate) fn config(&self) -> Result<GitGatewayConfig, Failure> {
        let own = GitGatewayConfig::default();
        let addresses = match self.git_address.is_empty() {
            true => own.addresses,
            false => networks(&self.git_address),
        };
        Ok(GitGatewayConfig {
            addresses,
            https_proxy: proxy_variable("https_proxy"),
            http_proxy: proxy_variable("http_proxy"),
            no_proxy: proxy_variable("no_proxy"),
            extra_root_certificates_pem: certificates()?,
            required: self.require_git_gateway,
            patience: own.patience,
        })
    }
}

fn networks(places: &[Place]) -> Vec<IpNet> {
    let networks = places.iter().filter_map(|place| match place {
        Place::None => None,
        Place::Network(network) => Some(*network),
    });
    networks.collect()
}

/// What the server's git trusts, its gateway trusts, too.
fn certificates() -> Result<Vec<u8>, Failure> {
    let Some(file) = system::variable("GIT_SSL_CAINFO") else {
        return Ok(Vec::new());
    };
    std::fs::read(Path::new(&file))
        .failure(format!("the certificates in {file} cannot be read"))
        .hint("Name a file with GIT_SSL_CAINFO, or unset it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(given: &[&str]) -> Vec<String> {
        let git_address = given.iter().map(|text| place(text).expect("a place"));
        let args = GitGatewayArgs {
            git_address: git_address.collect(),
            webhook_address: Vec::new(),
            require_git_gateway: false,
        };
        let config = args.config().expect("a configuration");
        config.addresses.iter().map(IpNet::to_string).collect()
    }

    #[test]
    fn what_is_named_stands_in_place_of_the_own_networks() {
        assert_eq!(addresses(&[]), GitGatewayConfig::OWN_NETWORKS);
        assert_eq!(addresses(&["none"]), Vec::<String>::new());
        assert_eq!(
            addresses(&["10.0.0.7", "10.1.0.0/16"]),
            ["10.0.0.7/32", "10.1.0.0/16"]
        );
        assert!(place("git.example.com").is_err());
    }
}
