//! What cannot wait for the next heartbeat, as long as the server is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use outwork_api::worker::{AttemptCommand, WorkerCommand};
use tokio::sync::watch;

use super::Identity;
use super::standing::Told;
use crate::attempt::Host;
use crate::lease::ClaimId;
use crate::retry::Backoff;

/// A stream that held this long was a good one.
const STEADY: Duration = Duration::from_secs(5);

/// Follows the commands, and connects again whenever the stream ends. Nothing is lost while it is down: heartbeats say the same.
pub(super) async fn follow(
    host: Arc<Host>,
    mut identity: watch::Receiver<Option<Identity>>,
    told: Told,
) {
    let mut backoff = Backoff::default();
    loop {
        let known = identity
            .wait_for(Option::is_some)
            .await
            .map(|identity| identity.clone());
        let Ok(Some(Identity {
            worker,
            heartbeat_interval: _,
            protocol_version: _,
            agents: _,
            git_gateway: _,
        })) = known
        else {
            return;
        };
        let connected_at = Instant::now();
        match host.api.commands(worker).await {
            Ok(mut commands) => {
                while let Some(command) = commands.next().await {
                    match command {
                        WorkerCommand::Attempt(command) => tell(&host, command),
                        WorkerCommand::Orders(orders) => told.orders(orders),
                    }
                }
            }
            Err(error) if told.is_revoked(&error) => return,
            Err(error) => tracing::debug!(%error, "the server's commands cannot be followed"),
        }
        // A server that ends each stream at once is not to be asked ten times a second.
        if connected_at.elapsed() > STEADY {
            backoff = Backoff::default();
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

fn tell(host: &Host, command: AttemptCommand) {
    let AttemptCommand {
        attempt,
        epoch,
        desired,
        messages,
    } = command;
    if let Some(claim) = ClaimId::parse(&attempt, epoch) {
        host.leases.told(claim, messages);
        host.leases.raise(claim, desired.into());
    }
}
