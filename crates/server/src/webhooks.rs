//! Webhooks: telling others what happens.
//!
//! * `secret`: what signs, sealed; `address`: where a webhook may be;
//! * `spread`: deliveries of what happened; `deliver`: a delivery that a server holds; `send`: one try to tell something.

mod address;
pub(crate) mod deliver;
mod secret;
mod send;
pub(crate) mod spread;

use std::sync::OnceLock;
use std::time::Duration;

use crate::config::WebhookConfig;
use crate::git_gateway::{ClientError, GitGatewayConfig, GitGatewayPatience, chain};

pub(crate) use address::check as check_address;
pub(crate) use secret::new as new_secret;

/// What all tries share.
pub(crate) struct Sender {
    config: GitGatewayConfig,
    limit: Duration,
    /// Made at the first try: most servers have no webhook, and it loads certificates.
    client: OnceLock<Result<reqwest::Client, ClientError>>,
}

impl Sender {
    /// By the same way as to repositories, but to other addresses.
    pub(crate) fn new(way: &GitGatewayConfig, webhooks: WebhookConfig) -> Self {
        let WebhookConfig { addresses, limit } = webhooks;
        let patience = GitGatewayPatience {
            connect: limit,
            ..way.patience
        };
        Self {
            config: GitGatewayConfig {
                addresses,
                patience,
                ..way.clone()
            },
            limit,
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
