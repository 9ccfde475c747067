//! Webhooks: telling others what happens.
//!
//! * `secret`: what signs, sealed; `address`: where a webhook may be; `send`: one try to tell something.

mod address;
mod secret;
mod send;

use std::sync::OnceLock;
use std::time::Duration;

use ipnet::IpNet;

use crate::git_gateway::{ClientError, GitGatewayConfig, GitGatewayPatience, chain};

pub(crate) use address::check as check_address;
pub(crate) use secret::new as new_secret;

/// How long a try may take, all in all.
const LIMIT: Duration = Duration::from_secs(15);

/// What all tries share.
pub(crate) struct Sender {
    config: GitGatewayConfig,
    /// Made at the first try: most servers have no webhook, and it loads certificates.
    client: OnceLock<Result<reqwest::Client, ClientError>>,
}

impl Sender {
    /// By the same way as to repositories, but to other addresses.
    pub(crate) fn new(way: &GitGatewayConfig, addresses: Vec<IpNet>) -> Self {
        let patience = GitGatewayPatience {
            connect: LIMIT,
            ..way.patience
        };
        Self {
            config: GitGatewayConfig {
                addresses,
                patience,
                ..way.clone()
            },
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> Option<&reqwest::Client> {
        match self.client.get_or_init(|| self.config.client()) {
            Ok(client) => Some(client),
            Err(error) => {
                tracing::error!(error = %chain(error), "there is no HTTP client for webhooks");
                None
            }
        }
    }
}
